
# Copyright (c) 2026, goarena contributors

# What sessions hold against those of a server without goarena: many small contexts, and
# what is left when they are idle after a large query, whatever share of arenas is quarantined.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @conf = ('autovacuum = off', 'jit = off', 'max_parallel_workers_per_gather = 0');
my $plain = new_server('plain', @conf);
my $node = new_server('idle', PRELOAD, @conf);

#
# Many small contexts, which stay AllocSets
#
my @functions = map {
	my $i = $_;
	"CREATE FUNCTION cached_$i() RETURNS int LANGUAGE plpgsql AS 'DECLARE n int; BEGIN " .
	  join(' ', map { "SELECT count(*) INTO n FROM pg_class WHERE oid = $_;" } $i * 100 + 1 .. $i * 100 + 100) . " RETURN n; END'"
} 1 .. 10;
my %small = (
	'statements of a block' => "DO 'BEGIN " . join(' ', map { "PERFORM $_;" } 1 .. 4000) . " END'",
	'cached statements' => join('; ', map { "SELECT cached_$_()" } 1 .. 10));

$_->safe_psql('postgres', join(";\n", @functions)) foreach $plain, $node;

# How much memory a session comes to have for a statement, in kB.
sub grows
{
	my ($server, $statement) = @_;
	my $session = session($server);
	my $pid = backend_pid($session);
	my $before = process_kb($pid, 'RssAnon');
	my $file = PostgreSQL::Test::Utils::tempdir() . '/statement.sql';

	append_to_file($file, "$statement;\n");
	ask($session, "\\i $file");
	my $peak = process_kb($pid, 'VmHWM') - process_kb($pid, 'RssFile') - process_kb($pid, 'RssShmem');
	end_session($session);
	return $peak - $before;
}

foreach my $name (sort keys %small)
{
	my $plain_kb = grows($plain, $small{$name});
	my $kb = grows($node, $small{$name});

	cmp_ok($plain_kb, '>', 10_000, "$name: they take much memory");
	cmp_ok($kb, '<=', 1.05 * $plain_kb + 1024, "$name: no more than without goarena");
}

#
# Idle sessions; 30 MB
#
my $work = q{SELECT cardinality(array_agg(md5(g::text) || g)) FROM generate_series(1, 360000) g};
my $fails = 'SELECT 1 / (length(array_agg(md5(g::text) || g)::text) - length(array_agg(md5(g::text) || g)::text)) FROM generate_series(1, 150000) g';

# What malloc keeps depends on what was allocated before, so both do the same.
my @steps = ([ 'idle', $work ], [ 'idle in a transaction', "BEGIN; $work" ], [ 'idle again', 'COMMIT' ], [ 'after an error', $fails, qr/division by zero/ ]);

sub do_step
{
	my ($server_session, $step) = @_;
	my ($name, $statements, $error) = @$step;

	return ask($server_session, $statements) unless $error;
	like(refused($server_session, $statements), $error, "$name: it fails");
}

my $reference = session($plain);
my %plain_kb;
foreach my $step (@steps)
{
	my ($name) = @$step;

	do_step($reference, $step);
	$plain_kb{$name} = process_kb(backend_pid($reference), 'RssAnon');
	note("without goarena, $name: $plain_kb{$name} kB");
}

foreach my $rate (0, 0.002, 1)
{
	foreach my $quarantine ('on', 'strict')
	{
		my $session = session($node);
		my $pid = backend_pid($session);
		# Where arenas are quarantined, what is known of what was spent comes to something.
		my $more = $rate == 0 ? 1024 : $rate < 1 ? 1536 : $quarantine eq 'strict' ? 4096 : 2048;

		ask($session, "SET goarena.quarantine = '$quarantine'; SET goarena.quarantine_sample_rate = $rate");
		foreach my $step (@steps)
		{
			my ($name) = @$step;
			my $case = "$quarantine, rate $rate, $name";

			do_step($session, $step);
			ok(wait_until(sub { process_kb($pid, 'RssAnon') <= $plain_kb{$name} + $more }), $case);
			note("$case: " . process_kb($pid, 'RssAnon') . ' kB');
		}
		in_order($session, "$quarantine, rate $rate: all in order");
		end_session($session);
	}
}

end_session($reference);
$plain->stop;
stop_in_order($node, 'no crash');
done_testing();
