
# Copyright (c) 2026, goarena contributors

# goarena.total_memory_limit as a share of what the machine has: which values there are,
# what the files of the kernel say, and a container that is resized while the server runs.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use File::Path qw(make_path remove_tree);
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant MB => 1024 * 1024;
use constant GB => 1024 * MB;

# A tree of files like those of the kernel.
my $root = PostgreSQL::Test::Utils::tempdir_short();

sub put
{
	my ($path, $text) = @_;

	# as a whole, since the server may read it at any moment
	make_path("$root$path" =~ s{/[^/]*$}{}r);
	open(my $file, '>', "$root/new") or die "$path: $!";
	print $file $text;
	close($file) or die "$path: $!";
	rename("$root/new", "$root$path") or die "$path: $!";
	return;
}

# The tree anew: mounts, the server's cgroups, limits, each a hash by path.
sub machine
{
	my (%files) = @_;

	remove_tree("$root/proc", "$root/sys");
	put('/proc/meminfo', "MemTotal:       8388608 kB\nMemFree:         100 kB\nMemAvailable:    4194304 kB\n");
	put('/proc/self/mountinfo', "22 1 0:20 / /proc rw - proc proc rw\n"
		  . "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
		  . "35 31 0:32 / /sys/fs/cgroup/memory\\0401 rw - cgroup cgroup rw,cpu,memory\n");
	put('/proc/self/cgroup', "0::/a/b\n");
	put($_, $files{$_}) foreach keys %files;
	return;
}

my $v2 = '/sys/fs/cgroup';
my $v1 = '/sys/fs/cgroup/memory 1';
my $v1_cgroup = { '/proc/self/cgroup' => "5:cpuset:/x\n4:cpu,memory:/a/b\n0::/elsewhere\n" };

machine("$v2/a/b/memory.max" => GB . "\n");
my $node = new_server('machine_limit', PRELOAD, 'autovacuum = off', "shared_buffers = '16MB'",
	"goarena.machine_root = '$root'", "goarena.total_memory_limit = '80%'");
my $session = session($node);
my $file = $node->data_dir . '/postgresql.conf';

# What the limit comes to: memory and source.
sub origin
{
	return ask($session, 'SELECT memory, source FROM goarena_total_limit()');
}

