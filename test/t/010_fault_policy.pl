
# Copyright (c) 2026, goarena contributors

# goarena.on_fault = terminate: an access to freed memory ends this backend and
# nothing else, or, where that is not safe, the server as any crash does.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use constant FAULTS => 100;

# Seconds after which what should have ended hangs
use constant LIMIT => 300;

my $fatal = qr/FATAL:  terminating connection because of an access to freed memory/;
my $used_in = qr/  It was used in \w+(?: at [^\n]+:\d+)?(?:, [^\n+]+)? \(goarena_fault_test\.so\)\.  The statement was: [^\n]+/;
my $message = qr/^(?:psql:<stdin>:\d+: )?$fatal
DETAIL:  It belonged to memory context "fault victim" and was freed by delete at [-0-9]+ [0-9:.]+\+00\.$used_in
HINT:  The server log and goarena_faults\(\) have the report\.$/m;

my $node = new_server(
	'policy', PRELOAD, STRICT,
	"shared_preload_libraries = 'goarena, goarena_fault_test'",
	'goarena.on_fault = terminate',
	'restart_after_crash = on',
	'dynamic_shared_memory_type = mmap',
	'shared_buffers = 16MB',
	'log_checkpoints = on',
	'archive_mode = on',
	"archive_command = 'true'",
	'autovacuum = off');
my $directory = $node->data_dir . '/goarena_faults';

$node->safe_psql('postgres', q{
	CREATE EXTENSION goarena_fault_test;
	CREATE EXTENSION amcheck;
	CREATE EXTENSION pg_buffercache;
	CREATE TABLE locked (i int);
	CREATE TABLE rows (i int PRIMARY KEY, v text);
	INSERT INTO rows SELECT i, 'old' FROM generate_series(1, 1000) i;
	CREATE FUNCTION touch(v text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM public.fault_in('plainly');
		RETURN v;
	END $$;
	CREATE FUNCTION touch_trigger() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM public.fault_in('plainly');
		RETURN NEW;
	END $$;
	CREATE TABLE triggered (i int);
	CREATE TRIGGER touch AFTER INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION touch_trigger();
	CREATE ROLE nobody LOGIN});
$node->run_log([
	'pgbench', '-i', '-q', '-h', $node->host, '-p', $node->port, 'postgres' ]);
my $before = $node->safe_psql('postgres', 'SELECT md5(string_agg(rows::text, $$ $$ ORDER BY i)) FROM rows');
# From 19 on the first LISTEN of all takes shared memory that stays.
$node->safe_psql('postgres', 'LISTEN nothing');
my $shared_before = join(' ', sort(slurp_dir($node->data_dir . '/pg_dynshmem')));

my ($ret, $out, $err) = $node->psql('postgres', 'SET goarena.on_fault = crash',
	extra_params => [ '-U', 'nobody' ]);
like($err, qr/permission denied to set parameter "goarena.on_fault"/,
	'an ordinary user may not change goarena.on_fault');

# A column of all kept reports, the oldest first
sub reported
{
	my ($what) = @_;

	return $node->safe_psql('postgres',
		"SELECT string_agg($what, ', ' ORDER BY id) FROM goarena_faults()");
}

sub forget_reports
{
	unlink(glob("$directory/*"));
}

#
# Many, beside others
#

# Everything that a session can hold on to.
my $holding = q{
	SET application_name = 'faulting';
	SET work_mem = '64kB';
	CREATE TEMP TABLE mine AS SELECT generate_series(1, 1000) AS i;
	SELECT pg_advisory_lock(42);
	LISTEN nothing;
	BEGIN;
	LOCK TABLE locked IN ACCESS EXCLUSIVE MODE;
	SELECT pg_advisory_xact_lock(43);
	UPDATE rows SET v = 'new' WHERE i <= 10;
	INSERT INTO rows VALUES (5000, 'ghost');
	DECLARE pinning CURSOR FOR SELECT * FROM pgbench_accounts;
	FETCH 10 FROM pinning;
	DECLARE spilling CURSOR FOR SELECT i FROM generate_series(1, 20000) i ORDER BY i % 1000, i;
	FETCH 10 FROM spilling};
my @faults = (
	q{SELECT fault_in('plainly')},
	q{SAVEPOINT s; INSERT INTO rows VALUES (5001, 'ghost'); SELECT fault_in('plainly')},
	q{DO $$ BEGIN PERFORM fault_in('plainly'); EXCEPTION WHEN others THEN NULL; END $$},
	q{COPY (SELECT i, fault_in('plainly') FROM rows) TO STDOUT},
	q{CREATE INDEX touching ON rows (touch(v))},
	q{INSERT INTO triggered VALUES (1)},
	q{DECLARE touching CURSOR FOR SELECT i, CASE WHEN i = 500 THEN touch(v) END FROM rows; FETCH ALL FROM touching},
	q{SELECT fault_in('pre-commit'); COMMIT});

# A short pgbench again and again, until a file is there.
my $stop = PostgreSQL::Test::Utils::tempdir() . '/stop';
my ($bench_out, $bench_err) = ('', '');
my $bench = IPC::Run::start [
	'sh', '-c', 'until [ -e "$0" ]; do pgbench -n -c 2 -T 3 "$@" || exit 1; done',
	$stop, '-h', $node->host, '-p', $node->port, 'postgres' ],
  '>', \$bench_out, '2>', \$bench_err;
ok($node->poll_query_until('postgres', 'SELECT count(*) > 20 FROM pgbench_history'),
	'pgbench runs');
my $bystander = session($node);
my $bystander_pid = backend_pid($bystander);
my $sessions = 'SELECT sessions_fatal FROM pg_stat_database WHERE datname = current_database()';
my $fatal_before = $node->safe_psql('postgres', $sessions);
my $offset = -s $node->logfile;
my $told = 0;
my $started = time;
for my $i (1 .. FAULTS)
{
	($ret, $out, $err) = $node->psql('postgres', "$holding; $faults[$i % @faults]; SELECT 'alive';",
		on_error_stop => 0, timeout => LIMIT);
	if ($err =~ $message && $err !~ /0x/ && $out !~ /alive/)
	{
		$told++;
	}
	else
	{
		diag("fault $i: $out $err");
	}
}
note(sprintf('%d faults in %.1f s', FAULTS, time - $started));
is($told, FAULTS, 'terminate: each client gets FATAL with the summary, and no address');
is(backend_pid($bystander), $bystander_pid, 'terminate: another session goes on');
end_session($bystander);
my $log = log_of($node, $offset);
is( () = $log =~ /LOG:  goarena: access to freed memory\nid: .*\n(?:.+\n)*?outcome: terminate\n/g,
	FAULTS, 'terminate: the log has all reports');
is(() = $log =~ /$fatal/g, FAULTS, 'terminate: the log has all ends');
is(crashes($node), '', 'terminate: no crash');
is($node->safe_psql('postgres', 'SELECT outcome, count(*) FROM goarena_faults() GROUP BY 1'),
	'terminate|64', 'terminate: as many reports are kept as should be');

# while pgbench still runs; the two views are not read at the same moment
ok( $node->poll_query_until('postgres', q{
		SELECT count(*) = 0 FROM pg_locks l
		WHERE NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = l.pid)}),
	'terminate: no lock of a process that is gone');
