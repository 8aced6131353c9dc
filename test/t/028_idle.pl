
# Copyright (c) 2026, goarena contributors

# A session that waits for its client gives back the memory that it does not use, and
# sweeps if a sweep will soon be due; then it is not woken any more.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('idle', PRELOAD,
	'goarena.quarantine = on', 'goarena.quarantine_sample_rate = 1',
	"goarena.sweep_min = '64MB'", 'goarena.sweep_percent = 0',
	"goarena.idle_release = '300ms'", "goarena.idle_retain = '128kB'");
my $watcher = session($node);
my $session = session($node);
my $pid = backend_pid($session);

# Fills some MB and gives them up, without making a sweep due.
my $work = 'SELECT test_create(true); SELECT test_fill(12000000); SELECT test_delete()';

# A figure of the session, as another one sees it.
sub figure
{
	my ($name) = @_;

	return ask($watcher, "SELECT $name FROM goarena_stats() WHERE pid = $pid");
}

# How often the session was switched to since it began to run.
sub wakings
{
	slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)$/m
	  or die "no process $pid";
	return $1;
}

# Does the session come to sleep for two seconds?  One that is woken each time does not, and one
# with nothing to do does so when it gets to it.
sub sleeps
{
	for (1 .. 30)
	{
		my $before = wakings();

		select(undef, undef, undef, 2);
		return 1 if wakings() == $before;
	}
	return 0;
}

#
# Without a transaction
#
my $private = process_kb($pid, 'RssAnon');
ask($session, $work);
ok(wait_until(sub { figure('retained') <= 128 * 1024 }),
	'idle: what is not used is given back');
cmp_ok(process_kb($pid, 'RssAnon'), '<', $private + 4096, 'idle: to the system');

# Reading its figures would wake it up.
ok(sleeps(), 'idle: after that it sleeps');

# Nor is a session woken that has nothing to give.
ask($session, 'SELECT 1');
ok(sleeps(), 'idle: as it does if there is nothing to give back');
in_order($session, 'idle: in order');

#
# A sweep that will soon be due
#
ask($session, 'SELECT count(*) FROM goarena_sweep()');
ask($session, "SET goarena.sweep_min = '1GB'");
ask($session, $work);
select(undef, undef, undef, 2);
my $last = 'SELECT reason FROM goarena_sweeps() LIMIT 1';
is(ask($session, $last), 'sql', 'sweeps: none while few addresses are spent');
# Half of each nursery is used, so that this spends more than half of a GB.
my $sweeps = figure('sweeps');
ask($session, 'SELECT test_churn(300000000)');
ok(wait_until(sub { figure('sweeps') > $sweeps }),
	'sweeps: one while it is idle');
is(ask($session, $last), 'idle', 'sweeps: and it knows why');
in_order($session, 'sweeps: in order');

#
# In a transaction
#
ask($session, "BEGIN; $work");
ok(wait_until(sub { figure('retained') <= 128 * 1024 }),
	'idle in a transaction: what is not used is given back');
is(ask($session, 'SELECT test_create(true); SELECT test_fill(1000000)'), "t\n1000",
	'idle in a transaction: it goes on');
ask($session, 'ROLLBACK');
in_order($session, 'idle in a transaction: in order');

#
# At work
#
ask($session, 'SELECT test_create(true), test_fill(12000000), test_delete(), pg_sleep(1.5)');
ok(wait_until(sub { figure('retained') <= 128 * 1024 }),
	'at work: what it did not use is given back when it is idle');

#
# Never
#
$node->append_conf('postgresql.conf', "goarena.idle_release = -1\n");
$node->reload;
$session->quit;
$session = session($node);
$pid = backend_pid($session);
is(ask($session, 'SHOW goarena.idle_release'), '-1', 'never: set');
ask($session, $work);
select(undef, undef, undef, 1.5);
cmp_ok(figure('retained'), '>', 1024 * 1024, 'never: it keeps what it may');

end_session($session);
end_session($watcher);
stop_in_order($node);

done_testing();
