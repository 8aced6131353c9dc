
# Copyright (c) 2026, goarena contributors

# What the server does for itself under a limit: nothing leaks, and nothing is left
# unusable, when an allocation is refused; and it is vacuumed and decoded all the same.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('limit_server', PRELOAD, 'jit = off', 'wal_level = logical', 'autovacuum_naptime = 1s',
	'autovacuum_vacuum_cost_delay = 0', "maintenance_work_mem = '1GB'", "logical_decoding_work_mem = '64MB'");
my $limit_kb = 64 * 1024;
my $refused = qr/ERROR:  out of memory because of goarena.memory_limit/;

sub held_kb
{
	my ($session) = @_;

	return ask($session, 'SELECT held / 1024 FROM goarena_stats() WHERE pid = pg_backend_pid()');
}

#
# Buffers of temporary tables: their descriptors come from malloc
#
my $session = session($node);
my $pid = backend_pid($session);
ask($session, q{SET goarena.memory_limit = '64MB'; SET temp_buffers = '50GB'});
ask($session, 'CREATE TEMP TABLE temporary(i int)');
my $contexts = ask($session, q{SELECT count(*) FROM pg_backend_memory_contexts WHERE ident = 'Local Buffer Lookup Table'});
is($contexts, '0', 'temp_buffers: no table yet');
my $grown = process_kb($pid, 'RssAnon');
for (my $i = 0; $i < 5; $i++)
{
	like(refused($session, 'INSERT INTO temporary VALUES (1)'), $refused, "temp_buffers: try $i is refused");
}

# What malloc keeps of the largest of the arrays is not allocated anew.
cmp_ok(process_kb($pid, 'RssAnon') - $grown, '<', 64 * 1024, 'temp_buffers: what was refused is not kept');
like(refused($session, 'DO $$ BEGIN FOR i IN 1..20 LOOP BEGIN INSERT INTO temporary VALUES (1); RAISE $r$inserted$r$; EXCEPTION WHEN out_of_memory THEN NULL; END; END LOOP; END $$'), qr/^$/,
	'temp_buffers: nor in subtransactions');
cmp_ok(process_kb($pid, 'RssAnon') - $grown, '<', 64 * 1024, 'temp_buffers: nothing is kept of those either');
is(ask($session, q{SELECT count(*) FROM pg_backend_memory_contexts WHERE ident = 'Local Buffer Lookup Table'}), '0', 'temp_buffers: nor of the table that was begun');
cmp_ok(held_kb($session), '<', 16 * 1024, 'temp_buffers: what is held comes down');
ask($session, q{SET temp_buffers = '16MB'; INSERT INTO temporary SELECT generate_series(1, 10000)});
is(ask($session, 'SELECT count(*) FROM temporary'), '10000', 'temp_buffers: with less, the session goes on');
end_session($session);

$session = session($node);
$pid = backend_pid($session);
ask($session, q{SET temp_buffers = '4GB'; CREATE TEMP TABLE temporary(i int)});
my $held = held_kb($session);
$grown = process_kb($pid, 'RssAnon');
ask($session, 'INSERT INTO temporary VALUES (1)');
$grown = process_kb($pid, 'RssAnon') - $grown;
$held = held_kb($session) - $held;
cmp_ok($grown, '>', 30 * 1024, 'temp_buffers: without a limit they are taken');
cmp_ok(abs($held - $grown), '<', 8 * 1024, 'temp_buffers: their memory counts as held');
end_session($session);

#
# First use of what the server keeps for the session, with memory at the limit
#
$node->safe_psql('postgres', q{
	CREATE TABLE parents(id int PRIMARY KEY);
	INSERT INTO parents SELECT generate_series(1, 1000);
	CREATE TABLE children(id int PRIMARY KEY REFERENCES parents ON DELETE CASCADE);
	CREATE TYPE pair AS (a int, b text);
	CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
	CREATE TABLE typed(p pair, m mood, r int4range);
	INSERT INTO typed VALUES ((1, 'x'), 'ok', '[1,5)');
	CREATE SEQUENCE counter;
	CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN a + b; END';
	CREATE FUNCTION notes() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';
	CREATE EVENT TRIGGER notes ON ddl_command_end EXECUTE FUNCTION notes()});