sub comes_to
{
	my ($memory, $source, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(wait_until(sub { origin() eq "$memory|$source" }), $name) or diag(origin());
	return;
}

sub set_in_file
{
	my ($value) = @_;

	append_to_file($file, "goarena.total_memory_limit = '$value'\n");
	$node->reload;
	ok(wait_until(sub { ask($session, 'SHOW goarena.total_memory_limit') eq $value }), "the file says $value");
	return;
}

#
# What it comes to
#
is(origin(), GB . '|cgroup', 'a share is of what the cgroup has');
is(ask($session, 'SELECT limit_bytes = trunc(memory * 0.8::float8) - shared_memory FROM goarena_total_limit() WHERE shared_memory > 16000000'), 't', 'less the shared memory');
is(ask($session, 'SELECT setting, share FROM goarena_total_limit()'), '80%|80', 'and it is said which');
is(ask($session, q{SELECT abs(s.setting::int - t.shared_memory / 1024 / 1024) <= 4 FROM goarena_total_limit() t, pg_settings s WHERE s.name = 'shared_memory_size'}), 't', 'as much as the server says itself');
is(ask($session, q{SELECT setting, vartype, context FROM pg_settings WHERE name = 'goarena.total_memory_limit'}), '80%|string|sighup', 'pg_settings has what was set');
is(ask($session, q{SELECT count(*) FROM pg_settings WHERE name = 'goarena.machine_root'}), '0', 'where the files are is not shown');
like(refused($session, q{SET goarena.machine_root = '/tmp'}), qr/cannot be changed without restarting the server/, 'and nobody can set it');

#
# What the kernel's files say.  A limit in MB, or '' for none, and what is used.
#
my @cases = (
	[ 'the cgroup itself', {}, { "$v2/a/b/memory.max" => 512 * MB . "\n", "$v2/a/b/memory.current" => "7340032\n" }, '512|7' ],
	[ 'one above it has less', {}, { "$v2/a/b/memory.max" => 512 * MB . "\n", "$v2/a/memory.max" => 256 * MB . "\n", "$v2/a/memory.current" => "3145728\n", "$v2/a/b/memory.current" => "1048576\n" }, '256|3' ],
	[ 'one above it has more', {}, { "$v2/a/b/memory.max" => 128 * MB . "\n", "$v2/a/memory.max" => 256 * MB . "\n" }, '128|' ],
	[ 'the uppermost has a limit', {}, { "$v2/a/b/memory.max" => "max\n", "$v2/memory.max" => 300 * MB . "\n" }, '300|' ],
	[ 'max', {}, { "$v2/a/b/memory.max" => "max\n", "$v2/a/b/memory.current" => "1048576\n" }, '|1' ],
	[ 'no files', {}, {}, '|' ],
	[ 'an empty file', {}, { "$v2/a/b/memory.max" => '' }, '|' ],
	[ 'no number', {}, { "$v2/a/b/memory.max" => "lots\n" }, '|' ],
	[ 'a number and more', {}, { "$v2/a/b/memory.max" => "104857600 or so\n" }, '|' ],
	[ 'a negative number', {}, { "$v2/a/b/memory.max" => "-104857600\n" }, '|' ],
	[ 'a number beyond 64 bits', {}, { "$v2/a/b/memory.max" => '9' x 40 . "\n" }, '|' ],
	[ 'a number without end', {}, { "$v2/a/b/memory.max" => '1' x 100_000 }, '|' ],
	[ 'zero', {}, { "$v2/a/b/memory.max" => "0\n" }, '0|' ],
	[ 'no end of line', {}, { "$v2/a/b/memory.max" => 64 * MB }, '64|' ],
	[ 'a directory', {}, { "$v2/a/b/memory.max/x" => '' }, '|' ],
	[ 'version 1', $v1_cgroup, { "$v1/a/b/memory.limit_in_bytes" => 512 * MB . "\n", "$v1/a/memory.limit_in_bytes" => 400 * MB . "\n", "$v1/a/memory.usage_in_bytes" => "2097152\n" }, '400|2' ],
	[ 'version 1 without a limit', $v1_cgroup, { "$v1/a/b/memory.limit_in_bytes" => "9223372036854771712\n", "$v1/a/b/memory.usage_in_bytes" => "4194304\n" }, '|4' ],
	[ 'both versions', $v1_cgroup, { "$v1/a/b/memory.limit_in_bytes" => 512 * MB . "\n", "$v2/elsewhere/memory.max" => 100 * MB . "\n" }, '100|' ],
	[ 'a path that leads out of what is mounted', { '/proc/self/cgroup' => "0::/../../other\n" }, { "$v2/memory.max" => 200 * MB . "\n" }, '200|' ],
	[ 'lines that are too long', { '/proc/self/cgroup' => '0::/' . 'x' x 20_000 . "\n0::/a/b\n" }, { "$v2/a/b/memory.max" => 90 * MB . "\n" }, '90|' ],
	[ 'a path that is too deep', { '/proc/self/cgroup' => '0::' . '/x' x 2_000 . "\n" }, { "$v2/memory.max" => 90 * MB . "\n" }, '90|' ],
	[ 'a container', { '/proc/self/cgroup' => "0::/docker/1234/x\n", '/proc/self/mountinfo' => "30 23 0:26 /docker/1234 $v2 ro - cgroup2 cgroup ro\n" }, { "$v2/memory.max" => 200 * MB . "\n", "$v2/x/memory.max" => 250 * MB . "\n" }, '200|' ],
	[ 'a container with another name in front', { '/proc/self/cgroup' => "0::/docker/12345\n", '/proc/self/mountinfo' => "30 23 0:26 /docker/1234 $v2 ro - cgroup2 cgroup ro\n" }, { "$v2/memory.max" => 200 * MB . "\n" }, '200|' ],
	[ 'lines that make no sense', { '/proc/self/cgroup' => "\n::\n:\nnonsense\n0:\n0::/a/b\n", '/proc/self/mountinfo' => "\n - \n- cgroup2\n1 2 3 - cgroup2 x\n - cgroup2 x y\n30 23 0:26 / $v2 rw - cgroup2 cgroup2 rw\n" }, { "$v2/a/b/memory.max" => 90 * MB . "\n" }, '90|' ],
	[ 'no cgroups', { '/proc/self/cgroup' => '', '/proc/self/mountinfo' => '' }, {}, '|' ]);
foreach my $case (@cases)
{
	my ($name, $process, $limits, $result) = @$case;

	machine(%$process, %$limits);

	# where cgroups are mounted is looked for once by each process
	my $asker = $process->{'/proc/self/mountinfo'} ? undef : $session;
	my $query = q{SELECT cgroup_limit / 1048576, cgroup_used / 1048576 FROM goarena_machine()};
	if (!defined $asker)
	{
		$node->restart;
		$session = session($node);
	}
	is(ask($session, $query), $result, "limit of the cgroup: $name");
}
machine();
$node->restart;
$session = session($node);
is(ask($session, 'SELECT host_total, host_available, pressure_some FROM goarena_machine()'), 8 * GB . '|' . 4 * GB . '|', 'memory of the host');
put('/proc/pressure/memory', "some avg10=1.50 avg60=0.00 avg300=0.00 total=100\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=7\n");
is(ask($session, 'SELECT pressure_some, pressure_full FROM goarena_machine()'), '1.5|0.25', 'pressure of the host');
put("$v2/a/b/memory.pressure", "some avg10=3.50 avg60=0.00 avg300=0.00 total=100\nfull avg10=2.25 avg60=0.00 avg300=0.00 total=7\n");
is(ask($session, 'SELECT pressure_some, pressure_full FROM goarena_machine()'), '3.5|2.25', 'pressure of the cgroup');
put('/proc/meminfo', "MemTotal: many kB\nMemAvailable: -5 kB\n");
is(ask($session, 'SELECT host_total > 0, host_available FROM goarena_machine()'), 't|', 'a file on memory that makes no sense');

#
# A container that is resized
#
machine("$v2/a/b/memory.max" => 2 * GB . "\n");
comes_to(2 * GB, 'cgroup', 'resized: larger');
my $offset = -s $node->logfile;
put("$v2/a/b/memory.max", 200 * MB . "\n");
comes_to(200 * MB, 'cgroup', 'resized: smaller');
like(log_of($node, $offset), qr/LOG:  goarena: the server has 204800 kB of memory from its cgroup, and not 2097152 kB any more/, 'resized: the log tells it');
my $error = qr/ERROR:\ \ out\ of\ memory\ because\ of\ goarena\.total_memory_limit\n.*goarena\.total_memory_limit\ is\ (\d+)\ kB/x;
my $kb = ask($session, 'SELECT limit_bytes / 1024 FROM goarena_total_limit()');
like(refused($session, q{SELECT length(repeat('x', 150000000))}), $error, 'resized: a statement is refused what there is no room for');
put("$v2/a/b/memory.max", "what?\n");
ok(wait_until(sub { ask($session, 'SELECT limit_bytes / 1024 FROM goarena_total_limit()') == $kb }), 'a file that makes no sense: the lower value stays') for (1 .. 2);
put("$v2/a/b/memory.max", 2 * GB . "\n");
comes_to(2 * GB, 'cgroup', 'resized: when it makes sense again');
is(ask($session, q{SELECT length(repeat('x', n)) FROM generate_series(150000000, 150000000) n}), '150000000', 'resized: and the statement has its memory');
put("$v2/a/b/memory.max", "1\n");
comes_to(1 & ~1, 'cgroup', 'next to nothing');
is(ask($session, 'SELECT limit_bytes / 1024 / 1024 FROM goarena_total_limit()'), '64', 'still leaves 64 MB');
unlink("$root$v2/a/b/memory.max");
comes_to(8 * GB, 'host', 'a limit that is gone while the server runs');
put("$v2/a/b/memory.max", 16 * GB . "\n");
comes_to(8 * GB, 'host', 'a cgroup that may use more than there is');

# A statement that grows meets the new limit, not only one that begins later.
put("$v2/a/b/memory.max", 4 * GB . "\n");
comes_to(4 * GB, 'cgroup', 'much memory');
my $growing = session($node);
$growing->query_until(qr/^begun$/m, q{\echo begun
	DO $$ DECLARE a text[]; BEGIN LOOP a := a || repeat('x', 1000000); PERFORM pg_sleep(0.005); END LOOP; END $$;
});
ok(wait_until(sub { ask($session, 'SELECT max(held) > 10000000 FROM goarena_stats()') eq 't' }), 'a statement grows');
put("$v2/a/b/memory.max", 150 * MB . "\n");
like(refused($growing, 'SELECT 1'), $error, 'and is refused more when the container has become smaller');
end_session($growing);

#
# Values
#
machine("$v2/a/b/memory.max" => 4 * GB . "\n");
comes_to(4 * GB, 'cgroup', 'as before');
foreach my $value ('80 %', ' 72.5% ', '100%', '0.5%')
{
	is(refused($session, "ALTER SYSTEM SET goarena.total_memory_limit = '$value'"), '', "'$value' is taken");
}
foreach my $value ('512MB', '0.5GB', '524288', ' 512 MB ', '1e6', '-1')
{
	is(refused($session, "ALTER SYSTEM SET goarena.total_memory_limit = '$value'"), '', "'$value' is taken as ever");
}
my %wrong = (
	'0%' => 'more than 0% and at most 100%', '101%' => 'more than 0% and at most 100%', '1000000000000%' => 'more than 0% and at most 100%',
	'abc%' => 'a number that is followed by one % sign', '80%%' => 'a number that is followed by one % sign', '1e3%' => 'a number that is followed by one % sign',
	'%' => 'a number that is followed by one % sign', '-5%' => 'a number that is followed by one % sign', '80% of it' => 'a number that is followed by one % sign',
	'nan%' => 'a number that is followed by one % sign', '0x50%' => 'a number that is followed by one % sign', '8.0.0%' => 'a number that is followed by one % sign',
	'.5%' => 'a number that is followed by one % sign',
	'63MB' => 'at least 64MB, or -1 for no limit', '0' => 'at least 64MB, or -1 for no limit', '-2' => 'at least 64MB, or -1 for no limit',
	'abc' => 'a size, or a share of the machine', '' => 'a size, or a share of the machine', '5 lbs' => 'a size, or a share of the machine');
foreach my $value (sort keys %wrong)
{
	like(refused($session, "\\set VERBOSITY verbose\nALTER SYSTEM SET goarena.total_memory_limit = '$value'"),
		qr/ERROR:  22023: invalid value for parameter "goarena.total_memory_limit": "\Q$value\E"\nDETAIL:  .*\Q$wrong{$value}\E/, "'$value' is wrong");
}
$node->safe_psql('postgres', 'ALTER SYSTEM RESET goarena.total_memory_limit');
set_in_file('25%');
is(ask($session, 'SELECT limit_bytes = memory / 4 - shared_memory FROM goarena_total_limit()'), 't', 'a reload changes the share');
set_in_file('512MB');
is(ask($session, 'SELECT limit_bytes, source, memory, shared_memory, share FROM goarena_total_limit()'), 512 * MB . '|setting|||', 'a size is what was set');
set_in_file('-1');
is(ask($session, 'SELECT limit_bytes, setting, source, memory, share FROM goarena_total_limit()'), '|-1|||', 'no limit');
set_in_file('10%');
$node->append_conf('postgresql.conf', "goarena.total_memory_limit = '110%'");
$offset = -s $node->logfile;
$node->reload;
ok(wait_until(sub { log_of($node, $offset) =~ /invalid value for parameter "goarena.total_memory_limit": "110%"/ }), 'a wrong value in the file is told in the log');
is(ask($session, 'SELECT setting FROM goarena_total_limit()'), '10%', 'and what was there before stays');
end_session($session);
stop_in_order($node);

# What the settings say when the server starts
$node->append_conf('postgresql.conf', "goarena.total_memory_limit = '10%'\nmaintenance_work_mem = '1GB'\ngoarena.user_memory_limit = '2GB'\ngoarena.memory_limit = '3GB'");
$offset = -s $node->logfile;
$node->start;
like(log_of($node, $offset), qr/WARNING:  "goarena.total_memory_limit" is less than "maintenance_work_mem"/, 'a share that is too low for other settings: a warning');
like(log_of($node, $offset), qr/WARNING:  "goarena.total_memory_limit" is less than "goarena.user_memory_limit"/, 'or for the limit of a user');
like(log_of($node, $offset), qr/WARNING:  "goarena.user_memory_limit" is less than "goarena.memory_limit"/, 'which is too low for one process');
unlike(log_of($node, $offset), qr/WARNING:  "goarena.database_memory_limit"/, 'no warning of what is not set');
like(log_of($node, $offset), qr/starts: .*total_memory_limit = 10%/, 'the log tells the setting');
stop_in_order($node);

done_testing();
