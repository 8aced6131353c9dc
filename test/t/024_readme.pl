
# Copyright (c) 2026, goarena contributors

# Each query of README.md and docs/monitoring.md runs as it stands there, and answers what the text
# before it asks: for each there is a situation whose answer is known.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($top) = grep { -e "$_/README.md" } map { "$FindBin::RealBin/$_" } '..', '../..';
my @blocks;
foreach my $file ('README.md', 'docs/monitoring.md')
{
	my @queries = slurp_file("$top/$file") =~ /^```sql\n(.*?)^```$/msg;

	cmp_ok(scalar @queries, '>', 4, "$file has queries");
	push @blocks, @queries;
}

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pg_stat_statements, goarena'
goarena.track_statements = 'top'
jit = off
autovacuum = off
goarena.idle_release = -1});
$node->start;

# The extension is created as README.md says.
my ($create) = grep { /^CREATE EXTENSION goarena;\n$/ } @blocks;
ok($create, 'README.md says how to create the extension');
$node->safe_psql('postgres', "$create; CREATE EXTENSION goarena_test; CREATE EXTENSION pg_stat_statements");
is($node->safe_psql('postgres', 'SELECT goarena_check() IS NULL'), 't', 'it is created so');

my $session = session($node);

# One process holds 90 MB in a context of its own, and ten others little.  Both are told
# wrongly by an order of the sizes as text.
my $holder = session($node);
my $pid = backend_pid($holder);
ask($holder, 'SELECT test_create(); SELECT test_fill(90000000)');
my @idle = map { session($node) } 1 .. 10;
ask($_, 'SELECT count(*) FROM pg_class') foreach @idle;

# The first row of a query's result, and the number of rows.
sub rows
{
	my ($asker, $query) = @_;

	return split(/\n/, ask($asker, $query));
}

