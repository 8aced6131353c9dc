
# Copyright (c) 2026, goarena contributors

# goarena.total_memory_limit: what all processes together may hold, and whose
# statement is cancelled.
#
#   GOARENA_CANCEL_LOOPS  times that the largest statement is cancelled beside
#                         others' work (default 5)

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $loops = $ENV{GOARENA_CANCEL_LOOPS} || 5;

my $node = new_server('total_limit', PRELOAD, 'jit = off', 'autovacuum = off', 'restart_after_crash = on',
	"goarena.total_memory_limit = '256MB'");
my $limit = 256 * 1024 * 1024;

# A statement that takes so many bytes and holds them until it is cancelled, with its
# session and how it goes on after the statement ended.
sub hold
{
	my ($bytes) = @_;
	my $session = session($node);

	ask($session, '\set VERBOSITY verbose');
	ask($session, q{SET application_name = 'holder'});
	$session->{pid} = backend_pid($session);
	$session->query_until(qr/^begun$/m, qq{\\echo begun
		SELECT length(s), pg_sleep(600) FROM (SELECT repeat('x', n) s FROM generate_series($bytes, $bytes) n OFFSET 0) t;
});
	wait_until(sub { is_sleeping($session->{pid}) && held_by($session->{pid}) > $bytes })
	  or die "a statement does not hold $bytes bytes";
	pass("a statement holds $bytes bytes");
	return $session;
}

sub is_sleeping
{
	my ($pid) = @_;

	return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND wait_event = 'PgSleep'");
}

sub held_by
{
	my ($pid) = @_;

	return $node->safe_psql('postgres', "SELECT coalesce(max(held), 0) FROM goarena_stats() WHERE pid = $pid");
}

sub total
{
	return $node->safe_psql('postgres', 'SELECT sum(held) FROM goarena_stats()');
}

# What the session was told of the statement that it was in.
sub end_of
{
	my ($session) = @_;

	return refused($session, 'SELECT 1');
}

# Let go of a statement that is still there.
sub let_go
{
	my ($session) = @_;

	$node->safe_psql('postgres', "SELECT pg_cancel_backend($session->{pid})");
	return end_of($session);
}

my $context = qr/[\w ()]+\ \d+\ kB(\ in\ \d+\ contexts)?/;
my $total_error = qr/ERROR:\ \ 53200:\ out\ of\ memory\ because\ of\ goarena\.total_memory_limit\n
	DETAIL:\ \ Failed\ on\ request\ of\ size\ \d+\ in\ memory\ context\ "[^"]+":\ 
	goarena\.total_memory_limit\ is\ 262144\ kB,\ and\ all\ processes\ hold\ \d+\ kB\.\ \ 
	Of\ that,\ \d+\ kB\ are\ not\ in\ use\.\ \ Process\ \d+\ \([\w\ ]+\)\ holds\ the\ most,\ \d+\ kB\.\ \ 
	The\ largest\ contexts\ of\ this\ process:\ ($context,\ ){4}$context\..*
	HINT:\ \ Run\ fewer\ statements\ at\ a\ time/sx;
my $cancel_error = qr/ERROR:\ \ 57014:\ canceling\ statement\ because\ of\ goarena\.total_memory_limit.*
	DETAIL:\ \ It\ held\ \d+\ kB,\ more\ than\ any\ other\ statement,\ when\ memory\ of\ all\ processes\ came\ to\ the\ limit\ of\ 262144\ kB\..*
	HINT:\ \ Have\ the\ statement\ use\ less\ memory/sx;
my $user_error = qr/ERROR:  57014: canceling statement due to user request/;

