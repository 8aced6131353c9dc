
# Copyright (c) 2026, goarena contributors

# Accesses to freed memory end the process with a report; the report says what
# it should, and nothing keeps the process from ending.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# Seconds after which a crash that has not ended is a hang, on a machine that has much else
# to do; goarena's own limit for a report is 20.
use constant CRASH_LIMIT => 300;

# Only sweeps that a test asks for: reports tell how many there were.
my @conf = (
	'restart_after_crash = on',
	'max_worker_processes = 8',
	'goarena.free_history = 1024',
	'goarena.on_fault = crash');
my $directory;

# Start a server with this test's module, and remember where reports are kept.
sub start_server
{
	my ($name, @lines) = @_;
	my $node = new_server($name, PRELOAD, STRICT, @conf, @lines);

	$node->safe_psql('postgres', q{
		CREATE EXTENSION goarena_fault_test;
		CREATE ROLE fault_finder SUPERUSER LOGIN;
		CREATE DATABASE fault_base TEMPLATE template0 ENCODING 'UTF8'});
	$node->safe_psql('fault_base',
		'CREATE EXTENSION goarena; CREATE EXTENSION goarena_fault_test');
	$directory = $node->data_dir . '/goarena_faults';
	return $node;
}

# Is the server there again after a crash?
sub restarted
{
	my ($read_log) = @_;
	my $started = time;

	while (time - $started < CRASH_LIMIT)
	{
		return 1
		  if $read_log->() =~ /reinitializing.*database system is ready to accept connections/s;
		select(undef, undef, undef, 0.02);
	}
	return 0;
}

# Run a script that ends in a crash and wait for the restart.  Returns the log
# of that time, what the client saw, and the process that crashed.
sub crash
{
	my ($node, $script, %params) = @_;
	my $read_log = delete $params{read_log};
	my $offset = -s $node->logfile;

	$read_log //= sub { return log_of($node, $offset) };
	my ($ret, $out, $err) = $node->psql(delete $params{database} // 'postgres',
		$script, timeout => CRASH_LIMIT, timed_out => \my $timed_out, %params);
	die "a crash hangs: $script" if $timed_out || !restarted($read_log);

	my $log = $read_log->();
	my ($pid, $signal) =
	  $log =~ /\(PID (\d+)\) was terminated by signal (\d+)/;
	return { log => $log, out => $out, err => $err, pid => $pid, signal => $signal };
}

# All kept reports, the oldest first, as hashes.
sub reports
{
	my ($node) = @_;

	return map { decode_json($_) } split(/\n/, $node->safe_psql('fault_base',
		'SELECT to_jsonb(f) FROM goarena_faults() f ORDER BY id'));
}

sub text_of
{
	my ($node, $report) = @_;

	return $node->safe_psql('fault_base',
		"SELECT goarena_faults_text($report->{id})");
}

sub forget_reports
{
	unlink(glob("$directory/*"));
}

# A report's text without its stacks, its access stack, its free stack and its allocation stack.
sub parts_of
{
	my ($text) = @_;
	my ($rest, $access, $allocation, $free) = $text =~
	  /^(.*?)(?:access stack:\n(.*?))?(?:allocation stack:\n(.*?))?free stack:\n(.*)$/s;

	return ($rest, $access, $free, $allocation);
}