# How a query begins, and whether its answer is right.  12345 stands for a process ID.
my @checks = (
	[ qr/^CREATE EXTENSION/, sub { 1 } ],
	[ qr/^SELECT name.*FROM goarena_arenas\(\) ORDER BY held_bytes/s, sub {
		ask($session, 'SELECT test_create(); SELECT test_fill(20000000)');
		my @rows = rows($session, shift);
		ask($session, 'SELECT test_delete()');
		return @rows == 10 && $rows[0] =~ /^goarena test\|.*\barena\b/;
	} ],
	[ qr/^SELECT goarena_release\(\)/, sub {
		ask($session, q{SELECT length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 30000)});
		return ask($session, shift) > 1_000_000;
	} ],
	[ qr/^SELECT pg_size_pretty\(held\).*WHERE pid = pg_backend_pid\(\)/s, sub {
		return ask($holder, shift) =~ /^9\d MB\|[89]\d MB\|[^|]+\|[^|]+\|[^|]+$/;
	} ],
	[ qr/^SELECT pid.*FROM goarena_activity/s, sub {
		my @rows = grep { /\|/ } rows($session, shift);		# queries can have several lines
		return @rows == 10 && $rows[0] =~ /^$pid\|.*\|idle\|9\d MB\|[89]\d MB\|SELECT/;
	} ],
	[ qr/^SELECT name.*FROM goarena_arenas\(12345\) ORDER BY held_bytes/s, sub {
		my @rows = rows($session, shift);
		return @rows == 10 && $rows[0] =~ /^goarena test\|\|TopMemoryContext\|1\|9\d{7}\|9\d{7}\|/;
	} ],
	[ qr/^SELECT goarena_release\(12345\)/, sub {
		my $retained = "SELECT retained FROM goarena_stats() WHERE pid = $pid";
		ask($holder, 'SET goarena.quarantine = off; SELECT test_reset()');
		ok(wait_until(sub { ask($session, $retained) > 1_000_000 }), 'the session keeps something');
		return ask($session, shift) eq 't' && wait_until(sub { ask($session, $retained) < 1_000_000 });
	} ],
	[ qr/^SELECT name.*ORDER BY dead_bytes/s, sub {
		ask($session, 'SET goarena.quarantine = on; SELECT test_create(true); SELECT test_free_all(60)');
		my @rows = rows($session, shift);
		ask($session, 'SELECT test_delete(); RESET goarena.quarantine');
		my @dead = map { (split(/\|/))[2] } @rows;
		my ($ours) = grep { /^goarena test\|/ } @rows;
		return @rows == 5 && "@dead" eq join(' ', sort { $b <=> $a } @dead) && $ours =~ /\|6\d{4}\|0$/;
	} ],
	[ qr/^SELECT context.*FROM goarena_tree\(\)/s, sub {
		ask($session, 'SELECT test_create(); SELECT test_fill(20000000)');
		my @rows = rows($session, shift);
		ask($session, 'SELECT test_delete()');
		return @rows == 20 && $rows[0] =~ /^TopMemoryContext\|/ && $rows[1] =~ /^  goarena test\|(19|20) MB\|(19|20) MB\|1$/;
	} ],
	[ qr/^SELECT s\.sweeps.*FROM goarena_chunks/s, sub {
		ask($session, 'SET goarena.quarantine = strict; SELECT test_create(true); SELECT test_keep()');
		my $keeper = ask($session, 'SELECT test_keeper()');
		ask($session, 'SELECT test_reset(); SET goarena.quarantine = off; SELECT goarena_sweep()');
		my ($sweeps, @chunks) = rows($session, shift);
		ask($session, 'SELECT test_clear(); SELECT test_delete(); RESET goarena.quarantine');
		return $sweeps =~ /^[1-9]\d*\|[\d.e-]+\|[\d.e-]+\|\d+\|[1-9]\d*$/ && grep { /\|$keeper$/ } @chunks;
	} ],
	[ qr/^SELECT .*FROM goarena_statements/s, sub {
		ask($session, q{SELECT length(string_agg(repeat('y', 1000), '')) FROM generate_series(1, 30000)});
		my @rows = rows($session, shift);
		return @rows == 5 && $rows[0] =~ /^(3|4|5|6|7|8)\d MB\|[12]\|SELECT length\(string_agg\(repeat/;
	} ],
	[ qr/^SELECT at, kind.*FROM goarena_faults/s, sub {
		touch_freed();
		my @rows = rows($session, shift);
		return @rows == 1 && $rows[0] =~ /\|access\|read\|goarena test\|reset\|terminate\|SELECT test_read_kept/;
	} ],
	[ qr/^SELECT t\.faults/, sub {
		my $query = shift;
		my @before = split(/\|/, ask($session, $query));

		touch_freed();
		refused($session, q{SET goarena.memory_limit = '16MB';
			SELECT length(string_agg(repeat('z', 1000), '')) FROM generate_series(1, 30000)});
		ask($session, 'RESET goarena.memory_limit');
		my @after = split(/\|/, ask($session, $query));
		return @after == 6 && $after[0] == $before[0] + 1 && $after[1] > $before[1]
		  && $after[2] == 0 && $after[3] == 0 && $after[4] > 10_000_000 && $after[5] > 1_000_000;
	} ],
	[ qr/^SELECT coalesce.*FROM pg_db_role_setting.*FROM pg_proc/s, sub {
		$node->safe_psql('postgres', q{
			CREATE ROLE one;
			ALTER ROLE one IN DATABASE postgres SET goarena.trace = sweeps;
			ALTER ROLE ALL SET goarena.log_peak = '1GB';
			CREATE FUNCTION bound() RETURNS int LANGUAGE sql SET goarena.memory_limit = '32MB' AS 'SELECT 1'});
		my $rows = join(' ', sort(rows($session, shift)));
		$node->safe_psql('postgres', q{DROP OWNED BY one; ALTER ROLE ALL RESET goarena.log_peak; DROP ROLE one});
		return $rows eq 'ALL|ALL|goarena.log_peak=1GB bound()|goarena.memory_limit=32MB'
		  . ' one|postgres|goarena.trace=sweeps';
	} ]);

# A session that ends since it touches freed memory.
sub touch_freed
{
	$node->psql('postgres', q{SET goarena.quarantine = strict; SELECT test_create(true); SELECT test_keep();
		SELECT test_reset(); SELECT test_read_kept()});
}

$node->safe_psql('postgres', 'SELECT pg_stat_statements_reset(), goarena_statements_reset()');
my %checked;
foreach my $block (@blocks)
{
	my ($name) = $block =~ /^(.*)/;
	my @found = grep { $block =~ $checks[$_][0] } 0 .. $#checks;

	is(scalar @found, 1, "there is a situation for: $name") or next;
	$checked{ $found[0] } = 1;
	(my $query = $block) =~ s/\b12345\b/$pid/g;
	$query =~ s/;\n$//;
	ok($checks[ $found[0] ][1]->($query), "it answers rightly: $name")
	  or diag(ask($session, $query));
}
is(scalar keys %checked, scalar @checks, 'there is a query for each situation');

end_session($_) foreach @idle, $holder, $session;
stop_in_order($node);
done_testing();
