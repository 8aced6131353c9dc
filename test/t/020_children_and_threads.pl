
# Copyright (c) 2026, goarena contributors

# A library may fork a backend without replacing its program, or start threads.
# The server knows nothing of them: they leave its shared memory and the backend's
# client alone, and end as they would without goarena.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('children', PRELOAD, STRICT, "goarena.total_memory_limit = '400MB'");

$node->safe_psql('postgres', 'CREATE EXTENSION goarena_fault_test');

# What all processes hold, and the sum that is kept of it, in MB.
my $sums = q{SELECT goarena_total_held() / 1048576, sum(held)::bigint / 1048576 FROM goarena_stats()};

#
# Children that allocate
#
foreach my $how ('fork', 'clone')
{
	my $session = session($node);

	for my $round (1 .. 3)
	{
		is(ask($session, "SELECT fault_in_child('$how', 'hold memory')"),
			'exit 0', "$how, round $round: a child takes 100 MB and ends");
	}
	my ($total, $sum) = split(/\|/, ask($session, $sums));
	cmp_ok($total, '<', 50, "$how: goarena_total_held() does not count what it took");
	cmp_ok(abs($total - $sum), '<=', 2, "$how: it is what the processes hold");
	in_order($session, "$how: the session's figures agree");

	# in a session that may hold less than the child takes
	ask($session, q{SET goarena.memory_limit = '60MB'});
	is(ask($session, "SELECT fault_in_child('$how', 'hold memory')"),
		'exit 0', "$how: a child meets no limit, and raises no error");
	is(ask($session, 'SELECT 1'), '1', "$how: the session goes on");
	end_session($session);
}
stop_in_order($node);

done_testing();
