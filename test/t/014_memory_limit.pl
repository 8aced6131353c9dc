
# Copyright (c) 2026, goarena contributors

# goarena.memory_limit: what a process may hold.
#
#   GOARENA_LIMIT_LOOPS  statements that run into the limit beside pgbench (default 12)

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $loops = $ENV{GOARENA_LIMIT_LOOPS} || 12;

# Of what the JIT compiler takes, goarena knows nothing.
my $node = new_server('memory_limit', PRELOAD, 'jit = off');

# What would take 20 GB and more, each in another way.
my %greedy = (
	'cross join with array_agg' =>
	  'SELECT array_agg(a) FROM generate_series(1, 100000) a, generate_series(1, 100000) b',
	'hash join on one value' =>
	  q{SET enable_mergejoin = off; SET enable_nestloop = off; SET work_mem = '64GB';
		SELECT count(*) FROM (SELECT x FROM generate_series(1, 100000) x, generate_series(1, 100000) OFFSET 0) a
			JOIN (SELECT x FROM generate_series(1, 100000) x, generate_series(1, 100000) OFFSET 0) b
			ON a.x * 0 = b.x * 0},
	'repeat in a loop' =>
	  q{DO $$ DECLARE s text := 'x'; t text[]; BEGIN LOOP t := t || repeat('x', 1000000); END LOOP; END $$},
	'array in PL/pgSQL' =>
	  'DO $$ DECLARE a int[]; BEGIN FOR i IN 1..2000000000 LOOP a[i] := i; END LOOP; END $$',
	'jsonb_agg' =>
	  'SELECT jsonb_agg(a) FROM generate_series(1, 100000) a, generate_series(1, 100000) b',
	'string_agg' =>
	  q{SELECT length(string_agg(md5(a::text), '')) FROM generate_series(1, 100000) a, generate_series(1, 100000) b},
	'hash table of groups' =>
	  q{SET enable_sort = off; SET work_mem = '64GB'; SELECT count(*) FROM (SELECT a, b FROM generate_series(1, 100000) a, generate_series(1, 100000) b GROUP BY a, b) t});
my @names = sort keys %greedy;

my $number = qr/\d+/;

# The error of a limit of so many bytes.
sub limit_error
{
	my ($bytes) = @_;
	my $kb = $bytes / 1024;
	my $context = qr/[\w ()]+\ $number\ kB(\ in\ $number\ contexts)?/;

	return qr/ERROR:\ \ 53200:\ out\ of\ memory\ because\ of\ goarena\.memory_limit\n
		DETAIL:\ \ Failed\ on\ request\ of\ size\ $number\ in\ memory\ context\ "[^"]+":\ 
		goarena\.memory_limit\ is\ $kb\ kB,\ and\ this\ process\ holds\ $number\ kB\.\ \ 
		The\ largest\ contexts\ of\ this\ process:\ ($context,\ ){4}$context\..*
		HINT:\ \ Have\ the\ statement\ use\ less\ memory,\ or\ raise\ goarena\.memory_limit\./sx;
}

my $mb64 = 64 * 1024 * 1024;

# Tuplestores from 18 on, and sorts, have their blocks of up to 8 MB from malloc, which
# keeps some of them.
my $back_kb = ($node->pg_version >= 18 ? 40 : 25) * 1024;

# A figure of the session's process.
sub held
{
	my ($session) = @_;

	return ask($session, 'SELECT in_use + retained + metadata FROM goarena_stats() WHERE pid = pg_backend_pid()');
}

#
# Each way to take memory, in each mode
#
foreach my $mode ('off', 'on', 'strict')
{
	my $session = session($node);
	my $pid = backend_pid($session);

	ask($session, '\set VERBOSITY verbose');
	ask($session, "SET goarena.quarantine = $mode; SET goarena.quarantine_sample_rate = 1; SET goarena.memory_limit = '64MB'");
	ask($session, 'SELECT count(*) FROM pg_class');
	my $before = held($session);
	my $rss = process_kb($pid, 'RssAnon');
	foreach my $name (@names)
	{
		my $error = refused($session, $greedy{$name});
		like($error, limit_error($mb64), "$mode: $name: refused");

		# What it says is held is less than the limit, and not much less: contexts that are
		# no arenas ask for blocks of a megabyte and more, for an object of some bytes.
		my ($size, $held_kb) = $error =~ /request of size (\d+) .* and this process holds (\d+) kB/;
		cmp_ok($held_kb, '<=', 65 * 1024, "$mode: $name: the limit was kept");
		cmp_ok($held_kb * 1024 + $size, '>=', $mb64 - 4 * 1024 * 1024, "$mode: $name: the limit was used");
		cmp_ok(process_kb($pid, 'RssAnon') - $rss, '<', $back_kb, "$mode: $name: memory comes back");
		is(backend_pid($session), $pid, "$mode: $name: the session goes on");
	}
	cmp_ok(held($session) - $before, '<', 20 * 1024 * 1024, "$mode: what is held comes back");

	# RssAnon is measured a little after the peak: the kernel keeps that.
	cmp_ok(process_kb($pid, 'VmHWM') - process_kb($pid, 'RssFile') - process_kb($pid, 'RssShmem'),
		'<', 64 * 1024 + $back_kb, "$mode: never more than the limit and a little");
	in_order($session, "$mode: all in order");
	end_session($session);
}

