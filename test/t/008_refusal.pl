
# Copyright (c) 2026, goarena contributors

# A server whose tables are not what goarena expects: goarena says so, and the
# server runs on as if it were not there.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Start a server whose goarena is expected to refuse.
sub refuses
{
	my ($name, $why, @conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', join("\n", @conf, ''));
	$node->start;
	like(
		slurp_file($node->logfile),
		qr/WARNING:  goarena cannot adopt memory contexts of this server\n.*DETAIL:  $why\n.*HINT:  The server runs on without it/s,
		"$name: goarena says why it refuses");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM generate_series(1, 1000)'),
		'1000', "$name: the server runs on");
	$node->safe_psql('postgres', 'CREATE EXTENSION goarena');
	my ($status, $stdout, $stderr) = $node->psql('postgres', 'SELECT * FROM goarena_stats()');
	isnt($status, 0, "$name: functions fail");
	like($stderr, qr/goarena is not active in this session/, "$name: and say why");
	return $node;
}

my $node = refuses('hijacked', 'Another library has replaced methods of AllocSet\.',
	"shared_preload_libraries = 'goarena_hijack, goarena'");
$node->stop;

# A type that another library took later is left alone when a limit is set; limits hold
# for all else.
$node = PostgreSQL::Test::Cluster->new('type_taken');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'goarena, goarena_hijack'
goarena_hijack.type = 'Generation'
jit = off});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION goarena; CREATE EXTENSION goarena_test');
unlike(slurp_file($node->logfile), qr/goarena refuses no memory/, 'type taken: without a limit nothing is said');
my $limit = q{SET goarena.memory_limit = '64MB'};
foreach my $type ('Generation', 'Slab')
{
	my ($status, $stdout, $stderr) = $node->psql('postgres', "$limit; SELECT test_others('$type', 1000, 100000000)");
	is($type eq 'Generation' ? $stdout : $stderr =~ /goarena.memory_limit is 65536 kB/, $type eq 'Generation' ? 'ok' : 1,
		"type taken: $type");
}
my @said = slurp_file($node->logfile) =~ /(goarena refuses no memory to contexts of type \w+\n.*DETAIL:  .*)/g;
is(scalar @said, 2, 'type taken: it is said once in each session');
like($said[0], qr/type Generation\n.*Another library has replaced its methods/, 'type taken: which, and why');
$node->append_conf('postgresql.conf', q{goarena.memory_limit = '64MB'});
$node->restart;
my ($status, $stdout, $stderr) = $node->psql('postgres', "SELECT test_others('Generation', 1000, 100000000)");
like($stderr, qr/goarena.memory_limit is 65536 kB/, 'type taken: with a limit from the start goarena came first');
$node->stop;

# From 16 on, arenas need an entry of the server's table of methods.
SKIP:
{
	skip 'this server has no table of methods', 1 if $node->pg_version < 16;

	$node = PostgreSQL::Test::Cluster->new('shared');
	$node->init;
	$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'goarena_ids, goarena'
goarena_ids.take = 2
goarena.quarantine = strict
goarena.quarantine_sample_rate = 1
log_min_messages = debug1});
	$node->start;
	like(slurp_file($node->logfile), qr/DEBUG:  goarena takes method id 12\b/,
		'shared: goarena takes the next entry');
	$node->safe_psql('postgres', 'CREATE EXTENSION goarena; CREATE EXTENSION goarena_ids');
	is($node->safe_psql('postgres', 'SELECT ids_taken(), ids_freed()'),
		'{14,13}|{14,13}', 'shared: the other library works');
	is($node->safe_psql('postgres', q{SELECT count(*) > 10 FROM goarena_arenas() WHERE quarantine = 'strict'}),
		't', 'shared: goarena works');
	is($node->safe_psql('postgres', q{SELECT length(string_agg(md5(i::text), ',')) FROM generate_series(1, 100000) i; SELECT goarena_check() IS NULL}),
		"3299999\nt", 'shared: all in order');
	$node->append_conf('postgresql.conf', 'goarena.method_id = 9');
	$node->restart;
	like(slurp_file($node->logfile), qr/DEBUG:  goarena takes method id 9\b/,
		'shared: goarena takes the entry that it is told to');
	is($node->safe_psql('postgres', 'SELECT count(*) > 10 FROM goarena_arenas() WHERE id > 0'),
		't', 'shared: goarena works with it');
	$node->append_conf('postgresql.conf', 'goarena.method_id = 7');
	my $offset = -s $node->logfile;
	$node->restart;
	my $log = slurp_file($node->logfile, $offset);
	like($log, qr/invalid value for parameter "goarena.method_id": "7"\n.*HINT:  Available values: auto, 8, 9, 10, 11, 12, 13, 14/,
		'an entry that is no choice: the log says what may be chosen');
	like($log, qr/DEBUG:  goarena takes method id 12\b/, 'an entry that is no choice: auto takes its place');
	$node->stop;

	$node = refuses('taken', 'The entry that goarena\.method_id names is in use\.',
		"shared_preload_libraries = 'goarena_ids, goarena'", 'goarena.method_id = 14');
	$node->stop;
	$node = refuses('full', 'All entries of the table of methods are in use\.',
		"shared_preload_libraries = 'goarena_ids, goarena'", 'goarena_ids.take = 15');
	$node->stop;
}

done_testing();
