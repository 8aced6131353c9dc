
# Copyright (c) 2026, goarena contributors

# A server in a control group of this machine: its limit is found, and followed when it is
# changed.  Only where the machine lets such a group be made.
#
#   GOARENA_CGROUP  directory of a group without processes that this user may change

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
	print $handle $text;
	return close($handle);
}

my $group = $ENV{GOARENA_CGROUP};
plan skip_all => 'no control group that may be changed' if !$group || !-w "$group/cgroup.procs";
my ($limit) = grep { -w $_ } ("$group/memory.max", "$group/memory.limit_in_bytes");
plan skip_all => 'no control group that limits memory' if !defined $limit || !put($limit, 900 * MB);

# The server is moved there, and what it forks from then on is born there.
my $node = new_server('real_cgroup', PRELOAD, "goarena.total_memory_limit = '50%'");
my $postmaster = (split(/\n/, slurp_file($node->data_dir . '/postmaster.pid')))[0];
my $session = session($node);
my $moved = put("$group/cgroup.procs", $postmaster);

if (!$moved)
{
	$node->stop;
	plan skip_all => 'servers may not be moved to the control group';
}

sub origin
{
	return ask($session, 'SELECT memory / 1048576, source FROM goarena_total_limit()');
}

ok(wait_until(sub { origin() eq '900|cgroup' }), 'its limit is found, also by a session that is not there') or diag(origin());
put($limit, 700 * MB);
ok(wait_until(sub { origin() eq '700|cgroup' }), 'and followed when it is changed') or diag(origin());
is(ask($session, 'SELECT cgroup_limit / 1048576 FROM goarena_machine()'), '700', 'as the machine is read');
my $inside = session($node);
like(refused($inside, q{SELECT length(repeat('x', 500000000))}), qr/out of memory because of goarena.total_memory_limit/, 'a statement is refused what the cgroup has no room for');
cmp_ok(ask($inside, 'SELECT cgroup_used FROM goarena_machine()'), '>', MB, 'what the cgroup uses is known');
put($limit, -1) || put($limit, 'max');
ok(wait_until(sub { origin() =~ /host|cgroup/ && (split(/\|/, origin()))[0] > 700 }), 'without a limit there is more');
end_session($_) foreach ($inside, $session);
stop_in_order($node);

done_testing();
