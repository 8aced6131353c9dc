#!/usr/bin/perl
# report.pl DIRECTORY [FILE] - make README.md and plots from the measurements in DIRECTORY
#
# Reads the files PART.tsv that the parts left there; common.sh says what is in them.
# For each table, case and configuration the value of each round is divided by that of
# the base configuration in the same round; the report has the median of these ratios
# and, in parentheses, their quartiles.  Counts are compared by their difference.
#
# With FILE, a short form of it replaces what is in that file between the lines
# "<!-- results -->" and "<!-- end of results -->".

use strict;
use warnings;

use List::Util qw(max min sum);

my @PARTS = qw(counts pgbench statements allocator replay everything profile free_stacks analytic sweep typed finalizers debug memory);
my @IN_FULL = qw(counts-counts statements-cpu memory-beyond);    # in the short form, too
my @COLORS = ('#4e79a7', '#f28e2b', '#59a14f', '#e15759', '#b07aa1', '#76b7b2', '#9c755f');
my $FOLD = 20;    # tables with more rows than that are folded
my ($dir, $document) = @ARGV;
my @machines;     # facts on each machine that was measured on, as a list of names and values
my @targets;      # rows for the table of targets

die "usage: report.pl DIRECTORY [FILE]\n" unless defined $dir;

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
	my %part = (name => $name, tables => [], targets => [], facts => [], machine => []);

	open my $file, '<', "$dir/$name.tsv" or return;
	while (my $line = <$file>)
	{
		chomp $line;
		my ($first, @rest) = split /\t/, $line;

		if ($first eq '#table')     { push @{ $part{tables} },  \@rest }
		elsif ($first eq '#target') { push @{ $part{targets} }, \@rest }
		elsif ($first eq '#fact')    { push @{ $part{facts} },   \@rest }
		elsif ($first eq '#machine') { push @{ $part{machine} }, \@rest }
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

	$table{ratios} = $kind =~ /^(time|speed)$/;
	$table{configs} = [ grep { $_ ne $base } @{ $data->{configs} } ];
	unshift @{ $table{configs} }, $base if !$table{ratios} && $data->{seen}{$base};
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
			elsif ($kind eq 'count' && $of_base && $config ne $base)
			{
				my @rounds = grep { defined $of_base->{$_} } keys %$mine;

				$table{beyond}{$case}{$config} =
					(quartiles(map { $mine->{$_} - $of_base->{$_} } @rounds))[1]
					if @rounds;
			}
			next unless @numbers;
			$table{cell}{$case}{$config} = [ quartiles(@numbers) ];
			push @{ $table{rounds} }, scalar @numbers;
		}
	}
	return $table{cell} ? \%table : undef;
}

# The medians of a configuration's cells, of counts what they are beyond the base; of the
# cases that match a pattern of the shell, or all.
sub medians
{
	my ($table, $config, $pattern) = @_;
	my @cases = grep { !defined $pattern || $_ =~ glob_regex($pattern) } @{ $table->{cases} };

	return grep { defined } map { $table->{beyond}{$_}{$config} } @cases if $table->{kind} eq 'count';
	return map { $_->[1] } grep { $_ } map { $table->{cell}{$_}{$config} } @cases;
}