is( $node->safe_psql('postgres', q{
		SET lock_timeout = '1ms';
		BEGIN;
		LOCK TABLE locked, rows, triggered IN ACCESS EXCLUSIVE MODE NOWAIT;
		SELECT count(*) FROM (SELECT FROM rows FOR UPDATE NOWAIT) r;
		SELECT pg_try_advisory_lock(42), pg_try_advisory_lock(43);
		COMMIT}),
	"1000\nt|t", 'terminate: all locks can be taken at once');
is($node->safe_psql('postgres', 'SELECT md5(string_agg(rows::text, $$ $$ ORDER BY i)) FROM rows'),
	$before, 'terminate: nothing of their transactions is there');
is($node->safe_psql('postgres', 'SELECT count(*) FROM triggered'), '0',
	'terminate: no row of the trigger, either');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_stat_activity WHERE application_name = 'faulting'}),
	'0', 'terminate: none of their sessions is there');
is($node->safe_psql('postgres', $sessions) - $fatal_before,
	FAULTS, 'terminate: statistics count the sessions that ended so');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_class WHERE relpersistence = 't' OR relname = 'touching'}),
	'0', 'terminate: no temporary table and no index is left');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), '0',
	'terminate: no temporary file is left');
is(join(' ', sort(slurp_dir($node->data_dir . '/pg_dynshmem'))), $shared_before,
	'terminate: no shared memory is left');
append_to_file($stop, 'now');
$bench->finish;
is($?, 0, 'pgbench ends well');
my $runs = () = $bench_out =~ /^number of transactions actually processed: [1-9]/mg;
cmp_ok($runs, '>', 0, 'pgbench: it ran all the time');
is(() = $bench_out =~ /^number of failed transactions: 0 /mg, $runs,
	'pgbench: no transaction failed');