#
# Who asks how
#
my $session = session($node);
my $pid = backend_pid($session);
ask($session, '\set VERBOSITY verbose');
ask($session, q{SET goarena.memory_limit = '64MB'});
ask($session, 'SELECT test_create(true); SELECT test_fill(40000000)');
is(ask($session, q{SELECT test_alloc(30000000, 'no_oom huge')}), 'null', 'MCXT_ALLOC_NO_OOM: NULL');
is(ask($session, q{SELECT test_alloc(30000000, 'no_oom huge zero')}), 'null', 'the same with MCXT_ALLOC_ZERO');
is(ask($session, q{SELECT test_alloc(10000000, 'no_oom huge zero')}), 'ok', 'what there is room for is had');
like(refused($session, q{SELECT test_alloc(30000000, 'huge')}), limit_error($mb64),
	'MemoryContextAllocExtended: an error');
like(refused($session, q{SELECT test_fill(30000000, 30000000)}), limit_error($mb64),
	'MemoryContextAllocHuge: an error');
is(ask($session, q{SELECT test_alloc(30000000, 'no_oom huge held_off')}), 'ok', 'interrupts held off: not enforced');
is(ask($session, q{SELECT test_alloc(30000000, 'no_oom huge critical')}), 'ok', 'critical section: not enforced');
is(ask($session, q{SELECT test_alloc(30000000, 'no_oom huge')}), 'null', 'and enforced again after it');
is(ask($session, q{SELECT count(*) > 0 FROM goarena_sweeps() WHERE reason = 'limit'}), 't', 'sweeps were tried');
ask($session, 'SELECT test_delete()');
in_order($session, 'flags: all in order');

# Memory in quarantine is given back rather than an error raised.
ask($session, q{SET goarena.quarantine = strict; SET goarena.quarantine_sample_rate = 1;
	SET goarena.sweep_percent = -1; SET goarena.retain = '1GB'});
is(ask($session, q{
		DO $$ BEGIN FOR i IN 1..20 LOOP PERFORM length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 10000); END LOOP; END $$;
		SELECT 'ok'}),
	'ok', 'quarantine is released rather than an error raised');
end_session($session);

#
# Contexts that are no arenas: what sorts and tuplestores use, and each type
#
$session = session($node);
$pid = backend_pid($session);
ask($session, q{SET work_mem = '2GB'; SET max_parallel_workers_per_gather = 0});
ask($session, q{
	CREATE FUNCTION returns_next() RETURNS SETOF text LANGUAGE plpgsql AS
		$$ BEGIN FOR i IN 1..400000 LOOP RETURN NEXT repeat('x', 1000); END LOOP; END $$;
	CREATE VIEW wide_rows AS SELECT repeat('x', 1000) || a || b t FROM generate_series(1, 400) a, generate_series(1, 1000) b OFFSET 0});
my %beyond_arenas = (
	'sort' => 'SELECT count(*) FROM (SELECT t FROM wide_rows ORDER BY t OFFSET 0) s',
	'sort of a datum' => 'SELECT count(DISTINCT t) FROM wide_rows',
	'materialized CTE' => 'WITH m AS MATERIALIZED (SELECT t FROM wide_rows) SELECT count(t) FROM m',
	'window' => 'SELECT count(c), count(t) FROM (SELECT count(*) OVER () c, t FROM wide_rows OFFSET 0) w',
	'RETURN NEXT' => 'SELECT count(*) FROM returns_next()',
	'cursor WITH HOLD' => 'BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT t FROM wide_rows; COMMIT');
my @types = ('AllocSet', 'Generation', 'Slab');
push @types, 'Bump' if $node->pg_version >= 17;