# A pattern of the shell, with * and @(one|another), as a regular expression
sub glob_regex
{
	my ($pattern) = @_;
	my $regex = quotemeta $pattern;

	$regex =~ s/\\\*/.*/g;
	$regex =~ s/^\\@\\\((.*)\\\)$/'(?:' . ($1 =~ s{\\\|}{|}gr) . ')'/e;
	return qr/^$regex$/;
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
	my $beyond = $table->{beyond}{$case}{$config};

	return "$middle (" . ($beyond < 0 ? '−' : '+') . number(abs $beyond) . ')' if defined $beyond;
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
	my ($part, $table, $short) = @_;
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
	unless ($short)
	{
		$text .= 'Values in ' . $table->{unit} . '. ' unless $table->{ratios} || $table->{unit} eq '';
		$text .= 'Rounds: ' . ($fewest == $most ? $most : "$fewest to $most") . ".\n\n";
		$text .= "![$table->{title}]($part->{name}-$table->{name}.svg)\n\n";
	}
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
	my ($part, $tables, $name, $config, $statistic, $relation, $limit, $what, $pattern) = @_;
	my $table = $tables->{$name} or return;
	my @values = medians($table, $config, $pattern) or return;
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

# The number of the machine that a part was measured on.  Times differ from part to part;
# the machine is the same where all that is not a time is.
sub machine_of
{
	my ($part) = @_;
	my $key = sub { return join "\n", map { "@$_" } grep { $_->[1] !~ /µs/ } @{ $_[0] } };

	for my $i (0 .. $#machines)
	{
		return $i + 1 if $key->($machines[$i]) eq $key->($part->{machine});
	}
	push @machines, $part->{machine};
	return scalar @machines;
}

sub machines_text
{
	my $text = row('machine', 1 .. @machines) . row(('---') x (1 + @machines));

	for my $i (0 .. $#{ $machines[0] })
	{
		$text .= row($machines[0][$i][0], map { $_->[$i][1] } @machines);
	}
	return "$text\n";
}

# When, how and where a part was measured
sub facts_text
{
	my ($part, @names) = @_;
	my %fact = map { @$_ } @{ $part->{facts} };

	$fact{command} = "`$fact{command}`";
	$fact{machine} = machine_of($part);
	@names = ('date', 'command', 'machine', grep { !/^(date|command)$/ } map { $_->[0] } @{ $part->{facts} })
		unless @names;
	return join('; ', map { "$_: $fact{$_}" } @names) . ".\n\n";
}

# The tables of a part by their names
sub tables_of
{
	my ($part) = @_;

	return map { my $table = make_table($part, @$_); $table ? ($table->{name} => $table) : () } @{ $part->{tables} };
}

sub part_text
{
	my ($part) = @_;
	my $text = "## $part->{name}\n\n" . facts_text($part);
	my %tables = tables_of($part);

	for my $table (grep { $_ } map { $tables{ $_->[0] } } @{ $part->{tables} })
	{
		$text .= table_text($part, $table);
		write_plot("$dir/$part->{name}-$table->{name}.svg", $table);
	}
	check_target($part, \%tables, @$_) for @{ $part->{targets} };
	return $text;
}

# A part in short: a row for each table and configuration, and some tables.
sub short_text
{
	my ($part) = @_;
	my %tables = tables_of($part);
	my $text = "### $part->{name}\n\n" . facts_text($part, qw(date goarena PostgreSQL machine command));
	my $rows = '';
	my $full = '';

	for my $table (grep { $_ } map { $tables{ $_->[0] } } @{ $part->{tables} })
	{
		if (grep { $_ eq "$part->{name}-$table->{name}" } @IN_FULL)
		{
			$full .= table_text($part, $table, 1) =~ s/^### (.*)$/**$1**/mr;
			next;
		}
		next unless $table->{ratios};
		for my $config (@{ $table->{configs} })
		{
			my @values = medians($table, $config) or next;

			$rows .= row($table->{title}, $config, map { ratio($_) } geometric_mean(@values), min(@values), max(@values));
		}
	}
	$rows = row('what', 'configuration', 'mean', 'least', 'most') . row(('---') x 5) . "$rows\n" if $rows ne '';
	return $text . $full . $rows;
}

# Put the short form between the two lines of the document.
sub write_short
{
	my ($warning, @parts) = @_;
	my ($begin, $end) = ("<!-- results -->\n", "<!-- end of results -->\n");
	local $/;

	open my $in, '<', $document or die "$document: $!\n";
	my $text = readline $in;
	close $in;
	my $short = "$begin\n$warning" . machines_text() . targets_text('###') . join('', map { short_text($_) } @parts) . $end;
	$text =~ s/\Q$begin\E.*\Q$end\E/$short/s or die "$document has no place for results\n";
	open my $out, '>', $document or die "$document: $!\n";
	print $out $text;
	close $out or die "$document: $!\n";
	return;
}

sub targets_text
{
	my ($heading) = @_;

	return '' unless @targets;
	return join '', "$heading targets\n\n", row('what', 'configuration', 'target', 'measured', ''), row(('---') x 5),
		@targets, "\n";
}

my @measured = grep { $_ } map { read_part($_) } @PARTS;
my $parts = join '', map { part_text($_) } @measured;
my $warning = '';

die "no measurements in $dir\n" if $parts eq '';
$warning = "**The sizes were tiny, to see that the benchmarks work: these figures say nothing about speed.**\n\n"
	if grep { $_->[0] eq 'command' && $_->[1] =~ /--short/ } map { @{ $_->{facts} } } @measured;
open my $readme, '>', "$dir/README.md" or die "$dir/README.md: $!\n";
print $readme <<'END';
# Benchmarks

Written by `bench/run.sh` from the measurements in the `.tsv` files beside it. Everything that is compared ran alternately in
one run; a number is the median over the rounds of the ratio within a round, with the quartiles in parentheses. Ratios of
*time*, *memory* and *CPU* are better below 1, those of *speed* and *throughput* above 1. `again` is a second server or
context like the one that the others are compared with: so far equal ones are apart.

END
print $readme $warning, "## machines\n\n", machines_text(), targets_text('##'), $parts;
close $readme or die "$dir/README.md: $!\n";
write_short($warning, @measured) if defined $document;
