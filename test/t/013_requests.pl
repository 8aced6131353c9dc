
# Copyright (c) 2026, goarena contributors

# Processes are asked for their contexts, to sweep and to release: while they work,
# while they are idle or stopped, while they exit, and by many at once.
#
#   GOARENA_PGBENCH_SECONDS  length of each pgbench run (default 5)
#   GOARENA_SEED             seed of the random parts (default: another each time)

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{GOARENA_PGBENCH_SECONDS} || 5;
my $node = new_server('requests', PRELOAD, 'autovacuum = off', 'max_connections = 60',
	'goarena.quarantine_sample_rate = 1');
my $asker = session($node);

# A statement that never ends and allocates all the time.
my $busy = q{DO $$ BEGIN LOOP
	PERFORM string_agg(i::text, '') FROM generate_series(1, 1000) i; END LOOP; END $$};

sub state_of
{
	my ($pid) = @_;

	return ask($asker, "SELECT state FROM pg_stat_activity WHERE pid = $pid");
}

# A session that works on a statement; its end is not waited for.  The statement must take
# until somebody ends it: psql sends it after it said so, which may take a while on a
# machine that has much else to do.
sub start
{
	my ($session, $statement) = @_;
	my $pid = $session->{pid} //= backend_pid($session);

	$session->query_until(qr/started/, "\\echo started\n$statement;\n");
	wait_until(sub { state_of($pid) eq 'active' }) or die "it did not start: $statement";
}

# End what a session works on.
sub cancel
{
	my ($session, $pid) = @_;

	ask($asker, "SELECT pg_cancel_backend($pid)");
	return refused($session, 'SELECT 1');
}

# Returns the exit status, how many transactions there were, and what was said.  A machine that
# has much else to do needs more than one run for some transactions.
sub pgbench
{
	my ($script, @options) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . '/script.sql';
	my ($stdout, $stderr) = ('', '');
	my $transactions = 0;

	open(my $handle, '>', $file) or die $!;
	print $handle $script;
	close($handle);
	for (1 .. 10)
	{
		IPC::Run::run [
			'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-f', $file, '-T', $seconds,
			@options, 'postgres' ],
		  '>', \$stdout, '2>', \$stderr;
		my $status = $?;

		$transactions += $1 if $stdout =~ /transactions actually processed: (\d+)/;
		return ($status, $transactions, $stderr) if $status != 0 || $transactions > 20;
	}
	return (0, $transactions, $stderr);
}

#
# A process that works answers from where it is
#
my $target = session($node);
my $pid = backend_pid($target);
start($target, $busy);
ok( wait_until(sub {
			ask($asker, qq{
				SELECT count(*) FROM goarena_arenas($pid, 60)
				WHERE age IS NULL AND name IN ('SPI Proc', 'ExecutorState', 'MessageContext', 'PortalContext')
			}) >= 3
		}),
	'working: it answers with the contexts of its statement');
is( ask($asker, qq{
		SELECT count(*) > 10, count(*) FILTER (WHERE id > 0) = count(DISTINCT id) FILTER (WHERE id > 0), bool_and(age IS NULL),
			bool_and(least(chunks, used_bytes, free_bytes, dead_bytes, allocs, resets) >= 0),
			bool_and(quarantine = 'on'), bool_and(contexts > 1 OR name = 'TopMemoryContext' OR level > 0 AND parent IS NOT NULL)
		FROM goarena_arenas($pid, 60)}),
	't|t|t|t|t|t', 'working: the rows are in order');

# to sweep and to release
is(ask($asker, "SELECT goarena_sweep($pid), goarena_release($pid)"),
	't|t', 'working: it is asked to sweep');
my $swept = "SELECT sweeps FROM goarena_stats() WHERE pid = $pid";
my $before = ask($asker, $swept);
ask($asker, "SELECT goarena_sweep($pid)");
ok(wait_until(sub { ask($asker, $swept) > $before }), 'working: it sweeps');
like(cancel($target, $pid), qr/canceling statement/, 'working: it is cancelled');