unlike($bench_out . $bench_err, qr/error|aborted|FATAL/i, 'pgbench: no error');
is( $node->safe_psql('postgres', q{
		SELECT count(DISTINCT s) FROM (
			SELECT sum(abalance) FROM pgbench_accounts
			UNION ALL SELECT sum(tbalance) FROM pgbench_tellers
			UNION ALL SELECT sum(bbalance) FROM pgbench_branches
			UNION ALL SELECT sum(delta) FROM pgbench_history) t(s)}),
	'1', 'pgbench: its sums agree');

# shared memory and what was written
sub whole
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	# The background writer and others pin one now and then.
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM pg_buffercache WHERE pinning_backends > 0'),
		"$name: no buffer is pinned");
	is(scalar($node->psql('postgres', "SET statement_timeout = '300s'; CHECKPOINT")),
		0, "$name: a checkpoint succeeds");
	is(scalar($node->psql('postgres', "SET statement_timeout = '300s'; VACUUM (FREEZE, DISABLE_PAGE_SKIPPING)")),
		0, "$name: so does VACUUM FREEZE");
	is( $node->safe_psql('postgres', q{
			SELECT bt_index_check(c.oid, true) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
			WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p';
			SELECT c.relname, v.* FROM pg_class c, verify_heapam(c.oid) v
			WHERE c.relkind IN ('r', 't') AND c.relpersistence = 'p'}) =~ s/\n//gr,
		'', "$name: amcheck finds nothing");
}
whole('terminate');

#
# Somebody waits for what the process holds
#
my $session = session($node);
my ($holder_out, $holder_err) = ('', '');
my $holder = IPC::Run::start [
	'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', q{SET application_name = 'holder'}, '-c', q{
		BEGIN;
		LOCK TABLE locked IN ACCESS EXCLUSIVE MODE;
		UPDATE rows SET v = 'new' WHERE i = 1;
		SELECT pg_sleep(1);
		SELECT fault_in('plainly')} ],
  '>', \$holder_out, '2>', \$holder_err;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'locked'::regclass AND granted}),
	'waiter: the lock is held');
$started = time;
is(ask($session, q{BEGIN; LOCK TABLE locked; UPDATE rows SET v = v WHERE i = 1 RETURNING v; COMMIT}),
	'old', 'waiter: it gets the lock, and the row as it was');
cmp_ok(time - $started, '<', LIMIT, 'waiter: as soon as the other has ended');
$holder->finish;
like($holder_err, $fatal, 'waiter: the other was terminated');

#
# Other processes
#
my $pid = backend_pid($session);
$offset = -s $node->logfile;
forget_reports();
ask($session, 'CREATE TABLE scanned AS SELECT generate_series(1, 10) AS i');
ask($session, parallel_mode('on'));
for my $round (1 .. 3)
{
	like(refused($session, 'SELECT count(fault_in_worker()) FROM scanned'),
		qr/ERROR:  terminating connection because of an access to freed memory\nDETAIL:  It belonged to memory context "fault victim".*CONTEXT:  parallel worker/s,
		"parallel worker, $round: the leader gets an error");
	is(ask($session, 'SELECT count(i) FROM scanned'), '10',
		"parallel worker, $round: the next query has workers");
}
is(backend_pid($session), $pid, 'parallel worker: the leader goes on');
like(reported('outcome'), qr/^terminate(, terminate){2,}$/, 'parallel worker: it ended alone');
ask($session, parallel_mode('off'));

forget_reports();
ask($session, q{SELECT test_launch_worker($$SELECT fault_in('plainly')$$)});
ok(wait_until(sub { log_of($node, $offset) =~ /background worker "goarena test worker" \(PID \d+\) exited with exit code 1/ }),
	'background worker: it ends with FATAL');
is(reported('outcome'), 'terminate', 'background worker: by the policy');

forget_reports();
($ret, $out, $err) = $node->psql('postgres', q{
	CREATE_REPLICATION_SLOT fault_slot TEMPORARY LOGICAL test_decoding NOEXPORT_SNAPSHOT;
	SELECT fault_in('plainly')}, replication => 'database', on_error_stop => 0);
like($out, qr/^fault_slot\|/m, 'walsender: it has a slot');
like($err, $message, 'walsender: its client gets FATAL');
is(reported(q{outcome || ' ' || backend_type}), 'terminate walsender', 'walsender: by the policy');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_replication_slots'), '0',
	'walsender: its slot is gone');

