# Copyright (c) 2026, goarena contributors

# Transactions that follow each other fast do not show each time what the process
# holds, but what others see of an idle session is right all the same: it is asked for
# what it did not show.  What statements used is seen at once, whatever
# becomes of their rows meanwhile.  And the high-water mark of a statement is kept
# whether anybody watches statements or not.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $rounds = 20;
my $node = new_server('showing', PRELOAD, 'autovacuum = off', 'goarena.statements_max = 100',
	'max_prepared_transactions = 2', "goarena.retain = '8MB'");
my $watcher = session($node);
my $session = session($node);
my $pid = backend_pid($session);

# Many transactions, one right after the other; returns what the last one says.
sub burst
{
	my (@last) = @_;
	my @lines = split(/\n/, ask($session, join("\n", ('SELECT 1;') x 60, @last)));

	return $lines[-1];
}

# What others see of the session.  They wait for a moment for what it did not show, which
# may be too short on a machine that has much else to do: also returns whether it was over.
sub seen
{
	my ($query) = @_;
	my $started = time;
	my $result = ask($watcher, $query);

	return ($result, time - $started >= 0.05);
}

# What is known of the session in the midst of its last statement but is not there yet
# in what others see; called once for each way of asking.
sub missing
{
	my ($wait, $last) = @_;

	for my $try (1 .. 30)
	{
		my ($missing, $late) = missing_once($wait, $last);

		return $missing if $missing <= 0 || !$late || $try == 30;
		refused($session, 'ROLLBACK');
	}
}

sub missing_once
{
	my ($wait, $last) = @_;
	my $own = burst("SELECT allocs FROM goarena_stats() WHERE pid = pg_backend_pid();");

	refused($session, $last) if $last;
	wait_for_client($watcher, $pid) if $last;
	select(undef, undef, undef, $wait) if $wait;
	return seen("SELECT greatest($own - allocs, 0) FROM goarena_stats() WHERE pid = $pid");
}

is(join(' ', grep { $_ > 0 } map { missing(0) } 1 .. $rounds), '', 'asked at once: nothing is missing');
is(join(' ', grep { $_ > 0 } map { missing(0.3) } 1 .. 3), '', 'asked later: nothing is missing');
is(join(' ', grep { $_ > 0 } map { missing(0, 'SELECT 1 / 0') } 1 .. $rounds),
	'', 'after an error: nothing is missing');
is(join(' ', grep { $_ > 0 } map { missing(0, 'BEGIN; SELECT 1 / 0; ROLLBACK') } 1 .. $rounds),
	'', 'after a failed transaction: nothing is missing');
is(join(' ', grep { $_ > 0 } map { my $m = missing(0, 'BEGIN'); refused($session, 'COMMIT'); $m } 1 .. $rounds),
	'', 'idle in a transaction: nothing is missing');

# Contexts
ask($session, 'SELECT test_create()');
my @wrong = ();
for (1 .. $rounds)
{
	my ($own, $seen, $late);

	for (1 .. 30)
	{
		$own = burst('SELECT test_fill(20000);', "SELECT used_bytes FROM goarena_arenas() WHERE name = 'goarena test';");
		($seen, $late) = seen("SELECT used_bytes FROM goarena_arenas($pid, 0) WHERE name = 'goarena test'");
		last if $own eq $seen || !$late;
	}
	push @wrong, "$own $seen" if $own ne $seen;
}
is(join(', ', @wrong), '', 'contexts: they are as the session sees them');
ask($session, 'SELECT test_delete()');

# Those that ended with the transaction are not among them, and small changes among many are.
# (TopTransactionContext stays from 17 on, empty.)
ask($session, 'SELECT test_create(); SELECT test_scatter(100)');
foreach my $size (3000, 100)
{
	ask($session, "BEGIN; SELECT test_fill($size); COMMIT");
	is( ask($watcher, qq{SELECT string_agg(name, ' ') FROM goarena_arenas($pid, 60)
			WHERE name IN ('PortalContext', 'ExecutorState')}),
		'', "contexts: an idle session has none of its last transaction's, $size bytes");
	is( ask($watcher, "SELECT allocs FROM goarena_arenas($pid, 60) WHERE name = 'goarena test'"),
		ask($session, q{SELECT allocs FROM goarena_arenas() WHERE name = 'goarena test'}),
		"contexts: and what it left, $size bytes");
}
ask($session, 'SELECT test_delete()');

# A transaction that is prepared is at its end, too.
ask($session, 'SELECT test_create(); SELECT test_fill(3000)');
select(undef, undef, undef, 0.5);
ask($session, "BEGIN; SELECT test_delete(); PREPARE TRANSACTION 'p'");
ok(wait_until(sub { ask($watcher, "SELECT count(*) FROM goarena_arenas($pid, 0) WHERE name = 'goarena test'") eq '0' }),
	'prepared: contexts are as the transaction left them');
