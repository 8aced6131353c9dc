
# Copyright (c) 2026, goarena contributors

# Each process shows the others what it holds: what they see is what is, while it
# works, after it ended in whatever way, and after crashes; and users see what
# they may see.
#
#   GOARENA_KILLS  backends that are ended by pg_terminate_backend (default 40), and a
#                  tenth of it by kill -9, each with a crash of the server
#   GOARENA_KILL9  backends that are ended by kill -9

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use List::Util qw(min);
use Test::More;
use Time::HiRes qw(time);

my $kills = $ENV{GOARENA_KILLS} || 40;
my $kill9 = $ENV{GOARENA_KILL9} || int($kills / 10);
my $step = 256 * 1024;

my $node = new_server('registry', PRELOAD, 'restart_after_crash = on',
	'autovacuum = off', 'max_connections = 60');
my $watcher = session($node);

# A figure of another process, as the watcher sees it.
sub seen
{
	my ($column, $pid) = @_;

	return ask($watcher, "SELECT $column FROM goarena_stats() WHERE pid = $pid");
}

# Rows that should not be there, and processes that have none.
my $differences = q{
	SELECT string_agg(coalesce(s.pid, a.pid) || ' ' || coalesce(s.backend_type, a.backend_type), ', ')
	FROM goarena_stats() s FULL JOIN pg_stat_activity a ON a.pid = s.pid
	WHERE a.pid IS NULL OR s.pid IS NULL};

# The sum that is kept is that of the rows.  The own row is newer than what was
# published, so leave the watcher out on both sides.
my $total = q{
	SELECT goarena_total_held() - sum(held) FROM goarena_stats()};

