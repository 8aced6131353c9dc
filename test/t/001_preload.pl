
# Copyright (c) 2026, goarena contributors

# The ways in which goarena is loaded: not at all, on call only, for a session,
# with the server, in single-user mode, and with bad settings.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @contexts = qw(CacheMemoryContext ExecutorState MessageContext TopPortalContext TopMemoryContext
  ErrorContext PostmasterContext);
my $names = join(', ', map { "'$_'" } @contexts);
my $which = "SELECT string_agg(DISTINCT name, ' ' ORDER BY name) FROM goarena_arenas() WHERE type = 'arena' AND name IN ($names)";

#
# Not preloaded
#
my $plain = new_server('plain');
my $session = session($plain);

is(ask($session, 'SELECT goarena_version()'),
	'1.0.0', 'not preloaded: the version can be asked for');
ask($session, '\set VERBOSITY verbose');
foreach my $call (
	'* FROM goarena_stats()', '* FROM goarena_arenas()',
	'* FROM goarena_chunks()', '* FROM goarena_size_classes()',
	'* FROM goarena_sweep()', '* FROM goarena_sweeps()',
	'goarena_release()', 'goarena_reset_stats()',
	'goarena_check()')
{
	like(
		refused($session, "SELECT $call"),
		qr/ERROR:  55000: goarena is not active in this session.*HINT:  Add goarena to shared_preload_libraries and restart the server\./s,
		"not preloaded: $call gives an error with a hint");
}
is(ask($session, 'SHOW goarena.quarantine'),
	'on', 'not preloaded: settings can be shown once a function was called');
is(ask($session, 'SELECT test_create()'),
	'f', 'not preloaded: the C interface makes a plain context');
is(ask($session, 'SELECT test_fill(1000000)'),
	'1000', 'not preloaded: the plain context works');
ask($session, "LOAD 'goarena'");
like(refused($session, 'SELECT goarena_check()'),
	qr/not active in this session/,
	'not preloaded: a library that is there passively stays so');
end_session($session);

#
# Loaded in a session
#
$session = session($plain);
my $other = session($plain);
ask($session, q{BEGIN;
	DECLARE c CURSOR FOR SELECT repeat(i::text, 1000) FROM generate_series(1, 100) i;
	FETCH 10 FROM c; PREPARE p AS SELECT length(repeat($1, 100000))});
my $before = ask($session, 'SELECT sum(total_bytes) FROM pg_backend_memory_contexts');
ask($session, "LOAD 'goarena'; SET goarena.contexts = '!CacheMemoryContext/, ?*'");
is(ask($session, 'SELECT goarena_check() IS NULL'),
	't', 'LOAD: functions work at once');
is(ask($session, "SELECT count(*) > 0 FROM goarena_arenas() WHERE type = 'arena' AND name = 'ExecutorState'"),
	't', 'LOAD: new contexts are arenas');
is(ask($session, "SELECT string_agg(name, ',') FROM goarena_arenas() WHERE type = 'arena' AND name IN ($names) AND name NOT IN ('ExecutorState', 'MessageContext')"),
	'', 'LOAD: contexts that hold memory are not');
is(ask($session, 'MOVE 80 FROM c; FETCH 5 FROM c'),
	join("\n", map { $_ x 1000 } 91 .. 95),
	'LOAD: a cursor that was open goes on');
is(ask($session, "EXECUTE p('x')"), '100000', 'LOAD: so does a prepared statement');
ask($session, 'COMMIT');
is(ask($session, 'SELECT allocs > 1000 AND frees > 1000 AND resets > 0 FROM test_stress(1, 5000)'),
	't', 'LOAD: many allocations');
is(ask($session, 'SELECT test_create()'),
	't', 'LOAD: the C interface makes arenas');
in_order($session, 'LOAD: all in order');
ask($session, "LOAD 'goarena'");
is(ask($session, 'SELECT goarena_check() IS NULL'), 't', 'LOAD: once more');
like(refused($other, 'SELECT goarena_check()'),
	qr/not active in this session/, 'LOAD: another session has nothing of it');
end_session($other);
end_session($session);

# settings of before it is loaded
$session = session($plain);
ask($session, q{SET goarena.quarantine = 'strict'; SET goarena.chunk_size = '100kB';
	SET goarena.no_such_setting = 1});
