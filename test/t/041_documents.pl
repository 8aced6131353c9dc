
# Copyright (c) 2026, goarena contributors

# What the documents say of settings and functions is what the server has: docs/settings.md has a
# row for each setting with its default and who may set it, docs/functions.md one for each function
# and view with who may use it, and README.md names all of them.  Links between documents lead
# somewhere.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($top) = grep { -e "$_/README.md" } map { "$FindBin::RealBin/$_" } '..', '../..';
my $node = new_server('documents', PRELOAD);

# What is under the heading of a document.
sub section
{
	my ($document, $heading) = @_;

	return slurp_file("$top/$document") =~ /^## \Q$heading\E\n(.*?)(?=^## |\z)/ms ? $1 : '';
}

# The rows of the table there, each a list of cells.
sub table
{
	my @rows = grep { /^\| `/ } split(/\n/, section(@_));

	return map { [ /\| (.*?) (?=\|)/g ] } @rows;
}

# All names of goarena's that are there, without those of files.
sub names
{
	my %names = map { $_ => 1 } section(@_) =~ /`(goarena[._]\w+)(?!\.h)/g;

	return [ sort keys %names ];
}

sub query
{
	return $node->safe_psql('postgres', shift);
}

#
# Settings
#
my %set_by = (
	'superuser' => 'superuser',
	'user' => 'superuser, others lower it',
	'user without a limit' => 'everyone',
	'sighup' => 'configuration file',
	'postmaster' => 'restart',
	'backend' => 'start of session',
	'superuser-backend' => 'start of session');
my %settings = map { my ($name, $default, $context) = split /\|/; ($name => "$default|$set_by{$context}") }
  split(/\n/, query(q{SELECT concat_ws('|', name, current_setting(name),
		context || CASE WHEN context = 'user' AND name NOT LIKE '%\_limit' THEN ' without a limit' ELSE '' END)
	FROM pg_settings WHERE name LIKE 'goarena.%'}));
my %told = map { my ($name, $default, $by) = @$_; s/^`|`$//g foreach $name, $default; $default =~ s/^''$//; ($name => "$default|$by") }
  table('docs/settings.md', 'Each setting');

is_deeply(\%told, \%settings, 'docs/settings.md tells each setting, with its default and who sets it');
is_deeply([ grep { /^goarena\./ } @{ names('README.md', 'Settings') } ], [ sort keys %settings ], 'README.md names each setting');
my %wrong_defaults = map { my ($names, $default) = @$_; map { $_ => $default }
	  grep { $settings{$_} !~ /^\Q@{[ $default =~ s{`}{}gr ]}\E\|/ } $names =~ /`(.*?)`/g } table('README.md', 'Settings');
is_deeply(\%wrong_defaults, {}, 'README.md has the defaults that settings have');
is(query(q{SELECT string_agg(name, ' ') FROM pg_settings
	WHERE name LIKE 'goarena.%' AND coalesce(short_desc, '') = '' OR
		name LIKE 'goarena.%' AND coalesce(extra_desc, '') = ''}),
	'', 'the server has two descriptions of each setting');

#
# Functions and views
#
my %objects = map { my ($name, $who) = split /\|/; ($name => $who) } split(/\n/, query(q{
	SELECT format('%s(%s)', p.proname,
			(SELECT string_agg(a.name, ', ' ORDER BY a.n) FROM unnest(p.proargnames) WITH ORDINALITY AS a(name, n)
				WHERE a.n <= p.pronargs)) || '|' ||
		coalesce((SELECT string_agg(CASE WHEN a.grantee = 0 THEN 'everyone' ELSE a.grantee::regrole::text END, ' ')
			FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
			WHERE a.grantee <> p.proowner), 'superusers')
	FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid JOIN pg_proc p ON d.objid = p.oid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_proc'::regclass
		AND d.deptype = 'e' AND e.extname = 'goarena'
	UNION ALL
	SELECT c.relname || '|everyone'
	FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid JOIN pg_class c ON d.objid = c.oid
	WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_class'::regclass
		AND d.deptype = 'e' AND e.extname = 'goarena' AND has_table_privilege('public', c.oid, 'SELECT')}));
my %told_objects = map { my ($names, undef, $who) = @$_; map { $_ => $who =~ /^(\w+)/ } $names =~ /`(.*?)`/g }
  table('docs/functions.md', 'Each function and view');

is_deeply(\%told_objects, \%objects, 'docs/functions.md tells each function and view, and who may use it');
my %object_names = map { s/\(.*//r => 1 } keys %objects;
is_deeply(names('README.md', 'Functions'), [ sort keys %object_names ], 'README.md names each function and view');

#
# Links
#
my @documents = ('README.md', 'CONTRIBUTING.md', map { s/.*(docs\/)/$1/r } glob("$top/docs/*.md"));
foreach my $document (@documents)
{
	my $text = slurp_file("$top/$document");
	my $folder = $document =~ /^docs/ ? 'docs/' : '';
	my @lost;

	foreach my $link ($text =~ /\]\(([^)]+)\)/g)
	{
		next if $link =~ /^https?:/;
		my ($file, $anchor) = $link =~ /^([^#]*)#?(.*)/;
		my $path = $file eq '' ? $document : $folder . $file;
		my @anchors;

		$path =~ s/^docs\/\.\.\///;
		if (-e "$top/$path" && $anchor ne '')
		{
			@anchors = map { lc(s/[^\w -]//gr) =~ s/ /-/gr } slurp_file("$top/$path") =~ /^#+ (.*)/mg;
		}
		push @lost, $link if !-e "$top/$path" || $anchor ne '' && !grep { $_ eq $anchor } @anchors;
	}
	is("@lost", '', "links of $document lead somewhere");
}

stop_in_order($node);
done_testing();
