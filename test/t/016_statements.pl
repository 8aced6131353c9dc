# Copyright (c) 2026, goarena contributors

# goarena_statements: what statements used.  The figures agree with what the server
# itself says of the executor's memory; statements are counted as pg_stat_statements
# counts them; errors, cursors and parallel workers; what happens when there are too
# many, at restarts, and to files that are damaged.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;

use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX 'mkfifo';
use Test::More;

my $node = new_server(
	'main',
	"shared_preload_libraries = 'goarena, goarena_test'",
	'goarena.statements_max = 100',
	'goarena.track_statements = top',
	'max_parallel_workers_per_gather = 0',
	'jit = off',
	"work_mem = '64MB'");
my $session = session($node);
my $user = ask($session, 'SELECT current_user::regrole::oid');

# The one row whose statement ran this often, as a hash.
sub row_of
{
	my ($asker, $where) = @_;
	my @fields = qw(queryid calls peak_max peak_mean peak_stddev bytes allocs large_allocs toplevel);
	my @values = split(/\|/, ask($asker,
		'SELECT ' . join(', ', @fields) . " FROM goarena_statements WHERE $where"), -1);
	my %row;

	@row{@fields} = @values;
	return \%row;
}

# Run a query, and return the lines of the test module on the plans that it ran: the
# query's identifier, the worker's number, and bytes.
sub logged_runs
{
	my (@queries) = @_;
	my $offset = -s $node->logfile;

	ask($session, $_) for @queries;
	return map { [ split(/ /, $_) ] }
	  log_of($node, $offset) =~ /goarena_test: run (-?\d+ -?\d+ \d+)$/mg;
}

# Is a figure within a twentieth, and a few pages, of what it should be?
sub about
{
	my ($is, $expected) = @_;

	# more by what parsing and planning took
	return $is >= $expected * 0.95 - 16 * 1024 && $is <= $expected * 1.05 + 96 * 1024;
}

ask($session, 'CREATE TABLE t AS SELECT i, i % 100 AS j FROM generate_series(1, 200000) i');
ask($session, 'VACUUM ANALYZE t');

# 1. The peak is what the executor holds when its plan has run, for plans that hold
# the most then.
ask($session, 'SET enable_mergejoin = off; SET enable_nestloop = off; SET goarena_test.log_runs = on');
my @workload = (
	[ 'a constant', 'SELECT 1' ],
	[ 'a sort', 'SELECT count(*) FROM (SELECT i FROM t ORDER BY i DESC OFFSET 0) x' ],
	[ 'a hash join', 'SELECT count(*) FROM t a JOIN t b ON a.i = b.i' ],
	[ 'hash aggregation', 'SELECT count(*) FROM (SELECT i, count(*) FROM t GROUP BY 1 OFFSET 0) x' ],
	[ 'an array', 'SELECT array_length(array_agg(i), 1) FROM t' ],
	[ 'a string', q{SELECT length(string_agg(i::text, ',')) FROM t} ],
	[ 'jsonb', 'SELECT length(jsonb_agg(i)::text) FROM t' ],
	[ 'a window', 'SELECT count(*) FROM (SELECT rank() OVER (PARTITION BY j ORDER BY i) FROM t OFFSET 0) x' ],
	[ 'a CTE', 'WITH x AS MATERIALIZED (SELECT * FROM t) SELECT count(*) FROM x a, (SELECT count(*) FROM x) b' ],
	[ 'a function in FROM', 'SELECT count(*) FROM generate_series(1, 200000)' ],
	[ 'recursion', 'WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 1000) SELECT count(*) FROM r' ]);
my %transient =	# what grew was there twice for a while, which is the peak, or added to it
  map { $_ => 1 } ('hash aggregation', 'an array', 'jsonb', 'a CTE', 'a function in FROM');
