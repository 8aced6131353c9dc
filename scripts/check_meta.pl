#!/usr/bin/perl
# check_meta.pl - check META.json and print its version
#
# META.json must be as PGXN's specification 1.0 says (https://pgxn.org/spec/), name files
# that are here, and have the version that all other places give.  Prints what is wrong
# and exits with 1, or prints the version.
use strict;
use warnings;
use FindBin;
use JSON::PP;

chdir "$FindBin::RealBin/.." or die "chdir: $!\n";

my $semver = qr/^(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;
my $range = qr/^\s*(?:(?:[<>]=?|[!=]=)\s*)?\d+(?:\.\d+){0,2}\S*\s*$/;
my $url = qr{^[a-z][a-z0-9+.-]*://\S+$}i;
my @licenses = qw(agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2 bsd freebsd gfdl_1_2
	gfdl_1_3 gpl_1 gpl_2 gpl_3 lgpl_2_1 lgpl_3_0 mit mozilla_1_0 mozilla_1_1 openssl
	perl_5 postgresql qpl_1_0 ssleay sun zlib open_source restricted unrestricted unknown);
my @problems;

sub problem
{
	push @problems, shift;
	return;
}

sub slurp
{
	my ($file) = @_;

	open(my $handle, '<:raw', $file) or die "$file: $!\n";
	local $/;
	my $text = <$handle>;
	close $handle;
	return $text;
}

# A term of the specification: two characters at least, none that is special in a path.
sub is_term
{
	my ($value) = @_;

	return !ref $value && length $value >= 2 && $value !~ m{[\s/\\[:cntrl:]]};
}

sub is_text
{
	my ($value) = @_;

	return defined $value && !ref $value && length $value > 0;
}

# A text, or a list of some.
sub is_text_or_list
{
	my ($value) = @_;

	return is_text($value) if ref $value ne 'ARRAY';
	return @$value > 0 && !grep { !is_text($_) } @$value;
}

sub check_keys
{
	my ($where, $map, @known) = @_;
	my %known = map { $_ => 1 } @known;

	return problem("$where is no map") if ref $map ne 'HASH';
	problem("$where: unknown key $_") for grep { !$known{$_} && !/^x_/i } sort keys %$map;
	return;
}

sub check_license
{
	my ($license) = @_;

	if (ref $license eq 'HASH')
	{
		problem('license: no URL for ' . $_) for grep { $license->{$_} !~ $url } sort keys %$license;
		problem('license is empty') unless %$license;
		return;
	}
	problem('license: ' . ($_ // 'none') . ' is none that the specification knows')
	  for grep { my $name = $_ // ''; !grep { $_ eq $name } @licenses }
	  ref $license eq 'ARRAY' ? @$license : ($license);
	return;
}

sub check_provides
{
	my ($provides) = @_;

	return problem('provides nothing') if ref $provides ne 'HASH' || !%$provides;
	for my $name (sort keys %$provides)
	{
		my $extension = $provides->{$name};

		problem("provides: $name is no term") unless is_term($name);
		check_keys("provides $name", $extension, qw(file version abstract docfile));
		problem("provides $name: the version is not semantic")
		  if ($extension->{version} // '') !~ $semver;
		problem("provides $name: no file") unless is_text($extension->{file});
		for my $key (grep { exists $extension->{$_} } qw(file docfile))
		{
			problem("provides $name: there is no $extension->{$key}") unless -f $extension->{$key};
		}
	}
	return;
}

sub check_prereqs
{
	my ($prereqs) = @_;

	check_keys('prereqs', $prereqs, qw(configure runtime build test develop));
	for my $phase (values %$prereqs)
	{
		check_keys('a phase of prereqs', $phase, qw(requires recommends suggests conflicts));
		for my $relation (values %$phase)
		{
			for my $name (sort keys %$relation)
			{
				problem("prereqs: $name $relation->{$name} is no range of versions")
				  if grep { !/$range/ } split /,/, $relation->{$name};
			}
		}
	}
	return;
}

sub check_resources
{
	my ($resources) = @_;

	check_keys('resources', $resources, qw(homepage bugtracker repository));
	problem('resources: homepage is no URL')
	  if exists $resources->{homepage} && $resources->{homepage} !~ $url;
	check_keys('bugtracker', $resources->{bugtracker} // {}, qw(web mailto));
	check_keys('repository', $resources->{repository} // {}, qw(web url type));
	return;
}

sub check_meta
{
	my ($meta) = @_;

	check_keys('META.json', $meta, qw(name version abstract maintainer license provides meta-spec
		  description generated_by tags no_index prereqs release_status resources));
	problem("no $_") for grep { !exists $meta->{$_} }
	  qw(name version abstract maintainer license provides meta-spec);
	problem('name is no term') unless is_term($meta->{name});
	problem('version is not semantic') if ($meta->{version} // '') !~ $semver;
	problem("$_ is no text")
	  for grep { exists $meta->{$_} && !is_text($meta->{$_}) } qw(abstract description generated_by);
	problem('maintainer is neither a text nor a list') unless is_text_or_list($meta->{maintainer});
	problem('meta-spec: version is not 1.0') if ($meta->{'meta-spec'}{version} // '') !~ /^1\.0\.\d+$/;
	problem('tags is no list') if exists $meta->{tags} && ref $meta->{tags} ne 'ARRAY';
	problem("tags: $_ is too long or has a slash")
	  for grep { length > 255 || m{[/\\[:cntrl:]]} } @{ $meta->{tags} // [] };
	problem('release_status is none of stable, testing, unstable')
	  if ($meta->{release_status} // 'stable') !~ /^(?:stable|testing|unstable)$/;
	check_license($meta->{license});
	check_provides($meta->{provides});
	check_prereqs($meta->{prereqs}) if exists $meta->{prereqs};
	check_resources($meta->{resources}) if exists $meta->{resources};
	return;
}

# Does every other place say what META.json says?  SQL scripts have two numbers: a
# third one changes the library alone.
sub check_versions
{
	my ($meta) = @_;
	my $version = $meta->{version} // '';
	my ($sql_version) = $version =~ /^(\d+\.\d+)/;
	my ($default) = slurp('goarena.control') =~ /^default_version\s*=\s*'([^']*)'/m;
	my ($changes) = slurp('CHANGELOG.md') =~ /^## (\S+)/m;
	my ($debian) = slurp('debian/changelog') =~ /^goarena \(([^)]*)\)/;
	my $provided = $meta->{provides}{goarena};

	$sql_version //= '';
	problem("goarena.control says $default, META.json $version") if $default ne $sql_version;
	problem("CHANGELOG.md begins with $changes, META.json says $version") if $changes ne $version;
	problem("debian/changelog says $debian, META.json $version") if $debian ne $version;
	problem('provides goarena: another version') if ($provided->{version} // '') ne $version;
	problem("provides goarena: not goarena--$sql_version.sql")
	  if ($provided->{file} // '') ne "goarena--$sql_version.sql";
	return;
}

my $meta = eval { decode_json(slurp('META.json')) };
die "META.json: $@" unless $meta;
check_meta($meta);
check_versions($meta);
if (@problems)
{
	print STDERR "META.json: $_\n" for @problems;
	exit 1;
}
print "$meta->{version}\n";
