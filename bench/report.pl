#!/usr/bin/perl
# report.pl DIRECTORY - make README.md and plots from the measurements in DIRECTORY
#
# Reads the files PART.tsv that the parts left there; common.sh says what is in them.
# For each table, case and configuration the value of each round is divided by that of
# the base configuration in the same round; the report has the median of these ratios
# and, in parentheses, their quartiles.

use strict;
use warnings;

use List::Util qw(max min sum);

my @PARTS = qw(allocator replay pgbench everything free_stacks analytic sweep memory);
my @COLORS = ('#4e79a7', '#f28e2b', '#59a14f', '#e15759', '#b07aa1', '#76b7b2', '#9c755f');
my $FOLD = 20;    # tables with more rows than that are folded
my $dir = shift // die "usage: report.pl DIRECTORY\n";
my @targets;      # rows for the table of targets

# ---- statistics ----

sub quantile
{
	my ($q, @sorted) = @_;
	my $at = $q * $#sorted;
	my $low = int($at);

	return $sorted[$low] if $low == $#sorted;
	return $sorted[$low] + ($at - $low) * ($sorted[ $low + 1 ] - $sorted[$low]);
}

# lower quartile, median, upper quartile
sub quartiles
{
	my @sorted = sort { $a <=> $b } @_;

	return map { quantile($_, @sorted) } 0.25, 0.5, 0.75;
}

sub geometric_mean
{
	return exp(sum(map { log } @_) / @_);
}

# ---- reading ----

# Read the file of a part: tables, targets and facts in order, and the measurements as
# data -> case -> configuration -> round -> value, with the order of the cases and
# configurations of each data.
sub read_part
{
	my ($name) = @_;
	my %part = (name => $name, tables => [], targets => [], facts => []);

	open my $file, '<', "$dir/$name.tsv" or return;
	while (my $line = <$file>)
	{
		chomp $line;
		my ($first, @rest) = split /\t/, $line;

		if ($first eq '#table')     { push @{ $part{tables} },  \@rest }
		elsif ($first eq '#target') { push @{ $part{targets} }, \@rest }
		elsif ($first eq '#fact')   { push @{ $part{facts} },   \@rest }
		else
		{
			my ($case, $config, $round, $value) = @rest;
			my $data = $part{data}{$first} //= { cases => [], configs => [], values => {} };

			push @{ $data->{cases} }, $case unless exists $data->{values}{$case};
			push @{ $data->{configs} }, $config unless $data->{seen}{$config}++;
			$data->{values}{$case}{$config}{$round} = $value;
		}
	}
	close $file;
	return \%part;
}

