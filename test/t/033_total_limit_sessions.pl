
# Copyright (c) 2026, goarena contributors

# goarena.total_memory_limit and the sessions around: what idle ones keep, who cannot
# be cancelled, who is idle in a transaction; and the counters of all that.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_server('total_limit_sessions', PRELOAD, 'jit = off', 'autovacuum = off', 'max_parallel_workers_per_gather = 0',
	"goarena.total_memory_limit = '256MB'", "goarena.retain = '32MB'");
my $observer = session($node);
my $asker = session($node);

sub kept
{
	my ($pids) = @_;

	return ask($observer, "SELECT sum(retained) FROM goarena_stats() WHERE pid IN ($pids)");
}

sub count_of
{
	my ($what) = @_;

	return ask($observer, "SELECT $what FROM goarena_totals()");
}

sub set_policy
{
	my ($value) = @_;

	$node->safe_psql('postgres', "ALTER SYSTEM SET goarena.on_total_limit = '$value'");
	$node->reload;
	foreach my $session ($asker, $observer)
	{
		ok(wait_until(sub { ask($session, 'SHOW goarena.on_total_limit') eq $value }), "on_total_limit = $value");
	}
}

# A statement that needs so many bytes.
sub wants
{
	my ($bytes) = @_;

	return "SELECT length(repeat('x', n)) FROM generate_series($bytes, $bytes) n";
}

my $refused = qr/ERROR:  out of memory because of goarena.total_memory_limit/;

#
# What idle sessions keep
#
my $work = q{SELECT count(*) FROM (SELECT array_agg(i || 'x') FROM generate_series(1, 150000) i) s};
my @idle = map { session($node) } 1 .. 6;
my $pids = join(', ', map { backend_pid($_) } @idle);
ask($_, $work) foreach @idle;
ok(wait_until(sub { kept($pids) < 1_000_000 }), 'sessions that are idle give back what they do not use');
ask($_, "BEGIN; $work") foreach @idle;
ok(wait_until(sub { kept($pids) < 1_000_000 }), 'so do those that are idle in a transaction');
ask($_, 'COMMIT') foreach @idle;

# The moment to give back comes while they exit, when each has given up its place
ask($_, "SELECT test_linger(2000); $work") foreach @idle;
my $begun = -s $node->logfile;
end_session($_) foreach @idle;
ok(wait_until(sub { not grep { kill(0, $_) } split(/, /, $pids) }), 'sessions that exit slowly exit');
is(ask($observer, 'SELECT 1'), '1', 'and others go on');
unlike(log_of($node, $begun), qr/terminated by signal|server process/, 'since none of them crashes');

# At once, if somebody needs it, also from those that are at work
my @working = map { session($node) } 1 .. 4;
$pids = join(', ', map { backend_pid($_) } @working);
$_->query_until(qr/^begun$/m, qq{\\echo begun
	DO \$\$ BEGIN PERFORM test_create(true); PERFORM test_fill(25000000, 10000); PERFORM test_reset(); PERFORM pg_sleep(600); END \$\$;
}) foreach @working;
ok(wait_until(sub { ask($observer, "SELECT count(*) FROM pg_stat_activity WHERE pid IN ($pids) AND wait_event = 'PgSleep'") == 4 }), 'sessions are at work');
my $kept;
ok(wait_until(sub { ($kept = kept($pids)) > 40_000_000 }), 'and keep memory that they do not use');
my $wanted = 262_144_000 - ask($observer, 'SELECT goarena_total_held()') + int($kept / 2);
my $given = '';