ask($session, "ROLLBACK PREPARED 'p'");

# One that is stopped is not waited for much longer than others.
burst('SELECT 1;');
kill('STOP', $pid);
cmp_ok(ask($watcher, "SELECT held FROM goarena_stats() WHERE pid = $pid"), '>', 0, 'stopped: it has a row');
kill('CONT', $pid);
in_order($session, 'all is in order');

#
# Statements
#
ask($_, 'SET compute_query_id = on; SET goarena.track_statements = top') foreach $session, $watcher;
my $query = q{SELECT 'mine'::text;};

my ($queryid) = ask($session, "EXPLAIN (VERBOSE) $query") =~ /Query Identifier: (-?\d+)/;

sub calls
{
	return ask($watcher, "SELECT calls FROM goarena_statements WHERE queryid = $queryid");
}

ask($watcher, 'SELECT goarena_statements_reset()');
ask($session, join("\n", ($query) x 500));
is(calls(), '500', 'statements: each call is seen at once');
ask($watcher, 'SELECT goarena_statements_reset()');
ask($session, join("\n", ($query) x 7));
is(calls(), '7', 'statements: after a reset only those that followed');

# The memory of the row becomes that of others.
ask($watcher, 'SELECT goarena_statements_reset()');
ask($watcher, 'SELECT ' . join(', ', map { "1 AS c$_" } 1 .. $_)) foreach 1 .. 300;
ask($session, join("\n", ($query) x 9));
is(calls(), '9', 'statements: after others took its place');
is(ask($watcher, q{SELECT count(*) FROM goarena_statements WHERE calls = 9}), '1', 'statements: none of them was counted more often');

#
# High-water marks
#
ask($session, 'SET goarena.track_statements = off');
ask($session, <<'SQL');
CREATE FUNCTION much() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	total bigint;
BEGIN
	SELECT sum(length(s)) INTO total FROM (SELECT string_agg(repeat('x', 1000), '') AS s FROM generate_series(1, 20000)) x;
	RETURN total;
END $$;
CREATE FUNCTION much_and_little(fails boolean, tracked text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	total bigint;
	rows bigint := 0;
BEGIN
	PERFORM set_config('goarena.track_statements', tracked, false);
	total := much();
	BEGIN
		PERFORM 1 / (CASE WHEN fails THEN 0 ELSE 1 END);
	EXCEPTION WHEN division_by_zero THEN
		total := -total;
	END;
	SELECT count(*) INTO rows FROM pg_class;
	RETURN total;
END $$;
SQL

# The peak of the session's last statement, in MB.
sub peak_mb
{
	for my $try (1 .. 30)
	{
		my ($peak, $late) = seen("SELECT statement_peak / 1024 / 1024 FROM goarena_stats() WHERE pid = $pid");

		return $peak if !$late || $try == 30;
	}
}

foreach my $tracked ('off', 'top', 'all')
{
	foreach my $then ('off', 'top', 'all')
	{
		my $name = "track_statements $tracked, changed to $then";

		ask($session, "SET goarena.track_statements = '$tracked'");
		foreach my $fails ('false', 'true')
		{
			ask($session, "SELECT much_and_little($fails, '$then')");
			cmp_ok(peak_mb(), '>=', 20, "$name, fails $fails: the statement's peak is that of those inside")
			  if $tracked eq $then;
			ask($session, "SET goarena.track_statements = '$tracked'");
		}
		refused($session, "SELECT much_and_little(false, '$then') / 0");
		ask($session, "SET goarena.track_statements = '$then'");
		ask($session, 'SELECT 1');
		cmp_ok(peak_mb(), '<', 20, "$name: that of the next one is its own");
		ask($watcher, 'SELECT goarena_statements_reset()');
		ask($session, 'SELECT 1');
		is(ask($watcher, 'SELECT coalesce(bool_and(toplevel), true) FROM goarena_statements'), 't', "$name: levels are in order");
	}
}
ask($session, 'SET goarena.track_statements = off');
refused($session, 'SELECT much(), 1 / (SELECT count(*) FROM pg_class WHERE oid = 0)');
ask($session, 'SELECT 1');
cmp_ok(peak_mb(), '<', 20, 'after an error: the next one has its own peak');

# Statements inside are no statements of the top level, whoever began to watch when.
ask($watcher, 'SELECT goarena_statements_reset()');
ask($session, "SELECT much_and_little(true, 'all')");
is(ask($watcher, q{SELECT count(*) > 0, bool_or(toplevel) FROM goarena_statements WHERE peak_max > 15000000}),
	't|f', 'begun to watch inside a function: nothing of it is at the top');
in_order($session, 'all is in order');
end_session($_) foreach $session, $watcher;
stop_in_order($node);

done_testing();