# A table as a hash: its texts, cases, configurations, and for each cell the quartiles of
# the ratios, or of the values if it has none.  undef if nothing was measured for it.
sub make_table
{
	my ($part, $name, $source, $base, $unit, $kind, $title) = @_;
	my $data = $part->{data}{$source} or return;
	my %table = (name => $name, base => $base, unit => $unit, kind => $kind, title => $title);

	$table{ratios} = $kind ne 'value';
	$table{configs} = [ grep { !$table{ratios} || $_ ne $base } @{ $data->{configs} } ];
	for my $case (@{ $data->{cases} })
	{
		my $values = $data->{values}{$case};
		my $of_base = $values->{$base};

		next if $table{ratios} && !$of_base;
		push @{ $table{cases} }, $case;
		$table{base_value}{$case} = (quartiles(values %$of_base))[1] if $table{ratios};
		for my $config (@{ $table{configs} })
		{
			my $mine = $values->{$config} or next;
			my @numbers = values %$mine;

			if ($table{ratios})
			{
				my @rounds = grep { ($of_base->{$_} // 0) > 0 && $mine->{$_} > 0 } keys %$mine;

				@numbers = map { $mine->{$_} / $of_base->{$_} } @rounds;
				@numbers = map { 1 / $_ } @numbers if $kind eq 'speed';
			}
			next unless @numbers;
			$table{cell}{$case}{$config} = [ quartiles(@numbers) ];
			push @{ $table{rounds} }, scalar @numbers;
		}
	}
	return $table{cell} ? \%table : undef;
}

# The medians of a configuration's cells
sub medians
{
	my ($table, $config) = @_;

	return map { $_->[1] } grep { $_ } map { $table->{cell}{$_}{$config} } @{ $table->{cases} };
}

# ---- Markdown ----

sub number
{
	my ($x) = @_;

	return $x == 0 ? '0' : abs($x) >= 1000 ? sprintf('%.0f', $x) : abs($x) >= 100 ? sprintf('%.1f', $x)
		: sprintf('%.3g', $x);
}

sub ratio
{
	my ($x) = @_;

	return $x >= 10 ? sprintf('%.1f', $x) : $x >= 2 ? sprintf('%.2f', $x) : sprintf('%.3f', $x);
}

sub row
{
	return '| ' . join(' | ', @_) . " |\n";
}

sub cell_text
{
	my ($table, $case, $config) = @_;
	my $cell = $table->{cell}{$case}{$config} or return '';
	my ($low, $middle, $high) = map { $table->{ratios} ? ratio($_) : number($_) } @$cell;

	return $low eq $high ? $middle : "$middle ($low–$high)";
}

# The rows that sum up a table of several cases
sub summary_rows
{
	my ($table) = @_;
	my %how = ('geometric mean' => \&geometric_mean, least => \&min, most => \&max);
	my $text = '';

	return '' unless $table->{ratios} && @{ $table->{cases} } > 1;
	for my $name ('geometric mean', 'least', 'most')
	{
		my @cells = map { my @m = medians($table, $_); @m ? '**' . ratio($how{$name}->(@m)) . '**' : '' }
			@{ $table->{configs} };
		$text .= row("**$name**", '', @cells);
	}
	return $text;
}

sub table_text
{
	my ($part, $table) = @_;
	my @base = $table->{ratios} ? ("$table->{base}, $table->{unit}") : ();
	my $head = row('', @base, @{ $table->{configs} })
		. row(map { '---' } '', @base, @{ $table->{configs} });
	my $body = '';
	my $text = "### $table->{title}\n\n";
	my ($fewest, $most) = (min(@{ $table->{rounds} }), max(@{ $table->{rounds} }));

	for my $case (@{ $table->{cases} })
	{
		my @first = $table->{ratios} ? (number($table->{base_value}{$case})) : ();
		$body .= row($case, @first, map { cell_text($table, $case, $_) } @{ $table->{configs} });
	}
	$text .= 'Values in ' . $table->{unit} . '. ' unless $table->{ratios};
	$text .= 'Rounds: ' . ($fewest == $most ? $most : "$fewest to $most") . ".\n\n";
	$text .= "![$table->{title}]($part->{name}-$table->{name}.svg)\n\n";
	if (@{ $table->{cases} } > $FOLD)
	{
		$text .= $head . summary_rows($table) . "\n" if $table->{ratios};
		$text .= "<details><summary>all cases</summary>\n\n$head$body\n</details>\n\n";
	}
	else
	{
		$text .= $head . $body . summary_rows($table) . "\n";
	}
	return $text;
}

# Compare a target with what was measured and note a row for the table of targets.
sub check_target
{
	my ($part, $tables, $name, $config, $statistic, $relation, $limit, $what) = @_;
	my $table = $tables->{$name} or return;
	my @values = medians($table, $config) or return;
	my $value = { mean => \&geometric_mean, least => \&min, most => \&max }->{$statistic}->(@values);
	my $met = $relation eq '<=' ? $value <= $limit : $value >= $limit;

	push @targets,
		row("$part->{name}: $what", $config, ($relation eq '<=' ? '≤ ' : '≥ ') . $limit,
		$table->{ratios} ? ratio($value) : number($value), $met ? 'met' : '**missed**');
	return;
}

# ---- plots ----

sub escape
{
	my ($text) = @_;

	$text =~ s/&/&amp;/g;
	$text =~ s/</&lt;/g;
	$text =~ s/>/&gt;/g;
	return $text;
}

# The groups of bars of a plot: name, and for each configuration its quartiles.  The cases
# of a long table are taken together by what comes before the first comma.
sub plot_groups
{
	my ($table) = @_;
	my (@order, %cases);

	for my $case (@{ $table->{cases} })
	{
		my $group = @{ $table->{cases} } > $FOLD ? $case =~ s/,.*//r : $case;
		push @order, $group unless $cases{$group};
		push @{ $cases{$group} }, $case;
	}
	return map {
		my @cases = @{ $cases{$_} };
		my %bars;
		for my $config (@{ $table->{configs} })
		{
			my @cells = grep { $_ } map { $table->{cell}{$_}{$config} } @cases;
			next unless @cells;
			$bars{$config} = @cells == 1 ? $cells[0]
				: [ (geometric_mean(map { $_->[1] || 1e-9 } @cells)) x 3 ];
		}
		{ name => $_, bars => \%bars };
	} @order;
}

# Bars lying one below the other, groups of them for the cases.  What is beyond the right
# edge is cut off and has its number written beside it.
sub write_plot
{
	my ($path, $table) = @_;
	my @groups = plot_groups($table);
	my @configs = @{ $table->{configs} };
	my ($left, $width, $bar, $gap) = (260, 560, 11, 9);
	my @middles = sort { $a <=> $b } map { $_->[1] } map { values %{ $_->{bars} } } @groups;
	my $scale = $middles[-1] * 1.1 || 1;
	my $top = 64;
	my $height = $top + @groups * (@configs * $bar + $gap) + 34;
	my $y = $top;
	my $svg = '';

	# a few long bars must not make all others short
	$scale = min($scale, max(2, 3 * quantile(0.5, @middles))) if $table->{ratios};
	my $x_of = sub { return $left + $width * min($_[0], $scale) / $scale };

	for my $group (@groups)
	{
		$svg .= sprintf qq{<text x="%d" y="%.1f" text-anchor="end">%s</text>\n}, $left - 8,
			$y + @configs * $bar / 2 + 4, escape($group->{name});
		for my $i (0 .. $#configs)
		{
			my $cell = $group->{bars}{ $configs[$i] };
			my $middle = $y + $bar / 2;

			if ($cell)
			{
				$svg .= sprintf qq{<rect x="%d" y="%.1f" width="%.1f" height="%d" fill="%s"/>\n}, $left, $y,
					$x_of->($cell->[1]) - $left, $bar - 2, $COLORS[ $i % @COLORS ];
				$svg .= sprintf
					qq{<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#222"/>\n},
					$x_of->($cell->[0]), $x_of->($cell->[2]), $middle - 1, $middle - 1;
				$svg .= sprintf qq{<text x="%.1f" y="%.1f" class="small">%s</text>\n},
					$x_of->($cell->[2]) + 4, $middle + 3,
					$table->{ratios} ? ratio($cell->[1]) : number($cell->[1]);
			}
			$y += $bar;
		}
		$y += $gap;
	}
	if ($table->{ratios})
	{
		$svg .= sprintf qq{<line x1="%.1f" x2="%.1f" y1="%d" y2="%.1f" stroke="#000" stroke-dasharray="4 3"/>\n},
			$x_of->(1), $x_of->(1), $top - 6, $y;
		$svg .= sprintf qq{<text x="%.1f" y="%.1f" text-anchor="middle" class="small">%s = 1</text>\n},
			$x_of->(1), $y + 10, escape($table->{base});
	}

	my $x = $left;
	for my $i (0 .. $#configs)
	{
		$svg .= sprintf qq{<rect x="%d" y="34" width="10" height="10" fill="%s"/>}, $x, $COLORS[ $i % @COLORS ];
		$svg .= sprintf qq{<text x="%d" y="43">%s</text>\n}, $x + 14, escape($configs[$i]);
		$x += 30 + 7 * length $configs[$i];
	}

	open my $file, '>', $path or die "$path: $!\n";
	printf $file qq{<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">\n},
		$left + $width + 70, $height;
	print $file qq{<style>.small { font-size: 9px }</style>\n<rect width="100%" height="100%" fill="#fff"/>\n};
	printf $file qq{<text x="%d" y="20" font-weight="bold">%s%s</text>\n}, 10, escape($table->{title}),
		$table->{ratios} ? '' : escape(" ($table->{unit})");
	print $file $svg, "</svg>\n";
	close $file;
	return;
}

# ---- the report ----

sub part_text
{
	my ($part) = @_;
	my $text = "## $part->{name}\n\n";
	my %tables;

	$text .= join('; ', map { "$_->[0]: " . ($_->[0] eq 'command' ? "`$_->[1]`" : $_->[1]) }
			@{ $part->{facts} }) . ".\n\n";
	for my $definition (@{ $part->{tables} })
	{
		my $table = make_table($part, @$definition) or next;

		$tables{ $table->{name} } = $table;
		$text .= table_text($part, $table);
		write_plot("$dir/$part->{name}-$table->{name}.svg", $table);
	}
	check_target($part, \%tables, @$_) for @{ $part->{targets} };
	return $text;
}

my @measured = grep { $_ } map { read_part($_) } @PARTS;
my $parts = join '', map { part_text($_) } @measured;
my $short = grep { $_->[0] eq 'command' && $_->[1] =~ /--short/ } map { @{ $_->{facts} } } @measured;

die "no measurements in $dir\n" if $parts eq '';
open my $readme, '>', "$dir/README.md" or die "$dir/README.md: $!\n";
print $readme <<'END';
# Benchmarks

Written by `bench/run.sh` from the measurements in the `.tsv` files beside it. Everything that is compared ran alternately in
one run; a number is the median over the rounds of the ratio within a round, with the quartiles in parentheses. Ratios of
*time*, *memory* and *CPU* are better below 1, those of *speed* and *throughput* above 1.

END
print $readme "**The sizes were tiny, to see that the benchmarks work: these figures say nothing about speed.**\n\n"
	if $short;
print $readme "## Targets\n\n", row('what', 'configuration', 'target', 'measured', ''),
	row(('---') x 5), @targets, "\n"
	if @targets;
print $readme $parts;
close $readme;
