#!/usr/bin/perl

# flamegraph.pl - draw a flame graph of collapsed stacks as SVG
#
# usage: flamegraph.pl [--title=TEXT] [--unit=bytes|objects] [FILE...] >PICTURE
#
# Reads what goarena_profile_folded() returns: lines with frames, the outermost first and
# with semicolons between them, and a number behind a space.  A frame is as wide as the sum
# of the numbers of all stacks in which it stands there.  Contexts of memory are frames like
# others, and stand below the functions.

use strict;
use warnings;

use Getopt::Long;

my ($WIDTH, $HEIGHT, $MARGIN, $LETTER) = (1200, 18, 10, 6.8);
my $LEAST = 0.3;    # pixels; what is narrower is left out

my ($title, $unit) = ('Memory in use', 'bytes');
GetOptions('title=s' => \$title, 'unit=s' => \$unit)
  or die "usage: flamegraph.pl [--title=TEXT] [--unit=bytes|objects] [FILE...]\n";

# A tree of { name, value, children by name }
my $root = { name => 'all', value => 0, children => {} };
while (my $line = <>)
{
	next if $line =~ /^\s*$/;
	my ($stack, $value) = $line =~ /^(.*) (\d+)$/
	  or die "line $.: no frames and a number\n";
	my $node = $root;

	$root->{value} += $value;
	foreach my $name (split(/;/, $stack))
	{
		$node = $node->{children}{$name} //= { name => $name, value => 0, children => {} };
		$node->{value} += $value;
	}
}
die "there is nothing to draw\n" if $root->{value} == 0;

sub escaped
{
	my ($text) = @_;

	$text =~ s/&/&amp;/g;
	$text =~ s/</&lt;/g;
	$text =~ s/>/&gt;/g;
	$text =~ s/"/&quot;/g;
	return $text;
}

sub readable
{
	my ($value) = @_;
	my @units = ('', qw(k M G T));

	return "$value $unit" if $unit ne 'bytes';
	for (; @units > 1 && $value >= 10_000; shift @units)
	{
		$value /= 1000;
	}
	return sprintf('%.0f %sB', $value, $units[0]);
}

# The same name has the same colour, from yellow to red.
sub colour
{
	my ($name) = @_;
	my $hash = 5381;

	$hash = ($hash * 33 + ord($_)) % 65536 foreach split(//, $name);
	return sprintf('rgb(%d,%d,%d)', 205 + $hash % 50, 80 + ($hash >> 3) % 140, ($hash >> 5) % 55);
}

# Frames with their places, level by level: no recursion, stacks can be deep.
my @frames;
my @level = ([ $root, 0 ]);
my $depth = 0;
for (; @level; $depth++)
{
	my @next;

	foreach my $placed (@level)
	{
		my ($node, $left) = @$placed;

		push @frames, [ $node, $left, $depth ];
		foreach my $name (sort keys %{ $node->{children} })
		{
			my $child = $node->{children}{$name};

			push @next, [ $child, $left ]
			  if $child->{value} / $root->{value} * ($WIDTH - 2 * $MARGIN) >= $LEAST;
			$left += $child->{value};
		}
	}
	@level = @next;
}

my $scale = ($WIDTH - 2 * $MARGIN) / $root->{value};
my $height = ($depth + 3) * $HEIGHT;
printf qq{<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" }
  . qq{viewBox="0 0 %d %d" font-family="monospace" font-size="11">\n}, $WIDTH, $height, $WIDTH, $height;
printf qq{<rect width="100%%" height="100%%" fill="#fffdf5"/>\n};
printf qq{<text x="%d" y="%d" font-size="15" text-anchor="middle">%s: %s</text>\n},
  $WIDTH / 2, 1.2 * $HEIGHT, escaped($title), escaped(readable($root->{value}));
foreach my $frame (@frames)
{
	my ($node, $left, $level) = @$frame;
	my $width = $node->{value} * $scale;
	my $x = $MARGIN + $left * $scale;
	my $y = $height - ($level + 1) * $HEIGHT - $MARGIN / 2;
	my $letters = int(($width - 4) / $LETTER);
	my $name = $node->{name};
	my $label = length($name) <= $letters ? $name : $letters > 3 ? substr($name, 0, $letters - 2) . '..' : '';

	printf qq{<g><title>%s, %s, %.1f %%</title><rect x="%.1f" y="%.1f" width="%.1f" height="%d" rx="1" fill="%s"/>},
	  escaped($name), escaped(readable($node->{value})), 100 * $node->{value} / $root->{value},
	  $x, $y, $width > 1 ? $width - 0.5 : $width, $HEIGHT - 1, colour($name);
	printf qq{<text x="%.1f" y="%.1f">%s</text>}, $x + 3, $y + $HEIGHT - 6, escaped($label) if $label ne '';
	print "</g>\n";
}
print "</svg>\n";
