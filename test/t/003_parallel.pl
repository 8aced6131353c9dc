
# Copyright (c) 2026, goarena contributors

# Processes of other kinds than client backends: parallel workers, autovacuum,
# background workers, walsenders, logical replication, and a standby.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @conf = (
	PRELOAD, STRICT,
	"goarena.trace = 'all'",
	"log_line_prefix = '%m [%p] %b '",
	'autovacuum = off',
	'max_worker_processes = 16',
	'max_parallel_workers = 8',
	'shared_buffers = 16MB');
my $node = new_server('primary', @conf);

# Wait until a process of the given kind has told of its life at its end.
sub tells_at_exit
{
	my ($server, $offset, $kind, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok( wait_until(
			sub {
				log_of($server, $offset) =~
				  /\] $kind LOG:  goarena: exit after [1-9]\d* resets and \d+ sweeps of [0-9.]+ ms in all, [1-9]\d* kB reserved/;
			}),
		$name);
}

#
# Parallel query
#
$node->safe_psql('postgres', q{
	CREATE TABLE t AS SELECT i, i % 100 AS k, md5(i::text) AS m FROM generate_series(1, 50000) i;
	ALTER TABLE t SET (parallel_workers = 3);
	CREATE TABLE u AS SELECT i, md5((i + 1)::text) AS m FROM generate_series(1, 50000) i;
	ALTER TABLE u SET (parallel_workers = 3);
	VACUUM ANALYZE t, u});
my $session = session($node);
my $offset = -s $node->logfile;
my @queries = (
	q{SELECT count(*), md5(string_agg(m, '' ORDER BY i)) FROM t},
	q{SELECT md5(string_agg(k || ':' || n || ':' || s, ',' ORDER BY k)) FROM (
		SELECT k, count(*) AS n, max(m) AS s FROM t GROUP BY k) q},
	q{SELECT count(*), min(t.m), max(u.i) FROM t JOIN u USING (m)},
	q{SELECT count(*), count(DISTINCT left(m, 2)) FROM t WHERE m > '8'},
	q{SELECT md5(string_agg(m, '' ORDER BY m)) FROM (SELECT m FROM t ORDER BY m LIMIT 1000) q});

ask($session, 'SET max_parallel_workers_per_gather = 0');
my @alone = map { ask($session, $_) } @queries;
ask($session, q{
	SET max_parallel_workers_per_gather = 3;
	SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
	SET min_parallel_table_scan_size = 0; SET min_parallel_index_scan_size = 0;
	SET parallel_leader_participation = off});