# Is all as it should be?  The watcher publishes its own figures at the end of the
# statement before, and others may be about to end.
sub registry_is_true
{
	my ($session, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $wrong;
	my $sum;

	ok(wait_until(sub { ($wrong = ask($session, $differences)) eq '' }),
		"$name: a row for each process and for no other")
	  or diag($wrong);
	ok(wait_until(sub { abs($sum = ask($session, $total)) <= $step }),
		"$name: the sum is that of the rows")
	  or diag($sum);
}

#
# What is seen
#
registry_is_true($watcher, 'at first');
my $types;
ok( wait_until(sub {
			$types = ask($watcher, q{SELECT string_agg(DISTINCT backend_type, ', ' ORDER BY backend_type) FROM goarena_stats()});
			return $types =~ /background worker.*background writer, checkpointer, client backend.*walwriter/;
		}),
	'types of processes')
  or diag($types);

my $worker = session($node);
my $pid = backend_pid($worker);
my $before = seen('in_use', $pid);

ask($worker, 'SELECT test_create(); SELECT test_fill(20000000)');
my $after;
# A busy machine can need longer than the moment that figures are waited for.
ok(wait_until(sub { ($after = seen('in_use', $pid)) - $before >= 20000000 }), 'memory of another process: it has more');
cmp_ok($after - $before, '<=', 24000000, 'memory of another process: not much more');
my $own = statistics($worker);
my $others;
wait_until(sub {
		$others = {
			map { split(/=/, $_, 2) } split(/\n/, ask($watcher, qq{
				SELECT key || '=' || value
				FROM goarena_stats() s JOIN goarena_heap() h USING (pid), jsonb_each_text(to_jsonb(s) || to_jsonb(h))
				WHERE pid = $pid AND value IS NOT NULL}))
		};
		return $others->{total_allocated} >= $own->{total_allocated} - $step;
	}, 60);
is( join(' ', map { "$_=$others->{$_}" } qw(large_allocs backend_type)),
	join(' ', map { "$_=$own->{$_}" } qw(large_allocs backend_type)),
	'memory of another process: as it sees itself');

# The end of its own look can have begun an arena of the sample.
cmp_ok($others->{reserved}, '>=', $own->{reserved}, 'memory of another process: no less address space');
cmp_ok(abs($own->{in_use} - $others->{in_use}),
	'<', 4 * $step, 'memory of another process: about as much');
cmp_ok($others->{total_allocated}, '>=', $own->{total_allocated} - $step,
	'memory of another process: allocated');
is($others->{reserved}, $others->{fresh} + $others->{owned} + $others->{retained} + $others->{released},
	'memory of another process: it adds up');

# A process that is woken up by the question and runs a transaction then, as the launcher of
# logical replication does, has answered all the same: the time for answers is 200 ms.
my $fastest = 1e9;
for (1 .. 200)
{
	my $started = time;
	ask($watcher, 'SELECT count(*) FROM goarena_stats()');
	$fastest = min($fastest, time - $started);
	last if $fastest < 0.19;
}
cmp_ok($fastest, '<', 0.19, 'nobody waits for who has answered');

# in the midst of a statement
$worker->query_until(qr/started/,
	"\\echo started\nSELECT test_fill(30000000); SELECT test_fill(30000000), pg_sleep(600);\n");
ok( wait_until(sub { seen('in_use', $pid) >= $after + 60000000 - 2 * $step }),
	'memory of a statement that is running');
ask($watcher, "SELECT pg_cancel_backend($pid)");
like(refused($worker, 'SELECT 1'), qr/canceling statement/, 'the statement is cancelled');
ask($worker, 'SELECT test_delete()');
ok(wait_until(sub { seen('in_use', $pid) < $after }), 'it gave its memory back');

# parallel workers and background workers have rows as well
ask($worker, parallel_mode('on'));
ask($worker, 'CREATE TABLE many AS SELECT i FROM generate_series(1, 1000) i; ANALYZE many');
$worker->query_until(qr/started/, qq{\\echo started
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SELECT count(*) FROM many WHERE pg_sleep(i) IS NOT NULL;\n});
ok( wait_until(sub {
			ask($watcher, q{
				SELECT count(*) > 0 FROM goarena_activity
				WHERE backend_type = 'parallel worker' AND held > 0}) eq 't'
		}),
	'a parallel worker has a row');
registry_is_true($watcher, 'with a parallel worker');
ask($watcher, "SELECT pg_cancel_backend($pid)");
like(refused($worker, 'SELECT 1'),
	qr/canceling statement/, 'the parallel query is cancelled');
end_session($worker);
ok(wait_until(sub { seen('count(*)', $pid) eq '0' }), 'a process that ended has no row');
registry_is_true($watcher, 'after sessions that ended');

#
# SIGSTOP
#
$worker = session($node);
$pid = backend_pid($worker);
$worker->query_until(qr/started/,
	"\\echo started\nDO \$\$ BEGIN LOOP PERFORM string_agg(i::text, '') FROM generate_series(1, 1000) i; END LOOP; END \$\$;\n");
for (1 .. 10)
{
	kill('STOP', $pid);
	cmp_ok(seen('held', $pid), '>', 0, 'a process that is stopped has figures');
	kill('CONT', $pid);
	select(undef, undef, undef, 0.05);
}
ask($watcher, "SELECT pg_terminate_backend($pid)");
ok(wait_until(sub { seen('count(*)', $pid) eq '0' }), 'it can be terminated');
eval { $worker->quit };

#
# pg_terminate_backend in a loop
#
my @left = ();
for my $i (1 .. $kills)
{
	my $victim = session($node);
	my $victim_pid = backend_pid($victim);

	ask($victim, 'SELECT test_create(); SELECT test_fill(3000000)');
	ask($watcher, "SELECT pg_terminate_backend($victim_pid, 60000)");
	push @left, $victim_pid if seen('count(*)', $victim_pid) ne '0';
	eval { $victim->quit };
}
is(join(' ', @left), '', "$kills backends were terminated: no row is left");
registry_is_true($watcher, "$kills backends were terminated");
end_session($watcher);

#
# kill -9 in a loop: each time the server starts anew
#
my @wrong = ();
for my $i (1 .. $kill9)
{
	my $offset = -s $node->logfile;
	my @victims = map { session($node) } 1 .. 2;
	my @pids = map { backend_pid($_) } @victims;

	ask($_, 'SELECT test_create(); SELECT test_fill(3000000)') foreach @victims;
	kill('KILL', $pids[0]);
	wait_until(sub { is_up_again($node, $offset) }) or die 'the server is not up again';
	eval { $_->quit } foreach @victims;

	# a slot that is used again has nothing of before
	my $pids = join(', ', @pids);
	my $found = $node->safe_psql('postgres',
		"SELECT coalesce(max(in_use), 0) >= 3000000, count(*) FILTER (WHERE pid IN ($pids)) FROM goarena_stats()");
	push @wrong, "$i: $found" if $found ne 'f|0';
}
is(join(', ', @wrong), '', "$kill9 backends were killed: nothing is left of them");
$watcher = session($node);
registry_is_true($watcher, "$kill9 backends were killed");
end_session($watcher);

# the server ends in disorder and in order
foreach my $mode ('immediate', 'fast')
{
	$node->stop($mode);
	$node->start;
	$watcher = session($node);
	registry_is_true($watcher, "$mode shutdown");
	end_session($watcher);
}

#
# Who may see what
#
$node->safe_psql('postgres', q{
	CREATE ROLE ordinary LOGIN; CREATE ROLE other LOGIN; CREATE ROLE member LOGIN IN ROLE other;
	CREATE ROLE monitor LOGIN IN ROLE pg_read_all_stats; CREATE ROLE signaller LOGIN IN ROLE pg_signal_backend;
	GRANT ALL ON SCHEMA public TO other});
my %sessions = map {
	$_ => $node->background_psql('postgres', on_error_stop => 0,
		extra_params => [ '-U', $_ =~ s/\d//r ])
} qw(ordinary ordinary2 other member monitor signaller);
my $super = session($node);
my %pids = map { $_ => backend_pid($sessions{$_}) } keys %sessions;
$pids{super} = backend_pid($super);

# What a session sees of another one: figures, query, contexts with identifiers, and
# whether it may ask for sweeps.
sub sees
{
	my ($who, $whom) = @_;
	my $session = $sessions{$who};
	my $target = $pids{$whom};
	my $figures = ask($session, qq{
		SELECT string_agg(key, ' ' ORDER BY key) FROM goarena_stats() s, jsonb_each_text(to_jsonb(s))
		WHERE pid = $target AND value IS NOT NULL AND key <> 'last_sweep'});
	my $activity = ask($session, qq{
		SELECT held IS NOT NULL OR in_use IS NOT NULL, query NOT IN ('', '<insufficient privilege>')
		FROM goarena_activity WHERE pid = $target});
	my @acts = map {
		my $said = refused($session, "SELECT count(*) FROM $_($target)");
		$said eq '' ? 'yes' : $said =~ /ERROR:  (permission denied|must be a superuser)/ ? 'no' : $said
	} qw(goarena_arenas goarena_sweep goarena_release);
	my $figures_seen = $figures eq 'backend_type pid' ? 'none' :
	  $figures =~ /\ballocs\b.*\bheld\b.*\bin_use\b/ ? 'all' : $figures;

	return "figures $figures_seen, activity $activity, arenas $acts[0], sweep $acts[1], release $acts[2]";
}

# idle sessions have a query to show
ask($_, 'SELECT 1') foreach values %sessions, $super;
my $all = 'figures all, activity t|t, arenas yes, sweep yes, release yes';
my $none = 'figures none, activity f|f, arenas no, sweep no, release no';
is(sees('ordinary', 'ordinary'), $all, 'an ordinary user sees the own process');
is(sees('ordinary', 'ordinary2'), $all, 'an ordinary user sees another own process');
is(sees('ordinary', 'other'), $none, 'an ordinary user sees nothing of others');
is(sees('ordinary', 'super'), $none, 'an ordinary user sees nothing of superusers');
is(sees('member', 'other'), $all, 'a member sees processes of the role');
is(sees('monitor', 'other'), 'figures all, activity t|t, arenas yes, sweep no, release no',
	'pg_read_all_stats sees others and may not steer them');
is(sees('monitor', 'super'), 'figures all, activity t|t, arenas yes, sweep no, release no',
	'pg_read_all_stats sees superusers');
is(sees('signaller', 'other'), 'figures none, activity f|f, arenas no, sweep yes, release yes',
	'pg_signal_backend steers others and does not see them');
is(sees('signaller', 'super'), $none, 'pg_signal_backend does not steer superusers');
like(refused($sessions{ordinary}, 'SELECT goarena_total_held()'),
	qr/permission denied/, 'an ordinary user does not see the sum');
end_session($_) foreach values %sessions, $super;

stop_in_order_after_kills($node);

# Servers that were meant to crash.
sub stop_in_order_after_kills
{
	my ($node) = @_;

	$node->stop;
	unlike(log_of($node), qr/PANIC|TRAP:|signal 11|signal 6/, 'no other crash');
}

#
# Loaded by one session
#
my $plain = new_server('plain');
$watcher = session($plain);
ask($watcher, "LOAD 'goarena'");
is(ask($watcher, 'SELECT count(*), bool_and(pid = pg_backend_pid()) FROM goarena_stats()'),
	'1|t', 'not preloaded: only the own row');
is(ask($watcher, 'SELECT goarena_total_held() IS NULL'), 't', 'not preloaded: no sum');
is(ask($watcher, 'SELECT count(*) > 5 FROM goarena_arenas(pg_backend_pid())'),
	't', 'not preloaded: own contexts');
is(ask($watcher, 'SELECT goarena_sweep(pg_backend_pid()), goarena_release(pg_backend_pid())'),
	't|t', 'not preloaded: own sweeps');
ask($watcher, '\set VERBOSITY verbose');
foreach my $call ('goarena_arenas(1)', 'goarena_sweep(1)', 'goarena_release(1)')
{
	like(
		refused($watcher, "SELECT $call"),
		qr/ERROR:  55000: goarena knows no other processes.*HINT:  Add goarena to shared_preload_libraries/s,
		"not preloaded: $call");
}
end_session($watcher);
stop_in_order($plain);

done_testing();
