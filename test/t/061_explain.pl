
# Copyright (c) 2026, goarena contributors

# EXPLAIN (ANALYZE, GOARENA), which PostgreSQL has from 18 on: what it says of a statement's
# memory, in each format, of statements of all kinds, and that nothing stays behind.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('explain', PRELOAD, 'jit = off', 'autovacuum = off', 'max_parallel_workers_per_gather = 2',
	'min_parallel_table_scan_size = 0', 'parallel_setup_cost = 0', 'parallel_tuple_cost = 0', 'work_mem = 64MB');
my $session = session($node);

if ($node->pg_version < 18)
{
	like(refused($session, 'EXPLAIN (ANALYZE, GOARENA) SELECT 1'), qr/unrecognized EXPLAIN option "goarena"/,
		'before 18 EXPLAIN has no such option');
	end_session($session);
	stop_in_order($node);
	done_testing();
	exit;
}

my $options = 'ANALYZE, COSTS off, TIMING off, SUMMARY off, BUFFERS off, GOARENA';

# A statement that holds 30 MB for a moment.
my $large = q{SELECT length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 15000)};

sub memory_of
{
	my ($statement, $more) = @_;

	return ask($session, "EXPLAIN ($options" . ($more // '') . ") $statement");
}

# The peak in kB that the text says, each that is said if there are several plans.
sub peaks
{
	return shift =~ /^ *Execution Memory: peak=(\d+)kB/mg;
}

# Is it that of the large statement alone?
sub is_large
{
	my @peaks = @_;

	return @peaks == 1 && $peaks[0] > 15_000 && $peaks[0] < 60_000;
}

my $text = memory_of($large);
like($text, qr/^Execution Memory: peak=\d+kB  allocated=\d+kB  objects=\d+\n  Largest Contexts at \d+kB: \S.* \d+ kB(?: in \d+ contexts)?, /m,
	'it says peak, allocations and largest contexts');
ok(is_large(peaks($text)), 'the peak is that of the statement') or diag($text);
like($text, qr/Largest Contexts at \d{5}kB: ExprContext \d{5} kB/, 'the context that grew comes first');
my ($allocated, $objects) = $text =~ /allocated=(\d+)kB  objects=(\d+)/;
cmp_ok($allocated, '>', 15_000, 'allocations count what was allocated');
my $small = memory_of('SELECT 1');
like($small, qr/Largest Contexts at [1-9]\d*kB: \w+ \d+ kB/, 'contexts of a small statement are told, too');
my ($little) = peaks($small);
cmp_ok($little, '<', 500, 'a small statement has a small peak, whatever ran before it');
unlike(ask($session, 'EXPLAIN (ANALYZE) SELECT 1'), qr/Execution Memory/, 'without the option nothing is said');
unlike(memory_of('SELECT 1', ' off'), qr/Execution Memory/, 'nor if it is off');
like(refused($session, 'EXPLAIN (GOARENA) SELECT 1'), qr/EXPLAIN option GOARENA requires ANALYZE/, 'it needs ANALYZE');
like(refused($session, 'EXPLAIN (ANALYZE, GOARENA 7) SELECT 1'), qr/goarena requires a Boolean value/, 'it is true or false');

# Formats
my $json = memory_of($large, ', FORMAT json') =~ s/\n/ /gr;
is( ask($session, qq{SELECT (m->>'Peak')::int BETWEEN 15000 AND 60000, (m->>'Workers')::int, (m->>'Objects')::int > 0,
		m->'Largest Contexts'->0->>'Name', (m->'Largest Contexts'->0->>'Held')::int > 15000,
		jsonb_array_length(m->'Largest Contexts')
	FROM (SELECT \$json\$$json\$json\$::jsonb->0->'Execution Memory' AS m) s}),
	't|0|t|ExprContext|t|5', 'it is there in JSON');
like(memory_of($large, ', FORMAT yaml'), qr/^ +Execution Memory: *\n +Peak: \d{5}\n(?:.*\n)* +- Name: "ExprContext"\n/m, 'and in YAML');
like(memory_of($large, ', FORMAT xml'), qr{<Execution-Memory>\s*<Peak>\d{5}</Peak>.*<Largest-Contexts>\s*<Context>\s*<Name>ExprContext</Name>}s, 'and in XML');

# Statements of all kinds
ask($session, "PREPARE large AS $large");
ok(is_large(peaks(memory_of('EXECUTE large'))), 'EXECUTE');
ok(is_large(peaks(memory_of("CREATE TABLE made AS $large"))), 'CREATE TABLE AS');
is(ask($session, 'SELECT * FROM made'), '15000000', 'which makes the table');
ok(is_large(peaks(memory_of("DECLARE c CURSOR FOR $large"))), 'DECLARE CURSOR');
ask($session, 'CREATE TABLE t (a text);
	CREATE FUNCTION grow_large() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN PERFORM (' . $large . q{); RETURN NULL; END $$;
	CREATE TRIGGER grow AFTER INSERT ON t FOR EACH STATEMENT EXECUTE FUNCTION grow_large()});
ok(is_large(peaks(memory_of(q{INSERT INTO t VALUES ('a')}))), 'a trigger counts');
ask($session, "CREATE FUNCTION large() RETURNS bigint LANGUAGE plpgsql AS \$\$ BEGIN RETURN ($large); END \$\$");
ok(is_large(peaks(memory_of('SELECT large()'))), 'a function that runs statements counts');
ask($session, 'CREATE RULE twice AS ON UPDATE TO t DO ALSO SELECT large(); CREATE RULE never AS ON DELETE TO t DO INSTEAD NOTHING');
my @twice = peaks(memory_of(q{UPDATE t SET a = 'b'}));
ok(@twice == 2 && $twice[0] > 15_000 && $twice[1] < 1000, 'each plan of a rule has its own') or diag("@twice");
unlike(memory_of('DELETE FROM t'), qr/Execution Memory/, 'no plan has none');

# EXPLAIN in a function that is explained
ask($session, "CREATE FUNCTION explained(statement text) RETURNS SETOF text LANGUAGE plpgsql AS \$\$
	BEGIN RETURN QUERY EXECUTE 'EXPLAIN ($options) ' || statement; END \$\$");
my $nested = ask($session, "SELECT * FROM explained(\$\$$large\$\$)");
ok(is_large(peaks($nested)), 'in a function');
is( ask($session, "SELECT count(*) FILTER (WHERE e ~ '^Execution Memory') FROM explained('SELECT * FROM explained(\$\$SELECT 1\$\$)') e"),
	'1', 'in a statement that is explained itself');

# Parallel workers
ask($session, 'CREATE TABLE many AS SELECT i, md5(i::text) AS m FROM generate_series(1, 100000) i; ANALYZE many');
my $parallel = memory_of('SELECT count(*) FROM (SELECT m FROM many ORDER BY m OFFSET 0) s');
SKIP:
{
	skip 'the plan is not parallel, or no worker could be started', 1 unless $parallel =~ /Workers Launched: [12]/;
	my ($workers) = $parallel =~ /workers=(\d+)kB/;
	ok(defined $workers && $workers > 500 && $workers < 40_000, 'memory of parallel workers is told') or diag($parallel);
}
$parallel = memory_of('SELECT count(*) FROM many WHERE i > 0');
SKIP:
{
	skip 'the plan is not parallel, or no worker could be started', 1 unless $parallel =~ /Workers Launched: [12]/;
	my ($workers) = $parallel =~ /workers=(\d+)kB/;
	cmp_ok($workers // 0, '<', 1000, 'without what a worker held before it began') or diag($parallel);
}

# Errors in the midst
like(refused($session, "EXPLAIN ($options) SELECT 1 / (SELECT length(string_agg(repeat('x', 1000), '')) - 15000000 FROM generate_series(1, 15000))"),
	qr/division by zero/, 'a statement that fails');
is(ask($session, 'SHOW goarena.explaining'), 'off', 'nothing is watched after an error');
cmp_ok((peaks(memory_of('SELECT 1')))[0], '<', 500, 'nor does what it held count for the next');
ask($session, 'BEGIN');
ask($session, q{DO $$ BEGIN EXECUTE 'EXPLAIN (ANALYZE, GOARENA) SELECT 1/0'; EXCEPTION WHEN division_by_zero THEN NULL; END $$});
is(ask($session, 'SHOW goarena.explaining'), 'off', 'nor after one that is caught');
ask($session, 'COMMIT');
is(ask($session, 'SHOW goarena.explaining'), 'off', 'nor after the end');

# Together with goarena.log_peak and statements that are counted
my $position = -s $node->logfile;
ask($session, "SET goarena.log_peak = '1MB'");
memory_of($large);
memory_of('SELECT 1');
ask($session, 'RESET goarena.log_peak');
my $log = slurp_file($node->logfile, $position);
is(() = $log =~ /LOG:  statement used \d{5} kB.*\n.*Largest memory contexts of the process when the statement held \d{5} kB: ExprContext/g,
	1, 'goarena.log_peak logs the EXPLAIN as well, with the largest contexts');
is(ask($session, 'SELECT goarena_check() IS NULL'), 't', 'goarena is in order');

# For everybody
ask($session, 'CREATE ROLE somebody; SET ROLE somebody');
ok(is_large(peaks(memory_of($large))), 'everybody may ask');
like(refused($session, 'SET goarena.explaining = on'), qr/permission denied/, 'but not have statements watched');
ask($session, 'RESET ROLE');

end_session($session);
stop_in_order($node);
done_testing();
