
# Copyright (c) 2026, goarena contributors

# ALTER EXTENSION UPDATE: from every version that has a script, it leaves what a new
# installation has.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('primary', PRELOAD);
my $default = $node->safe_psql('postgres',
	q{SELECT default_version FROM pg_available_extensions WHERE name = 'goarena'});

# All that belongs to the extension, with definitions, rights and comments.
sub objects
{
	my ($database) = @_;

	return $node->safe_psql(
		$database, q{
		SELECT pg_describe_object(d.classid, d.objid, 0),
			pg_get_functiondef(p.oid), p.proacl,
			pg_get_viewdef(c.oid), c.relacl, c.reloptions,
			obj_description(d.objid, d.classid::regclass::name),
			(SELECT string_agg(format('%s %s: %s', attname, atttypid::regtype,
					col_description(c.oid, attnum)), ', ' ORDER BY attnum)
				FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0)
		FROM pg_depend d
			LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
			LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
		WHERE d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass
			AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'goarena')
		ORDER BY 1});
}

$node->safe_psql('postgres', 'CREATE DATABASE fresh');
$node->safe_psql('fresh', 'CREATE EXTENSION goarena');
my $fresh = objects('fresh');
like($fresh, qr/function goarena_stats\(/, 'a new installation has functions');
like($fresh, qr/view goarena_/, 'a new installation has views');

my @versions = split /\n/,
  $node->safe_psql('postgres',
	q{SELECT version FROM pg_available_extension_versions WHERE name = 'goarena' ORDER BY 1});
ok((grep { $_ eq $default } @versions), 'the default version has a script');

foreach my $version (@versions)
{
	(my $database = "from_$version") =~ tr/./_/;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, "CREATE EXTENSION goarena VERSION '$version'");
	$node->safe_psql($database, 'ALTER EXTENSION goarena UPDATE');
	is($node->safe_psql($database, q{SELECT extversion FROM pg_extension WHERE extname = 'goarena'}),
		$default, "from $version an update leads to $default");
	is(objects($database), $fresh, "from $version an update leaves what a new installation has");
}

# Would a difference be seen?
$node->safe_psql('fresh', 'REVOKE EXECUTE ON FUNCTION goarena_version() FROM PUBLIC');
isnt(objects('fresh'), $fresh, 'a difference in rights is seen');

stop_in_order($node);
done_testing();
