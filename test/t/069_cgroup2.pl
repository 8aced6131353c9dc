
# Copyright (c) 2026, goarena contributors

# A server in a control group of version 2 of this machine: the pressure there is read, and
# its limit where the group has one.  Only where the machine lets such groups be made.
#
#   GOARENA_CGROUP2  directory of a group that this user may change, with two groups below it:
#					 tests, where this test runs, and server, without processes

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use constant MB => 1024 * 1024;

sub put
{
	my ($file, $text) = @_;

	open(my $handle, '>', $file) or return 0;
	syswrite($handle, $text) or return 0;
	return close($handle);
}

my $group = $ENV{GOARENA_CGROUP2};
plan skip_all => 'no control group of version 2 that may be changed' if !$group || !-w "$group/server/cgroup.procs";

# With the server as its only process, what happens there is little.
my $node = new_server('cgroup2', PRELOAD, "goarena.total_memory_limit = '50%'", "goarena.history_interval = '100ms'");
my $postmaster = (split(/\n/, slurp_file($node->data_dir . '/postmaster.pid')))[0];

if (!put("$group/server/cgroup.procs", $postmaster))
{
	$node->stop;
	plan skip_all => 'servers may not be moved to the control group';
}
my $session = session($node);

SKIP:
{
	# The kernel may have been told to keep no account of pressure; then the file cannot be read.
	my $file = "$group/server/memory.pressure";
	my $of_file = sub { join('|', (eval { slurp_file($file) } // '') =~ /total=(\d+)/g) };

	skip 'the kernel keeps no account of the pressure on memory', 1 if $of_file->() !~ /\|/;
	ok( wait_until(sub {
				my $before = $of_file->();
				my $seen = ask($session, 'SELECT pressure_some_us, pressure_full_us FROM goarena_history_machine() ORDER BY at DESC LIMIT 1');
				$seen eq $before && $before eq $of_file->();
			}),
		'the pressure is that of the group');
}

SKIP:
{
	my $limit = "$group/server/memory.max";
	my $origin = sub { ask($session, 'SELECT memory / 1048576, source FROM goarena_total_limit()') };

	skip 'memory is not limited by control groups of version 2 here', 4 if !-w $limit || !put($limit, 900 * MB);
	ok(wait_until(sub { $origin->() eq '900|cgroup' }), 'the limit of the group is found') or diag($origin->());
	put($limit, 700 * MB);
	ok(wait_until(sub { $origin->() eq '700|cgroup' }), 'and followed when it is changed') or diag($origin->());
	like(refused($session, q{SELECT length(repeat('x', 500000000))}), qr/out of memory because of goarena.total_memory_limit/,
		'a statement is refused what the group has no room for');
	cmp_ok(ask($session, 'SELECT cgroup_used FROM goarena_machine()'), '>', MB, 'what the group uses is known');
}
end_session($session);
stop_in_order($node);

done_testing();
