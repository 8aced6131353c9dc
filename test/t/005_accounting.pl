
# Copyright (c) 2026, goarena contributors

# Accounting steers the executor: queries spill to disk with goarena as they do
# on a plain server, with the same plans and about the same figures.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# How far a figure may be from the plain server's: factors down and up.
# AllocSet rounds sizes up to powers of two, so hash tables and sorts may take less in
# arenas, or spill less when the limit is near.  The batches of a hash aggregate
# that recurses vary by a factor of four on a plain server already if work_mem is
# raised from 64kB to 80kB.
my %tolerance = (
	'Batches' => [ 5, 5 ],
	'Disk Usage' => [ 4, 1.1 ],
	'Disk' => [ 1.02, 1.02 ],
	'Memory Usage' => [ 1.5, 1.3 ],
	'Memory' => [ 1.2, 1.1 ]);

my @conf = ('max_parallel_workers_per_gather = 0', 'shared_buffers = 16MB', 'jit = off');
my $plain = new_server('plain', @conf);
my $node = new_server('arenas', @conf, PRELOAD, "goarena.contexts = '*'");

foreach my $server ($plain, $node)
{
	$server->safe_psql('postgres', q{
		CREATE TABLE t AS SELECT i, i % 30000 AS k, md5(i::text) AS m, repeat(md5(i::text), i % 20) AS w
		FROM generate_series(1, 60000) i;
		VACUUM ANALYZE t});
}

# Each: name, work_mem, settings, query, and what must be in the plain plan.
my @queries = (
	[ 'hash aggregate', '64kB', 'SET enable_sort = off',
		'SELECT k, count(*) FROM t GROUP BY k', qr/Batches: \d\d+ .*Disk Usage/ ],
	[ 'hash aggregate of text', '64kB', 'SET enable_sort = off',
		'SELECT left(m, 4), min(m), sum(i) FROM t GROUP BY 1', qr/Batches: \d\d+ .*Disk Usage/ ],
	[ 'hash aggregate with growing states', '1MB', 'SET enable_sort = off',
		'SELECT k % 1000, array_agg(i), string_agg(m, \',\') FROM t GROUP BY 1', qr/Batches: \d+ .*Disk Usage/ ],
	[ 'hash aggregate of more memory', '2MB', 'SET enable_sort = off',
		'SELECT m, count(*) FROM t GROUP BY m', qr/Batches: \d+ .*Disk Usage/ ],
	[ 'hash aggregate in memory', '64MB', 'SET enable_sort = off',
		'SELECT m, count(*) FROM t GROUP BY m', qr/Batches: 1 (?!.*Disk)/ ],
	[ 'distinct', '64kB', 'SET enable_sort = off',
		'SELECT DISTINCT k FROM t', qr/Batches: \d\d+ .*Disk Usage/ ],
	[ 'grouping sets', '256kB', 'SET enable_sort = off',
		'SELECT k, i % 7, count(*) FROM t GROUP BY GROUPING SETS ((k), (i % 7))', qr/Group Key.*external merge  Disk/s ],
	[ 'hash join', '64kB', 'SET enable_mergejoin = off; SET enable_nestloop = off',
		'SELECT count(*) FROM t a JOIN t b USING (i)', qr/Batches: \d+/ ],
	[ 'hash join of text', '1MB', 'SET enable_mergejoin = off; SET enable_nestloop = off',
		'SELECT count(*), max(a.w) FROM t a JOIN t b USING (m)', qr/Batches: \d+/ ],
	[ 'sort', '64kB', '',
		'SELECT m FROM t ORDER BY m', qr/external merge  Disk/ ],
	[ 'sort of wide rows', '1MB', '',
		'SELECT w, m FROM t ORDER BY w', qr/external merge  Disk/ ],
	[ 'sort of all columns', '8MB', '',
		'SELECT * FROM t ORDER BY m DESC', qr/external merge  Disk/ ],
	[ 'sort in memory', '64MB', '',
		'SELECT m FROM t ORDER BY m', qr/quicksort  Memory/ ],
	[ 'top-N sort', '64kB', '',
		'SELECT m FROM t ORDER BY m LIMIT 100', qr/top-N heapsort  Memory|still in progress/ ],
	[ 'window', '64kB', '',
		'SELECT i, rank() OVER (PARTITION BY k ORDER BY m) FROM t', qr/external merge  Disk/ ]);

# Run a query; returns the plan without figures, the figures by name in order,
# and the plan as it is.
sub explained
{
	my ($session, $query) = @_;
	my ($name, $work_mem, $settings, $sql) = @$query;

	ask($session, "RESET ALL; SET work_mem = '$work_mem'; $settings");
	my $plan = ask($session, "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) $sql");
	my @figures;
	(my $shape = $plan) =~ s{(Batches|Memory Usage|Disk Usage|Memory|Disk): (\d+)(kB)?}{
		push @figures, [ $1, $2 ];
		"$1: N"}ge;
	return ($shape, \@figures, $plan);
}

my $session = session($plain);
my %expected;
foreach my $query (@queries)
{
	$expected{ $query->[0] } = [ explained($session, $query) ];
	like($expected{ $query->[0] }[2], $query->[4],
		"plain: $query->[0] does what it is here for");
}
end_session($session);

foreach my $mode ('off', 'on', 'strict')
{
	$node->append_conf('postgresql.conf',
		"goarena.quarantine = '$mode'\ngoarena.quarantine_sample_rate = 1");
	$node->reload;
	$node->poll_query_until('postgres', 'SHOW goarena.quarantine', $mode) or die 'no reload';
	$session = session($node);
	my @rows;
	foreach my $query (@queries)
	{
		my ($shape, $figures) = explained($session, $query);
		my ($plain_shape, $plain_figures) = @{ $expected{ $query->[0] } };

		is($shape, $plain_shape, "$mode: $query->[0] has the plan of the plain server");
		my @far;
		for my $i (0 .. $#$plain_figures)
		{
			my ($what, $value) = @{ $figures->[$i] // [ 'nothing', 0 ] };
			my $usual = $plain_figures->[$i][1];
			my ($down, $up) = $query->[0] =~ /join/ ? (1, 1) : @{ $tolerance{$what} // [ 1, 1 ] };

			push @rows, sprintf('%-36s %-13s %9d %9d', $query->[0], $what, $usual, $value)
			  if $value != $usual;
			push @far, "$what: $value instead of $usual"
			  if $value > $usual * $up || $value < $usual / $down;
		}
		is(join(', ', @far), '', "$mode: $query->[0] has about the same figures");
	}
	diag(join("\n", sprintf('%-36s %-13s %9s %9s', "other figures in mode $mode", '', 'plain', 'goarena'),
		@rows)) if @rows;
	in_order($session, "$mode: all in order");
	end_session($session);
}

stop_in_order($plain);
stop_in_order($node);

done_testing();