# outside of a transaction: in a session that logs how long statements take
forget_reports();
{
	my $victim = session($node);
	my $victim_pid = backend_pid($victim);

	ask($victim, 'SET log_duration = on');
	$node->append_conf('postgresql.conf', "goarena_fault_test.in_process = 'client backend'");
	kill('HUP', $victim_pid);
	like(eval { refused($victim, 'SELECT 1') } // $victim->{stderr}, $message,
		'between transactions: the client gets FATAL');
	eval { $victim->quit };
	$node->adjust_conf('postgresql.conf', 'goarena_fault_test.in_process', undef);
	is(reported('outcome'), 'terminate', 'between transactions: by the policy');
}
is(backend_pid($session), $pid, 'other processes: the first session is still there');

# pointers read from freed memory, while it waits and later
my $freed = q{SELECT fault_create(); SELECT fault_keep(1000); SELECT fault_pfree()};
my $probably = 'A pointer was followed that had been read from an object freed by pfree';
foreach my $use (
	[ 'poison', "$freed; SELECT fault_follow('register')", ', probably in memory context "fault test"' ],
	[ 'poison, unknown object', "$freed; SELECT fault_take(); SELECT fault_follow('read')", '' ],
	[ 'poison, call', "$freed; SELECT fault_take(); SELECT fault_follow('call')", '' ],
	[ 'link', "$freed; SELECT fault_churn(0, 600); SELECT fault_take(); SELECT fault_follow('write')", '' ])
{
	my ($name, $script, $context) = @$use;

	forget_reports();
	($ret, $out, $err) = $node->psql('postgres',
		"BEGIN; LOCK TABLE locked; $script; SELECT 'alive'", on_error_stop => 0, timeout => LIMIT);
	# What compilers leave on the stack of 19 has the address of another freed object.
	my $guess = $context eq '' && $node->pg_version >= '19devel'
	  ? qr/(, probably in memory context "(?!fault test)\w+")?/
	  : qr/\Q$context\E/;

	like($err, qr/$fatal\nDETAIL:  \Q$probably\E$guess\.$used_in\nHINT:  The server log/,
		"pointer from freed memory, $name: the client gets FATAL");
	unlike($out, qr/alive/, "pointer from freed memory, $name: the session ends");
	is(reported(q{kind || ' ' || outcome}), 'pointer from freed memory terminate',
		"pointer from freed memory, $name: by the policy");
	is(ask($session, 'BEGIN; LOCK TABLE locked NOWAIT; COMMIT'), '',
		"pointer from freed memory, $name: its lock is free");
}

# memory of a context that was gone before another one had the chunk
forget_reports();
($ret, $out, $err) = $node->psql('postgres', q{
	SET goarena.quarantine = on;
	SELECT fault_create(), fault_keep(100);
	SELECT 'shared', fault_hand_on();
	SELECT chunks_freed >= 0 FROM goarena_sweep();
	SELECT fault_read()}, on_error_stop => 0, timeout => LIMIT);
like($out, qr/^shared\|t$/m, 'chunk of several contexts: others had the rest of it');
like($err, qr/$fatal\nDETAIL:  It belonged to memory context "fault test" and was freed by delete/,
	'chunk of several contexts: the client is told of the right one');
is(reported(q{context || ' ' || freed_by || ' ' || (free_query ~ 'fault_hand_on')}), 'fault test delete true',
	'chunk of several contexts: so is the report');
end_session($session);
$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
is(join(' ', sort(slurp_dir($node->data_dir . '/pg_dynshmem'))), $shared_before,
	'other processes: no shared memory is left');

# logging what was done is still part of the transaction
forget_reports();
$node->append_conf('postgresql.conf', q{
goarena_fault_test.in_process = 'autovacuum worker'
log_autovacuum_min_duration = 0
autovacuum_naptime = 1
autovacuum = on});
$node->safe_psql('postgres', q{
	ALTER TABLE scanned SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0);
	UPDATE scanned SET i = i + 1});
$node->reload;
ok($node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM goarena_faults()'),
	'autovacuum worker: it is reported');
$node->adjust_conf('postgresql.conf', 'autovacuum', 'off');
$node->adjust_conf('postgresql.conf', 'goarena_fault_test.in_process', undef);
$node->reload;
like(reported(q{outcome || ' ' || backend_type}), qr/^terminate autovacuum worker/,
	'autovacuum worker: by the policy');