# Run a script that crashes with one report.  Checks what all reports share, and
# returns the report, its text and the crash.
sub reported
{
	my ($node, $name, $script, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $entry = delete $params{entry} // 'access to freed memory';
	forget_reports();
	my $crash = crash($node, $script, %params);
	my @reports = reports($node);
	is(scalar(@reports), 1, "$name: one report");
	return ({}, '', $crash) unless @reports;

	my $text = text_of($node, $reports[0]);
	like($crash->{log}, qr/\[$reports[0]{pid}\] LOG:  goarena: $entry\n\Q$text\E/,
		"$name: it is one entry of the log");
	is($crash->{pid} . ' ' . $crash->{signal}, "$reports[0]{pid} 11",
		"$name: its process ended by signal 11");
	return ($reports[0], $text, $crash);
}

# Run a script that crashes without a report, or with one that says only that a pointer
# to freed memory was at hand, which can be by chance.
# The log without what the flight recorder says of the last minute after any crash.
sub fault_log
{
	my ($log) = @_;

	return $log =~ s/goarena: statements that held most memory before//gr;
}

sub unreported
{
	my ($node, $name, $script, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $signal = delete $params{signal} // 11;

	forget_reports();
	my $started = time;
	my $crash = crash($node, $script, %params);
	is($crash->{signal}, $signal, "$name: the process ended by signal $signal");
	unlike(fault_log($crash->{log}), qr/goarena: (?!crash with a pointer to freed memory)/,
		"$name: nothing is reported in the log");
	is_deeply([ grep { $_->{kind} ne 'pointer to freed memory' } reports($node) ],
		[], "$name: nothing is kept");
	return $crash;
}

my $node = start_server('faults');
my $report;
my $text;
my $crash;

#
# What a report says
#

# freeing statement, the size of the object that is kept, the one that is
# reported, the access, and its offset in the object
my @ways = (
	[ 'reset', 'fault_reset()', 1000, 1000, 'read', 8 ],
	[ 'delete', 'fault_delete()', 1000, 1000, 'write', 992 ],
	[ 'delete', 'fault_delete()', 3_000_000, 3_000_000, 'read', 2_999_992 ],
	[ 'pfree', 'fault_pfree()', 3_000_000, 3_000_000, 'write', 16 ],
	[ 'repalloc', 'fault_repalloc(6000000)', 3_000_000, 3_000_000, 'read', 16 ]);
foreach my $way (@ways)
{
	my ($freed_by, $free, $size, $reported_size, $access, $offset) = @$way;
	my $name = "$freed_by of $size bytes, $access";
	my $at = $offset // 16;
	my $free_query = "SELECT $free /* the free */;";
	my $query = "SELECT fault_$access($at) /* the access */;";
	my $before = time;

	($report, $text, $crash) = reported($node, $name, qq{
		SELECT fault_create('the ident');
		SELECT fault_keep($size);
		$free_query
		SELECT goarena_sweep();
		SELECT 'third transaction';
		$query}, database => 'fault_base', extra_params => [ '-U', 'fault_finder' ]);
	my ($address) = $crash->{out} =~ /^0x([0-9a-f]+)$/m;

	is_deeply(
		{ map { $_ => $report->{$_} } qw(pid backend_type user_name database kind access
			  address context parents ident freed_by sweeps_since transactions_since
			  object_size object_offset outcome query free_query) },
		{
			pid => $crash->{pid},
			backend_type => 'client backend',
			user_name => 'fault_finder',
			database => 'fault_base',
			kind => 'access',
			access => $access,
			address => sprintf('0x%x', hex($address) + $at),
			context => 'fault test',
			parents => 'fault parent < TopMemoryContext',
			ident => 'the ident',
			freed_by => $freed_by,
			sweeps_since => 1,
			transactions_since => 3,
			object_size => $reported_size,
			object_offset => $offset,
			outcome => 'crash',
			query => $query,
			free_query => $free_query,
		},
		"$name: what is reported");
	is( $node->safe_psql('postgres', qq{
			SELECT at >= freed_at, freed_at >= to_timestamp($before - 1), at < now(), arena_id > 0
			FROM goarena_faults()}),
		't|t|t|t',
		"$name: when, and which arena");

	my ($head, $access_stack, $free_stack) = parts_of($text);
	like($access_stack, qr/^  #0 0x[0-9a-f]+ fault_$access\b.*\(goarena_fault_test\.so\+0x[0-9a-f]+\)$/m,
		"$name: the access stack begins with the function that did it");
	like($access_stack, qr/ExecutorRun.*\(postgres\+0x[0-9a-f]+\)\n.*PostgresMain/s,
		"$name: the access stack goes on to the server's functions");
	like($free_stack, qr/ fault_$freed_by\b.*\(goarena_fault_test\.so\+/,
		"$name: the free stack has the function that did it");
	like($free_stack, qr/PostgresMain/, "$name: the free stack is whole");
	unlike($free_stack =~ s/fault_$freed_by\b.*//sr, qr/goarena\.so/,
		"$name: the free stack begins with none of goarena's functions");
}

# without an ident
($report) = reported($node, 'no ident',
	'SELECT fault_create(); SELECT fault_keep(100); SELECT fault_reset(); SELECT fault_read()');
is($report->{ident}, undef, 'no ident: none is reported');

# long texts, in UTF-8
my $long = "\xc3\xa9" x 3000;
($report, $text) = reported($node, 'long texts', qq{
	SELECT fault_create(E'first line\\nsecond line ' || repeat('\xc3\xa9', 100));
	SELECT fault_keep(100);
	SELECT fault_reset() /* $long */;
	SELECT fault_read() -- first line
		/* second line $long */}, database => 'fault_base');
like($report->{ident}, qr/^first line second line \x{e9}+$/,
	'long texts: the ident is one line, cut off within no character');
like($report->{free_query}, qr{^SELECT fault_reset\(\) /\* \x{e9}+$},
	'long texts: so is the query of the free');
like($report->{query}, qr{^SELECT fault_read\(\) -- first line\s+/\* second line (\x{e9}+|\?+)$},
	'long texts: the query of the access is valid');

# files; members of the group may read the data directory, but not reports
$node->stop;
chmod(0750, $node->data_dir) or die "chmod: $!";
$node->start;
forget_reports();
rmdir($directory) or die "could not remove $directory: $!";
($report, $text) = reported($node, 'no directory',
	'SELECT fault_create(); SELECT fault_keep(100); SELECT fault_reset(); SELECT fault_read()');
is(sprintf('%o', (stat($directory))[2] & 07777),
	'700', 'files: the directory is private');
my @files = glob("$directory/*");
is(sprintf('%o', (stat($files[0]))[2] & 07777), '600', 'files: the report is private');
is(slurp_file($files[0]), $text, 'files: goarena_faults_text() shows the file');
is($node->safe_psql('postgres', 'SELECT goarena_faults_text(1) IS NULL'),
	't', 'files: a number that is not there gives null');

# privileges
$node->safe_psql('postgres', q{
	CREATE ROLE fault_monitor LOGIN IN ROLE pg_monitor;
	CREATE ROLE fault_nobody LOGIN});
is( $node->safe_psql('postgres', q{
		SELECT count(*), count(address), count(context), count(query) FROM goarena_faults()},
		extra_params => [ '-U', 'fault_monitor' ]),
	'1|0|1|1',
	'pg_monitor: sees all but the address');
foreach my $refused (
	[ 'fault_monitor', "goarena_faults_text($report->{id})" ],
	[ 'fault_nobody', 'goarena_faults()' ],
	[ 'fault_nobody', "goarena_faults_text($report->{id})" ])
{
	my ($user, $call) = @$refused;
	my ($ret, $out, $err) =
	  $node->psql('postgres', "SELECT $call", extra_params => [ '-U', $user ]);

	is($out, '', "$user: sees nothing of $call");
	like($err, qr/permission denied for function goarena_faults/, "$user: may not call $call");
}
$node->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION goarena_faults_text(bigint) TO fault_nobody');
my ($ret, $out, $err) = $node->psql('postgres', "SELECT goarena_faults_text($report->{id})",
	extra_params => [ '-U', 'fault_nobody' ]);
like($err, qr/permission denied.*superuser/s,
	'a privilege on goarena_faults_text() does not help');

#
# What is no longer known, or never was
#
($report, $text) = reported($node, 'free_stacks = off', q{
	SET goarena.free_stacks = off;
	SELECT fault_create(); SELECT fault_keep(100); SELECT fault_reset(); SELECT fault_read()});
is($report->{context} . ' ' . $report->{freed_by}, 'fault test reset',
	'free_stacks = off: the rest is known');
is((parts_of($text))[2], "  unknown\n", 'free_stacks = off: the stack is said to be unknown');
like((parts_of($text))[1], qr/fault_read/, 'free_stacks = off: that of the access is there');

($report, $text) = reported($node, 'history is full', q{
	SET goarena.sweep_percent = -1; SET goarena.retain = '128MB';
	SELECT fault_create('the ident'); SELECT fault_keep(100); SELECT fault_reset();
	SELECT fault_churn(3000, 0); SELECT fault_read(8)});
is_deeply(
	[ map { $report->{$_} } qw(context parents ident freed_by freed_at free_query access) ],
	[ 'unknown', undef, undef, undef, undef, undef, 'read' ],
	'history is full: what was known only to it is unknown');
is((parts_of($text))[2], "  unknown\n", 'history is full: so is the stack');
($report, $text) = reported($node, 'history is not full', q{
	SET goarena.sweep_percent = -1;
	SELECT fault_create('the ident'); SELECT fault_keep(100); SELECT fault_reset();
	SELECT fault_churn(400, 0); SELECT fault_read(8)});
is($report->{context}, 'fault test', 'history is not full: the context is known');

# memory that was proved unreferenced
($report, $text, $crash) = reported($node, 'swept', q{
	SELECT fault_create(); SELECT fault_keep(3000000, true); SELECT fault_reset();
	SELECT 'freed', chunks_freed > 0 FROM goarena_sweep(); SELECT fault_read(8)});
like($crash->{out}, qr/^freed\|t$/m, 'swept: the sweep frees it');
like($text, qr/^chunk: fresh$/m, 'swept: the report says so');
is_deeply([ map { $report->{$_} } qw(context freed_by sweeps_since object_size) ],
	[ 'fault test', 'reset', 1, 3000000 ], 'swept: the rest is known');

#
# A context that was deleted
#
foreach my $how ('alloc', 'reset', 'delete', 'child')
{
	($report, $text, $crash) = reported($node, "deleted context, $how", "SELECT fault_use_deleted('$how')",
		entry => 'use of a pointer from freed memory');
	is_deeply(
		[ map { $report->{$_} } qw(context freed_by) ],
		[ 'fault deleted', 'delete' ],
		"deleted context, $how: which one, and how it went");
	like((parts_of($text))[2], qr/DeleteHere/, "deleted context, $how: where it was deleted");
}

# A callback is only written there, which is noticed later.
my $before_callback = -s $node->logfile;
$node->safe_psql('fault_base', q{SELECT fault_use_deleted('callback');
	SELECT fault_use_deleted('nothing') FROM generate_series(1, 40); SELECT 1});
ok(log_of($node, $before_callback) =~ /WARNING:  memory context "fault deleted" was written to after it was deleted/,
	'deleted context, callback: a warning tells');

# What is not quarantined is as on the plain server.
is($node->safe_psql('postgres', q{SET goarena.quarantine = off; SELECT fault_use_deleted('reset'); SELECT 1}),
	"\n1", 'deleted context, off: no harm that the plain server would not do');

#
# Who and where
#
($report) = reported($node, 'subtransaction', q{
	BEGIN; SELECT fault_create(); SELECT fault_keep(100);
	SAVEPOINT s; SELECT fault_reset(); ROLLBACK TO s; SAVEPOINT s; SELECT fault_read()});
is($report->{transactions_since}, 0, 'subtransaction: none ended');

($report, $text, $crash) = reported($node, 'parallel worker', q{
	CREATE TABLE parallel AS SELECT 1 AS i; } . parallel_mode('on') . q{;
	SELECT fault_in_worker() FROM parallel});
like($report->{backend_type}, qr/^(parallel|background) worker$/,
	'parallel worker: the type of process');
is_deeply(
	[ @$report{qw(user_name database context query)} ],
	[
		$node->safe_psql('postgres', 'SELECT current_user'),
		'postgres', 'fault victim',
		'SELECT fault_in_worker() FROM parallel' ],
	'parallel worker: what is reported');
like($crash->{log}, qr/background worker "parallel worker" \(PID $report->{pid}\) was terminated by signal 11/,
	'parallel worker: it is the one that crashed');

($report, $text, $crash) = reported($node, 'background worker',
	q{SELECT test_launch_worker($$SELECT fault_in('plainly')$$), pg_sleep(10)});
like($report->{backend_type}, qr/^(goarena test|background) worker$/,
	'background worker: the type of process');
is_deeply([ @$report{qw(database context)} ], [ 'postgres', 'fault victim' ],
	'background worker: what is reported');
unlike($text, qr/ 0x0 /, 'background worker: its stacks end where it began');

#
# Files that cannot be written
#
my $fault = 'SELECT fault_create(); SELECT fault_keep(100); SELECT fault_reset(); SELECT fault_read()';

SKIP:
{
	skip 'root may write everywhere', 3 if $> == 0;

	forget_reports();
	chmod(0500, $directory) or die "chmod: $!";
	$crash = crash($node, $fault);
	chmod(0700, $directory) or die "chmod: $!";
	like($crash->{log}, qr/LOG:  goarena: access to freed memory\nid: .*free stack:\n.*fault_reset/s,
		'read-only directory: the log has the report');
	is($crash->{signal}, 11, 'read-only directory: a plain crash');
	is_deeply([ slurp_dir($directory) ], [ '.', '..' ],
		'read-only directory: no file is there');
}

# bounded
forget_reports();
foreach my $i (0 .. 63)
{
	my $file = "$directory/pgsql_tmp.$i";

	append_to_file($file, "id: $i\nat: 2026-11-27 08:00:00.000000+00\ncontext: old $i\n");
	utime(1_700_000_000 + ($i + 20) % 64, 1_700_000_000 + ($i + 20) % 64, $file);
}
crash($node, $fault);
is( $node->safe_psql('postgres', q{
		SELECT count(*), count(*) FILTER (WHERE context = 'fault test') FROM goarena_faults()}),
	'64|1',
	'64 files: the new report is among 64');
is( $node->safe_psql('postgres', q{
		SELECT string_agg(i::text, ' ') FROM generate_series(0, 63) i
		WHERE 'old ' || i NOT IN (SELECT context FROM goarena_faults())}),
	'44',
	'64 files: the oldest is gone');
is(scalar(grep { !/^\.\.?$/ } slurp_dir($directory)), 64, 'no other file is there');

#
# Faults that are not goarena's
#
foreach my $how ('null', 'write', 'code', 'raise', 'overflow')
{
	unreported($node, "foreign fault, $how", "SELECT fault_elsewhere('$how')");
}
unreported($node, 'foreign fault, bus', "SELECT fault_elsewhere('bus')", signal => 7);

{
	my $session = session($node);
	my $pid = backend_pid($session);
	my $offset = -s $node->logfile;

	forget_reports();
	kill('SEGV', $pid);
	eval { $session->quit };
	ok(restarted(sub { return log_of($node, $offset) }), 'kill -SEGV: a crash');
	like(log_of($node, $offset), qr/\(PID $pid\) was terminated by signal 11/,
		'kill -SEGV: by signal 11');
	unlike(fault_log(log_of($node, $offset)), qr/goarena: /, 'kill -SEGV: no report');
}

# but a crash with a pointer to freed memory at hand is reported as such
my @nearby = (
	[ 'strict', 'fault_reset()', 'register', 'reset', qr/ fault_reset\b/ ],
	[ 'strict', 'fault_reset()', 'stack', 'reset', qr/ fault_reset\b/ ],
	[ 'strict', 'fault_pfree()', 'register', 'pfree', qr/ fault_pfree\b/ ],
	[ 'off', 'fault_reset()', 'register', 'reset', qr/^  unknown\n\z/ ],
	[ 'off', 'fault_pfree()', 'register', 'pfree', qr/^  unknown\n\z/ ]);
foreach my $case (@nearby)
{
	my ($mode, $free, $known_from, $freed_by, $free_stack) = @$case;
	my $name = "foreign fault with the address of freed memory, $mode, $free, $known_from";

	($report, $text) = reported($node, $name, qq{
		SET goarena.on_fault = terminate; SET goarena.quarantine = $mode;
		SELECT fault_create('the ident'); SELECT fault_keep(1000); SELECT $free;
		SELECT fault_crash_knowing('$known_from')},
		entry => 'crash with a pointer to freed memory');
	is_deeply([ @$report{qw(kind access address context ident freed_by outcome)} ],
		[ 'pointer to freed memory', 'read', '0x0', 'fault test', 'the ident', $freed_by, 'crash' ],
		"$name: what is reported");
	like($text, qr/^object known from: $known_from$/m, "$name: where the address was");
	like((parts_of($text))[1], qr/ FollowAlone\b.* fault_crash_knowing\b/s, "$name: the access stack");
	like((parts_of($text))[2], $free_stack, "$name: the free stack");
}

#
# Faults in the handler's own way
#
unreported($node, 'overflow without alternate stack',
	"SELECT fault_alternate_stack('none'); SELECT fault_elsewhere('overflow')");
unreported($node, 'overflow with an unmapped alternate stack',
	"SELECT fault_alternate_stack('unmapped'); SELECT fault_elsewhere('overflow')");
unreported($node, 'unmapped alternate stack',
	"SELECT fault_alternate_stack('unmapped'); $fault");
reported($node, 'no alternate stack', "SELECT fault_alternate_stack('none'); $fault");
($report) = reported($node, 'context with a name that is gone',
	'SELECT fault_vanishing_name(); SELECT fault_read()');
is_deeply([ @$report{qw(context freed_by object_size)} ], [ 'fault vanishing', 'delete', 1000 ],
	'context with a name that is gone: it is known all the same');
($report, $text) = reported($node, 'access with a bad stack pointer', q{
	SELECT fault_create(); SELECT fault_keep(100); SELECT fault_reset();
	SELECT fault_read_on_bad_stack()});
is($report->{context}, 'fault test', 'access with a bad stack pointer: the memory is known');
like((parts_of($text))[1], qr/\A  #0 [^\n]* ReadOnStack\b[^\n]*\n\z/,
	'access with a bad stack pointer: so is the function, and no caller');
like((parts_of($text))[2], qr/ fault_reset\b.*PostgresMain/s,
	'access with a bad stack pointer: the free stack is there');
($report) = reported($node, 'bad query string', q{
	SELECT fault_create(); SELECT fault_keep(100); SELECT fault_reset();
	SELECT fault_bad_query_string(), fault_read()});
is($report->{query}, undef, 'bad query string: it is left out');
($report, $text) = reported($node, 'odd frames', q{
	SELECT fault_create(); SELECT fault_keep(100); SELECT fault_reset_with_odd_frames();
	SELECT fault_read()});
like((parts_of($text))[2], qr/ CallWithFrame\b.*\n.* fault_reset_with_odd_frames\b.*PostgresMain/s,
	'odd frames: the callers are found all the same');
unlike((parts_of($text))[2], qr/0xa5deada5a5deada5/, 'odd frames: they are seen through');

# The register of the frame pointer may hold anything when memory is freed.
{
	my $session = session($node);
	my $pid = backend_pid($session);
	my @offsets = (map({ -$_ } 1 .. 40), 0 .. 40, 4096, -4096);

	foreach my $base ('nothing', 'here', 'stack end', 'freed')
	{
		is( refused($session, join('', map { "SELECT fault_free_with_frame('$base', $_);" } @offsets)),
			'', "frame pointer near $base: nothing happens");
	}
	is( refused($session, join('', map {
			my $bit = $_;
			map { "SELECT fault_free_with_frame('nothing', (1::bigint << $bit) + $_);" } (-16, -8, 0, 8)
		} 3 .. 62)),
		'', 'frame pointer near each power of two: nothing happens');
	is(eval { backend_pid($session) }, $pid, 'frame pointers: the session goes on');
	end_session($session);
}

# a report that never ends, because another thread has the dynamic linker's lock
{
	my $started = time;

	($report, $text) = reported($node, 'endless report', q{
		SELECT fault_create(); SELECT fault_keep(100); SELECT fault_reset();
		SELECT fault_keep_loader_locked(); SELECT fault_read()});
	cmp_ok(time - $started, '<', CRASH_LIMIT, 'endless report: it ends');
	is_deeply([ @$report{qw(context freed_by object_size outcome)} ],
		[ 'fault test', 'reset', 100, 'crash' ], 'endless report: what is known without names is there');
}

#
# Writes after free
#
my $session = session($node);
my $late_write = q{
	SELECT fault_create('the ident'); SELECT fault_keep(1000); SELECT fault_pfree() /* the free */;
	SELECT fault_write(24)};
my %checks = (
	'a sweep' => 'SELECT chunks_freed >= 0 FROM goarena_sweep()',
	'the delay queue is full' => 'SELECT fault_churn(0, 600)',
	'a reset' => 'SELECT fault_reset()',
	'a delete' => 'SELECT fault_delete()',);
foreach my $when (sort keys %checks)
{
	forget_reports();
	is(refused($session, "$late_write;"), '', "write after free, $when: nothing is said before");
	my $messages = refused($session, "$checks{$when};");
	like($messages, qr/WARNING:  memory was written after pfree in memory context/,
		"write after free, $when: a warning");
	like($messages, qr/DETAIL:  An object of 1000 bytes was changed at offset 24\.$/m,
		"write after free, $when: it says what was changed");
	my @reports = reports($node);
	is(scalar(@reports), 1, "write after free, $when: one report");
	is_deeply(
		[ @{ $reports[0] }{qw(kind access ident parents freed_by object_size object_offset outcome backend_type)} ],
		[ 'write after free', 'write', 'the ident', 'fault parent < TopMemoryContext', 'pfree', 1000, 24,
			'warning', 'client backend' ],
		"write after free, $when: what is reported");
	like($messages, qr/in memory context "fault test"$/m,
		"write after free, $when: the warning names the context");
	is($reports[0]{context}, 'fault test', "write after free, $when: so does the report");
	like((parts_of(text_of($node, $reports[0])))[2], qr/ fault_pfree\b/,
		"write after free, $when: the free stack has the function");
	is(refused($session, 'SELECT goarena_sweep();'), '', "write after free, $when: it is told once");
}
is(refused($session, 'SELECT fault_create(); SELECT fault_keep(1000); SELECT fault_pfree(); SELECT goarena_sweep(); SELECT fault_reset(); SELECT fault_churn(0, 600)'),
	'', 'no write after free: nothing is said');

# An object that is freed twice is an error, which code may catch; the report is there all the same.
forget_reports();
ask($session, q{SELECT fault_create('the ident'); SELECT fault_keep(1000); SELECT fault_pfree()});
is(refused($session, 'DO $$ BEGIN PERFORM fault_pfree(); EXCEPTION WHEN OTHERS THEN NULL; END $$;'), '',
	'double pfree: the error is caught');
{
	my @reports = reports($node);
	is(scalar(@reports), 1, 'double pfree: one report');
	is_deeply([ @{ $reports[0] }{qw(kind access context ident freed_by object_size outcome)} ],
		[ 'double pfree', 'free', 'fault test', 'the ident', 'pfree', 1000, 'error' ],
		'double pfree: what is reported');
	my ($head, $second, $first) = parts_of(text_of($node, $reports[0]));
	like($head, qr/^advice: The object was freed by itself\./m, 'double pfree: the advice');
	like($second, qr/ fault_pfree\b.*PostgresMain/s, 'double pfree: the stack of the second free');
	like($first, qr/ fault_pfree\b/, 'double pfree: the stack of the first free');
}

# reads see poison
ask($session, 'SELECT fault_create(); SELECT fault_keep(1000)');
is(ask($session, 'SELECT fault_read(0)'), '6b' x 8, 'read before free: what was written');
ask($session, 'SELECT fault_pfree()');
is(ask($session, 'SELECT fault_read(0)'), '000025a5deadf00d', 'read after free: poison');
ask($session, 'SELECT fault_churn(0, 600)');
is(ask($session, 'SELECT fault_read(0)'), '000025a5deadf00d', 'read after free, later: poison');
like(slurp_file('/proc/' . backend_pid($session) . '/maps'),
	qr/^25a5ddadf000-25a5dfae0000 ---p /m, 'no other memory can be where poison leads to');
end_session($session);

# and what is read there and followed is reported
my $freed = q{SELECT fault_create('the ident'); SELECT fault_keep(1000); SELECT fault_pfree()};
my $late = "$freed; SELECT fault_churn(0, 600)";

# statements, the use, what the processor calls it, where from the pointer, where
# the object is known from
my @uses = (
	[ $freed, 'register', 'read', 0, qr/^register$/ ],
	[ $freed, 'stack', 'read', 0, qr/^stack$/ ],
	[ "$freed; SELECT fault_take()", 'read', 'read', 16, undef ],
	[ "$freed; SELECT fault_take()", 'write', 'write', 24, undef ],
	[ "$freed; SELECT fault_take()", 'call', 'execute', 0, undef ],
	[ "$freed; SELECT fault_take()", 'pfree', 'read', -8, undef ],
	[ "$freed; SELECT fault_take()", 'index', undef, undef, undef ],
	[ $late, 'register', 'read', 0, qr/^register$/ ],
	[ $late, 'stack', 'read', 0, qr/^stack$/ ],
	[ "$late; SELECT fault_take()", 'read', 'read', 16, undef ]);
foreach my $use (@uses)
{
	my ($script, $how, $access, $offset, $known_from) = @$use;
	# an assertion of the server's is sooner
	next if $how eq 'pfree' && $node->safe_psql('postgres', 'SHOW debug_assertions') eq 'on';
	my $in_queue = $script !~ /churn/;
	my $name = 'pointer from '
	  . ($known_from ? '' : 'an unknown object, ')
	  . ($in_queue ? 'poison' : 'poison out of the queue')
	  . ", $how";

	($report, $text, $crash) =
	  reported($node, $name, "$script; SELECT fault_follow('$how') /* the use */",
		entry => 'use of a pointer from freed memory');
	# What compilers leave on the stack of 19 has the address of another freed object.
	if (!$known_from && $node->pg_version >= '19devel' && $text =~ /^object known from: stack$/m)
	{
		is($report->{kind}, 'pointer from freed memory', "$name: it is reported");
		isnt($report->{context}, 'fault test', "$name: another object is guessed");
		next;
	}
	is_deeply(
		{ map { $_ => $report->{$_} } qw(kind access outcome query context ident parents freed_by object_size) },
		{
			kind => 'pointer from freed memory',
			access => $access,
			outcome => 'crash',
			query => "SELECT fault_follow('$how') /* the use */",
			context => $known_from ? 'fault test' : 'unknown',
			ident => $known_from ? 'the ident' : undef,
			parents => $known_from ? 'fault parent < TopMemoryContext' : undef,
			freed_by => $known_from ? 'pfree' : undef,
			# what is free keeps the size of its class only
			object_size => !$known_from ? undef : $in_queue ? 1000 : 1024,
		},
		"$name: what is reported");
	my ($head, $access_stack, $free_stack) = parts_of($text);
	is($head =~ /^offset from pointer: (-?\d+)$/m ? $1 : undef,
		$offset, "$name: where it led to");
	my ($from) = $head =~ /^object known from: (.*)$/m;
	like($from // 'nowhere', $known_from // qr/^nowhere$/, "$name: how the object is known");
	my ($first) = split(/\n/, $access_stack);
	like($first, $how eq 'pfree' ? qr/ pfree\b/ : qr/ Follow(Alone)?\b/,
		"$name: the access stack begins with the function that did it");
	like($access_stack, qr/ fault_follow\b.*PostgresMain/s, "$name: and goes on to its callers");
	like($free_stack, $known_from && $in_queue ? qr/ fault_pfree\b/ : qr/^  unknown\n$/,
		"$name: the free stack, where it is known");
}
unreported($node, 'far from poison', "$freed; SELECT fault_follow('far')");
$node->stop;

#
# The log collector
#
my $collector = start_server(
	'collector',
	'logging_collector = on',
	"log_directory = 'log'",
	"log_filename = 'collected.log'");
my $collected = $collector->data_dir . '/log/collected.log';
my ($noise_out, $noise_err) = ('', '');
my @noise = map {
	IPC::Run::start [
		'psql', '-XAtq', '-d', $collector->connstr('postgres'), '-c', q{
			DO $$
			BEGIN
				FOR i IN 1..1000000 LOOP
					RAISE LOG '%', repeat('noise ', 2000);
					PERFORM pg_sleep(0.0005);
				END LOOP;
			END $$} ],
	  '>', \$noise_out, '2>', \$noise_err
} (1 .. 3);
ok(wait_until(sub { -s $collected > 1_000_000 }), 'log collector: there is noise');
my $faults = 10;
for (1 .. $faults)
{
	$collector->psql('postgres', "SET goarena.on_fault = terminate; $fault", timeout => CRASH_LIMIT);
}
$collector->safe_psql('postgres', q{
	SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query ~ 'noise' AND pid <> pg_backend_pid()});
$_->finish foreach @noise;
my @reports = reports($collector);
is(scalar(@reports), $faults, 'log collector: all reports are kept');
my $log = slurp_file($collected);
my $unbroken = grep {
	my $body = text_of($collector, $_);
	$log =~ /^[^\n]* \[$_->{pid}\] LOG:  goarena: access to freed memory\n\Q$body\E/m
} @reports;
is($unbroken, $faults, 'log collector: each report is one entry, not mixed with others');
like($log, qr/^\S+ \S+ UTC [^\n]*\[\d+\] \S+ LOG:  (noise ){2000}$/m, 'log collector: the noise is there');
undef $log;

# a full disk: the log is a pipe here, which has no limit
my $offset = -s $collected;
forget_reports();
$crash = crash($collector, "SELECT fault_limit_files(100); $fault",
	read_log => sub { return slurp_file($collected, $offset) });
like($crash->{log}, qr/LOG:  goarena: access to freed memory\nid: .*free stack:\n.*fault_reset/s,
	'full disk: the log has the report');
is($crash->{signal}, 11, 'full disk: a plain crash');
is_deeply([ glob("$directory/*") ], [], 'full disk: no file is there');
$collector->stop;

#
# Another library that handles SIGSEGV, installed before goarena
#
my $other = start_server(
	'other',
	"shared_preload_libraries = 'goarena_fault_test, goarena'",
	"goarena_fault_test.handler = 'plain'");
my $called = qr/^goarena_fault_test: handler called for a fault\n/m;
$crash = unreported($other, 'other handler, foreign fault', "SELECT fault_elsewhere('null')");
like($crash->{log}, $called, 'other handler, foreign fault: it is called');
($report, $text, $crash) = reported($other, 'other handler, goarena\'s fault', $fault);
like($crash->{log}, $called, "other handler, goarena's fault: it is called, too");
$session = session($other);
my $pid = backend_pid($session);
is(ask($session, 'SELECT fault_probe(16)'), 'f', 'other handler: it finds what cannot be read');
is(ask($session, q{SELECT fault_create(); SELECT fault_probe(('x' || lpad(substr(fault_keep(100), 3), 16, '0'))::bit(64)::bigint)}),
	"\nt", 'other handler: it finds what can be read');
is(backend_pid($session), $pid, 'other handler: the session goes on');
end_session($session);

$other->adjust_conf('postgresql.conf', 'goarena_fault_test.handler', "'small stack'");
$other->restart;
($report, $text, $crash) = reported($other, "other handler's stack is small", $fault);
is($report->{context}, 'fault test', "other handler's stack is small: the report is there");
like($crash->{log}, $called, "other handler's stack is small: the other handler is called, too");

foreach my $handler ('one-shot', 'before siginfo')
{
	$other->adjust_conf('postgresql.conf', 'goarena_fault_test.handler', "'$handler'");
	$other->restart;
	$crash = unreported($other, "handler $handler", "SELECT fault_elsewhere('null')");
	is( () = $crash->{log} =~ /^goarena_fault_test: .*handler called for a fault\n/mg, 1,
		"handler $handler: it is called once");
}
$other->stop;

done_testing();
