# Copyright (c) 2026, goarena contributors

# What others see of a process in the midst of its work is what the kernel says that it
# has: also of memory that is no arena, as in sorts and in logical decoding, and in
# the values of settings.  What no memory context has, such as memory of libraries, is
# in columns of its own, and they have it from the kernel.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $mb = 1024 * 1024;
my $node = new_server('held', PRELOAD, 'autovacuum = off', 'jit = off', 'fsync = off', 'wal_level = logical',
	'logical_decoding_work_mem = 500MB', 'max_parallel_workers_per_gather = 0',
	'max_parallel_maintenance_workers = 0', 'shared_buffers = 256MB');
my $watcher = session($node);

# A figure of a process, as the watcher sees it.
sub seen
{
	my ($pid, $what) = @_;

	return ask($watcher, "SELECT $what FROM goarena_stats() WHERE pid = $pid");
}

sub anonymous
{
	my ($pid) = @_;

	return process_kb($pid, 'RssAnon') * 1024;
}

# Has a process as much more than before as the kernel says?  Of what contexts get in blocks of
# up to 8 MB, the last ones may not be written to yet.
sub is_true
{
	my ($name, $pid, $held_before, $anonymous_before) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($held, $anonymous);

	# A busy machine can need longer than the moment that figures are waited for.
	wait_until(sub {
			$held = seen($pid, 'held') - $held_before;
			$anonymous = anonymous($pid) - $anonymous_before;
			return $anonymous > 20 * $mb && $held > 0.95 * $anonymous;
		}, 60);
	cmp_ok($anonymous, '>', 20 * $mb, "$name: it has memory");
	cmp_ok($held, '>', 0.95 * $anonymous, "$name: held is not less than what the kernel says");
	cmp_ok($held, '<', 1.1 * $anonymous + 16 * $mb, "$name: and not much more");
}

# Run a statement that goes to sleep when it has its memory, and look then.
sub holds
{
	my ($name, @statements) = @_;
	my $session = session($node);
	my $pid = backend_pid($session);

	ask($session, q{SET work_mem = '500MB'; SET maintenance_work_mem = '500MB'; SELECT count(*) FROM small ORDER BY 1});
	my ($held, $anonymous) = (seen($pid, 'held'), anonymous($pid));
	$session->query_until(qr/started/, "\\echo started\n" . join(";\n", @statements) . ";\n");
	ok(wait_until(sub { ask($watcher, "SELECT wait_event FROM pg_stat_activity WHERE pid = $pid") eq 'PgSleep' }),
		"$name: it sleeps");
	is_true($name, $pid, $held, $anonymous);
	ask($watcher, "SELECT pg_terminate_backend($pid, 60000)");
	eval { $session->quit };
}

