# Copyright (c) 2026, goarena contributors

# A server whose method table is not what goarena expects: goarena says so, and
# the server runs on as if it were not there.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('hijacked');
$node->init;
$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'goarena_hijack, goarena'");
$node->start;

like(
	slurp_file($node->logfile),
	qr/WARNING:  goarena cannot adopt memory contexts of this server\n.*DETAIL:  Another library has replaced methods of AllocSet/s,
	'goarena says why it refuses');
is($node->safe_psql('postgres', 'SELECT count(*) FROM generate_series(1, 1000)'),
	'1000', 'the server runs on');

$node->safe_psql('postgres', 'CREATE EXTENSION goarena');
my ($status, $stdout, $stderr) =
  $node->psql('postgres', 'SELECT * FROM goarena_stats()');
isnt($status, 0, 'functions fail');
like($stderr, qr/goarena is not active in this session/, 'and say why');

$node->stop;

done_testing();