is($node->safe_psql('postgres', 'SELECT sum(i) FROM scanned'), '65', 'autovacuum worker: the table is as it was');
is(crashes($node), '', 'other processes: no crash');
whole('other processes');

#
# Where it is not safe
#
sub restarted
{
	my ($offset) = @_;

	for (1 .. 10 * LIMIT)
	{
		my $log = log_of($node, $offset);

		return 1 if $log =~ /reinitializing.*ready to accept connections/s;
		select(undef, undef, undef, 0.1);
	}
	return 0;
}

sub crashed
{
	my ($name, $script, $outcomes, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $offset = -s $node->logfile;
	my $told = delete $params{told};

	forget_reports();
	($ret, $out, $err) = $node->psql('postgres', $script, timeout => LIMIT,
		timed_out => \my $timed_out, %params);
	ok(!$timed_out && restarted($offset), "$name: the server restarts");
	unlike($err, $fatal, "$name: the client does not get the message") unless $told;
	like(log_of($node, $offset), qr/ was terminated by signal 11/, "$name: a plain crash");
	is(reported('outcome'), $outcomes, "$name: what is reported");
}

# Processes that are no backends: the one that is to fault is told alone.  It reads that before
# it does what it is asked for next; those that are started after the crash have it from the
# postmaster, which was not told.
sub let_fault
{
	my ($type, @lines) = @_;
	my $process = $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = '$type'");

	$node->append_conf('postgresql.conf', join("\n",
		"goarena_fault_test.in_process = '$type'", @lines));
	kill('HUP', $process);
}

sub let_none_fault
{
	$node->adjust_conf('postgresql.conf', 'goarena_fault_test.in_process', undef);
	$node->adjust_conf('postgresql.conf', 'archive_command', "'true'");
}

# in no critical section; first, since the server starts it again only after a while
let_fault('archiver', "archive_command = 'false'");
crashed('archiver', 'SELECT pg_current_xact_id(), pg_switch_wal()', 'crash');
let_none_fault();
is(reported('backend_type'), 'archiver', 'archiver: it was the one');

# in a critical section
let_fault('checkpointer');
crashed('checkpointer', 'CHECKPOINT', 'crash');
let_none_fault();
is(reported('backend_type'), 'checkpointer', 'checkpointer: it was the one');

my $unsafe = q{INSERT INTO rows VALUES (6000, 'unsafe')};
foreach my $situation ('critical section', 'lock', 'interrupts held')
{
	crashed($situation, "BEGIN; $unsafe; SELECT fault_in('$situation')", 'crash');
}
crashed('pointer from freed memory, interrupts held',
	"$freed; SELECT fault_take(); SELECT fault_in('hold interrupts for good'), fault_follow()", 'crash');
crashed('commit', "BEGIN; SELECT fault_in('commit'); COMMIT", 'crash');
crashed('abort', "BEGIN; SELECT fault_in('abort'); ROLLBACK", 'crash');
crashed('exit callback', "SELECT fault_in('exit callback')", 'crash');
crashed('late exit callback', "SELECT fault_in('late exit callback')", 'crash');
crashed('twice', "BEGIN; $unsafe; SELECT fault_in('twice')", 'terminate, crash', told => 1);
crashed('bad stack pointer', q{
	SELECT fault_create(); SELECT fault_keep(100); SELECT fault_reset(); SELECT fault_read_on_bad_stack()}, 'crash');
is($node->safe_psql('postgres', 'SELECT count(*) FROM rows WHERE i = 6000'), '0',
	'crashes: their transactions are not there');

whole('crashes');

# single-user mode
$node->stop;
forget_reports();
my ($single_out, $single_err) = ('', '');
IPC::Run::run [ 'postgres', '--single', '-F', '-D', $node->data_dir, 'postgres' ],
  '<', \qq{$unsafe\nSELECT fault_in('plainly')\n}, '>', \$single_out, '2>', \$single_err,
  IPC::Run::timeout(LIMIT);
is($? & 127, 11, 'single-user mode: a plain crash');
like($single_err, qr/LOG:  goarena: access to freed memory\nid: .*\noutcome: crash\n/s,
	'single-user mode: reported on the terminal');
unlike($single_err, $fatal, 'single-user mode: not terminated');
$node->start;
is(reported('outcome'), 'crash',
	'single-user mode: what is reported');
is($node->safe_psql('postgres', 'SELECT count(*) FROM rows WHERE i = 6000'), '1',
	'single-user mode: what was committed is there');
whole('at the end');
$node->stop;

done_testing();