ask($watcher, <<'SQL');
CREATE TABLE small AS SELECT i FROM generate_series(1, 100) i;
CREATE TABLE rows AS SELECT i, repeat('x', 100) || i AS s FROM generate_series(1, 300000) i;
CREATE FUNCTION pausing(i integer, s text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	IF i = 300000 THEN
		PERFORM pg_sleep(600);
	END IF;
	RETURN s;
END $$;
SQL
holds('a sort', q{SELECT count(*) FROM (SELECT s FROM rows UNION ALL SELECT pg_sleep(600)::text ORDER BY 1 OFFSET 0) x});
holds('a hash table', q{SELECT count(*) FROM small, (SELECT count(*) FROM rows GROUP BY i, s HAVING pg_sleep(600) IS NULL) x});
holds('CREATE INDEX', q{CREATE INDEX ON rows (pausing(i, s))});

#
# A walsender that decodes, and what it has is in memory until the transaction ends
#
ask($watcher, q{CREATE TABLE decoded (i integer, s text)});
ask($watcher, q{SELECT slot_name FROM pg_create_logical_replication_slot('s', 'test_decoding')});
my $receiver = IPC::Run::start(
	[ 'pg_recvlogical', '-h', $node->host, '-p', $node->port, '-d', 'postgres', '-S', 's', '--start', '--no-loop', '-f', '/dev/null' ],
	'>', \my $out, '2>', \my $err);
my $sender;
ok(wait_until(sub { ($sender = ask($watcher, q{SELECT pid FROM pg_stat_replication WHERE state = 'streaming'})) ne '' }),
	'decoding: there is a walsender');
my ($held, $anonymous) = (seen($sender, 'held'), anonymous($sender));
my $writer = session($node);
ask($writer, q{BEGIN; INSERT INTO decoded SELECT i, repeat('v', 200) FROM generate_series(1, 200000) i});
my $written = ask($watcher, q{INSERT INTO small VALUES (0); SELECT pg_current_wal_lsn()});
ok(wait_until(sub { ask($watcher, "SELECT sent_lsn >= '$written' FROM pg_stat_replication WHERE pid = $sender") eq 't' }),
	'decoding: it has read the transaction');
is_true('decoding', $sender, $held, $anonymous);
ask($writer, 'ROLLBACK');
end_session($writer);
$receiver->signal('INT');
eval { $receiver->finish };

#
# Values of settings
#
my $session = session($node);
my $pid = backend_pid($session);
my $before = seen($pid, 'held');
my $big = "SELECT length(set_config('my.setting', repeat('x', %d), false))";
ask($session, sprintf($big, 30 * $mb));
cmp_ok(seen($pid, 'others') + seen($pid, 'in_use') - $before, '>=', 0, 'settings: the sum is there');
ok(wait_until(sub { seen($pid, 'held') - $before >= 30 * $mb }), 'settings: a large value counts');
ask($session, sprintf($big, 1));
ok(wait_until(sub { seen($pid, 'others') < 20 * $mb }), 'settings: and not when it is gone');
ask($session, q{SET goarena.memory_limit = '128MB'});
like(
	refused($session, q{DO $$ BEGIN FOR i IN 1 .. 50 LOOP
		PERFORM set_config('my.s' || i, repeat('x', 10000000), false); END LOOP; END $$}),
	qr/ERROR:  out of memory/, 'settings: they are kept within the limit');
is(ask($session, 'SELECT 1'), '1', 'settings: the session goes on');
end_session($session);

#
# What only the kernel knows
#
$session = session($node);
$pid = backend_pid($session);
$before = seen($pid, 'held');
ok(wait_until(sub { abs(seen($pid, 'rss_anon') - anonymous($pid)) < $mb }), 'the kernel: it is what it says');
ask($session, "SELECT test_malloc(50 * $mb)");
ok(wait_until(sub { seen($pid, 'rss_anon') > 50 * $mb }), 'the kernel: memory of a library is in it');
cmp_ok(seen($pid, 'held') - $before, '<', 20 * $mb, 'the kernel: and not in held');
is( ask($session, "SELECT rss_anon > 50 * $mb FROM goarena_activity WHERE pid = pg_backend_pid()"),
	't', 'the kernel: the session itself sees it, too');
ask($session, 'SELECT sum(length(s)) FROM rows');
ok(wait_until(sub { seen($pid, 'rss_shmem') > 20 * $mb }), 'the kernel: shared memory that it touched');
cmp_ok(seen($pid, 'rss_shmem'), '<', 300 * $mb, 'the kernel: and no more');

# many who ask do not make it be read more often
my %values;
my $started = time;
$session->query_until(qr/started/, qq{\\echo started
	DO \$\$ BEGIN FOR i IN 1 .. 100 LOOP PERFORM test_malloc($mb), pg_sleep(0.03); END LOOP; END \$\$;\n});
while (time - $started < 3)
{
	$values{ seen($pid, 'rss_anon') } = 1;
}
cmp_ok(scalar(keys %values), '<=', time - $started + 2, 'the kernel: it is asked once a second');
is( ask($watcher, q{SELECT count(*) FROM goarena_stats() WHERE rss_anon IS NULL OR rss_shmem IS NULL OR rss_anon <= 0}),
	'0', 'the kernel: it tells of all processes');
refused($session, 'SELECT 1');
end_session($session);
end_session($watcher);
stop_in_order($node);

done_testing();