#
# An idle one answers with what it left
#
my $ended = time;
ask($target, 'SELECT test_create(); SELECT test_fill(5000000)');
my $mine = q{SELECT id, name, used_bytes, resets, quarantine FROM goarena_arenas(%s) WHERE name = 'goarena test'};
is( ask($asker, sprintf($mine, "$pid, 0")),
	ask($target, sprintf($mine, '')),
	'idle: what it left is what it has');
my $age = "SELECT extract(epoch FROM min(age)), min(age) = max(age) FROM goarena_arenas($pid, 0)";
my ($first, $same) = split(/\|/, ask($asker, $age));
ask($asker, 'SELECT pg_sleep(0.3)');
my ($second) = split(/\|/, ask($asker, $age));
is($same, 't', 'idle: all of one age');
cmp_ok($second - $first, '>=', 0.3, 'idle: which grows');
cmp_ok($first, '<=', time - $ended, 'idle: and began at the end of its transaction');
ask($target, 'SELECT test_fill(5000000)');
is( ask($asker, sprintf($mine, "$pid, 0")),
	ask($target, sprintf($mine, '')),
	'idle: after another transaction it is that of this one');
ask($target, 'SELECT test_delete()');
is(ask($asker, sprintf($mine, "$pid, 0")), '', 'idle: what is deleted is gone');

# it is woken to sweep and to release, without its client, and does neither by itself
ask($target, 'SET goarena.idle_release = -1');
ask($target, 'SELECT test_create(true); SELECT test_fill(12000000); SELECT test_delete()');
my $retained = "SELECT retained FROM goarena_stats() WHERE pid = $pid";
$before = ask($asker, $retained);
cmp_ok($before, '>', 4 * 1024 * 1024, 'idle: it retains memory');
is(ask($asker, "SELECT goarena_release($pid)"), 't', 'idle: it is asked to release');
ok(wait_until(sub { ask($asker, $retained) < 1024 * 1024 }), 'idle: it releases');
$before = ask($asker, $swept);
is(ask($asker, "SELECT goarena_sweep($pid)"), 't', 'idle: it is asked to sweep');
ok(wait_until(sub { ask($asker, $swept) > $before }), 'idle: it sweeps');
is( ask($target, q{SELECT string_agg(reason, ', ') FROM (SELECT reason FROM goarena_sweeps() LIMIT 2) s}),
	'request, release', 'idle: it knows why');
in_order($target, 'idle: it is in order');

# in a transaction, a failed one, and one that waits for the client's data
ask($target, "BEGIN; DECLARE c CURSOR FOR SELECT repeat('x', 100000) FROM generate_series(1, 100); FETCH 10 FROM c");
wait_for_client($asker, $pid);
is( ask($asker, "SELECT count(*) > 5, bool_and(age >= '0') FROM goarena_arenas($pid, 0)"),
	't|t', 'idle in a transaction: it left something');
refused($target, 'SELECT 1 / 0');
wait_for_client($asker, $pid);
is( ask($asker, "SELECT count(*) > 5, bool_and(age >= '0') FROM goarena_arenas($pid, 0)"),
	't|t', 'idle in a failed transaction: it left something');
ask($target, 'ROLLBACK; BEGIN');
$before = ask($asker, $swept);
is(ask($asker, "SELECT goarena_sweep($pid)"), 't', 'idle in a transaction: it is asked to sweep');
ask($target, 'SELECT 1');
ok(wait_until(sub { ask($asker, $swept) > $before }),
	'idle in a transaction: it sweeps with its next statement');
ask($target, 'ROLLBACK');

#
# One that allocates nothing answers where it checks for interrupts
#
sub wait_event_of
{
	my ($pid) = @_;

	return ask($asker, "SELECT wait_event FROM pg_stat_activity WHERE pid = $pid");
}

my $offset = -s $node->logfile;
my $fresh = "SELECT count(*) > 5, bool_and(age IS NULL) FROM goarena_arenas($pid, 60)";
ask($asker, 'SELECT pg_advisory_lock(1)');
my %waits = (
	'computing' => [ 'DO $$ BEGIN LOOP END LOOP; END $$', '' ],
	'asleep' => [ 'SELECT pg_sleep(600)', 'PgSleep' ],
	'waiting for a lock' => [ 'SELECT pg_advisory_lock(1)', 'advisory' ]);
