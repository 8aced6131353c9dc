
# Copyright (c) 2026, goarena contributors

# The flight recorder: what each process held is known after the server crashed, whoever was
# killed, and a damaged file costs no more than what was damaged.

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use POSIX ();
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant { HEAD => 4096, RECORD => 1024, KIND_MACHINE => 2 };

# Files that stand for the kernel's.
my $root = PostgreSQL::Test::Utils::tempdir;

sub kernel_file
{
	my ($path, $text) = @_;

	make_path("$root/$path" =~ s/\/[^\/]*$//r);
	open(my $file, '>', "$root/$path.new") or die "$path: $!";
	print $file $text;
	close $file;
	rename("$root/$path.new", "$root/$path") or die "$path: $!";
}

kernel_file('proc/meminfo', "MemTotal:  8000 kB\nMemFree:  100 kB\nMemAvailable:    3000 kB\n");
kernel_file('proc/self/mountinfo', "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
kernel_file('proc/self/cgroup', "1:name=systemd:/\n0::/upper/own\n");
kernel_file('sys/fs/cgroup/upper/own/memory.max', "max\n");
kernel_file('sys/fs/cgroup/upper/own/memory.current', "1000000\n");
kernel_file('sys/fs/cgroup/upper/own/memory.pressure',
	"some avg10=1.25 avg60=0.00 avg300=0.00 total=1234\nfull avg10=0.07 avg60=0.00 avg300=0.00 total=567\n");
kernel_file('sys/fs/cgroup/upper/memory.max', "3000000\n");
kernel_file('sys/fs/cgroup/upper/memory.current', "2000000\n");

my $node = new_server('history', PRELOAD, 'restart_after_crash = on', 'max_connections = 80',
	"goarena.history_interval = '100ms'", "goarena.history_size = '1MB'",
	"goarena.machine_root = '$root'", 'compute_query_id = on', 'autovacuum = off');
my $file = $node->data_dir . '/pg_stat/pgsql_tmp.goarena_history';

# The process of the recorder, which is connected to no database.
sub recorder
{
	my $postmaster = (split(/\n/, slurp_file($node->data_dir . '/postmaster.pid')))[0];

	foreach my $status (glob('/proc/[0-9]*/status'))
	{
		my ($pid) = $status =~ /(\d+)/;
		my $text = eval { slurp_file($status) } // next;

		next unless $text =~ /^PPid:\s+$postmaster$/m;
		return $pid if (eval { slurp_file("/proc/$pid/cmdline") } // '') =~ /goarena recorder/;
	}
	return;
}

sub query
{
	my ($sql, @more) = @_;

	return $node->safe_psql('postgres', $sql, @more);
}

# Wait for a sample that a condition holds for.
sub sampled
{
	my ($condition, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok($node->poll_query_until('postgres', "SELECT count(*) > 0 FROM goarena_history() WHERE $condition"), $name);
}

# Wait until the machine is told to be like that.
sub machine_is
{
	my ($expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $seen;

	ok( wait_until(sub {
				$seen = query(q{
					SELECT concat_ws('|', coalesce(cgroup_limit, -1), coalesce(cgroup_used, -1), coalesce(host_total, -1),
						coalesce(host_available, -1), coalesce(pressure_some, -1), coalesce(pressure_full, -1),
						coalesce(pressure_some_us, -1), coalesce(pressure_full_us, -1))
					FROM goarena_history_machine() ORDER BY at DESC LIMIT 1});
				$seen eq $expected
			}),
		$name)
	  or diag("$seen, and not $expected");
}

#
# The machine
#
machine_is('3000000|2000000|8192000|3072000|1.25|0.07|1234|567',
	'cgroup 2: the least limit upwards, and the pressure of the own group');
kernel_file('sys/fs/cgroup/upper/own/memory.max', "1500000\n");
machine_is('1500000|1000000|8192000|3072000|1.25|0.07|1234|567', 'cgroup 2: a limit that is set while the server runs');
kernel_file('proc/self/cgroup', '');
kernel_file('proc/pressure/memory', 'some avg10=');
kernel_file('proc/meminfo', "MemTotal:  8000 kB\nMemAvailable:\n");
machine_is('-1|-1|8192000|-1|-1|-1|-1|-1', 'what the kernel does not tell is null');
kernel_file('proc/meminfo', "MemTotal:  8000 kB\nMemFree:  100 kB\nMemAvailable:    3000 kB\n");

#
# Processes
#
my $holder = session($node);
my $holder_pid = backend_pid($holder);
ask($holder, q{SET application_name = 'x'; SELECT test_create(); SELECT test_fill(30000000)});
sampled("pid = $holder_pid AND held > 30000000 AND process_peak >= held AND state = 'idle'
	AND backend_type = 'client backend' AND user_name = current_user AND database = 'postgres'
	AND query ~ 'test_fill' AND query_id IS NOT NULL AND query_start < at AND backend_start < query_start
	AND contexts ~ '^goarena test [0-9]+ kB'", 'a process has all figures');
sampled(q{backend_type = 'checkpointer' AND held > 0}, 'processes of the server itself are there');
is(query("SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'recorder'"),
	'0', 'the recorder is connected to no database');

# not the first of these: what a process holds is read again when its turn comes
my $first_pids = qq{FROM (SELECT at, (array_agg(pid ORDER BY ordinality))[1] AS first_pid, count(*) OVER (ORDER BY at) AS n
	FROM goarena_history() WITH ORDINALITY GROUP BY at HAVING bool_or(pid = $holder_pid AND held > 30000000)) AS s WHERE n > 1};
ok($node->poll_query_until('postgres', "SELECT count(*) > 1 $first_pids"), 'there are more samples of it');
is(query("SELECT bool_and(first_pid = $holder_pid) $first_pids"), 't', 'a sample begins with the largest');
is((stat($file))[2] & 07777, 0600, 'only the server may read the file');

# cut off within a character
$node->safe_psql('postgres', "CREATE DATABASE umlauts ENCODING 'UTF8' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
$node->safe_psql('umlauts', 'CREATE EXTENSION goarena');
my $umlauts = $node->background_psql('umlauts', on_error_stop => 0);
my $umlauts_pid = backend_pid($umlauts);
$umlauts->query("SELECT 'x" . ("\xc3\xa4" x 400) . "'");
ok( wait_until(sub {
			query("SELECT count(*) FROM goarena_history() WHERE pid = $umlauts_pid AND query ~ '^SELECT ''x'
				AND octet_length(query) BETWEEN 470 AND 479 AND query !~ '[?]'", connstr => $node->connstr('umlauts')) > 0
		}),
	'a text is cut off between characters');
end_session($umlauts);

#
# Who may see what
#
query(q{CREATE ROLE some_user LOGIN; CREATE ROLE reader LOGIN IN ROLE pg_read_all_stats});
my $user = session($node, extra_params => [ '-U', 'some_user' ]);
my $user_pid = backend_pid($user);
sampled("pid = $user_pid AND user_name = 'some_user'", 'a session of another user');
is(ask($user, 'SELECT DISTINCT pid FROM goarena_history()'), $user_pid, 'a user sees own processes alone');
like(refused($user, 'SELECT * FROM goarena_history_machine()'), qr/permission denied/, 'a user does not see the machine');
end_session($user);
is( query(q{SET SESSION AUTHORIZATION reader;
		SELECT count(*) > 0, bool_or(query ~ 'test_fill') FROM goarena_history() WHERE held > 30000000}),
	't|t', 'pg_read_all_stats sees all');
is(query(q{SET SESSION AUTHORIZATION reader; SELECT count(*) > 0 FROM goarena_history_machine()}),
	't', 'pg_read_all_stats sees the machine');

#
# The ring
#
my $load = IPC::Run::start([ 'pgbench', '-n', '-c', '60', '-T', '600', '-f', '-', '-h', $node->host, '-p', $node->port, 'postgres' ],
	'<', \'SELECT pg_sleep(600);', '>', \my $ignored, '2>&1');
my $first = query('SELECT min(at) FROM goarena_history()');
ok($node->poll_query_until('postgres', "SELECT min(at) > '$first' AND count(DISTINCT at) > 3 FROM goarena_history()"),
	'new samples take the place of the oldest');
# (the oldest may be written over while it is read)
ok( $node->poll_query_until('postgres', q{SELECT count(*) = 0
		FROM (SELECT at, count(*) AS n FROM goarena_history() GROUP BY 1) h
		JOIN goarena_history_machine() m USING (at) WHERE n <> processes}),
	'each sample is there as a whole');
cmp_ok(query('SELECT count(*) FROM goarena_history()'), '<=', 1023, 'no more rows than the file has places');
is(-s $file, 1024 * 1024, 'the file has the size that was set');
$load->kill_kill;
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE query ~ 'pg_sleep\(600'
	AND pid <> pg_backend_pid()}), 'the load has ended');

#
# Off and on again
#
sub set_interval
{
	my ($value) = @_;

	$node->adjust_conf('postgresql.conf', 'goarena.history_interval', "'$value'");
	$node->reload;
}
my $newest = 'SELECT max(at) FROM goarena_history()';
my $wakeups = sub { my ($n) = slurp_file('/proc/' . recorder() . '/status') =~ /^voluntary_ctxt_switches:\s+(\d+)/m; $n };
my $last = '';
set_interval('0');
ok( wait_until(sub {
			my $before = $last;
			$last = query($newest) . ' ' . $wakeups->();
			return $last eq $before;
		}),
	'interval 0: no more samples, and the recorder sleeps');

# Holds most, and does not grow in any sample.
my $victim = session($node);
my $victim_pid = backend_pid($victim);
ask($victim, 'SELECT test_create(); SELECT test_fill(150000000)');
set_interval('100ms');
sampled("at > '" . ($last =~ s/ \d+$//r) . "'", 'an interval again: samples again');
my ($result, $stdout, $stderr) = $node->psql('postgres', 'ALTER SYSTEM SET goarena.history_interval = 99');
like($stderr, qr/must be 0, or at least 100 ms/, 'no interval is so short that it would be a burden');

#
# A backend that grows until it is killed
#
# Put a process into a control group with so much memory, if that can be had here.
my @groups;

sub into_group
{
	my ($pid, $bytes) = @_;
	my $name = "goarena_test_$$";

	foreach my $way ([ '/sys/fs/cgroup/memory', 'memory.limit_in_bytes' ], [ '/sys/fs/cgroup', 'memory.max' ])
	{
		my ($mount, $limit) = @$way;
		my $group = "$mount/$name";

		next unless -e "$mount/cgroup.procs" && mkdir($group);
		push @groups, $group;
		return $group if -w "$group/$limit" && write_to("$group/$limit", $bytes) && write_to("$group/cgroup.procs", $pid);
	}
	return;
}

# CPU time that a process has used, in seconds.
sub cpu_seconds
{
	my ($pid) = @_;
	my @fields = split(/ /, slurp_file("/proc/$pid/stat") =~ s/^.*\) //sr);

	return int(($fields[11] + $fields[12]) / POSIX::sysconf(&POSIX::_SC_CLK_TCK));
}

sub write_to
{
	my ($path, $text) = @_;

	open(my $handle, '>', $path) or return 0;
	return syswrite($handle, "$text\n") && close($handle);
}

# It waits for a lock when it has grown, until there is a sample of that.
my $grow = q{SELECT array_length(array_agg(md5(i::text)), 1), /* the leak */
	count(CASE i WHEN 1000000 THEN pg_advisory_xact_lock(1) END)
	FROM (SELECT generate_series(1, 100000000) AS i) AS numbers};
sampled("pid = $victim_pid AND held > 150000000", 'the backend holds something');
my $bystander = session($node, extra_params => [ '-U', 'some_user' ]);
my $bystander_pid = backend_pid($bystander);
sampled("pid = $bystander_pid", 'an ordinary user has a session');
my $offset = -s $node->logfile;
my $gate = session($node);
ask($gate, 'SELECT pg_advisory_lock(1)');
$victim->query_until(qr/begun/, "\\echo begun\n$grow;\n");
sampled("pid = $victim_pid AND state = 'active' AND held > 180000000 AND contexts ~ 'ExprContext'", 'it grows');
my $group = into_group($victim_pid, 300 * 1024 * 1024);
my $cpu_limit = cpu_seconds($victim_pid) + 2;
SKIP:
{
	skip 'neither control groups nor prlimit', 1
	  unless $group || run_log([ 'prlimit', '--pid', $victim_pid, "--cpu=$cpu_limit:$cpu_limit" ]);
	note('killed by ' . ($group ? 'the out-of-memory killer' : 'the limit of its CPU time'));
	end_session($gate);
	ok(wait_until(sub { is_up_again($node, $offset) }), 'the kernel kills the backend, and the server restarts');
	like(log_of($node, $offset), qr/\(PID $victim_pid\) was terminated by signal 9/, 'by signal 9');
	my $row = query(q{SELECT concat_ws('|', pid, backend_type, state, held > 20000000, grown > 20000000, context,
			context_grown > 20000000, query ~ 'the leak', query_id IS NOT NULL, ending)
		FROM goarena_last_crash() LIMIT 1});
	is($row, "$victim_pid|client backend|active|t|t|ExprContext|t|t|t|process crashed",
		'one query names the process, the statement and the context that grew');
	my @entries = log_of($node, $offset) =~ /^.*LOG:  goarena: statements that held most memory.*\n(?:.*\n)*?.*DETAIL:  (.*(?:\n\t.*)*)$/mg;
	is(scalar @entries, 1, 'one entry of the log tells of it');
	like($entries[0], qr/^process $victim_pid \(client backend, .*"ExprContext" grew by \d+ kB.*the leak/, 'and names the statement');
	unlike($entries[0], qr/process $holder_pid /, 'but no session that was idle');
	is(query("SELECT count(*) FROM goarena_last_crash() WHERE pid = $holder_pid AND state = 'idle' AND held > 30000000"),
		'1', 'sessions that were idle are there, too');
	is(query("SELECT count(*) > 0 FROM goarena_history() WHERE pid = $victim_pid"), 't', 'the history goes on after the crash');
	is(query(q{SET SESSION AUTHORIZATION some_user; SELECT string_agg(pid::text, ' '), count(host_available) FROM goarena_last_crash()}),
		"$bystander_pid|0", 'a user sees nothing of others or of the machine in it');
	is(query(q{SET SESSION AUTHORIZATION reader; SELECT count(*) > 1 AND bool_or(query ~ 'the leak'), min(host_available) FROM goarena_last_crash()}),
		't|3072000', 'pg_read_all_stats sees all of it');
}
rmdir($_) foreach @groups;
$_->{run}->finish foreach $victim, $holder, $bystander;

#
# Other ends
#
sub ending
{
	return query('SELECT DISTINCT ending FROM goarena_last_crash()');
}

sub wait_for_samples
{
	ok($node->poll_query_until('postgres',
		"SELECT count(DISTINCT at) > 2 FROM goarena_history() WHERE at > pg_postmaster_start_time()"), 'there are samples')
}

my $crash = query('SELECT ended FROM goarena_last_crash() LIMIT 1');
wait_for_samples();
$offset = -s $node->logfile;
$node->restart;
is(query('SELECT ended FROM goarena_last_crash() LIMIT 1'), $crash, 'a restart in order is no crash, and what was kept stays');
unlike(log_of($node, $offset), qr/statements that held most/, 'and the log is silent');

wait_for_samples();
kill('TERM', my $pid = recorder());
ok(wait_until(sub { my $new = recorder(); $new && $new != $pid }), 'a recorder that is ended is started again');
is(query('SELECT ended FROM goarena_last_crash() LIMIT 1'), $crash, 'and that is no crash');
wait_for_samples();

my $sleeper = session($node);
$sleeper->query_until(qr/begun/, "\\echo begun\nSELECT 'sleeper', pg_sleep(600);\n");
sampled(q{query ~ 'sleeper' AND state = 'active'}, 'a statement runs');
$offset = -s $node->logfile;
kill('KILL', recorder());
ok(wait_until(sub { is_up_again($node, $offset) }), 'kill -9 of the recorder: the server restarts');
ok(wait_until(sub { log_of($node, $offset) =~ /statements that held most.*killed without notice.*sleeper/s }),
	'kill -9 of the recorder: the log tells of it');
is(ending(), 'killed without notice', 'kill -9 of the recorder: what was recorded before is there');
is(query("SELECT count(*) FROM goarena_last_crash() WHERE pid IN ($victim_pid, $holder_pid, $bystander_pid)"),
	'0', 'but nothing of the run of the server before');
$sleeper->{run}->finish;

wait_for_samples();
$node->stop('immediate');
$node->start;
is(ending(), 'immediate shutdown', 'immediate shutdown');

wait_for_samples();
my @all = (recorder(), split(/\n/, query('SELECT pid FROM goarena_stats()')));
$node->kill9;
ok(wait_until(sub { !grep { kill(0, $_) } @all }), 'kill -9 of the postmaster: the recorder ends, as others do');
$node->start;
like(ending(), qr/^server killed$/, 'kill -9 of the postmaster');

# all at once, as when a container ends
wait_for_samples();
@all = split(/\n/, query('SELECT pid FROM goarena_stats() WHERE pid <> pg_backend_pid()'));
my $worker = recorder();
kill('STOP', $worker);
$node->kill9;
kill('KILL', $worker);
ok(wait_until(sub { !grep { kill(0, $_) } @all, $worker }), 'kill -9 of all');
$node->start;
is(ending(), 'killed without notice', 'kill -9 of all: what was recorded before is there');

#
# Damaged files
#
sub records
{
	my ($path) = @_;
	my $data = slurp_file($path // $file);

	return map { [ $_, unpack('x4LQx8L', substr($data, HEAD + $_ * RECORD, 28)) ] } 0 .. (length($data) - HEAD) / RECORD - 1;
}

# The records that end samples which are whole, the newest first.
sub samples
{
	my @records = records(@_);
	my %numbers = map { $_->[2] => 1 } grep { $_->[1] } @records;

	return sort { $b->[2] <=> $a->[2] }
	  grep { my $r = $_; $r->[1] == KIND_MACHINE && !grep { !$numbers{$_} } $r->[2] - $r->[3] .. $r->[2] } @records;
}

sub crc32c
{
	my ($data) = @_;
	my $crc = 0xffffffff;

	foreach my $byte (unpack('C*', $data))
	{
		$crc ^= $byte;
		$crc = $crc & 1 ? $crc >> 1 ^ 0x82f63b78 : $crc >> 1 foreach 1 .. 8;
	}
	return $crc ^ 0xffffffff;
}

# Have the record of the machine at a place say that it was an hour before.
sub make_older
{
	my ($place) = @_;
	my $record = substr(slurp_file($file), HEAD + $place * RECORD, RECORD);

	substr($record, 16, 8) = pack('q', unpack('q', substr($record, 16, 8)) - 3_600_000_000);
	substr($record, 0, 4) = pack('L', crc32c(substr($record, 4)));
	overwrite(HEAD + $place * RECORD, $record);
}

sub overwrite
{
	my ($at, $bytes) = @_;

	open(my $handle, '+<', $file) or die "$file: $!";
	seek($handle, $at, 0);
	print $handle $bytes;
	close($handle);
}

# Start the server with a file that is damaged; what it says of it.
sub start_with_damage
{
	my ($damage) = @_;
	my $from;

	$node->stop;
	$damage->();
	$from = -s $node->logfile;
	$node->start;
	return $from;
}

# A file that is not full, so that samples after the start take no place of those before: a
# large one, as some time may pass until the server is stopped.
sub damage_records
{
	my ($damage) = @_;
	my $from;

	$node->stop;
	unlink($file);
	$node->adjust_conf('postgresql.conf', 'goarena.history_size', "'16MB'");
	$node->start;
	ok($node->poll_query_until('postgres', 'SELECT count(DISTINCT at) > 20 FROM goarena_history()'), 'there are samples');
	$from = start_with_damage(sub {
		$node->adjust_conf('postgresql.conf', 'goarena.history_interval', "'1h'");
		$damage->();
	});
	$node->adjust_conf('postgresql.conf', 'goarena.history_interval', "'100ms'");
	return $from;
}

# the newest sample
my @samples;
my $left = 'SELECT count(*) FROM goarena_history_machine() WHERE at < pg_postmaster_start_time()';
$offset = damage_records(sub {
	@samples = samples();
	overwrite(HEAD + $samples[0][0] * RECORD + RECORD / 2, "\xff" x (RECORD / 2));
});
is(query($left), @samples - 1, 'torn: the newest sample is lost, and no other');
unlike(log_of($node, $offset), qr/starts its history anew/, 'torn: the history goes on');

# a block in the midst
$offset = damage_records(sub {
	@samples = samples();
	overwrite(HEAD + ($samples[10][0] - 2) * RECORD, join('', map { chr(int(rand(256))) } 1 .. RECORD));
});
is(query($left), @samples - 1, 'corrupt: the sample that is damaged is lost, and no other');
unlike(log_of($node, $offset), qr/starts its history anew/, 'corrupt: the history goes on');

# a run that did not say how it ended, whose first samples are old
damage_records(sub {
	@samples = samples();
	make_older($_->[0]) foreach @samples[ 5 .. $#samples ];
	overwrite(HEAD + ($samples[0][0] + 1) * RECORD, "\0" x RECORD);
});
is(ending(), 'killed without notice', 'a run whose last words are missing did not end in order');
my @kept = samples($file =~ s/history$/last_crash/r);
is(scalar @kept, 5, 'of its samples those of the last minute are kept');
$node->adjust_conf('postgresql.conf', 'goarena.history_size', "'1MB'");
$node->restart;

foreach my $case (
	[ 'truncated', sub { truncate($file, 500_000) }, qr/has not the length/ ],
	[ 'empty', sub { truncate($file, 0) }, qr/too short/ ],
	[ 'of another version', sub { overwrite(4, pack('L', 99)) }, qr/of another version/ ],
	[ 'of another kind', sub { overwrite(0, 'x' x 4096) }, qr/is not a history of goarena/ ],
	[ 'with a damaged head', sub { overwrite(16, pack('Q', 1 << 40)) }, qr/head is damaged/ ],
	[ 'copied', sub { system('cp', '-p', $file, "$file.copy") == 0 && rename("$file.copy", $file) }, qr/was copied/ ],
	[ 'that others can write to', sub { chmod(0666, $file) }, qr/Other users can write/ ],
	[ 'a symbolic link', sub { rename($file, "$file.target"); symlink("$file.target", $file) }, qr/symbolic link/ ],
	[ 'with another name', sub { unlink("$file.target"); link($file, "$file.other") }, qr/several names/ ])
{
	my ($name, $damage, $message) = @$case;

	wait_for_samples();
	$offset = start_with_damage($damage);
	ok( wait_until(sub { log_of($node, $offset) =~ /starts its history anew\n.*DETAIL:  [^\n]*$message/s }),
		"file $name: the log says so");
	wait_for_samples();
	is(query('SELECT count(*) FROM goarena_history() WHERE at < pg_postmaster_start_time()'), '0', "file $name: nothing of it is read");
}
unlink("$file.other");
ok(!-l $file, 'a symbolic link is replaced, not followed');

# while the server runs
truncate($file, 10000);
$offset = -s $node->logfile;
ok(wait_until(sub { -s $file == 1024 * 1024 }), 'truncated in use: the recorder makes a new file');
wait_for_samples();

# what cannot be replaced
$offset = start_with_damage(sub { unlink($file); mkdir($file) });
ok(wait_until(sub { log_of($node, $offset) =~ /WARNING:  could not make room for file.*goarena records no history/s }),
	'a directory in its place: the server runs on and warns');
($result, $stdout, $stderr) = $node->psql('postgres', 'SELECT count(*) FROM goarena_history()');
is($stdout, '0', 'a directory in its place: there is no history');
like($stderr, qr/WARNING:.*cannot be used as a history.*not a regular file/s, 'a directory in its place: who asks is told');
rmdir($file);
$node->reload;
wait_for_samples();

# another size
$node->adjust_conf('postgresql.conf', 'goarena.history_size', "'2MB'");
$node->restart;
wait_for_samples();
is(-s $file, 2 * 1024 * 1024, 'another size: the file has it');

#
# Where it is not wanted
#
$node->backup('copy');
is( scalar(grep { /goarena/ } slurp_dir($node->backup_dir . '/copy/pg_stat')),
	0, 'a base backup has no history');
is(crashes($node, $offset), '', 'no crash but those that were meant');
$node->stop('fast');

done_testing();
