
# Copyright (c) 2026, goarena contributors

# The static probes that docs/probes.md lists are in the library, with their arguments and with
# nothing that would have to be switched on, and each is a nop.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'goarena is built without probes where there is no sys/sdt.h (systemtap-sdt-dev)'
  if system(q{echo '#include <sys/sdt.h>' | cc -E - >/dev/null 2>&1}) != 0;
plan skip_all => 'no readelf and objdump (binutils)'
  if system('readelf --version >/dev/null 2>&1 && objdump --version >/dev/null 2>&1') != 0;

my ($top) = grep { -e "$_/README.md" } map { "$FindBin::RealBin/$_" } '..', '../..';
my $document = slurp_file("$top/docs/probes.md");
chomp(my $library = `pg_config --pkglibdir`);
$library .= '/goarena.so';

# What the document lists.
my @told = map { /^\| `(\w+)`/ } split(/\n/, $document);

# How many arguments it explains.
my %number_told = (
	'arena__adopt' => 3, 'arena__reset' => 3, 'arena__delete' => 3, 'slot__spent' => 2, 'sweep__begin' => 2,
	'sweep__end' => 4, 'fault' => 2, 'limit__refused' => 4);
is_deeply([ sort @told ], [ sort keys %number_told ], 'docs/probes.md lists the probes that are expected here');

# What the library has.
my $notes = `readelf -n $library`;
my (%found, @places);
while ($notes =~ /Provider: goarena\n\s+Name: (\w+)\n\s+Location: 0x([0-9a-f]+), Base: \S+ Semaphore: 0x([0-9a-f]+)\n\s+Arguments: (.*)/g)
{
	my ($name, $place, $semaphore, $arguments) = ($1, $2, $3, $4);

	$found{$name}{ scalar(split(' ', $arguments)) } = 1;
	push @places, [ $name, hex($place), hex($semaphore) ];
}
is_deeply({ map { $_ => join(' ', keys %{ $found{$_} }) } keys %found }, \%number_told,
	'the library has each of them with its arguments') or diag($notes);
is(scalar(grep { $_->[2] != 0 } @places), 0, 'none has to be switched on');

# Nothing stands in the code but a nop.
my %instructions;
foreach my $place (@places)
{
	my $code = `objdump -d --no-show-raw-insn --start-address=$place->[1] --stop-address=@{[ $place->[1] + 4 ]} $library`;

	$instructions{$1}++ if $code =~ /^\s*[0-9a-f]+:\s+(\w+)/m;
}
is_deeply([ keys %instructions ], ['nop'], 'each is a nop, at all its places');

done_testing();