#
# error: who asks fails
#
my $before = total();
my $large = hold(100_000_000);
my $medium = hold(80_000_000);
my $session = session($node);
my $pid = backend_pid($session);
ask($session, '\set VERBOSITY verbose');
like(refused($session, q{SELECT length(repeat('x', n)) FROM generate_series(120000000, 120000000) n}), $total_error, 'error: who asks fails');
is(ask($session, q{SELECT test_create(true); SELECT test_alloc(120000000, 'no_oom huge')}), "t\nnull", 'error: MCXT_ALLOC_NO_OOM gets NULL');
is(ask($session, q{SELECT test_alloc(120000000, 'no_oom huge held_off')}), 'ok', 'error: interrupts held off: not enforced');
is(ask($session, q{SELECT length(repeat('x', n)) FROM generate_series(20000000, 20000000) n}), '20000000', 'error: what there is room for is had');
foreach my $type ('Generation', 'Slab')
{
	like(refused($session, "SELECT test_others('$type', 1000, 120000000)"), $total_error, "error: also in a context of type $type");
	is(ask($session, "SELECT test_others('$type', 1000, 20000000)"), 'ok', "error: $type: what there is room for is had");
}
is(backend_pid($session), $pid, 'error: the session goes on');
ok(is_sleeping($large->{pid}) && is_sleeping($medium->{pid}), 'error: the others too');
like(let_go($medium), $user_error, 'error: a user cancels another one');
ok(wait_until(sub { refused($session, q{SELECT length(repeat('x', n)) FROM generate_series(100000000, 100000000) n}) eq '' }), 'error: its memory can be had by others');
like(let_go($large), $user_error, 'error: a user cancels the large one');
ok(wait_until(sub { total() - $before < 80_000_000 }), 'error: the sum comes down');
end_session($_) foreach ($large, $medium, $session);
ok(wait_until(sub { total() - $before < 10_000_000 }), 'error: and more so when the sessions end');