foreach my $how (sort keys %waits)
{
	my ($statement, $event) = @{ $waits{$how} };

	ask($target, 'SELECT test_create(); SELECT test_fill(5000000)');
	start($target, "BEGIN\\; $statement");
	ok(wait_until(sub { state_of($pid) eq 'active' && wait_event_of($pid) eq $event }),
		"$how: it is at work");
	is(ask($asker, $fresh), 't|t', "$how: it answers") foreach 1 .. 3;
	my $held = "SELECT used_bytes >= 5000000 FROM goarena_arenas($pid, 60) WHERE name = 'goarena test'";
	is(ask($asker, $held), 't', "$how: with what it has");
	# Who asks for figures waits for a moment only, which may be too short on a machine that
	# has much else to do.
	my $new;
	for (1 .. 50)
	{
		$new = ask($asker, "SELECT published > statement_timestamp() FROM (SELECT pg_sleep(1.1)) s, goarena_stats() WHERE pid = $pid");
		last if $new eq 't';
	}
	is($new, 't', "$how: its figures are new");
	like(cancel($target, $pid), qr/canceling statement/, "$how: it is cancelled");
	ask($target, 'ROLLBACK; SELECT test_delete()');
}
unlike(log_of($node, $offset), qr/memory contexts|level: \d|Grand total|goarena/, 'nothing of it is in the log');

# the server's own function works as before
start($target, 'DO $$ BEGIN LOOP END LOOP; END $$');
ok(wait_until(sub { state_of($pid) eq 'active' }), 'computing: it is at work again');
ask($asker, "SELECT pg_log_backend_memory_contexts($pid)");
ok(wait_until(sub { log_of($node, $offset) =~ /logging memory contexts of PID $pid.*Grand total: /s }),
	'pg_log_backend_memory_contexts() logs');
is(ask($asker, $fresh), 't|t', 'and it answers after that');
like(cancel($target, $pid), qr/canceling statement/, 'computing: it is cancelled');
ask($asker, 'SELECT pg_advisory_unlock(1)');

#
# No answer in time
#
my $last_seen = "SELECT count(*) > 5, bool_and(age >= '0') FROM goarena_arenas($pid, %s)";
ask($target, 'BEGIN');
start($target, 'SELECT pg_sleep(600)');
ok(wait_until(sub { wait_event_of($pid) eq 'PgSleep' }), 'stopped: it is in a statement');
kill('STOP', $pid);
ask($asker, '\set VERBOSITY verbose');
my $started = time;
like(
	refused($asker, sprintf($last_seen, 0.5)),
	qr/WARNING:  55000: process $pid did not answer within 0\.5 s.*DETAIL:  The contexts are those when it was last seen/s,
	'stopped: no answer in time is a warning');
cmp_ok(time - $started, '>=', 0.5, 'stopped: not before the time is over');
cmp_ok(time - $started, '<', 60, 'stopped: and not long after');
ask($asker, '\set VERBOSITY default');
is(ask($asker, sprintf($last_seen, 0.1)), 't|t', 'stopped: it is shown as it was last seen');
like(refused($asker, sprintf($last_seen, 0)), qr/did not answer within 0 s/, 'stopped: without waiting');
is( ask($asker, q{
		SELECT count(DISTINCT s.pid) > 1 FROM goarena_stats() s, goarena_arenas(s.pid, 0.1)
		WHERE s.pid <> pg_backend_pid() AND backend_type IN ('client backend', 'checkpointer')}),
	't', 'stopped: a query over all processes goes on');

# the one who waits can be cancelled, time out, and be terminated
ask($asker, q{SET statement_timeout = '200ms'});
like(refused($asker, "SELECT * FROM goarena_arenas($pid, 600)"),
	qr/statement timeout/, 'stopped: the one who waits times out');
lift_timeout($asker);
for my $i (1 .. 10)
{
	my $waiter = session($node);
	my $waiter_pid = backend_pid($waiter);

	start($waiter, "SELECT * FROM goarena_arenas($pid, 600)");
	ok(wait_until(sub { state_of($waiter_pid) eq 'active' }), "stopped: $i waits");
	ask($asker, "SELECT pg_terminate_backend($waiter_pid, 60000)");
	eval { $waiter->quit };
}

