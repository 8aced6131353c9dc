
# Copyright (c) 2026, goarena contributors

# The heap profile: it finds a planted leak, in this session, in another one and in all
# of the server, and says how large it is.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('profile', PRELOAD, 'jit = off', 'autovacuum = off',
	'compute_query_id = on');
my $watcher = session($node);
my $leak = 100_000_000;
my $planted;

# Function and context of the site that holds the most, and whether the estimate of its size
# is at most so many percent, or 10, from what that context holds.
sub largest
{
	my ($session, $profile, $percent) = @_;

	$percent //= 10;
	return ask($session, qq{
		SELECT function, context, abs(inuse_bytes / $planted.0 - 1) <= $percent / 100.0
		FROM $profile ORDER BY inuse_bytes DESC LIMIT 1});
}

# Off

my $session = session($node);
is(ask($session, 'SHOW goarena.profile_rate'), '0', 'by default it is off');
ask($session, 'SELECT test_plant(1000)');
is(ask($session, 'SELECT count(*) FROM goarena_profile()'), '0', 'then there are no samples');

# A session of its own

ask($session, q{SET goarena.profile_rate = '16kB'});
ask($session, "SELECT test_plant($leak / 1000)");
$planted = ask($session, q{SELECT used_bytes FROM goarena_arenas() WHERE name = 'goarena planted' ORDER BY 1 DESC LIMIT 1});
cmp_ok(abs($planted / $leak - 1), '<', 0.06, 'the leak takes little more than what was asked for');
is(largest($session, 'goarena_profile()'), 'test_planted_leak|goarena planted|t',
	'the leak is first, and its size within 10 % of what it is');
is( ask($session, q{
		SELECT bool_and(queryid <> 0), bool_and(dbid = d.oid), bool_and(userid = current_user::regrole),
			min(parents), bool_and(alloc_bytes = inuse_bytes), bool_and(stack LIKE '%test_planted_leak+0x%(goarena_test.so)%test_plant+0x%standard_ExecutorRun+0x%main+0x%')
		FROM goarena_profile(), pg_database d
		WHERE function = 'test_planted_leak' AND datname = current_database()}),
	't|t|t|TopMemoryContext|t|t',
	'it has query, database, user, parents and the whole stack');
is( ask($session, q{
		SELECT sum(inuse_bytes) < 20e6, sum(alloc_bytes) BETWEEN 1.3e8 AND 4e8
		FROM goarena_profile() WHERE function = 'test_planted_churn'}),
	't|t', 'what was freed is not in use, but was allocated');

# Others see it

my $pid = backend_pid($session);
is(largest($watcher, "goarena_profile($pid, 60)"), 'test_planted_leak|goarena planted|t',
	'another session sees the same, though the library is not loaded there');
like(ask($watcher, "SELECT goarena_profile_folded($pid, timeout => 60)"),
	qr/^TopMemoryContext;goarena planted;(?:[^;\n]+;)*main;[^\n]*test_plant;test_planted_leak (?:9|10|11)\d{7}$/m,
	'a collapsed stack begins with contexts');
ok( wait_until(sub { largest($watcher, 'goarena_profile_all()') eq 'test_planted_leak|goarena planted|t' }),
	'so does the profile of the server');

# A process at work

my $busy = session($node);
my $busy_pid = backend_pid($busy);
ask($busy, q{SET goarena.profile_rate = '16kB'});
$busy->query_until(qr/begun/, "\\echo begun\nSELECT test_plant(100000), pg_sleep(600);\n");
wait_until(sub { ask($watcher, "SELECT wait_event FROM pg_stat_activity WHERE pid = $busy_pid") eq 'PgSleep' });
is(largest($watcher, "goarena_profile($busy_pid, 60)"), 'test_planted_leak|goarena planted|t',
	'a process in the midst of a statement answers');
ok( wait_until(sub {
		ask($watcher, q{SELECT sum(inuse_bytes) BETWEEN 1.8e8 AND 2.2e8 FROM goarena_profile_all()
			WHERE function = 'test_planted_leak'}) eq 't' }),
	'processes are added up');