# By many: none takes the machine's memory.
my $most = 0;
{
	my @greedy = map { session($node) } 1 .. 4;

	$_->query_until(qr/^begun$/m, q{\set VERBOSITY verbose
\echo begun
		DO $$ DECLARE a text[]; BEGIN LOOP a := a || repeat('x', 1000000); END LOOP; END $$;
}) foreach @greedy;
	my $begun = 0;
	for (my $i = 0; $i < 1800; $i++)
	{
		my ($sum, $busy) = split(/\|/, $node->safe_psql('postgres', q{
			SELECT (SELECT sum(held) FROM goarena_stats()), (SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%DECLARE a text[]%' AND pid <> pg_backend_pid())}));
		$most = $sum if $sum > $most;
		$begun ||= $busy;
		last if ($begun || $i > 300) && $busy == 0;
	}
	like(end_of($_), $total_error, 'many at once: each ends with an error') foreach @greedy;
	end_session($_) foreach @greedy;
}
cmp_ok($most, '<', $limit + 16 * 1024 * 1024, 'many at once: the limit was kept');

#
# cancel_largest
#
$node->append_conf('postgresql.conf', 'goarena.on_total_limit = cancel_largest');
$node->reload;
ok(wait_until(sub { $node->safe_psql('postgres', 'SHOW goarena.on_total_limit') eq 'cancel_largest' }), 'reloaded');
ok(wait_until(sub { total() - $before < 20_000_000 }), 'all is quiet');

$large = hold(120_000_000);
$medium = hold(70_000_000);
$session = session($node);
ask($session, '\set VERBOSITY verbose');
is(ask($session, q{SELECT length(repeat('x', n)) FROM generate_series(100000000, 100000000) n}), '100000000', 'cancel_largest: who asks gets its memory');
like(end_of($large), $cancel_error, 'cancel_largest: the largest statement was cancelled, and told why');
ok(is_sleeping($medium->{pid}), 'cancel_largest: the other one goes on');
is(backend_pid($large), $large->{pid}, 'cancel_largest: the session of the cancelled statement goes on');
is(ask($large, 'SELECT 1'), '1', 'cancel_largest: with its next statement');

# Who is the largest itself fails.
like(refused($session, q{DO $$ DECLARE a text[]; BEGIN LOOP a := a || repeat('x', 1000000); END LOOP; END $$}),
	$total_error, 'cancel_largest: who asks and is the largest fails');
ok(is_sleeping($medium->{pid}), 'cancel_largest: nobody else is cancelled then');

# A session that is idle cannot be helped; the next one is cancelled.
ask($large, q{BEGIN; SELECT test_create(true); SELECT test_fill(90000000, 1000000)});
ok(wait_until(sub { $node->safe_psql('postgres', "SELECT wait_event FROM pg_stat_activity WHERE pid = $large->{pid}") eq 'ClientRead' }),
	'cancel_largest: one is idle');
is(ask($session, q{SELECT length(repeat('x', n)) FROM generate_series(130000000, 130000000) n}), '130000000', 'cancel_largest: beside one that is idle and larger');
like(end_of($medium), $cancel_error, 'cancel_largest: the largest that runs is cancelled');
is(ask($large, 'SELECT 2'), '2', 'cancel_largest: the idle one is not, nor is its next statement');
ask($large, 'COMMIT; SELECT test_delete()');
end_session($_) foreach ($large, $medium);

# One that does not answer: who asks waits a while, then fails.
$large = hold(120_000_000);
kill('STOP', $large->{pid}) or die 'cannot stop';
my $started = time;
like(refused($session, q{SELECT length(repeat('x', n)) FROM generate_series(165000000, 165000000) n}), $total_error, 'cancel_largest: who asks in vain fails');
cmp_ok(time - $started, '>=', 3, 'cancel_largest: after waiting');
cmp_ok(time - $started, '<', 300, 'cancel_largest: not too long');
kill('CONT', $large->{pid});
like(end_of($large), $cancel_error, 'cancel_largest: the one that was stopped is cancelled when it goes on');
end_session($large);

# Who waits can be cancelled itself.
$large = hold(120_000_000);
kill('STOP', $large->{pid}) or die 'cannot stop';
ask($session, q{SET statement_timeout = '1s'});
like(refused($session, q{SELECT length(repeat('x', n)) FROM generate_series(165000000, 165000000) n}), qr/ERROR:  (57014|53200)/, 'cancel_largest: a statement timeout while waiting');
lift_timeout($session);
kill('CONT', $large->{pid});
like(end_of($large), $cancel_error, 'cancel_largest: the other one is cancelled all the same');
end_session($large);

# Parallel workers count for their leader.
$node->safe_psql('postgres', 'CREATE TABLE numbers AS SELECT i FROM generate_series(1, 10000) i; ANALYZE numbers');
my $leader = session($node);
ask($leader, '\set VERBOSITY verbose');
ask($leader, parallel_mode('on'));
ask($leader, q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 1; SET parallel_leader_participation = off; SET application_name = 'leader'});
$medium = hold(70_000_000);
$leader->query_until(qr/^begun$/m, q{\echo begun
	SELECT sum(length(repeat('x', 90000000 + i * 0)) + length(pg_sleep(600)::text)) FROM numbers WHERE test_in_worker() AND i < 100;
});
SKIP:
{
	# without a worker the leader soon comes to its end
	my ($in_worker, $ended);
	wait_until(sub {
			($in_worker, $ended) = split(/\|/, $node->safe_psql('postgres', q{
				SELECT count(*) FILTER (WHERE backend_type = 'parallel worker' AND wait_event = 'PgSleep'),
					count(*) FILTER (WHERE state = 'idle' AND query LIKE '%test_in_worker%')
				FROM pg_stat_activity}));
			return $in_worker || $ended;
		});
	skip 'the worker holds nothing', 3 if !$in_worker;
	is(ask($session, q{SELECT length(repeat('x', n)) FROM generate_series(140000000, 140000000) n}), '140000000', 'parallel: who asks gets its memory');
	like(end_of($leader), $cancel_error, 'parallel: the leader of the largest worker is cancelled');
	ok(is_sleeping($medium->{pid}), 'parallel: and nobody else');
}
let_go($medium);
end_session($_) foreach ($medium, $leader);

#
# Beside others' work, many times: the culprit and nobody else
#
system_or_bail('pgbench', '-i', '-q', '-h', $node->host, '-p', $node->port, 'postgres');
my ($load_out, $load_err) = ('', '');
my $load = IPC::Run::start [
	'pgbench', '-n', '-c', '3', '-T', '36000', '-h', $node->host, '-p', $node->port, 'postgres'
  ], '<', \undef, '>', \$load_out, '2>', \$load_err;
ok($node->poll_query_until('postgres', 'SELECT count(*) > 50 FROM pgbench_history'), 'pgbench runs');
my $offset = -s $node->logfile;
my @wrong;
my $loop_started = time;
for (my $i = 0; $i < $loops; $i++)
{
	my $culprit = session($node);

	ask($culprit, '\set VERBOSITY verbose');
	my $culprit_pid = backend_pid($culprit);
	$culprit->query_until(qr/^begun$/m, q{\echo begun
		SELECT length(s), pg_sleep(600) FROM (SELECT repeat('x', n) s FROM generate_series(150000000, 150000000) n OFFSET 0) t;
});
	wait_until(sub { is_sleeping($culprit_pid) });
	my $result = eval { ask($session, q{SELECT length(repeat('x', n)) FROM generate_series(140000000, 140000000) n}) } // $@;
	push @wrong, "$i: $result" if $result ne '140000000';
	my $end = end_of($culprit);
	push @wrong, "$i: $end" if $end !~ $cancel_error;
	end_session($culprit);
}
is(join("\n", @wrong), '', "beside pgbench: the culprit was cancelled $loops times, and who asked got its memory");
diag("$loops times in " . (time - $loop_started) . ' s');
my @cancelled = log_of($node, $offset) =~ /ERROR:  (?:57014: )?canceling/g;
is(scalar(@cancelled), $loops, 'beside pgbench: nobody else was');
$load->signal('TERM');
$load->finish;
unlike($load_err, qr/error|aborted|fail/i, 'beside pgbench: no transaction has failed');
is(scalar(() = log_of($node, $offset) =~ /LOG:  goarena: process \d+ is to cancel its statement/g), $loops, 'beside pgbench: the log tells who was asked');
end_session($session);

#
# A session that holds much when the limit is lowered is refused each statement once, and
# reads the next one
#
my $holder = session($node);
ask($holder, q{SET goarena.contexts = '*'; SET goarena.quarantine = strict; SET goarena.quarantine_sample_rate = 1});
ask($holder, q{SET work_mem = '500MB'; DECLARE held CURSOR WITH HOLD FOR SELECT md5(i::text) FROM generate_series(1, 1000000) i});
$pid = backend_pid($holder);
$node->append_conf('postgresql.conf', "goarena.total_memory_limit = '64MB'");
$node->reload;
ok($node->poll_query_until('postgres', 'SHOW goarena.total_memory_limit', '64MB'), 'the limit is lowered');
$offset = -s $node->logfile;
my @answers = map { refused($holder, "SELECT length(repeat('x', 2000000 + n)) FROM generate_series($_, $_) n") } 1 .. 10;
my @refusals = log_of($node, $offset) =~ /\[$pid\] .*out of memory because of goarena\.total_memory_limit/g;
cmp_ok(scalar(grep { /out of memory because/ } @answers), '>', 0, 'a session that holds more is refused what it asks for');
cmp_ok(scalar(@refusals), '<=', scalar(@answers), 'once for each statement');
$node->append_conf('postgresql.conf', "goarena.total_memory_limit = '256MB'");
$node->reload;
ok(wait_until(sub { refused($holder, 'SELECT count(*) FROM generate_series(1, 10)') eq '' }), 'it goes on when the limit is raised again');
end_session($holder);

#
# Registry and limit after a crash
#
$large = hold(120_000_000);
$offset = -s $node->logfile;
kill('KILL', $large->{pid});
ok(wait_until(sub { is_up_again($node, $offset) }), 'the server is up again after kill -9');
ok(wait_until(sub { total() < 60_000_000 }), 'the sum is true after kill -9');
eval { end_session($large) };
$session = session($node);
is(ask($session, q{SELECT length(repeat('x', n)) FROM generate_series(200000000, 200000000) n}), '200000000', 'and its memory can be had');
end_session($session);

# It is the server's, and not too low.
my ($out, $err);
$node->psql('postgres', q{SET goarena.total_memory_limit = '1GB'}, stderr => \$err);
like($err, qr/cannot be changed now/, 'a session cannot set it');
$node->psql('postgres', q{ALTER SYSTEM SET goarena.total_memory_limit = '1MB'}, stderr => \$err);
like($err, qr/must be at least 64MB, or -1 for no limit/, 'not too low');

$node->stop;

done_testing();