my @firsts = (
	[ 'a foreign key', 'BEGIN; INSERT INTO children VALUES (1); DELETE FROM parents WHERE id = 1; ROLLBACK; SELECT 1', '1' ],
	[ 'types', 'SELECT (p).b, m, r FROM typed WHERE p = ROW(1, $$x$$)::pair AND m > $$sad$$ ORDER BY p, m', 'x|ok|[1,5)' ],
	[ 'a sequence', q{SELECT nextval('counter') > 0}, 't' ],
	[ 'PL/pgSQL', 'SELECT add(1, 2)', '3' ],
	[ 'a prepared statement', 'DEALLOCATE ALL; PREPARE p AS SELECT count(*) FROM parents; EXECUTE p', '1000' ],
	[ 'a cursor', 'BEGIN; DECLARE c CURSOR FOR SELECT 5; FETCH c; COMMIT', '5' ],
	[ 'LISTEN', 'LISTEN here; UNLISTEN here; SELECT 6', '6' ],
	[ 'text search', q{SELECT to_tsvector('english', 'running dogs')}, q{'dog':2 'run':1} ],
	[ 'a large object', 'BEGIN; SELECT lo_create(4711); SELECT lo_unlink(4711); COMMIT', "4711\n1" ],
	[ 'DDL', 'BEGIN; CREATE TABLE made(i int PRIMARY KEY); DROP TABLE made; COMMIT; SELECT 7', '7' ],
	[ 'statistics', 'SELECT count(*) > 0 FROM pg_stat_user_tables', 't' ],
	[ 'dates', q{SELECT to_char(timestamp '2026-11-27', 'FMMonth DD') , to_timestamp('5 2 2026', 'DD MM YYYY')::date}, 'November 27|2026-02-05' ],
	[ 'regular expressions', q{SELECT 'abc' ~ 'a.c$'}, 't' ]);