ask($watcher, "SELECT pg_cancel_backend($busy_pid)");
end_session($busy);

# After its end

end_session($session);
ok( wait_until(sub {
		ask($watcher, q{SELECT sum(inuse_bytes) = 0 AND sum(inuse_samples) = 0 AND sum(alloc_bytes) BETWEEN 1.8e8 AND 2.2e8
			FROM goarena_profile_all() WHERE function = 'test_planted_leak'}) eq 't' }),
	'what processes allocated is known after their end, when nothing is in use');
ask($watcher, 'SELECT goarena_profile_reset()');
is( ask($watcher, q{SELECT count(*) FROM goarena_profile_all() WHERE function = 'test_planted_leak'}),
	'0', 'a reset forgets it');

# Contexts that stay small, and are no arenas

$session = session($node);
ask($session, q{SET goarena.profile_rate = '16kB'});
my $arenas = ask($session, 'SELECT test_plant_small(20000, 100000000)');
cmp_ok($arenas, '>', 500, 'small contexts with a sample become arenas');
cmp_ok($arenas, '<', 4000, 'and the others do not');
is( ask($session, q{SELECT sum(alloc_bytes) BETWEEN 20000 * 1000 * 0.8 AND 20000 * 1200 * 1.2, sum(alloc_objects) BETWEEN 160000 AND 240000, sum(inuse_bytes) = 0
		FROM goarena_profile() WHERE function = 'test_planted_small'}),
	't|t|t', 'they are in the profile with their sizes, and end');
is( ask($session, q{SELECT sum(inuse_bytes) BETWEEN 1e8 AND 1.1e8, sum(inuse_samples), sum(alloc_bytes) BETWEEN 1.6e8 AND 3.2e8
		FROM goarena_profile() WHERE function = 'test_planted_growth' AND context = 'goarena small'}),
	't|1|t', 'an object that grows there is followed');
is(ask($session, 'SELECT goarena_check() IS NULL'), 't', 'and the lists of samples are in order');
end_session($session);

# More than there is room for.  A rate in the configuration holds for all.

$node->append_conf('postgresql.conf', "goarena.profile_max = 300\ngoarena.profile_rate = '512kB'");
end_session($watcher);
$node->restart;
$watcher = session($node);
$session = session($node);
$pid = backend_pid($session);
ask($session, 'SET goarena.profile_rate = 1');
ask($session, "SELECT $_ AS c$_, md5('$_') FROM pg_class LIMIT $_") foreach 1 .. 60;
ok( wait_until(sub {
		ask($watcher, q{SELECT count, server_dropped > 0, server_rows_max
			FROM (SELECT count(*) FROM goarena_profile_all() WHERE userid = current_user::regrole) AS t, goarena_profile_info()}) eq '150|t|300' }),
	'one user has at most half of the rows, and what is dropped is counted')
  or diag(ask($watcher, 'SELECT * FROM goarena_profile_info()'));
is( ask($watcher, q{SELECT count(*), bool_and(alloc_bytes > 0) FROM goarena_profile_all() WHERE function IS NULL AND context IS NULL}),
	'1|t', 'its sum has a row');
is(ask($session, 'SELECT goarena_check() IS NULL'), 't', 'the lists of samples are in order');
ask($session, 'SET goarena.profile_rate = 0');
my $taken = ask($session, 'SELECT sum(alloc_samples) FROM goarena_profile()');
is(ask($session, 'SELECT sum(alloc_samples) FROM goarena_profile()'), $taken,
	'switched off, it takes no more samples');
like(refused($watcher, 'SELECT * FROM goarena_profile(1)'), qr/WARNING:.*not a process/,
	'there is a warning for what is no process');
end_session($session);

ask($watcher, "SELECT test_plant($leak / 1000)");
is(largest($watcher, 'goarena_profile()', 50), 'test_planted_leak|goarena planted|t',
	'at 512 kB it is first, too, and its size as right as 200 samples can say');
end_session($watcher);
stop_in_order($node);
done_testing();