my $messages = refused($session, "LOAD 'goarena'");
like($messages,
	qr/WARNING:  invalid value for parameter "goarena.chunk_size".*must be a power of two/s,
	'LOAD: an earlier bad setting gives a warning');
like($messages,
	qr/WARNING:  invalid configuration parameter name "goarena.no_such_setting"/,
	'LOAD: so does an unknown one');
is(ask($session, "SELECT current_setting('goarena.quarantine') || ' ' || current_setting('goarena.chunk_size')"),
	'strict 8MB',
	'LOAD: good settings are kept, bad ones are not');
end_session($session);

{
	local $ENV{PGOPTIONS} =
	  '-c session_preload_libraries=goarena -c goarena.quarantine=strict -c goarena.quarantine_sample_rate=1';
	is( $plain->safe_psql('postgres',
			"SELECT DISTINCT quarantine FROM goarena_arenas() WHERE type = 'arena' AND name IN ('PortalContext', 'ExecutorState')"),
		'strict',
		'session_preload_libraries: contexts of the session are arenas');
	is( $plain->safe_psql('postgres', q{
			SELECT count(*) FROM (SELECT md5(i::text) FROM generate_series(1, 10000) i ORDER BY 1) s;
			SELECT count(DISTINCT i % 1000) FROM generate_series(1, 10000) i;
			SELECT goarena_check() IS NULL}),
		"10000\n1000\nt",
		'session_preload_libraries: queries work');
}
$plain->safe_psql('postgres', q{
	ALTER DATABASE postgres SET session_preload_libraries = 'goarena'});
is($plain->safe_psql('postgres', 'SELECT goarena_check() IS NULL'),
	't', 'session_preload_libraries of a database');
my ($ret, $stdout, $stderr) =
  $plain->psql('template1', q{LOAD 'goarena_test'; SHOW goarena.enabled});
like($stderr, qr/unrecognized configuration parameter/,
	'session_preload_libraries of a database: not in another one');
stop_in_order($plain, 'not preloaded: no crash');

#
# Preloaded
#
my $node = new_server('preloaded', PRELOAD);
unlike(log_of($node), qr/WARNING|goarena:/, 'preloaded: nothing to warn of');
is($node->safe_psql('postgres', $which),
	'ExecutorState', 'preloaded: which contexts are arenas');
is($node->safe_psql('template1', q{SELECT current_setting('goarena.enabled')}),
	'on', 'preloaded: in each database');

# settings are followed by sessions that exist
$session = session($node);
$node->append_conf('postgresql.conf', "goarena.quarantine = 'strict'");
$node->reload;
ok(wait_until(sub { ask($session, 'SHOW goarena.quarantine') eq 'strict' }),
	'reload: a session follows');
my $offset = -s $node->logfile;
$node->append_conf('postgresql.conf', "goarena.quarantine = 'loose'\ngoarena.chunk_size = '100kB'\ngoarena.contexts = 'a//b'");
$node->reload;
ok(wait_until(sub { log_of($node, $offset) =~ /contains errors/ }),
	'reload: a bad setting is reported');
like(log_of($node, $offset),
	qr/LOG:  invalid value for parameter "goarena.chunk_size": 100/,
	'reload: its name and value are in the log');
is(ask($session, q{SELECT current_setting('goarena.quarantine') || ' ' || current_setting('goarena.chunk_size')}),
	'strict 8MB', 'reload: it changes nothing');
end_session($session);

# a server starts with them all the same, with the defaults
$offset = -s $node->logfile;
$node->restart;
foreach my $setting ('quarantine', 'chunk_size', 'contexts')
{
	like(log_of($node, $offset),
		qr/WARNING:  invalid value for parameter "goarena.$setting"/,
		"restart: a bad goarena.$setting is reported");
}
is( $node->safe_psql('postgres', q{
		SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings
		WHERE name IN ('goarena.quarantine', 'goarena.chunk_size', 'goarena.contexts')}),
	'8192 !CacheMemoryContext/, * on',
	'restart: the defaults take their place');
$node->append_conf('postgresql.conf', q{
goarena.quarantine = 'strict'
goarena.quarantine_sample_rate = 1
goarena.chunk_size = '1MB'
goarena.contexts = '*'
goarena.no_such_setting = 1});
$offset = -s $node->logfile;
$node->restart;
like(log_of($node, $offset),
	qr/WARNING:  invalid configuration parameter name "goarena.no_such_setting"/,
	'restart: an unknown setting is reported');
