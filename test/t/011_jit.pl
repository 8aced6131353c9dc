
# Copyright (c) 2026, goarena contributors

# Expressions that the JIT compiler makes free and allocate in arenas.  From 16 on
# it must not inline a copy of the server's table of methods, which would not know
# the entry of arenas.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('jit', PRELOAD, STRICT, 'max_parallel_workers_per_gather = 0');

if ($node->safe_psql('postgres', 'SELECT pg_jit_available()') ne 't')
{
	$node->stop;
	plan skip_all => 'this server has no JIT compiler';
}

# Values that are compressed: functions make a copy of them, and free it.
$node->safe_psql('postgres', q{
	CREATE TABLE t AS SELECT i, repeat(md5(i::text), 200) AS m FROM generate_series(1, 200) i});

my $forced = 'SET jit = on; SET jit_above_cost = 0; SET jit_inline_above_cost = 0; SET jit_optimize_above_cost = 0;';
my @queries = (
	q{SELECT count(*) FROM t WHERE m < m || 'x' AND m <> m || '' || i::text},
	q{SELECT count(DISTINCT m), sum(length(m || i)), max(left(m, 5)) FROM t WHERE i::numeric * 1.5 > 10},
	q{SELECT count(*) FROM t a JOIN t b ON a.m = b.m WHERE upper(a.m) > lower(b.m) OR a.m LIKE '%ab%' OR a.m ~ 'cd'},
	q{SELECT md5(string_agg(m, ',' ORDER BY i)), array_length(array_agg(m), 1), sum(i::numeric), stddev(i::numeric) FROM t},
	q{SELECT count(*) FROM t WHERE m::bytea > '\\x00' OR m::varchar(10) = 'a' OR array[m] = array['a'] OR row(m, i) < row('a', 2)});

my $session = session($node);
foreach my $i (0 .. $#queries)
{
	my $expected = ask($session, "SET jit = off; $queries[$i]");
	like(ask($session, "$forced EXPLAIN (ANALYZE) $queries[$i]"),
		qr/JIT:.*Inlining true, Optimization true/s, "query $i is compiled and inlined");
	is(ask($session, $queries[$i]), $expected, "query $i has the same result");
}
in_order($session, 'all in order');

SKIP:
{
	skip 'this server has no table of methods', 3 if $node->pg_version < 16;

	ask($session, 'SET jit_dump_bitcode = on');
	ask($session, $_) foreach @queries;
	my $code = join('', map { slurp_file($_) } glob($node->data_dir . '/*.bc'));
	like($code, qr/pfree/, 'compiled expressions free memory');
	like($code, qr/text_lt/, 'functions of the server were inlined');
	unlike($code, qr/mcxt_methods/, 'the table of methods was not');
}
end_session($session);
stop_in_order($node);

done_testing();