my $largest = 0;
foreach my $case (@workload)
{
	my ($name, $query) = @$case;
	my ($run, @more) = logged_runs($query);
	my $row = row_of($session, "queryid = $run->[0] AND userid = $user");

	is(scalar(@more), 0, "$name: one plan");
	is($row->{calls}, 1, "$name: one call");
	note("$name: executor $run->[2], goarena $row->{peak_max} bytes");
	ok( $transient{$name}
		? $row->{peak_max} >= $run->[2] && $row->{peak_max} <= $run->[2] * 1.5
		: about($row->{peak_max}, $run->[2]),
		"$name: peak $row->{peak_max} agrees with $run->[2] of the executor");
	ok($row->{peak_mean} == $row->{peak_max} && $row->{peak_stddev} == 0, "$name: mean of one");
	$largest = $run->[2] if $run->[2] > $largest;
}
cmp_ok($largest, '>', 8 * 1024 * 1024, 'some of these plans are large');
cmp_ok(ask($session, 'SELECT min(allocs) FROM goarena_statements'), '<', 1000,
	'allocations of others do not count');

# What was given back before the end still counts.
my ($spilled) = logged_runs("SET work_mem = '4MB'",
	'SELECT count(*) FROM (SELECT i, j::text FROM t ORDER BY j, i DESC OFFSET 0) x', 'RESET work_mem');
my $spilled_row = row_of($session, "queryid = $spilled->[0]");
cmp_ok($spilled->[2], '<', 1024 * 1024, 'a sort that spilled holds little at the end');
cmp_ok($spilled_row->{peak_max}, '>', 3 * 1024 * 1024, 'but its peak is known');
# From 17 on tuples are in blocks that double, and the last one is held whole.
my $most = ($node->pg_version >= 17 ? 8 : 6) * 1024 * 1024;
cmp_ok($spilled_row->{peak_max}, '<', $most, 'and is what it was allowed');

# Maximum, mean and deviation over calls of one statement.
my @runs = map { logged_runs("SELECT count(*) FROM t a JOIN t b ON a.i = b.i WHERE b.i <= $_") }
  (20000, 40000, 180000);
my $row = row_of($session, "queryid = $runs[0][0]");
my ($sum, $squares, $most) = (0, 0, 0);
foreach (@runs)
{
	is($_->[0], $runs[0][0], 'one identifier whatever the constant');
	$sum += $_->[2];
	$most = $_->[2] if $_->[2] > $most;
}
$squares += ($_->[2] - $sum / 3)**2 foreach @runs;
is($row->{calls}, 3, 'three calls');
ok(about($row->{peak_max}, $most), "maximum $row->{peak_max} of them");
ok(about($row->{peak_mean}, $sum / 3), "mean $row->{peak_mean}");
ok(about($row->{peak_stddev}, sqrt($squares / 3)), "standard deviation $row->{peak_stddev}");

# Numbers of allocations: those of a known number of objects.
my ($texts) = logged_runs(q{SELECT max(length(repeat('x', 100 + j) || i)) FROM t});
$row = row_of($session, "queryid = $texts->[0]");
cmp_ok($row->{allocs}, '>=', 400000, 'two objects a row at least');
cmp_ok($row->{bytes}, '>=', 400000 * 100, 'of more than 100 bytes each');
cmp_ok($row->{peak_max}, '<', 1024 * 1024, 'which are not held');
my ($large) = logged_runs(q{SELECT length(repeat('x', 49999999 + i)) FROM t WHERE i = 1});
$row = row_of($session, "queryid = $large->[0]");
cmp_ok($row->{large_allocs}, '>=', 1, 'a large object');
ok(about($row->{bytes}, 50000000), "of its bytes: $row->{bytes}");
ask($session, 'SET goarena_test.log_runs = off');

# Each of many fast statements is measured, whatever the one before it took.
ask($session, join('; ', (q{SELECT count(*) FROM (SELECT repeat(i::text, 20) FROM generate_series(1, 500) i ORDER BY 1 OFFSET 0) fast}) x 100));
$row = row_of($session, 'calls = 100');
cmp_ok($row->{peak_mean}, '>', 0.95 * $row->{peak_max}, "fast ones: mean and maximum ($row->{peak_max}) agree");