#
# Many of one user who wait keep nobody else waiting
#
$node->safe_psql('postgres', 'CREATE ROLE many LOGIN; CREATE ROLE other LOGIN');
sub session_of
{
	my ($role) = @_;

	return $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', $role ]);
}
my %theirs = map { $_ => session_of($_) } 'many', 'other';
my %their_pid = map { $_ => backend_pid($theirs{$_}) } keys %theirs;
start($theirs{$_}, $busy) foreach keys %theirs;
kill('STOP', $their_pid{many});
my @waiters = map { session_of('many') } 1 .. 20;
start($_, "SELECT count(*) FROM goarena_arenas($their_pid{many}, 600)") foreach @waiters;
ok( wait_until(sub {
			ask($asker, q{
				SELECT count(*) FROM pg_stat_activity
				WHERE query LIKE '%goarena_arenas(%600)%' AND state = 'active' AND wait_event_type = 'Extension'
			}) == @waiters
		}),
	'many wait');
my $third = session_of('other');
is(ask($_, "SELECT count(*) > 5, bool_and(age IS NULL) FROM goarena_arenas($their_pid{other}, 60)"),
	't|t', 'many wait: others are answered')
  foreach $asker, $third;
is( ask($asker, "SELECT bool_and(age >= '0') FROM goarena_arenas((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'), 0)"),
	't', 'many wait: idle processes answer all the same');

# the one that they wait for goes on
kill('CONT', $their_pid{many});
foreach my $waiter (@waiters)
{
	my ($result) = $waiter->query('SELECT 5');

	like($result, qr/^[1-9]\d*\n5$/, 'it goes on: all who wait are answered');
}

