#!/usr/bin/perl
# peak.pl PID FILE - watch the private memory and CPU time of a server's sessions
#
# Creates FILE when it is ready.  Every 10 ms, adds up the anonymous memory of the client
# backends and parallel workers of the postmaster PID.  When it is told to end by SIGTERM,
# writes to FILE the largest sum, in kB, and the CPU time that these processes were last seen
# to have used, in ms.

use strict;
use warnings;

my ($postmaster, $path) = @ARGV;
my $peak = 0;
my $ended = 0;
my $cpu = 0;
my %counts;    # pid -> is it one to count?
my %cpu;       # pid -> nanoseconds

$SIG{TERM} = sub { $ended = 1 };
open my $output, '>', $path or die "$path: $!\n";

sub contents
{
	my ($file) = @_;
	local $/;

	open my $handle, '<', $file or return '';
	return readline($handle) // '';
}

# A process has its title only some time after it was forked.
sub is_session
{
	my ($pid) = @_;

	return $counts{$pid} if defined $counts{$pid};
	my $title = contents("/proc/$pid/cmdline");
	return 0 unless $title =~ /^postgres: /;
	return $counts{$pid} = $title =~ /\[local\]|parallel worker/ ? 1 : 0;
}

until ($ended)
{
	my $sum = 0;

	for my $pid (split ' ', contents("/proc/$postmaster/task/$postmaster/children"))
	{
		next unless is_session($pid);
		$sum += $1 if contents("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m;
		$cpu{$pid} = $1 if contents("/proc/$pid/schedstat") =~ /^(\d+)/;
	}
	$peak = $sum if $sum > $peak;
	select(undef, undef, undef, 0.01);
}

$cpu += $_ for values %cpu;
printf $output "%d %.3f\n", $peak, $cpu / 1e6;
close $output;
