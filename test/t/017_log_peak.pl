# Copyright (c) 2026, goarena contributors

# goarena.log_peak: statements that use much memory are logged, with the contexts that
# held most of it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('main', PRELOAD, 'max_parallel_workers_per_gather = 0', 'jit = off');
my $session = session($node);

ask($session, 'CREATE TABLE t AS SELECT i, i % 100 AS j FROM generate_series(1, 200000) i');
ask($session, 'ALTER TABLE t SET (parallel_workers = 2)');
ask($session, 'VACUUM ANALYZE t');
ask($session, 'CREATE EXTENSION IF NOT EXISTS plpgsql');

# What statements log: a hash for each.
sub logged
{
	my ($asker, @queries) = @_;
	my $offset = -s $node->logfile;
	my @found;

	$asker->{stderr} = '';
	$asker->query($_) foreach @queries;
	my $log = log_of($node, $offset);
	my $statement =
	  qr/LOG:  statement used (\d+) kB of memory at its peak(?:, (\d+) kB of it in parallel workers)?\n/;
	my $detail =
	  qr/.*DETAIL:  Largest memory contexts of the process when the statement held (\d+) kB: (.*)\.\n/;
	while ($log =~ /$statement$detail(?:.*STATEMENT:  (.*)\n)?/g)
	{
		push @found, { peak => $1, workers => $2 // 0, at => $3, contexts => $4, statement => $5 // '' };
		$found[-1]{statement} =~ s/;$//;
	}
	return @found;
}

my $array = 'SELECT array_length(array_agg(i), 1) FROM t';
my $string = q{SELECT length(string_agg(repeat('x', 1000), '')) FROM t WHERE i <= 30000};

is(scalar(logged($session, $array, $string)), 0, 'off by default');

# A size
ask($session, q{SET goarena.log_peak = '2MB'});
is(scalar(logged($session, 'SELECT 1', 'SELECT count(*) FROM t')), 0, 'small statements are not logged');
my @found = logged($session, $array);
is(scalar(@found), 1, 'a large one is, once');
cmp_ok($found[0]{peak}, '>=', 3000, 'its peak');
cmp_ok($found[0]{peak}, '<', 5000, 'is what it holds');
cmp_ok($found[0]{at}, '>=', $found[0]{peak} * 0.79, 'contexts are from near the peak');
cmp_ok($found[0]{at}, '<=', $found[0]{peak}, 'and not beyond');
like($found[0]{contexts}, qr/^(ExprContext|ExecutorState) \d+ kB( in \d+ contexts)?, /, 'the array is in the largest');
like($found[0]{contexts}, qr/CacheMemoryContext \d+ kB/, 'contexts that are not arenas are among them');
is(scalar(() = $found[0]{contexts} =~ / kB/g), 5, 'five of them');
is($found[0]{statement}, $array, 'with the statement');

@found = logged($session, $string);
is(scalar(@found), 1, 'one large object');
cmp_ok($found[0]{peak}, '>=', 30000, 'its peak');
cmp_ok($found[0]{at}, '>=', $found[0]{peak} * 0.79, 'contexts are from near the peak');
like($found[0]{contexts}, qr/^(ExprContext|ExecutorState) \d{5,} kB/, 'its context');

# What is no arena is not seen before the statement ends, and then it is gone.
ask($session, q{SET work_mem = '64MB'});
@found = logged($session, q{SELECT max(length(s)) FROM (SELECT repeat('x', 5000) || i AS s FROM t WHERE i <= 5000 ORDER BY 1 OFFSET 0) x});
is(scalar(@found), 1, 'a sort');
like($found[0]{contexts}, qr/Caller tuples \d{4,} kB/, 'what it sorted is among the largest');
ask($session, 'RESET work_mem');

@found = logged($session, q{SELECT length(repeat('x', 60000000 + i)) FROM t WHERE i = 1});
is(scalar(@found), 1, 'an object that comes all at once');
like($found[0]{contexts}, qr/^ExprContext 5\d{4} kB/, 'its context');

# An identifier helps to tell contexts of one name apart.  What is no arena and holds some
# megabytes is looked at when it ends, however slow that is.
@found = logged($session, q{DO $$ DECLARE a integer[] := '{}'; BEGIN FOR i IN 1 .. 1500000 LOOP a[i] := i; END LOOP; END $$});
is(scalar(@found), 1, 'an array of PL/pgSQL');
like($found[0]{contexts}, qr/expanded array \d{4,} kB/, 'its context');

# Identifiers can be texts that a client may not see, so nothing goes to clients.
ask($session, q{SET client_min_messages = log});
$session->{stderr} = '';
$session->query($array);
unlike($session->{stderr}, qr/at its peak/, 'clients are not told');
$session->{stderr} = '';
ask($session, q{RESET client_min_messages});

# The exact bound: a peak can differ by some kB from the last one, but not each time
my ($whole, $same);
foreach my $try (1 .. 10)
{
	ask($session, 'SET goarena.log_peak = 0');
	($whole) = logged($session, $array);
	ask($session, "SET goarena.log_peak = $whole->{peak}");
	($same) = logged($session, $array);
	last if defined $same && $same->{peak} == $whole->{peak};
}
is($same->{peak}, $whole->{peak}, 'as much as the size');
ask($session, 'SET goarena.log_peak = ' . ($whole->{peak} + 100));
is(scalar(logged($session, $array)), 0, 'less than the size');

# All statements
ask($session, 'SET goarena.log_peak = 0');
@found = logged($session, 'SELECT 1', 'SHOW work_mem', 'VACUUM t');
is(join(', ', map { $_->{statement} } @found), 'SELECT 1, SHOW work_mem, VACUUM t', '0: all statements');
cmp_ok($found[0]{peak}, '<', 200, 'small ones');

# Statements in functions belong to who called them.
ask($session, q{SET goarena.log_peak = '2MB'});
ask($session, q{CREATE FUNCTION f() RETURNS integer LANGUAGE plpgsql AS
	$$ DECLARE n integer; BEGIN SELECT array_length(array_agg(i), 1) INTO n FROM t; RETURN n; END $$});
@found = logged($session, 'SELECT f()');
is(scalar(@found), 1, 'one line for the statement and what it calls');
is($found[0]{statement}, 'SELECT f()', 'the statement that was sent');

# Statements that fail are those that matter most.
@found = logged($session, 'SELECT 1 / (array_length(array_agg(i), 1) - 200000) FROM t');
is(scalar(@found), 1, 'a statement that fails is logged');
cmp_ok($found[0]{peak}, '>=', 3000, 'its peak');
like($found[0]{contexts}, qr/^(ExprContext|ExecutorState) \d{4} kB/, 'its contexts');
@found = logged($session, 'CREATE TABLE u AS SELECT 1 / (array_length(array_agg(i), 1) - 200000) AS n FROM t');
is(scalar(@found), 1, 'so is a utility statement');
is(scalar(logged($session, 'SELECT 1')), 0, 'and not told twice');

# Two statements of one message
@found = logged($session, "$array\\; SELECT 1\\; $array");
is(scalar(@found), 2, 'statements of one message are told one by one');

# Parallel workers
ask($session, 'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; '
	  . 'SET min_parallel_table_scan_size = 0; SET parallel_leader_participation = off; SET enable_parallel_hash = off; '
	  . q{SET work_mem = '64MB'});
@found = logged($session, 'SELECT count(*) FROM t a JOIN t b USING (i) WHERE a.j >= 0');
is(scalar(@found), 1, 'a parallel join');
SKIP:
{
	skip 'no worker could be started', 1 if $found[0]{workers} == 0;
	cmp_ok($found[0]{workers}, '>=', 10000, 'of its peak, what is in workers');
}
ask($session, 'SET max_parallel_workers_per_gather = 0');

# Nobody but superusers
$node->safe_psql('postgres', 'CREATE ROLE someone LOGIN');
my $someone = session($node, extra_params => [ '-U', 'someone' ]);
like(refused($someone, 'SET goarena.log_peak = 0'), qr/permission denied/, 'for superusers only');
end_session($someone);
is(ask($session, 'SELECT goarena_check()'), '', 'all is in order');
end_session($session);
stop_in_order($node);

# Without shared memory
$node = new_server('loaded');
$session = session($node);
ask($session, q{LOAD 'goarena'});
ask($session, q{SET goarena.log_peak = '2MB'});
@found = logged($session, 'SELECT array_length(array_agg(i), 1) FROM generate_series(1, 200000) i');
is(scalar(@found), 1, 'also in a session that loaded the library');
like(refused($session, 'SELECT * FROM goarena_statements'),
	qr/ERROR:  goarena does not count what statements use.*HINT:  Add goarena to shared_preload_libraries/s,
	'where there is no table of statements');
like(refused($session, 'SELECT goarena_statements_reset()'), qr/does not count/, 'to be reset');
end_session($session);
stop_in_order($node);

done_testing();
