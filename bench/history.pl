#!/usr/bin/perl
# history.pl - draw what processes held over time, as SVG
#
# Reads lines "seconds,pid,held", such as
#
#   psql -XAtF, -c "SELECT extract(epoch FROM at), pid, held FROM goarena_history() ORDER BY at"
#
# and writes the picture.  The processes that held most at any time have a line each.

use strict;
use warnings;

use List::Util qw(max min);

my @COLORS = ('#e15759', '#4e79a7', '#f28e2b', '#59a14f', '#b07aa1', '#76b7b2');
my ($left, $top, $width, $height) = (60, 40, 640, 260);
my (%points, %most);

while (my $line = <STDIN>)
{
	my ($at, $pid, $held) = $line =~ /^([\d.]+),(\d+),(\d+)$/ or next;

	push @{ $points{$pid} }, [ $at, $held / 1048576 ];
	$most{$pid} = max($most{$pid} // 0, $held / 1048576);
}
delete @points{ grep { @{ $points{$_} } < 3 } keys %points };    # came and went
die "no history\n" unless %points;

my @all = map { @$_ } values %points;
my $begin = min(map { $_->[0] } @all);
my $span = max(map { $_->[0] } @all) - $begin || 1;
my $highest = max(@most{ keys %points });
my $step = 1;
$step *= 2 while $step * 5 < $highest;
my $scale = $step * (int($highest / $step) + 1);
my @pids = (sort { $most{$b} <=> $most{$a} || $a <=> $b } keys %points);
splice(@pids, scalar @COLORS) if @pids > @COLORS;

printf qq{<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">\n},
  $left + $width + 130, $top + $height + 50;
print qq{<rect width="100%" height="100%" fill="#fff"/>\n};
printf qq{<text x="%d" y="22" font-weight="bold">What processes held (MB), by goarena_history()</text>\n}, $left;
for (my $mb = 0; $mb <= $scale; $mb += $step)
{
	my $y = $top + $height * (1 - $mb / $scale);

	printf qq{<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#ddd"/>\n}, $left, $left + $width, $y, $y;
	printf qq{<text x="%d" y="%.1f" text-anchor="end">%d</text>\n}, $left - 6, $y + 4, $mb;
}
for my $i (0 .. 4)
{
	printf qq{<text x="%.1f" y="%d" text-anchor="middle">%.1f s</text>\n}, $left + $width * $i / 4,
	  $top + $height + 18, $span * $i / 4;
}
for my $i (reverse 0 .. $#pids)
{
	my @line = sort { $a->[0] <=> $b->[0] } @{ $points{ $pids[$i] } };
	my @at = map {
		sprintf '%.1f,%.1f', $left + $width * ($_->[0] - $begin) / $span, $top + $height * (1 - $_->[1] / $scale)
	} @line;

	printf qq{<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>\n}, join(' ', @at), $COLORS[$i];
	printf qq{<rect x="%d" y="%d" width="10" height="10" fill="%s"/>}, $left + $width + 14, $top + 18 * $i, $COLORS[$i];
	printf qq{<text x="%d" y="%d">process %d</text>\n}, $left + $width + 28, $top + 18 * $i + 9, $pids[$i];
}
print "</svg>\n";