# With no limit, to see that they do take so much
ask($session, 'SELECT count(*) FROM wide_rows');
ask($session, $beyond_arenas{sort});
cmp_ok(process_kb($pid, 'VmHWM'), '>', 400 * 1024, 'no limit: a sort takes what it wants');
end_session($session);

my $rss;

# A session with the limit, and contexts of type AllocSet that are no arenas.
sub limited_session
{
	$session = session($node);
	$pid = backend_pid($session);
	ask($session, '\set VERBOSITY verbose');
	ask($session, q{SET work_mem = '2GB'; SET max_parallel_workers_per_gather = 0;
		SET goarena.contexts = '!goarena other, !CacheMemoryContext/, *'; SET goarena.memory_limit = '64MB'});
	ask($session, 'SELECT count(*) FROM pg_class');
	$rss = process_kb($pid, 'RssAnon');
}

# The limit refused a statement, and was kept.  malloc keeps more after large blocks.
sub refused_at_limit
{
	my ($statement, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $error = refused($session, $statement);

	like($error, limit_error($mb64), "$name: refused");
	my ($held_kb) = $error =~ /and this process holds (\d+) kB/;
	cmp_ok($held_kb // 128 * 1024, '<=', 65 * 1024, "$name: the limit was kept");
	cmp_ok(process_kb($pid, 'RssAnon') - $rss, '<', 40 * 1024, "$name: memory comes back");
}

limited_session();
foreach my $name (sort keys %beyond_arenas)
{
	refused_at_limit($beyond_arenas{$name}, $name);
	is(backend_pid($session), $pid, "$name: the session goes on");
	ask($session, 'ROLLBACK');
}
cmp_ok(process_kb($pid, 'VmHWM') - process_kb($pid, 'RssFile') - process_kb($pid, 'RssShmem'),
	'<', 64 * 1024 + $back_kb, 'sorts and tuplestores: never more than the limit and a little');
diag('sorts and tuplestores: ' . process_kb($pid, 'VmHWM') . ' kB at the peak');
in_order($session, 'sorts and tuplestores: all in order');
end_session($session);

foreach my $type (@types)
{
	limited_session();
	refused_at_limit("SELECT test_others('$type', 1000, 300000000)", "$type: small objects");
	is(ask($session, "SELECT test_others('$type', 1000, 300000000, 'no_oom')"), 'null', "$type: MCXT_ALLOC_NO_OOM: NULL");
	is(ask($session, "SELECT test_others('$type', 1000, 30000000)"), 'ok', "$type: what there is room for is had");
	foreach my $how ('held_off', 'critical')
	{
		is(ask($session, "SELECT test_others('$type', 1000, 100000000, '$how')"), 'ok', "$type: $how: not enforced");
	}
	if ($type ne 'Slab')
	{
		refused_at_limit("SELECT test_others('$type', 10000000, 300000000)", "$type: large objects");
		is(ask($session, "SELECT test_others('$type', 10000000, 300000000, 'no_oom')"), 'null', "$type: large objects: NULL");
		like(refused($session, "SELECT test_others('$type', 1::bigint << 46, 1)"), limit_error($mb64), "$type: more than malloc has");
	}
	if ($type eq 'AllocSet' || $type eq 'Generation')
	{
		is(ask($session, "SELECT test_others('$type', 100000, 20000000, 'grow')"), 'ok', "$type: an object that grows within the limit");
		refused_at_limit("SELECT test_others('$type', 1000000, 200000000, 'grow')", "$type: an object that grows");
	}
	is(backend_pid($session), $pid, "$type: the session goes on");
	in_order($session, "$type: all in order");
	end_session($session);
}

#
# Errors that are caught, and what works in a transaction that failed
#
$session = session($node);
$pid = backend_pid($session);
ask($session, '\set VERBOSITY verbose');
ask($session, q{SET goarena.memory_limit = '64MB'});
is( ask($session, q{
		DO $$
		DECLARE
			detail text;
			a int[];
		BEGIN
			FOR i IN 1..5 LOOP
				BEGIN
					SELECT array_agg(x) INTO a FROM generate_series(1, 100000) x, generate_series(1, 100000) y;
					RAISE 'not reached';
				EXCEPTION WHEN out_of_memory THEN
					GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
					IF detail !~ 'goarena.memory_limit is 65536 kB' THEN
						RAISE '%', detail;
					END IF;
				END;
			END LOOP;
		END $$;
		SELECT 'caught'}),
	'caught', 'the error can be caught, many times, with its detail');

# The variable is still there when the error is dealt with.
is( ask($session, q{
		DO $$
		DECLARE
			a int[];
			failed int := 0;
		BEGIN
			FOR i IN 1..20 LOOP
				BEGIN
					LOOP
						a := a || array_fill(i, ARRAY[300000]);
					END LOOP;
				EXCEPTION WHEN out_of_memory THEN
					failed := failed + 1;
				END;
			END LOOP;
			IF failed <> 20 THEN RAISE 'failed %', failed; END IF;
		END $$;
		SELECT 'caught'}),
	'caught', 'also while memory stays at the limit');
# An error of another kind while there is no room left.
ask($session, 'SELECT test_create(true)');
like(refused($session, 'BEGIN; SELECT test_fill(100000000, 400)'), limit_error($mb64), 'in a transaction block');
like(refused($session, 'SELECT ' . join(' + ', (1) x 20000)),
	qr/ERROR:  (25P02: current transaction is aborted|53200)/, 'the transaction has failed');
is(refused($session, 'ROLLBACK'), '', 'it can be rolled back with memory at the limit');
is( ask($session, q{
		DO $$ BEGIN
			FOR i IN 1..100 LOOP
				BEGIN
					PERFORM 1 / 0;
				EXCEPTION WHEN division_by_zero THEN
					NULL;
				END;
			END LOOP;
		END $$;
		SELECT 'caught'}),
	'caught', 'another error is caught with memory at the limit');
ask($session, 'SELECT test_delete()');
is(backend_pid($session), $pid, 'the session went on');
in_order($session, 'errors: all in order');

# Prepared statements, cursors, utility commands and COPY
ask($session, q{CREATE TABLE numbers AS SELECT i FROM generate_series(1, 100000) i; ANALYZE numbers});
like(refused($session, q{PREPARE p AS SELECT array_agg(a.i) FROM numbers a, numbers b; EXECUTE p}), limit_error($mb64), 'EXECUTE');
like(refused($session, q{BEGIN; DECLARE c CURSOR FOR SELECT array_agg(a.i) FROM numbers a, numbers b; FETCH c; }), limit_error($mb64), 'FETCH');
ask($session, 'ROLLBACK');
like(refused($session, q{CREATE TABLE t AS SELECT array_agg(a.i) FROM numbers a, numbers b}), limit_error($mb64), 'CREATE TABLE AS');
like(refused($session, q{COPY (SELECT array_agg(a.i) FROM numbers a, numbers b) TO '/dev/null'}), limit_error($mb64), 'COPY');
is(ask($session, 'SELECT count(*) FROM numbers'), '100000', 'all of that was rolled back');

# Parallel workers have the limit, too.
ask($session, parallel_mode('on'));
ask($session, q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 2; SET parallel_leader_participation = off});
like(refused($session, q{SELECT count(length(repeat('x', i * 1000))) FROM numbers WHERE test_in_worker() AND i > 90000}), limit_error($mb64),
	'parallel worker');
is(backend_pid($session), $pid, 'parallel worker: the session goes on');
end_session($session);

#
# Who may set it to what
#
$node->safe_psql('postgres', q{
	CREATE ROLE ordinary LOGIN; CREATE ROLE strong LOGIN SUPERUSER; GRANT ALL ON SCHEMA public TO ordinary;
	ALTER ROLE ordinary SET goarena.memory_limit = '100MB'});
$node->safe_psql('postgres', 'CREATE DATABASE own OWNER ordinary');
$node->append_conf('postgresql.conf', q{goarena.memory_limit = '500MB'});
$node->reload;
ok(wait_until(sub { $node->safe_psql('postgres', 'SHOW goarena.memory_limit') eq '500MB' }), 'reloaded');

# All lines that psql prints as a user.
sub as_user
{
	my ($user, $options, @statements) = @_;
	local $ENV{PGOPTIONS} = $options;
	my ($out, $err);

	$node->psql('postgres', join(";\n", @statements, ''), stdout => \$out, stderr => \$err,
		on_error_stop => 0, extra_params => [ '-U', $user ]);
	$err =~ s/^psql:<stdin>:\d+: //mg;
	return "$out\n$err";
}

my $denied = qr/ERROR:  permission denied to raise "goarena.memory_limit"/;
my $not_stored = qr/ERROR:  permission denied to change the stored "goarena.memory_limit"/;
is(as_user('ordinary', '', 'SHOW goarena.memory_limit'), "100MB\n", 'role: what is stored');
is(as_user('ordinary', '', q{SET goarena.memory_limit = '50MB'}, q{SET goarena.memory_limit = '100MB'}, 'SHOW goarena.memory_limit'),
	"100MB\n", 'an ordinary user may lower it, and raise it again up to what was stored');
like(as_user('ordinary', '', "SET goarena.memory_limit = '101MB'"), $denied, 'but not above');
like(as_user('ordinary', '', 'SET goarena.memory_limit = -1'), $denied, 'nor lift it');
like(as_user('ordinary', '', "SELECT set_config('goarena.memory_limit', '-1', false)"), $denied, 'nor by set_config');
foreach my $what ("SET goarena.memory_limit = '200MB'", "SET goarena.memory_limit = '50MB'", 'RESET goarena.memory_limit', 'RESET ALL')
{
	like(as_user('ordinary', '', "ALTER ROLE ordinary $what"), qr/$denied|$not_stored/, "ALTER ROLE $what: refused");
}
is(as_user('ordinary', '', "ALTER ROLE ordinary SET work_mem = '5MB'", 'ALTER ROLE ordinary RESET work_mem'), "\n", 'other settings are not');
like(as_user('ordinary', '', "ALTER DATABASE own SET goarena.memory_limit = '50MB'"), $not_stored, 'ALTER DATABASE: refused for its owner');
like(as_user('ordinary', '', q{CREATE FUNCTION raises() RETURNS text LANGUAGE sql SET goarena.memory_limit = '600MB' AS 'SELECT current_setting(''goarena.memory_limit'')'}),
	$denied, 'CREATE FUNCTION that raises it: refused');
like(as_user('ordinary', '', q{CREATE FUNCTION lowers() RETURNS text LANGUAGE sql SET goarena.memory_limit = '60MB' AS 'SELECT current_setting(''goarena.memory_limit'')'},
		'SELECT lowers()', 'SHOW goarena.memory_limit'),
	qr/^60MB\n100MB\n$/, 'a function that lowers it, for as long as it runs');
as_user('strong', '', q{CREATE FUNCTION helps() RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET goarena.memory_limit = '300MB' AS
		'BEGIN RETURN (SELECT length(string_agg(repeat(''x'', 1000), '''')) || current_setting(''goarena.memory_limit'') FROM generate_series(1, 120000)); END'},
	q{CREATE FUNCTION raises() RETURNS text LANGUAGE sql SET goarena.memory_limit = '300MB' AS 'SELECT current_setting(''goarena.memory_limit'')'});
like(as_user('ordinary', '', 'SELECT helps()'), qr/^120000000300MB\n$/, "a superuser's SECURITY DEFINER function may raise it");
like(as_user('ordinary', '', 'SELECT raises()'), $denied, 'one that is not SECURITY DEFINER may not');
is(as_user('ordinary', '', 'BEGIN', q{SET LOCAL goarena.memory_limit = '30MB'}, 'SAVEPOINT s', q{SET LOCAL goarena.memory_limit = '20MB'},
		'ROLLBACK TO s', 'SHOW goarena.memory_limit', 'ROLLBACK', 'SHOW goarena.memory_limit'),
	"30MB\n100MB\n", 'SET LOCAL and savepoints');
like(as_user('ordinary', '', q{SELECT length(repeat('x', 150000000))}), qr/ERROR:  out of memory because of goarena.memory_limit\nDETAIL: .*goarena.memory_limit is 102400 kB/, 'the limit of the role holds');
like(as_user('ordinary', '-c goarena.memory_limit=400MB', q{SELECT length(repeat('x', 150000000))}), qr/ERROR:  out of memory because of goarena.memory_limit\nDETAIL: .*goarena.memory_limit is 102400 kB/,
	'also against an option of the client');
like(as_user('ordinary', '-c goarena.memory_limit=-1', 'SELECT 1'), qr/$denied|FATAL/, 'a client cannot lift it');
like(as_user('ordinary', '-c goarena.memory_limit=20MB', q{SELECT length(repeat('x', 30000000))}), qr/goarena.memory_limit is 20480 kB/, 'a client can lower it');
is(as_user('strong', '', 'SHOW goarena.memory_limit', 'SET goarena.memory_limit = -1', q{SELECT length(repeat('x', 600000000))}), "500MB\n600000000\n", 'a superuser may lift it');
like(as_user('strong', '', q{SET goarena.memory_limit = '1MB'}), qr/must be at least 16MB, or -1 for no limit/, 'not too low');
like(as_user('strong', '', q{SET goarena.memory_limit = '600MB'; SET ROLE ordinary; SHOW goarena.memory_limit; SET goarena.memory_limit = '601MB'}),
	qr/^600MB\n.*permission denied to raise/s, "a superuser's value stays when the role is set, and goes no higher");

# A limit that is lowered holds for sessions that raised theirs up to the old one.
$session = session($node, extra_params => [ '-U', 'strong' ]);
ask($session, '\set VERBOSITY verbose');
my $other = session($node, extra_params => [ '-U', 'ordinary' ]);
$node->safe_psql('postgres', 'ALTER ROLE ordinary RESET goarena.memory_limit');
end_session($other);
$other = session($node, extra_params => [ '-U', 'ordinary' ]);
ask($other, q{SET goarena.memory_limit = '450MB'});
$node->append_conf('postgresql.conf', q{goarena.memory_limit = '80MB'});
$node->reload;
ok(wait_until(sub { $node->safe_psql('postgres', 'SHOW goarena.memory_limit') eq '80MB' }), 'reloaded with less');
ok(wait_until(sub { refused($other, q{SELECT length(repeat('x', 150000000))}) =~ /goarena.memory_limit is 81920 kB/ }),
	'what is lowered for the server holds for a session that set more');
end_session($other);
end_session($session);

#
# With a low limit for all, the server starts, recovers, vacuums, and does its work
#
$node->append_conf('postgresql.conf', q{goarena.memory_limit = '16MB'});
$node->restart;
$node->safe_psql('postgres', 'CREATE TABLE t AS SELECT i FROM generate_series(1, 100000) i; VACUUM t; ANALYZE t; CHECKPOINT');
$node->safe_psql('postgres', 'DELETE FROM t WHERE i % 2 = 0');
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SELECT count(*) FROM t'), '50000', 'a server with the lowest limit recovers and works');
is($node->safe_psql('postgres', q{ALTER SYSTEM SET goarena.memory_limit = -1; SELECT pg_reload_conf()}), 't', 'and can be given another one');
ok(wait_until(sub { $node->safe_psql('postgres', 'SHOW goarena.memory_limit') eq '-1' }), 'which holds');

#
# Beside others' work
#
system_or_bail('pgbench', '-i', '-q', '-h', $node->host, '-p', $node->port, 'postgres');
my ($load_out, $load_err) = ('', '');
my $load;
{
	local $ENV{PGAPPNAME} = 'pgbench';

	$load = IPC::Run::start [
		'pgbench', '-n', '-c', '3', '-T', '36000', '-h', $node->host, '-p', $node->port, 'postgres'
	  ], '<', \undef, '>', \$load_out, '2>', \$load_err;
}
ok($node->poll_query_until('postgres', 'SELECT count(*) > 50 FROM pgbench_history'), 'pgbench runs');
my @loaded = split(/\n/, $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench' ORDER BY pid}));
is(scalar(@loaded), 3, 'pgbench: its sessions are known');

$session = session($node);
$pid = backend_pid($session);
ask($session, '\set VERBOSITY verbose');
ask($session, q{SET goarena.memory_limit = '64MB'});
ask($session, 'SELECT count(*) FROM pg_class');
$rss = process_kb($pid, 'RssAnon');
my $most = 0;
my @wrong;
for (my $i = 0; $i < $loops; $i++)
{
	my $name = $names[$i % @names];
	my $error = refused($session, $greedy{$name});
	push @wrong, "$i: $name: $error" if $error !~ limit_error($mb64);
	my $now = process_kb($pid, 'RssAnon') - $rss;
	$most = $now if $now > $most;
}
is(join("\n", @wrong), '', "$loops statements beyond the limit: each ends with 53200");
cmp_ok($most, '<', $back_kb, 'memory comes back after each of them');
is(backend_pid($session), $pid, 'in one session');
diag("$loops statements beyond the limit: at most $most kB more than at first after one, "
	  . process_kb($pid, 'VmHWM') . ' kB at the peak');
in_order($session, 'all in order after them');
end_session($session);

is( $node->safe_psql('postgres', q{SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE application_name = 'pgbench'}),
	"@loaded", 'pgbench: no session has ended');
$load->signal('TERM');
$load->finish;
unlike($load_err, qr/error|aborted|fail/i, 'pgbench: no transaction has failed');
is($load_err =~ /ERROR/ ? $load_err : '', '', 'pgbench: no errors');
unlike(log_of($node), qr/canceling statement/, 'nobody was cancelled');

stop_in_order($node);

done_testing();