# 2. Statements in functions.
ask($session, <<'SQL');
CREATE FUNCTION outer_one(n integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
	result integer;
BEGIN
	SELECT array_length(array_agg(i), 1) INTO result FROM t WHERE i <= n;
	RETURN result;
END $$;
CREATE FUNCTION failing_one() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM 1 / (array_length(array_agg(i), 1) - 200000) FROM t;
	RETURN 0;
EXCEPTION WHEN division_by_zero THEN
	RETURN 1;
END $$;
SQL
ask($session, 'SELECT goarena_statements_reset()');
ask($session, 'SELECT outer_one(150000)');
is(ask($session, 'SELECT count(*) FROM goarena_statements WHERE NOT toplevel'), '0', 'top: none of a function');
my $outer = row_of($session, 'peak_max = (SELECT max(peak_max) FROM goarena_statements)');
cmp_ok($outer->{peak_max}, '>', 1024 * 1024, 'what it holds belongs to who called it');
ask($session, q{SET goarena.track_statements = 'all'});
ask($session, 'SELECT goarena_statements_reset()');
ask($session, 'SELECT outer_one(150000)');
$outer = row_of($session, 'toplevel ORDER BY peak_max DESC LIMIT 1');
my $inner = row_of($session, 'NOT toplevel ORDER BY peak_max DESC LIMIT 1');
cmp_ok($inner->{peak_max}, '>', 1024 * 1024, 'all: it has a row of its own');
cmp_ok($outer->{peak_max}, '>=', $inner->{peak_max}, 'and still belongs to who called it');
cmp_ok($outer->{allocs}, '>=', $inner->{allocs}, 'so do its allocations');
ask($session, q{SET goarena.track_statements = 'off'});
ask($session, 'SELECT goarena_statements_reset()');
ask($session, 'SELECT outer_one(150000)');
is(ask($session, 'SELECT count(*) FROM goarena_statements'), '0', 'off: nothing');
ask($session, q{SET goarena.track_statements = 'top'});

# 3. Errors.
ask($session, 'SELECT goarena_statements_reset()');
like(refused($session, 'SELECT 1 / (array_length(array_agg(i), 1) - 200000) FROM t'),
	qr/division by zero/, 'a statement fails');
$row = row_of($session, 'peak_max > 1024 * 1024');
is($row->{calls}, 1, 'it is counted');
ask($session, q{SET goarena.track_statements = 'all'});
is(ask($session, 'SELECT failing_one()'), '1', 'an error is caught in a function');
is(ask($session, 'SELECT calls FROM goarena_statements WHERE NOT toplevel AND peak_max > 1024 * 1024'),
	'1', 'the statement that failed there is counted');
is(ask($session, 'SELECT failing_one()'), '1', 'once more');
is(ask($session, 'SELECT bool_and(calls = 2) FROM goarena_statements WHERE NOT toplevel'), 't', 'twice');
ask($session, 'SELECT goarena_statements_reset()');
ask($session, 'SELECT 1');
is(ask($session, 'SELECT bool_and(toplevel) FROM goarena_statements'), 't', 'levels are in order after errors');

# An error at the start, and in utility statements
like(refused($session, 'SELECT * FROM t FOR UPDATE OF nobody'), qr/ERROR/, 'not even parsed');
like(refused($session, 'CREATE TABLE u AS SELECT 1 / (i - 1000) FROM t'), qr/division by zero/, 'utility');
ask($session, 'SELECT goarena_statements_reset()');
ask($session, 'SELECT 1');
is(ask($session, 'SELECT bool_and(toplevel) FROM goarena_statements'), 't', 'still in order');
is(ask($session, 'SELECT goarena_check()'), '', 'so is the heap');
ask($session, q{SET goarena.track_statements = 'top'});

# 4. Cursors: other statements come between, which are not theirs.
ask($session, 'SELECT goarena_statements_reset()');
ask($session, 'BEGIN');
ask($session, 'DECLARE c CURSOR FOR SELECT i FROM t ORDER BY i');
ask($session, 'FETCH 10 FROM c');
ask($session, 'SELECT array_length(array_agg(i), 1) FROM t');
ask($session, 'FETCH 10 FROM c');
ask($session, 'SAVEPOINT s');
like(refused($session, 'SELECT 1 / 0'), qr/division by zero/, 'an error between');
ask($session, 'ROLLBACK TO s');
ask($session, 'FETCH 10 FROM c');
ask($session, 'COMMIT');
cmp_ok(ask($session, 'SELECT count(*) FROM goarena_statements'), '>=', 5, 'cursors do no harm');
is(ask($session, 'SELECT goarena_check()'), '', 'nor to the heap');

# The same through the protocol, where a portal is suspended.
ask($session, 'SELECT goarena_statements_reset()');
ask($session, <<'SQL');
DO $$
DECLARE
	a refcursor;
	b refcursor;
	n integer;
BEGIN
	OPEN a FOR SELECT i FROM t ORDER BY i DESC;
	OPEN b FOR SELECT j FROM t ORDER BY j DESC;
	FOR k IN 1 .. 100 LOOP
		FETCH a INTO n;
		FETCH b INTO n;
	END LOOP;
	CLOSE a;
END $$
SQL
cmp_ok(ask($session, 'SELECT max(peak_max) FROM goarena_statements'), '>', 8 * 1024 * 1024,
	'two sorts at a time');

# What a cursor holds grows from call to call, with other statements between.
ask($session, q{SET goarena.track_statements = 'all'});
my $growing = 'WITH RECURSIVE r AS (SELECT 1 AS n UNION SELECT n + 1 FROM r WHERE n < 60000) SELECT n FROM r';
ask($session, 'SELECT goarena_statements_reset()');
ask($session, "SELECT count(*) FROM ($growing) x");
my $at_once = ask($session, 'SELECT max(peak_max) FROM goarena_statements');
ask($session, 'SELECT goarena_statements_reset()');
ask($session, "DO \$\$ DECLARE found_n integer; BEGIN FOR found_n IN $growing LOOP PERFORM count(*) FROM t WHERE i < 0 AND false; END LOOP; END \$\$");
my $by_rows = ask($session, 'SELECT max(peak_max) FROM goarena_statements WHERE NOT toplevel');
cmp_ok($at_once, '>', 2 * 1024 * 1024, 'a plan that grows');
cmp_ok($by_rows, '>', $at_once * 0.8, "as much row by row: $by_rows, at once: $at_once");
cmp_ok($by_rows, '<', $at_once * 1.2, 'and not more');
ask($session, q{SET goarena.track_statements = 'top'});

# 5. Parallel workers count for their leader's statement.
ask($session, 'ALTER TABLE t SET (parallel_workers = 2)');
ask($session, 'SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; '
	  . 'SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; '
	  . 'SET parallel_leader_participation = off; SET goarena_test.log_runs = on');
@runs = logged_runs('SELECT count(*) FROM t WHERE j >= 0 GROUP BY j HAVING length(string_agg(i::text, \',\')) < 0');
my $parallel = q{SELECT sum(n) FROM (SELECT count(*) AS n FROM t a JOIN t b USING (i) WHERE a.j >= 0) x};
ask($session, 'SET enable_parallel_hash = off');
@runs = logged_runs($parallel);
ask($session, 'SET goarena_test.log_runs = off');
my @workers = grep { $_->[1] >= 0 } @runs;
my ($leader) = grep { $_->[1] < 0 } @runs;
SKIP:
{
	skip 'no worker could be started', 5 unless @workers;
	is($_->[0], $leader->[0], 'a worker knows its statement') foreach @workers;
	$sum = $leader->[2];
	$sum += $_->[2] foreach @workers;
	$row = row_of($session, "queryid = $leader->[0]");
	note("executors $sum, goarena $row->{peak_max} bytes");
	cmp_ok($row->{peak_max}, '>=', $sum - 16 * 1024, 'peaks of workers are in that of the leader');
	cmp_ok($row->{peak_max}, '<=', $sum + @workers * 2 * 1024 * 1024,
		'with what a process needs to be one');
	cmp_ok($leader->[2], '<', 1024 * 1024, 'which held little itself');
	cmp_ok($row->{calls}, '==', 1, 'as one call');
}

# 6. Who sees what.
$node->safe_psql('postgres', 'CREATE ROLE someone LOGIN; CREATE ROLE reader LOGIN IN ROLE pg_read_all_stats');
my $someone = session($node, extra_params => [ '-U', 'someone' ]);
my $reader = session($node, extra_params => [ '-U', 'reader' ]);
ask($someone, 'SELECT 1');
is(ask($someone, q{SELECT bool_and((queryid IS NOT NULL AND peak_max IS NOT NULL) = (userid = 'someone'::regrole))
	FROM goarena_statements}), 't', 'own rows in full, of others nothing');
cmp_ok(ask($someone, q{SELECT count(*) FROM goarena_statements WHERE userid <> 'someone'::regrole}),
	'>', 0, 'but that they are there');
is(ask($reader, 'SELECT bool_and(queryid IS NOT NULL AND peak_max IS NOT NULL) FROM goarena_statements'),
	't', 'who may read statistics reads all');
like(refused($someone, 'SELECT goarena_statements_reset()'), qr/permission denied/, 'not everyone may reset');
end_session($_) foreach $someone, $reader;

# 7. When there are too many, those used least are dropped.
ask($session, 'SELECT goarena_statements_reset()');
ask($session, 'SELECT i, j FROM t WHERE i = 1') foreach 1 .. 50;
ask($session, 'SELECT ' . join(', ', map { "1 AS c$_" } 1 .. $_)) foreach 1 .. 250;
cmp_ok(ask($session, 'SELECT count(*) FROM goarena_statements'), '<=', 100, 'not more than there is room for');
cmp_ok(ask($session, 'SELECT count(*) FROM goarena_statements'), '>=', 80, 'but as many as there is');
cmp_ok(ask($session, 'SELECT dropped FROM goarena_statements_info()'), '>', 5, 'some were dropped');
is(ask($session, 'SELECT calls FROM goarena_statements WHERE calls >= 50'), '50', 'not that which is used');

# 8. Restarts.
my $all = q{SELECT md5(string_agg(s::text, E'\n' ORDER BY queryid, toplevel, userid)) FROM goarena_statements s
	WHERE calls >= 50 OR peak_max > 1000000};
ask($session, 'SELECT array_length(array_agg(i), 1) FROM t');
my $before = ask($session, $all);
my $count = ask($session, 'SELECT count(*) FROM goarena_statements');
end_session($session);
$node->stop;
my $file = $node->data_dir . '/pg_stat/goarena_statements.stat';
ok(-s $file, 'there is a file while the server is down');
$node->start;
ok(!-e $file, 'and not while it is up');
$session = session($node);
is(ask($session, $all), $before, 'rows are kept over a restart');
cmp_ok(ask($session, 'SELECT count(*) FROM goarena_statements'), '>=', $count - 10, 'all of them');
end_session($session);

$node->append_conf('postgresql.conf', 'goarena.statements_max = 120');
$node->restart;
$session = session($node);
is(ask($session, $all), $before, 'also with another maximum');
end_session($session);

# A crash forgets them.
$node->append_conf('postgresql.conf', 'restart_after_crash = on');
$node->reload;
$session = session($node);
my $crash = -s $node->logfile;
kill 'KILL', backend_pid($session);
ok(wait_until(sub { is_up_again($node, $crash) }), 'the server is up again after a crash');
eval { end_session($session) };
is($node->safe_psql('postgres', 'SELECT count(*) FROM goarena_statements WHERE calls >= 50'), '0',
	'after a crash there are none');

# A damaged file is told of, and the server starts.
sub damaged
{
	my ($how, $change) = @_;
	my ($offset, $bytes);

	$node->safe_psql('postgres', 'SELECT 12345');
	$node->stop;
	$bytes = slurp_file($file);
	$bytes = $change->($bytes);
	open(my $handle, '>', $file) or die "$file: $!";
	binmode $handle;
	print $handle $bytes;
	close $handle;
	$offset = -s $node->logfile;
	$node->start;
	like(log_of($node, $offset), qr/LOG:  ignoring invalid data in file "pg_stat\/goarena_statements.stat"/,
		"$how: told of");
	ok(!-e $file, "$how: discarded");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM goarena_statements'), '0', "$how: no rows");
}
damaged('cut off', sub { substr($_[0], 0, length($_[0]) - 7) });
damaged('longer', sub { $_[0] . 'x' });
damaged('empty', sub { '' });
damaged('another magic', sub { 'X' . substr($_[0], 1) });
damaged('another version', sub { substr($_[0], 0, 4) . 'X' . substr($_[0], 5) });
damaged('one bit of a row', sub { my $b = shift; substr($b, 100, 1) ^= "\x04"; $b });
damaged('more rows than there can be', sub { substr($_[0], 0, 16) . pack('q', 1 << 40) . substr($_[0], 24) });

# So is what is no file, and nobody waits for it, neither when the server starts nor when it stops.
foreach my $thing (
	[ 'a named pipe', sub { mkfifo($_[0], 0600) } ],
	[ 'a symbolic link', sub { symlink("$file.target", $_[0]) } ])
{
	my ($what, $make) = @$thing;
	my $offset;

	append_to_file("$file.target", 'not to be touched');
	ok($make->("$file.tmp"), "$what: made");
	$node->stop;
	ok(-f $file && !-l $file, "$what: the rows are written all the same");
	unlink($file);
	ok($make->($file), "$what: made once more");
	$offset = -s $node->logfile;
	$node->start;
	like(log_of($node, $offset), qr/LOG:  ignoring invalid data in file "pg_stat\/goarena_statements.stat"/, "$what: told of");
	ok(!-e $file && !-l $file, "$what: removed");
	is(slurp_file("$file.target"), 'not to be touched', "$what: nothing else is read or written");
	unlink("$file.target");
}
$crash = -s $node->logfile;
$node->stop;
is(crashes($node, $crash), '', 'nothing else crashed');

# 9. Identifiers of queries: wanted by goarena alone, by the setting, or by both; and
# beside pg_stat_statements, whichever comes first.
my $libdir = $node->config_data('--pkglibdir');
foreach my $setting ('auto', 'on')
{
	my $other = new_server("ids_$setting", PRELOAD, 'goarena.track_statements = top',
		"compute_query_id = '$setting'");

	$other->safe_psql('postgres', 'SELECT 1');
	cmp_ok($other->safe_psql('postgres', 'SELECT count(*) FROM goarena_statements'), '>', 0,
		"compute_query_id = $setting");
	stop_in_order($other);
}
SKIP:
{
	skip 'there is no pg_stat_statements', 8 unless -e "$libdir/pg_stat_statements.so";
	foreach my $libraries ('goarena, pg_stat_statements', 'pg_stat_statements, goarena')
	{
		my $other = new_server('with_' . substr($libraries, 0, 2),
			"shared_preload_libraries = '$libraries'", 'goarena.track_statements = top');

		$other->safe_psql('postgres',
			'CREATE EXTENSION pg_stat_statements; SELECT pg_stat_statements_reset(); SELECT goarena_statements_reset()');
		my $both = session($other);
		ask($both, $_) foreach (
			'CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i',
			'PREPARE p AS SELECT count(*) FROM t WHERE i > $1',
			'EXECUTE p(1)', 'EXECUTE p(2)',
			'SELECT count(*) FROM t', 'SELECT count(*) FROM t',
			'EXPLAIN SELECT * FROM t',
			'BEGIN', 'DECLARE c CURSOR FOR SELECT * FROM t', 'FETCH 5 FROM c', 'COMMIT',
			'DO $$ BEGIN PERFORM count(*) FROM t; END $$');
		end_session($both);
		my $join = q{pg_stat_statements p FULL JOIN goarena_statements g
			ON p.userid = g.userid AND p.dbid = g.dbid AND p.queryid = g.queryid AND p.toplevel = g.toplevel};
		is($other->safe_psql('postgres', "SELECT p.query, p.calls, g.calls FROM $join
			WHERE p.calls IS DISTINCT FROM g.calls
			  AND coalesce(p.query, '') !~ 'reset|goarena_statements|pg_stat_statements'
			  AND (p.query IS NOT NULL OR g.calls > 1)"), '', "$libraries: the same statements");
		cmp_ok($other->safe_psql('postgres', "SELECT count(*) FROM $join WHERE p.calls = g.calls"),
			'>=', 8, "$libraries: and there are some");
		stop_in_order($other);
	}
}

done_testing();