foreach my $first (@firsts)
{
	my ($name, $query, $answer) = @$first;

	$session = session($node, on_error_stop => 0);
	ask($session, q{SELECT test_create(true); SET goarena.memory_limit = '64MB'});
	like(refused($session, 'SELECT test_fill(100000000, 10000)'), $refused, "$name: memory is at the limit") ;
	refused($session, $query), refused($session, 'ROLLBACK') foreach (1 .. 3);
	ask($session, 'SELECT test_reset()');
	is(eval { ask($session, $query) } // $@, $answer, "$name: works when there is room again");
	in_order($session, "$name: all in order");
	end_session($session);
}

# A subtransaction that commits is not refused anything.
$session = session($node);
ask($session, q{SELECT test_create(true); SET goarena.memory_limit = '64MB'; SELECT test_fill(52000000, 100000)});
my $errors = refused($session, q{DO $$
	DECLARE failed int := 0;
	BEGIN
		FOR i IN 1..60 LOOP
			BEGIN
				BEGIN
					INSERT INTO typed VALUES ((i, 'y'), 'sad', 'empty');
					CREATE TEMP TABLE scratch(i int) ON COMMIT DROP;
					PERFORM length(repeat('x', i * 400000));
					DROP TABLE scratch;
				END;
			EXCEPTION WHEN out_of_memory THEN
				failed := failed + 1;
			END;
		END LOOP;
		RAISE NOTICE 'failed: %', failed > 10;
	END $$});
like($errors, qr/failed: t/, 'subtransactions: some are refused memory');
unlike($errors, qr/WARNING|ERROR/, 'subtransactions: none ends in disorder');
ask($session, 'SELECT test_reset()');
is(ask($session, 'SELECT count(*) > 0 FROM typed'), 't', 'subtransactions: the session goes on');
end_session($session);

#
# A limit below what the session keeps: it can do little, but give that up
#
$session = session($node);
ask($session, q{SELECT test_create(true); SELECT test_fill(100000000, 10000); SET goarena.memory_limit = '64MB'});
is(ask($session, 'SHOW goarena.memory_limit'), '64MB', 'a limit below what is kept: SHOW works');
$held = held_kb($session);
cmp_ok($held, '>', 90 * 1024, 'a limit below what is kept: statistics can be seen');
is(ask($session, 'SELECT count(*) FROM parents'), '1000', 'a limit below what is kept: small queries work');
is(ask($session, 'BEGIN; SAVEPOINT s; PREPARE q AS SELECT 5; EXECUTE q; DEALLOCATE ALL; CLOSE ALL; COMMIT'), '5', 'a limit below what is kept: so do other small statements');
like(refused($session, q{SELECT length(repeat('x', 10000000))}), $refused, 'a limit below what is kept: a large one is refused');
like(refused($session, 'SELECT test_fill(600000, 10000)'), $refused, 'a limit below what is kept: nothing is added to it') foreach 1 .. 5;
like(refused($session, q{BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT repeat('y', 1000) FROM generate_series(1, 100000); COMMIT}), qr/^$|$refused/,
	'a limit below what is kept: nor are held cursors') foreach 1 .. 3;
cmp_ok(held_kb($session), '<', $held + 2048, 'a limit below what is kept: what is held stays');
ask($session, 'CLOSE ALL; SELECT test_reset()');
cmp_ok(held_kb($session), '<', 64 * 1024, 'a limit below what is kept: it can be given up');
is(ask($session, q{SELECT length(repeat('x', 10000000))}), '10000000', 'a limit below what is kept: then all is as usual');
end_session($session);

#
# Who catches the error again and again does not have all memory read each time
#
$session = session($node);
ask($session, q{SET goarena.quarantine_sample_rate = 1; SELECT test_create(true); SELECT test_fill(30000000, 10000); SET goarena.memory_limit = '64MB'});
ask($session, q{DO $$
	BEGIN
		FOR i IN 1..200 LOOP
			BEGIN
				PERFORM length(repeat('x', 40000000));
				RAISE 'not refused';
			EXCEPTION WHEN out_of_memory THEN
				NULL;
			END;
		END LOOP;
	END $$});
cmp_ok(ask($session, q{SELECT count(*) FROM goarena_sweeps() WHERE reason = 'limit'}), '<', 100, 'refused 200 times: there is not a sweep each time');
end_session($session);

#
# VACUUM, with much more in maintenance_work_mem than the limit
#
sub log_tells
{
	my ($what, $offset) = @_;

	return wait_until(sub { log_of($node, $offset) =~ $what });
}

sub dead
{
	return $node->safe_psql('postgres', q{SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'vacuumed'});
}

$node->safe_psql('postgres', q{
	CREATE TABLE vacuumed(a int, b text) WITH (autovacuum_enabled = off);
	INSERT INTO vacuumed SELECT i, repeat('z', 150) FROM generate_series(1, 300000) i;
	CREATE INDEX ON vacuumed(a);
	DELETE FROM vacuumed WHERE a % 4 = 0});
$node->append_conf('postgresql.conf', "goarena.memory_limit = '17MB'\nautovacuum_vacuum_scale_factor = 0\nautovacuum_analyze_threshold = 1000000000\n");
$node->reload;
ok(wait_until(sub { $node->safe_psql('postgres', 'SHOW goarena.memory_limit') eq '17MB' }), 'a low limit');
$session = session($node);
is(refused($session, 'VACUUM vacuumed'), '', 'VACUUM gets by with what the limit leaves');
is(ask($session, 'SHOW maintenance_work_mem'), '1GB', 'and leaves maintenance_work_mem as it was');
is(refused($session, 'CREATE INDEX made_under_limit ON vacuumed(b)'), '', 'so does CREATE INDEX');
is(refused($session, 'REINDEX TABLE vacuumed'), '', 'so does REINDEX');
end_session($session);

my $offset = -s $node->logfile;
$node->safe_psql('postgres', 'DELETE FROM vacuumed WHERE a % 4 = 1; ALTER TABLE vacuumed SET (autovacuum_enabled = on)');
ok(wait_until(sub { $node->safe_psql('postgres', q{SELECT autovacuum_count > 0 FROM pg_stat_user_tables WHERE relname = 'vacuumed'}) eq 't' }),
	'autovacuum gets what its setting allows');
unlike(log_of($node, $offset), qr/out of memory/, 'and is refused nothing');

#
# Logical decoding, with more in logical_decoding_work_mem than the limit
#
$node->safe_psql('postgres', q{CREATE TABLE decoded(a int, b text); SELECT pg_create_logical_replication_slot('slot', 'test_decoding')});
$node->safe_psql('postgres', q{INSERT INTO decoded SELECT i, repeat('v', 200) || i FROM generate_series(1, 150000) i});
$offset = -s $node->logfile;
my $end = $node->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
my ($status, $out, $err) = $node->pg_recvlogical_upto('postgres', 'slot', $end, $PostgreSQL::Test::Utils::timeout_default);
is(scalar(() = $out =~ /INSERT/g), 150000, 'a walsender decodes what its setting allows');
unlike(log_of($node, $offset), qr/out of memory/, 'and is refused nothing');

stop_in_order($node);

done_testing();