for my $i (0 .. $#queries)
{
	is(ask($session, $queries[$i]), $alone[$i],
		"parallel query $i: the same result as without workers");
}
is( ask($session, q{
		SELECT test_in_worker(), test_in_arena(), count(*) FROM t GROUP BY 1, 2}),
	't|t|50000',
	'parallel query: workers evaluate expressions in arenas');
like(ask($session, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) $queries[2]"),
	qr/Workers Launched: [1-3].*Parallel Hash/s,
	'parallel query: there are workers');
in_order($session, 'parallel query: all in order in the leader');
tells_at_exit($node, $offset, 'parallel worker',
	'parallel query: workers have arenas and end in order');

# a worker that fails
like( refused($session, q{SELECT count(*) FROM t WHERE 1000 / (i - 40000) > 0}),
	qr/division by zero/, 'parallel query: an error in a worker');
is(ask($session, $queries[0]), $alone[0],
	'parallel query: after an error in a worker');

# utility commands
ask($session, q{SET max_parallel_maintenance_workers = 3; SET maintenance_work_mem = '128MB'});
ask($session, 'CREATE INDEX t_m ON t (m); CREATE INDEX t_i ON t (i); CREATE INDEX t_k ON t (k)');
is( ask($session, q{SET enable_seqscan = off; SELECT count(*) FROM t WHERE m BETWEEN '4' AND '5'; RESET enable_seqscan}),
	ask($session, q{SELECT count(*) FROM t WHERE left(m, 1) = '4'}),
	'parallel CREATE INDEX');
ask($session, 'DELETE FROM t WHERE i % 10 = 0; VACUUM (PARALLEL 2) t');
is(ask($session, 'SELECT count(*) FROM t'), '45000', 'parallel VACUUM');
end_session($session);

#
# Several backends at a time
#
my @sessions = map { session($node) } 1 .. 5;
$_->{stdin} .= "SELECT allocs FROM test_stress(pg_backend_pid(), 3000);\n" foreach @sessions;
is(scalar(grep { ask($_, 'SELECT goarena_check() IS NULL') =~ /t$/ } @sessions),
	5, 'five backends at a time: all in order');
my %seen;
$seen{ ask($_, q{SELECT min(address) FROM goarena_chunks()}) }++ foreach @sessions;
cmp_ok(scalar(keys %seen), '>=', 2,
	'backends do not all begin at the same address');
end_session($_) foreach @sessions;

#
# Background workers
#
$offset = -s $node->logfile;
$node->safe_psql('postgres', q{
	CREATE TABLE worker_result (backend_type text, arenas bigint, in_order boolean, in_arena boolean, n bigint);
	CREATE FUNCTION work() RETURNS void LANGUAGE sql AS $$
		INSERT INTO worker_result
		SELECT s.backend_type, s.arenas, goarena_check() IS NULL, test_in_arena(), n
		FROM goarena_stats() s, (SELECT count(DISTINCT m) AS n FROM u) q
		WHERE s.pid = pg_backend_pid() $$;
	SELECT test_launch_worker('SELECT work()')});
ok($node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM worker_result'),
	'background worker: it runs');
is( $node->safe_psql('postgres',
		'SELECT backend_type, arenas > 0, in_order, in_arena, n FROM worker_result'),
	'background worker|t|t|t|50000', 'background worker: its contexts are arenas');
tells_at_exit($node, $offset, 'goarena test worker',
	'background worker: it ends in order');

#
# Autovacuum
#
$offset = -s $node->logfile;
$node->append_conf('postgresql.conf', q{
autovacuum = on
autovacuum_naptime = 1s
autovacuum_vacuum_threshold = 1
autovacuum_vacuum_scale_factor = 0
log_autovacuum_min_duration = 0});
$node->reload;
$node->safe_psql('postgres', 'UPDATE u SET m = m WHERE i < 20000');
ok( $node->poll_query_until('postgres', q{
		SELECT autovacuum_count > 0 AND autoanalyze_count > 0
		FROM pg_stat_user_tables WHERE relname = 'u'}),
	'autovacuum: it vacuums and analyzes');
tells_at_exit($node, $offset, 'autovacuum worker', 'autovacuum: it ends in order');
$node->append_conf('postgresql.conf', 'autovacuum = off');
$node->reload;

#
# Logical decoding
#
$node->safe_psql('postgres', q{
	CREATE TABLE decoded (i int PRIMARY KEY, m text);
	SELECT pg_create_logical_replication_slot('backend', 'test_decoding');
	SELECT pg_create_logical_replication_slot('walsender', 'test_decoding');
	INSERT INTO decoded SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 2000) i;
	UPDATE decoded SET m = 'changed' WHERE i % 2 = 0;
	BEGIN; INSERT INTO decoded VALUES (0, ''); SAVEPOINT s; DELETE FROM decoded; ROLLBACK TO s; COMMIT});
is( $node->safe_psql('postgres', q{
		SELECT count(*), count(*) FILTER (WHERE data LIKE '%UPDATE%'), count(*) FILTER (WHERE data LIKE '%DELETE%')
		FROM pg_logical_slot_get_changes('backend', NULL, NULL, 'include-xids', '0')
		WHERE data LIKE 'table public.decoded%'}),
	'3001|1000|0',
	'logical decoding in a backend');
$offset = -s $node->logfile;
my $end = $node->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
my $changes = $node->pg_recvlogical_upto('postgres', 'walsender', $end,
	$PostgreSQL::Test::Utils::timeout_default,
	'include-xids' => '0');