# They have a second to give it back, which may be too short on a machine that has much else to do.
for (1 .. 5)
{
	my $started = time;

	$given = eval { ask($asker, wants($wanted)) } // $@;
	last if $given eq $wanted || time - $started < 1;
}
is($given, $wanted, 'who needs memory gets what others do not use, without an error');
ask($observer, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid IN ($pids)");
end_session($_) foreach @working;

# One that is stopped cannot give: who asks does not wait for ever.
my $stopped = session($node);
my $stopped_pid = backend_pid($stopped);
ask($stopped, 'SELECT test_create(true); SELECT test_fill(50000000, 100000); SELECT test_reset()');
kill('STOP', $stopped_pid) or die 'cannot stop';
like(refused($asker, wants(300_000_000)), $refused, 'one that is stopped gives nothing, and who asks is told after a while');
kill('CONT', $stopped_pid);
end_session($stopped);

#
# One that is idle in a transaction with most of the memory
#
my $hog = session($node);
my $hog_pid = backend_pid($hog);
ask($hog, 'BEGIN; SELECT test_create(true); SELECT test_fill(150000000, 100000)');
wait_for_client($observer, $hog_pid);
my $hits = count_of('limit_hits');
my $message = refused($asker, wants(150_000_000));
like($message, $refused, 'error: who asks fails');
like($message, qr/Of that, \d+ kB are not in use\.  Process $hog_pid \(idle in transaction\) holds the most, 1[45]\d{4} kB\..*HINT:  End the session that holds the most/s, 'error: it says who holds the most, what it does, and what is unused');
is(count_of('limit_hits'), $hits + 1, 'error: it is counted');
is(ask($asker, 'SELECT limit_hits > 0 FROM goarena_stats() WHERE pid = pg_backend_pid()'), 't', 'error: also for the process');
set_policy('cancel_largest');
like(refused($asker, wants(150_000_000)), qr/$refused.*Process $hog_pid \(idle in transaction\)/s, 'cancel_largest: it cannot be cancelled, and is named');
is(ask($hog, 'SELECT 1'), '1', 'cancel_largest: it goes on');
wait_for_client($observer, $hog_pid);

set_policy('cancel_or_terminate');
my $offset = -s $node->logfile;
my $terminations = count_of('terminations');
is(ask($asker, wants(150_000_000)), '150000000', 'cancel_or_terminate: who asks gets its memory');
is(count_of('terminations'), $terminations + 1, 'cancel_or_terminate: it is counted');
like(log_of($node, $offset), qr/process $hog_pid is to end its session, which holds \d+ kB/, 'cancel_or_terminate: the log tells who is ended');
like(log_of($node, $offset), qr/FATAL:  terminating connection because of goarena.total_memory_limit\n.*DETAIL:  It held \d+ kB, more than any other session/, 'cancel_or_terminate: and why');
eval { end_session($hog) };

# A session outside of a transaction is not ended, whatever it holds.
$hog = session($node);
$hog_pid = backend_pid($hog);
ask($hog, 'SELECT test_create(true); SELECT test_fill(150000000, 100000)');
wait_for_client($observer, $hog_pid);
like(refused($asker, wants(150_000_000)), $refused, 'cancel_or_terminate: a session outside of a transaction is left alone');
is(backend_pid($hog), $hog_pid, 'cancel_or_terminate: it goes on');
end_session($hog);

#
# One that catches what cancels it
#
sub immune
{
	my $session = session($node);

	$session->{pid} = backend_pid($session);
	$session->query_until(qr/^begun$/m, q{\echo begun
		DO $$
		DECLARE
			held text := repeat('x', 40000000);
			started timestamptz := clock_timestamp();
		BEGIN
			WHILE clock_timestamp() < started + interval '600 s' LOOP
				BEGIN
					PERFORM pg_sleep(600);
				EXCEPTION WHEN query_canceled THEN
					RAISE LOG 'caught: %', sqlerrm;
				END;
			END LOOP;
		END $$;
});
	wait_until(sub { ask($observer, "SELECT wait_event FROM pg_stat_activity WHERE pid = $session->{pid}") eq 'PgSleep' });
	return $session;
}

sub held_statement
{
	my ($bytes) = @_;
	my $session = session($node);

	$session->{pid} = backend_pid($session);
	$session->query_until(qr/^begun$/m, qq{\\echo begun
		SELECT length(s), pg_sleep(600) FROM (SELECT repeat('x', n) s FROM generate_series($bytes, $bytes) n OFFSET 0) t;
});
	wait_until(sub { ask($observer, "SELECT wait_event FROM pg_stat_activity WHERE pid = $session->{pid}") eq 'PgSleep' });
	return $session;
}

set_policy('cancel_largest');
$hog = immune();
my $next = held_statement(60_000_000);
$offset = -s $node->logfile;
my $cancels = count_of('cancels');
is(ask($asker, wants(150_000_000)), '150000000', 'cancel_largest: beside one that catches the error, who asks gets its memory');
my @caught = log_of($node, $offset) =~ /caught: canceling statement because of goarena.total_memory_limit/g;
is(scalar(@caught), 2, 'cancel_largest: it was asked twice');
like(refused($next, 'SELECT 1'), qr/ERROR:  canceling statement because of goarena.total_memory_limit/, 'cancel_largest: then the next one was cancelled');
is(count_of('cancels'), $cancels + 3, 'cancel_largest: all of that is counted');
is(ask($next, 'SELECT cancels FROM goarena_stats() WHERE pid = pg_backend_pid()'), '1', 'cancel_largest: also for the process');
end_session($next);

set_policy('cancel_or_terminate');
is(ask($asker, wants(200_000_000)), '200000000', 'cancel_or_terminate: one that catches the error is ended');
like(log_of($node, $offset), qr/FATAL:  terminating connection because of goarena.total_memory_limit/, 'cancel_or_terminate: the log says why');
eval { end_session($hog) };

#
# Who asks waits for what was cancelled: one victim is enough.  Beside three victims one
# who asks is over the limit, even if the other has ended; beside two, both fit.  They differ
# by more than what a session holds beside its statement.
#
my @victims = map { held_statement(55_000_000 + $_ * 10_000_000) } 1 .. 3;
note('held before: ' . ask($observer, 'SELECT goarena_total_held()'));
my @askers = map { session($node) } 1 .. 2;
$cancels = count_of('cancels');
$_->query_until(qr/^begun$/m, '\echo begun' . "\n" . wants(41_000_000) . ";\n") foreach @askers;
is(refused($_, 'SELECT 1'), '', 'several who ask: each gets its memory') foreach @askers;
is(count_of('cancels'), $cancels + 1, 'several who ask: the memory of one victim is enough for them');
like(refused($victims[2], 'SELECT 1'), qr/canceling statement because of goarena.total_memory_limit/, 'several who ask: it was the largest');
foreach my $session (@victims)
{
	ask($observer, "SELECT pg_cancel_backend($session->{pid})");
	eval { end_session($session) };
}
end_session($_) foreach @askers;

#
# Counters after a crash
#
$hits = count_of('limit_hits');
cmp_ok($hits, '>', 0, 'limits were met');
end_session($_) foreach ($observer);
$offset = -s $node->logfile;
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;
kill('KILL', backend_pid($asker));
ok(wait_until(sub { is_up_again($node, $offset) }), 'the server is up again after kill -9');
eval { end_session($asker) };
$observer = session($node);
is(count_of('limit_hits'), $hits, 'counters go on after a crash');
is(count_of('faults'), 0, 'no faults so far');
my $faulty = session($node);
my $faulty_pid = backend_pid($faulty);
eval {
	refused($faulty, q{SET goarena.on_fault = 'terminate'; SET goarena.quarantine = 'strict'; SET goarena.quarantine_sample_rate = 1;
		SELECT test_create(true); SELECT test_keep(); SELECT test_delete(); SELECT test_read_kept()});
};
ok(wait_until(sub { ask($observer, "SELECT count(*) FROM pg_stat_activity WHERE pid = $faulty_pid") eq '0' }), 'a session ended for a fault');
is(count_of('faults'), 1, 'which is counted');
eval { end_session($faulty) };
end_session($observer);

$node->stop;

done_testing();
