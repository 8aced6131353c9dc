
# Copyright (c) 2026, goarena contributors

# Whatever leaks, in contexts that are arenas or not, large or many: listings, errors and
# the log name it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Nothing is quarantined by chance, so that contexts add up to what is held.
my $node = new_server('listings', PRELOAD, 'jit = off', 'autovacuum = off', 'goarena.quarantine_sample_rate = 0');
my $watcher = session($node);
my $mb50 = 50_000_000;

# name => [ what leaks, the context and its type, and the least bytes of it ]
my %leaks = (
	'CacheMemoryContext' => [ "SELECT test_leak('cache', 1000, 50000)", 'CacheMemoryContext', 'AllocSet', $mb50 ],
	'TopMemoryContext' => [ "SELECT test_leak('top', 1000, 50000)", 'TopMemoryContext', 'AllocSet', $mb50 ],
	'a transaction' => [ "BEGIN; SELECT test_leak('transaction', 1000, 50000)", 'TopTransactionContext', 'arena', $mb50 ],
	'30,000 small contexts' => [ "SELECT test_leak('small', 0, 30000)", 'goarena leaked', 'AllocSet', 30_000 * 1024 ],
	'30,000 small arenas' => [ 'SELECT test_scatter(60000)', 'goarena scattered', 'arena', 30_000 * 4096 ],
	'a sort' => [ q{SET work_mem = '1GB'; BEGIN; DECLARE c CURSOR FOR SELECT md5(i::text) FROM generate_series(1, 500000) i ORDER BY 1; FETCH c}, 'Caller tuples',
		$node->pg_version >= 17 ? 'Bump' : 'Generation', 20_000_000 ]);

foreach my $leak (sort keys %leaks)
{
	my ($statement, $context, $type, $bytes) = @{ $leaks{$leak} };
	my $session = session($node);
	my $pid = backend_pid($session);
	my $shown = qq{
		SELECT name, type, held_bytes >= $bytes
		FROM (SELECT name, type, sum(held_bytes) AS held_bytes FROM goarena_arenas(%s) GROUP BY 1, 2) AS t
		ORDER BY t.held_bytes DESC LIMIT 1};

	ask($session, $statement);
	wait_for_client($watcher, $pid);
	is(ask($session, sprintf($shown, '')), "$context|$type|t", "$leak: the session sees it");
	is(ask($watcher, sprintf($shown, "$pid, 60")), "$context|$type|t", "$leak: others see it");
	my $sums = '';
	my $adds_up = qq{
		SELECT (SELECT sum(held_bytes) FROM goarena_arenas($pid, 60)) / (held - retained - metadata) BETWEEN 0.9 AND 1.1,
			(SELECT coalesce(sum(held_bytes) FILTER (WHERE id IS NULL), 0) < 0.05 * sum(held_bytes) FROM goarena_arenas($pid, 60)), held
		FROM goarena_stats() WHERE pid = $pid};
	ok(wait_until(sub { ($sums = ask($watcher, $adds_up)) =~ /^t\|t/ }),
		"$leak: the listing adds up to what is held, and little of it has no name")
	  or diag($sums);
	ask($session, 'COMMIT') if $statement =~ /BEGIN/;
	is(ask($session, 'SELECT count(*) FROM goarena_arenas() WHERE held_bytes <> used_bytes + free_bytes + dead_bytes'), '0',
		"$leak: each row adds up");

	# At a limit it is named, too.
	next if $statement =~ /BEGIN/;
	my $held = ask($session, 'SELECT held FROM goarena_stats() WHERE pid = pg_backend_pid()');
	ask($session, 'SET goarena.memory_limit = ' . int($held / 1024 + 30 * 1024));
	my $many = $leak =~ /30,000/ ? ' in 30000 contexts' : '';
	like(refused($session, q{SELECT length(repeat('x', 100000000))}),
		qr/holds \d+ kB.*The largest contexts of this process: $context \d+ kB$many/s, "$leak: an error names it");
	end_session($session);
}

# What others see of an idle session is what its last transaction left, not what that had in
# its middle: by its own answer, and by what it leaves for those who do not wait for one.
foreach my $timeout (60, 0)
{
	my $session = session($node);
	my $pid = backend_pid($session);
	my $left = 0;

	foreach my $contexts (300, 1000, 1000)
	{
		ask($session, "SELECT test_leak('small', 0, $contexts), test_leak('transaction', 1000, 3000)");
		$left += $contexts;
		my $shown = '';
		my $query = qq{
			SELECT sum(contexts) FILTER (WHERE name = 'goarena leaked'),
				coalesce(max(held_bytes) FILTER (WHERE name = 'TopTransactionContext'), 0) < 100000,
				sum(held_bytes) / (SELECT held - retained - metadata FROM goarena_stats() WHERE pid = $pid) BETWEEN 0.9 AND 1.1,
				bool_and(age >= '0' AND age < '1 min')
			FROM goarena_arenas($pid, $timeout)};

		# A busy machine can need longer than the 50 ms that figures are waited for.
		ok(wait_until(sub { ($shown = ask($watcher, $query)) eq "$left|t|t|t" }),
			"idle, timeout $timeout: $left contexts, and none of what was given back")
		  or diag($shown);
	}
	end_session($session);
}

# What was never touched is not free.
my $session = session($node);
ask($session, 'SET goarena.quarantine = off; SELECT test_create(); SELECT test_fill(20000000); SELECT test_alloc(1000)');
is(ask($session, q{SELECT chunks < 30, free_bytes < 100000, held_bytes - used_bytes < 1000000 FROM goarena_arenas() WHERE name = 'goarena test'}),
	't|t|t', 'pages that were never touched are neither free nor held');
end_session($session);

end_session($watcher);
stop_in_order($node);
done_testing();