is(scalar(() = $changes =~ /^table public\.decoded/mg),
	3001, 'logical decoding in a walsender');
tells_at_exit($node, $offset, 'walsender', 'walsender: it ends in order');
$node->safe_psql('postgres', q{
	SELECT pg_drop_replication_slot('backend'), pg_drop_replication_slot('walsender')});

#
# Standby
#
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$session = session($node);
ask($session, q{
	CREATE TABLE v AS SELECT i, md5(i::text) AS m FROM generate_series(1, 20000) i;
	CREATE INDEX ON v (m);
	UPDATE v SET m = m || 'x' WHERE i % 3 = 0;
	DELETE FROM v WHERE i % 7 = 0});
ask($session, 'VACUUM FREEZE v');
$node->wait_for_catchup($standby);
my $replica = session($standby);
my @compared = (
	'SELECT count(*), md5(string_agg(m, \'\' ORDER BY i)) FROM v',
	'SELECT count(*), max(v.m) FROM v JOIN u ON v.i = u.i',
	'SELECT count(*), sum(length(m)) FROM t');
for my $i (0 .. $#compared)
{
	is(ask($replica, $compared[$i]), ask($session, $compared[$i]),
		"standby: query $i has the result of the primary");
}
is( ask($replica, q{SELECT pg_is_in_recovery(), count(*) > 10, bool_and(quarantine = 'strict')
		FROM goarena_arenas() WHERE type = 'arena'}),
	't|t|t', 'standby: contexts are arenas');
is(ask($replica, 'SELECT allocs > 1000 FROM test_stress(3, 5000)'),
	't', 'standby: many allocations');
is(ask($replica, 'SELECT chunks_freed > 0 FROM goarena_sweep()'),
	't', 'standby: a sweep');
in_order($replica, 'standby: all in order');

# many small transactions to be replayed, while queries run
for my $i (1 .. 100)
{
	ask($session, "INSERT INTO v SELECT i, '$i' FROM generate_series(1, 10) i; UPDATE v SET m = m WHERE i = $i");
	ask($replica, 'SELECT count(*) FROM v') if $i % 10 == 0;
}
$node->wait_for_catchup($standby);
is(ask($replica, $compared[0]), ask($session, $compared[0]),
	'standby: follows many transactions');

# promotion
$offset = -s $standby->logfile;
$standby->promote;
ok($standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()'),
	'promotion: the standby is promoted');
is(ask($replica, 'INSERT INTO v VALUES (-1, \'new\') RETURNING i'),
	'-1', 'promotion: a session of before can write');
in_order($replica, 'promotion: all in order');
end_session($replica);

#
# Logical replication, into the promoted server
#
$standby->safe_psql('postgres', 'TRUNCATE decoded');
$node->safe_psql('postgres', 'CREATE PUBLICATION p FOR TABLE decoded');
my $publisher = $node->connstr . ' dbname=postgres';
$offset = -s $standby->logfile;
$standby->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '$publisher' PUBLICATION p");
$standby->wait_for_subscription_sync($node, 's');
ask($session, q{
	INSERT INTO decoded SELECT i, repeat(md5(i::text), 10) FROM generate_series(10001, 11000) i;
	UPDATE decoded SET m = 'again' WHERE i % 5 = 0;
	DELETE FROM decoded WHERE i % 6 = 0});
$node->wait_for_catchup('s');
my $decoded = q{SELECT count(*), md5(string_agg(i || m, ',' ORDER BY i)) FROM decoded};
is($standby->safe_psql('postgres', $decoded),
	$node->safe_psql('postgres', $decoded), 'logical replication: tables agree');
$standby->safe_psql('postgres', 'DROP SUBSCRIPTION s');
tells_at_exit($standby, $offset, qr{logical replication (?:apply )?worker},
	'logical replication: workers end in order');
end_session($session);

stop_in_order($standby);
stop_in_order($node);

done_testing();