# it exits while they wait
kill('STOP', $their_pid{many});
start($_, "SELECT count(*) FROM goarena_arenas($their_pid{many}, 600)") foreach @waiters;
ask($asker, "SELECT pg_terminate_backend($their_pid{many})");
kill('CONT', $their_pid{many});
foreach my $waiter (@waiters)
{
	$waiter->{stderr} = '';
	my ($result) = $waiter->query('SELECT 5');
	my ($warned) = $waiter->{stderr} =~ /(WARNING:  PID \d+ is not a process)/;

	# it may have answered before it went
	like("$result, " . ($warned // $waiter->{stderr}),
		qr/^(0\n5, WARNING:  PID \d+ is not a process|[1-9]\d*\n5, )/s,
		'it exits: those who wait get no rows, or what it had');
	end_session($waiter);
}
end_session($third);
ask($asker, "SELECT pg_terminate_backend($their_pid{other}, 60000)");
eval { $_->quit } foreach values %theirs;
kill('CONT', $pid);
cancel($target, $pid);
ask($target, 'ROLLBACK');
end_session($target);

#
# SIGSTOP
#
my $second_target = session($node);
my $second_pid = backend_pid($second_target);
start($second_target, $busy);
for my $i (1 .. 5)
{
	kill('STOP', $second_pid);
	like(refused($asker, "SELECT count(*) FROM goarena_arenas($second_pid, 0.1)"),
		qr/did not answer within 0\.1 s/, 'stopped: no answer');
	is(ask($asker, "SELECT goarena_sweep($second_pid)"), 't', 'stopped: it is asked to sweep');
	kill('CONT', $second_pid);
	is(ask($asker, "SELECT count(*) > 5 FROM goarena_arenas($second_pid, 60)"),
		't', 'stopped: it goes on and answers');
}
$swept = "SELECT sweeps FROM goarena_stats() WHERE pid = $second_pid";
ok(wait_until(sub { ask($asker, $swept) > 0 }), 'stopped: it goes on and sweeps');
like(cancel($second_target, $second_pid), qr/canceling statement/, 'stopped: it can be cancelled');
kill('STOP', $second_pid);
is(ask($asker, "SELECT count(*) > 5 FROM goarena_arenas($second_pid, 0)"),
	't', 'stopped while idle: it left something');
is(ask($asker, "SELECT goarena_release($second_pid)"), 't', 'stopped while idle: it is asked');
kill('CONT', $second_pid);
in_order($second_target, 'stopped while idle: it goes on');

#
# More contexts than there is room for: the largest, and sums by name of the others
#
ask($second_target, 'SELECT test_create(); SELECT test_fill(7000000); SELECT test_scatter(6000)');
my $shown = qq{
	SELECT count(*) FILTER (WHERE name = 'goarena test' AND used_bytes >= 7000000 AND contexts = 1 AND level > 0),
		count(*) FILTER (WHERE name = 'goarena scattered' AND contexts = 3000 AND held_bytes > 3000 * 4096
			AND type = 'arena' AND level IS NULL AND ident IS NULL AND quarantine IS NULL),
		count(*) BETWEEN 20 AND 1000, max(name) FILTER (WHERE contexts > 1 AND name ~ '^[0-9]')
	FROM goarena_arenas($second_pid, %s)};
my $some = '';
# without time to wait, what it left is what it left when it was last asked
ok(wait_until(sub { ($some = ask($asker, sprintf($shown, 0))) =~ /^1\|1\|t\|/ }),
	'many contexts: an idle process shows the largest and a sum of the others')
  or diag($some);
my $all = ask($second_target, 'SELECT count(*) FROM goarena_arenas()');
is(ask($asker, "SELECT sum(contexts) - $all BETWEEN -10 AND 10 FROM goarena_arenas($second_pid, 60)"),
	't', 'many contexts: all are counted');
start($second_target, $busy);
ok(wait_until(sub { state_of($second_pid) eq 'active' }), 'many contexts: it works');
ok(wait_until(sub { ($some = ask($asker, sprintf($shown, 60) . ' HAVING bool_and(age IS NULL)')) ne '' }),
	'many contexts: one that works answers');
like($some, qr/^1\|1\|t\|$/, 'many contexts: with room for all names');
cancel($second_target, $second_pid);
end_session($second_target);

#
# Many callers at once
#
$target = session($node);
$pid = backend_pid($target);
start($target, $busy);
my ($status, $answers, $stderr) =
  pgbench("SELECT 1 / (count(*) > 5)::int FROM goarena_arenas($pid, 60);\n", '-c', 20, '-j', 2);
is("$status$stderr" =~ s/\Qpgbench (\E.*\n//r =~ s/^pgbench: .*vacuum.*\n//mr, '0', 'many callers: all are answered');
cmp_ok($answers, '>', 20, 'many callers: several times');
note("$answers answers");

# all ask all
($status, $answers, $stderr) = pgbench(q{
	SELECT count(*) FROM goarena_stats() s, goarena_arenas(s.pid, 60) a
	WHERE s.pid <> pg_backend_pid() AND backend_type = 'client backend';
	SELECT goarena_sweep(pid), goarena_release(pid) FROM goarena_stats()
	WHERE backend_type = 'client backend' AND random() < 0.1;
}, '-c', 12, '-j', 2);
is("$status" . join('', grep { !/^WARNING|vacuum/ } split(/\n/, $stderr)) =~ s/pgbench \(.*//r, '0', 'all ask all');
cmp_ok($answers, '>', 20, 'all ask all: several times');
note("$answers rounds");

# while sessions come and go
($status, $answers, $stderr) = pgbench(q{
	SELECT count(*) FROM goarena_stats() s, goarena_arenas(s.pid, 60) a
	WHERE s.pid <> pg_backend_pid() AND backend_type = 'client backend';
}, '-c', 8, '-j', 2, '-C');
is($status, 0, 'sessions come and go') or diag($stderr);
cmp_ok($answers, '>', 20, 'sessions come and go: several times');
like(cancel($target, $pid), qr/canceling statement/, 'many callers: the target was at work');
in_order($target, 'many callers: the target is in order');
end_session($target);
ok(wait_until(sub { ask($asker, 'SELECT abs(goarena_total_held() - sum(held)) < 300000 FROM goarena_stats()') eq 't' }),
	'the sum is that of the rows');
end_session($asker);
stop_in_order($node);

done_testing();
