
# Copyright (c) 2026, goarena contributors

# goarena.session_memory_limit: what a session may hold with its parallel workers.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('session_limit', PRELOAD, 'jit = off', 'autovacuum = off',
	"goarena.session_memory_limit = '100MB'");
$node->safe_psql('postgres', 'CREATE TABLE numbers AS SELECT i FROM generate_series(1, 10000) i; ANALYZE numbers');

my $error = qr/ERROR:\ \ out\ of\ memory\ because\ of\ goarena\.session_memory_limit\n
	DETAIL:\ \ Failed\ on\ request\ of\ size\ \d+\ in\ memory\ context\ "[^"]+":\ goarena\.session_memory_limit\ is\ 102400\ kB,\ 
	and\ this\ session\ and\ its\ parallel\ workers\ hold\ (\d+)\ kB\./x;
my $session = session($node);
my $pid = backend_pid($session);

# Alone
like(refused($session, q{SELECT length(repeat('x', 110000000))}), $error, 'a session alone is refused more');
is(ask($session, q{SELECT length(repeat('x', n)) FROM generate_series(70000000, 70000000) n}), '70000000', 'what there is room for is had');

# What a worker holds is made of i, so that it is not computed beforehand.
ask($session, parallel_mode('on'));
ask($session, q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
	SET max_parallel_workers_per_gather = 1; SET parallel_leader_participation = off});

sub in_worker
{
	my ($bytes) = @_;

	return "SELECT max(length(repeat('x', $bytes + i * 0))) FROM numbers WHERE test_in_worker() AND i < 10";
}

is(ask($session, in_worker(40_000_000)), '40000000', 'a worker gets what there is room for');
ask($session, 'SELECT test_create(true); SELECT test_fill(60000000, 100000)');
my $message = refused($session, in_worker(60_000_000));
like($message, $error, 'leader and worker together: the worker is refused, though neither holds so much');
my ($kb) = $message =~ $error;
cmp_ok($kb // 0, '>', 58 * 1024, 'leader and worker together: the sum is told');
is(backend_pid($session), $pid, 'leader and worker together: the session goes on');
is(ask($session, in_worker(15_000_000)), '15000000', 'leader and worker together: what there is room for is had');

# Another session has a limit of its own.
my $other = session($node);
is(ask($other, q{SELECT length(repeat('x', n)) FROM generate_series(70000000, 70000000) n}), '70000000', 'another session has a limit of its own');
end_session($other);

ask($session, 'SELECT test_delete()');
is(ask($session, in_worker(60_000_000)), '60000000', 'when the leader has given its memory back, the worker may have it');
like(refused($session, q{SET goarena.session_memory_limit = -1; SELECT length(repeat('x', 150000000))}), qr/^$/, 'a superuser lifts it');
end_session($session);

stop_in_order($node);

done_testing();
