
# Copyright (c) 2026, goarena contributors

# The tree of contexts of another process: its sums are those of goarena_arenas() and say where
# memory is, also where there are too many contexts for a row each, and where they are nested
# deeply.  And goarena_top shows who grows.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('tree', PRELOAD, 'jit = off', 'autovacuum = off');
my $watcher = session($node);
my $session = session($node);
my $pid = backend_pid($session);

# Thousands of contexts below one.
ask($session, "SELECT test_scatter(20000); SELECT test_leak('cache', 1000, 20000)");
wait_for_client($watcher, $pid);
ask($watcher, "CREATE TABLE tree AS SELECT * FROM goarena_tree($pid, 60) WITH ORDINALITY
	AS t(context, subtree_bytes, held_bytes, used_bytes, contexts, level, type, ident, age, n)");
is( ask($watcher, q{SELECT context, subtree_bytes = (SELECT sum(held_bytes) FROM tree),
		contexts = (SELECT sum(CASE WHEN context ~ '^ *and \d+ more$' THEN contexts ELSE 1 END) FROM tree) FROM tree WHERE n = 1}),
	'TopMemoryContext|t|t', 'the first row is all of a process that has too many contexts');
is(ask($watcher, q{SELECT count(*) BETWEEN 20 AND 2000 AND max(contexts) > 10000 FROM tree}),
	't', 'the number of rows is bounded, and each context is counted');
is( ask($watcher, "SELECT subtree_bytes BETWEEN 0.99 * bytes AND 1.01 * bytes
		FROM tree, (SELECT sum(held_bytes) AS bytes FROM goarena_arenas($pid, 60)) a WHERE n = 1"),
	't', 'its sum is that of the list of contexts');
is( ask($watcher, q{SELECT ltrim(context) FROM tree WHERE level = 1 ORDER BY n LIMIT 1}),
	ask($watcher, q{SELECT ltrim(context) FROM tree WHERE level = 1 ORDER BY subtree_bytes DESC LIMIT 1}),
	'the largest subtree comes first');
is(ask($watcher, q{SELECT bool_or(context ~ '^ +and \d+ more$' AND contexts > 9000) FROM tree}),
	't', 'what has no row is counted below the context where it is');
is( ask($watcher, q{SELECT count(*) FROM tree a WHERE level IS NOT NULL AND subtree_bytes <> (
		SELECT sum(b.held_bytes) FROM tree b WHERE b.n >= a.n AND b.n < coalesce((SELECT min(c.n) FROM tree c
			WHERE c.n > a.n AND length(c.context) - length(ltrim(c.context)) <= length(a.context) - length(ltrim(a.context))), 1000000))}),
	'0', 'each row is the sum of what is indented below it');

# Nested deeply.
end_session($session);
$session = session($node);
$pid = backend_pid($session);
ask($session, 'SELECT test_nest(300, true)');
is( ask($session, 'SELECT max(length(context) - length(ltrim(context))), max(level) FROM goarena_tree()'),
	'60|300', 'names are indented so far only');
wait_for_client($watcher, $pid);
is( ask($watcher, "SELECT max(length(context) - length(ltrim(context))), max(level) FROM goarena_tree($pid, 60)"),
	'60|300', 'those of another process, too');
ask($session, 'SELECT test_unnest()');

# goarena_top
sub top
{
	return ask($watcher, "SELECT growth > 40000000, held > 40000000, rtrim(query, ' ;') FROM goarena_top WHERE pid = $pid");
}
my $other = session($node);
$pid = backend_pid($other);
is(top() =~ s/\|.*//sr, '', 'a process that was not there at the last look has no growth');
ask($other, "SELECT test_leak('top',\n 1000, 50000)");
wait_for_client($watcher, $pid);
ok(wait_until(sub { ask($watcher, "SELECT held > 40000000 FROM goarena_stats() WHERE pid = $pid") eq 't' }),
	'a process grows');
is(top(), "t|t|SELECT test_leak('top', 1000, 50000)", 'growth since the last look is seen, and the statement');
is(top() =~ s/\|SELECT.*//sr, 'f|t', 'at the next look the process holds as much and grew by little');

end_session($_) foreach $watcher, $session, $other;
stop_in_order($node);
done_testing();
