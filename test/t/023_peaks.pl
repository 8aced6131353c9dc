
# Copyright (c) 2026, goarena contributors

# What a statement used at its peak is one figure: in goarena_statements, in the log, in the
# peak of its process, and as the kernel saw it.  It takes in contexts that are no arenas,
# and planning.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('peaks', PRELOAD, 'jit = off', 'autovacuum = off', 'compute_query_id = on',
	'max_parallel_workers_per_gather = 0', 'max_parallel_maintenance_workers = 0', 'shared_buffers = 16MB');
my $watcher = session($node);
$node->safe_psql('postgres', q{CREATE TABLE texts AS SELECT md5(i::text) || repeat('s', 100) t FROM generate_series(1, 600000) i});

# Bytes that a process had at most that are its own.
sub kernel_peak
{
	my ($pid) = @_;

	return 1024 * (process_kb($pid, 'VmHWM') - process_kb($pid, 'RssFile') - process_kb($pid, 'RssShmem'));
}

# name => [ statement, and the least bytes that it takes ]
my $large_in = 'SELECT 1 FROM pg_class WHERE oid IN (' . join(',', 1 .. 100_000) . ')';
my %statements = (
	'a leak in CacheMemoryContext' => [ "SELECT test_leak('cache', 1000, 50000)", 50_000_000 ],
	'a leak in TopMemoryContext' => [ "SELECT test_leak('top', 1000, 50000)", 50_000_000 ],
	'a leak in a transaction' => [ "SELECT test_leak('transaction', 1000, 50000)", 50_000_000 ],
	'small contexts that are left' => [ "SELECT test_leak('small', 0, 30000)", 30_000_000 ],
	'a sort' => [ q{SELECT count(*) FROM (SELECT t FROM texts ORDER BY t COLLATE "C" DESC OFFSET 0) s}, 80_000_000 ],
	'an index' => [ 'CREATE INDEX ON texts (t COLLATE "C")', 80_000_000 ],
	'an array' => [ 'SELECT array_length(array_agg(i), 1) FROM generate_series(1, 3000000) i', 20_000_000 ],
	'a string' => [ q{SELECT length(string_agg(repeat('x', 100), ',')) FROM generate_series(1, 500000)}, 50_000_000 ],
	'planning' => [ $large_in, 10_000_000 ],
	'planning to explain' => [ "EXPLAIN $large_in", 10_000_000 ]);

foreach my $name (sort keys %statements)
{
	my ($statement, $bytes) = @{ $statements{$name} };
	my $file = PostgreSQL::Test::Utils::tempdir() . '/statement.sql';

	# without anybody who wants to know of statements, and with
	foreach my $watched (0, 1)
	{
		my $session = session($node);
		my $pid = backend_pid($session);
		my $case = $name . ($watched ? ', watched' : '');

		unlink $file;
		append_to_file($file, "$statement;\n");
		ask($session, q{SET work_mem = '1GB'; SET maintenance_work_mem = '1GB'});
		ask($session, q{SET goarena.track_statements = 'top'; SELECT goarena_statements_reset(); SET goarena.log_peak = '5MB'}) if $watched;
		my $before = ask($watcher, "SELECT held FROM goarena_stats() WHERE pid = $pid");
		my $kernel_before = kernel_peak($pid);
		my $offset = -s $node->logfile;
		ask($session, "\\i $file");

		my $kernel = kernel_peak($pid);
		my $process;

		# A busy machine can need longer than the moment that figures are waited for.
		wait_until(sub {
				$process = ask($watcher, "SELECT process_peak FROM goarena_stats() WHERE pid = $pid");
				return $process >= 0.7 * $kernel;
			}, 60);
		cmp_ok($process, '>=', ask($watcher, "SELECT held FROM goarena_stats() WHERE pid = $pid"), "$case: the peak of the process is not below what it holds");
		cmp_ok($process, '>=', 0.7 * $kernel, "$case: the peak of the process is not far below the kernel's");
		cmp_ok($process, '<=', 1.2 * $kernel, "$case: the peak of the process is not far above the kernel's");
		if ($watched)
		{
			my $counted = ask($watcher, "SELECT max(peak_max) FROM goarena_statements");
			my ($logged) = log_of($node, $offset) =~ /statement used (\d+) kB of memory at its peak\n/;
			my $grown = $kernel - $kernel_before;

			cmp_ok($counted, '>=', $bytes, "$case: it is counted");
			cmp_ok($counted, '<=', 1.2 * $grown, "$case: and not too high");
			cmp_ok($counted, '>=', 0.7 * $grown, "$case: and not too low");
			cmp_ok(abs(($logged // 0) * 1024 - $counted), '<=', 0.05 * $counted, "$case: and logged with the same peak");
		}
		ask($session, 'DROP INDEX texts_t_idx') if $name eq 'an index';
		end_session($session);
	}
}

# In the extended protocol, what changes something is planned for one message and begins with
# another.
$node->safe_psql('postgres', q{CREATE TABLE written (i int);
	ALTER SYSTEM SET goarena.track_statements = 'top'; SELECT pg_reload_conf(); SELECT goarena_statements_reset()});
(my $insert = $large_in) =~ s/SELECT/INSERT INTO written SELECT/;
foreach my $mode ('simple', 'extended', 'prepared')
{
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$mode.sql";

	append_to_file($file, "$insert;\n");
	ask($watcher, 'SELECT goarena_statements_reset()');
	$node->command_ok([ 'pgbench', '-n', '-t', 1, '-M', $mode, '-f', $file, 'postgres' ], "planning, $mode: it runs");
	cmp_ok(ask($watcher, 'SELECT max(peak_max) FROM goarena_statements'), '>=', 10_000_000, "planning, $mode: it is counted");
}

end_session($watcher);
stop_in_order($node);
done_testing();