$node->adjust_conf('postgresql.conf', 'goarena.no_such_setting', undef);

# all contexts but those that may never fail
is($node->safe_psql('postgres', $which),
	'CacheMemoryContext ExecutorState MessageContext TopPortalContext',
	'contexts = *: which are arenas');
is( $node->safe_psql('postgres',
		"SELECT string_agg(DISTINCT quarantine, ' ') FROM goarena_arenas()"),
	'strict',
	'settings of the server hold from the first context on');
is( $node->safe_psql('postgres', q{
		SELECT chunks_reuse + chunks_fault FROM goarena_heap() WHERE pid = pg_backend_pid()}),
	'0',
	'strict from the first context on: nothing is handed on or waits to be set to fault');

# single-user mode
$node->stop;
my $single = '';
IPC::Run::run [
	'postgres', '--single', '-F', '-D', $node->data_dir, 'postgres' ],
  '<', \q{SELECT count(*) AS n FROM (SELECT md5(i::text) FROM generate_series(1, 1000) i ORDER BY 1) s
SELECT quarantine, count(*) > 0 AS some FROM goarena_arenas() WHERE type = 'arena' AND name = 'ExecutorState' GROUP BY 1
CREATE TABLE made_alone AS SELECT generate_series(1, 1000) AS i
SELECT chunks_freed > 0 AS freed FROM goarena_sweep()
SELECT goarena_check() IS NULL AS in_order
SELECT 1 / 0
VACUUM made_alone
}, '>', \$single, '2>', \$stderr;
is($?, 0, 'single-user mode ends in order');
like($single, qr/n = "1000"/, 'single-user mode: a query');
like($single, qr/quarantine = "strict"/, 'single-user mode: contexts are arenas');
like($single, qr/freed = "t"/, 'single-user mode: a sweep');
like($single, qr/in_order = "t"/, 'single-user mode: all in order');
like($stderr, qr/division by zero/, 'single-user mode: an error');
unlike($stderr, qr/PANIC|TRAP|signal/, 'single-user mode: no crash');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM made_alone'),
	'1000', 'what was made in single-user mode is there');

# with other libraries
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pg_stat_statements, goarena, auto_explain, goarena_test'
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
compute_query_id = on});
$offset = -s $node->logfile;
$node->restart;
is( $node->safe_psql('postgres', q{
		CREATE EXTENSION pg_stat_statements;
		SELECT count(*) FROM pg_class a JOIN pg_class b USING (oid) WHERE a.relname = 'pg_class';
		SELECT count(*) > 0 FROM pg_stat_statements;
		SELECT test_create();
		SELECT goarena_check() IS NULL}),
	"1\nt\nt\nt",
	'together with other libraries');
like(log_of($node, $offset), qr/Query Text:/, 'other libraries do their work');

# switched off
$node->append_conf('postgresql.conf', 'goarena.enabled = off');
$node->restart;
$session = session($node);
is(ask($session, 'SELECT arenas, reserved, mapped FROM goarena_stats() JOIN (SELECT pid, reserved, mapped FROM goarena_heap()) h USING (pid) WHERE pid = pg_backend_pid()'),
	'0|0|0', 'enabled = off: nothing is an arena, nothing is reserved');
is(ask($session, 'SELECT * FROM goarena_chunks()'), '', 'enabled = off: no chunks');
is(ask($session, 'SELECT chunks_freed, chunks_pinned FROM goarena_sweep()'),
	'0|0', 'enabled = off: nothing to sweep');
is(ask($session, 'SELECT goarena_release()'), '0', 'enabled = off: nothing to release');
ok(wait_until(sub { ask($session, q{SELECT count(*) FROM goarena_activity
	WHERE held > 0 AND backend_type IN ('background writer', 'checkpointer', 'walwriter')}) eq '3' }),
	'enabled = off: processes without transactions show what they hold');
is(ask($session, 'SELECT test_create()'),
	't', 'enabled = off: the C interface makes arenas nevertheless');
ask($session, 'SET goarena.enabled = on');
is(ask($session, "SELECT count(*) > 0 FROM goarena_arenas() WHERE type = 'arena' AND name = 'ExecutorState'"),
	't', 'enabled = on: from now on');
in_order($session, 'enabled = on: all in order');
end_session($session);
stop_in_order($node, 'preloaded: no crash');

done_testing();
