
# Copyright (c) 2026, goarena contributors

# goarena.user_memory_limit and goarena.database_memory_limit: what counts, what is refused,
# and who may change them.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('user_limits', PRELOAD, 'jit = off', 'autovacuum = off', 'restart_after_crash = on',
	"goarena.user_memory_limit = '200MB'");
$node->safe_psql('postgres', q{
	CREATE ROLE etl LOGIN; CREATE ROLE reports LOGIN; CREATE ROLE team LOGIN; CREATE ROLE viewer LOGIN; GRANT pg_read_all_stats TO viewer;
	CREATE ROLE admin LOGIN SUPERUSER; CREATE ROLE owner LOGIN;
	GRANT team TO etl; GRANT ALL ON SCHEMA public TO PUBLIC;
	ALTER ROLE etl SET goarena.user_memory_limit = '100MB';
	CREATE TABLE numbers AS SELECT i FROM generate_series(1, 10000) i; GRANT SELECT ON numbers TO PUBLIC;
	ANALYZE numbers});
$node->safe_psql('postgres', 'CREATE DATABASE other OWNER owner');
$node->safe_psql('other', 'CREATE EXTENSION goarena; CREATE EXTENSION goarena_test; GRANT ALL ON SCHEMA public TO PUBLIC');

# A session of a user, in a database.
sub session_of
{
	my ($user, %params) = @_;
	local $ENV{PGOPTIONS} = $params{options} // '';
	my $session = $node->background_psql($params{database} // 'postgres', on_error_stop => 0, extra_params => [ '-U', $user ]);

	$session->set_query_timer_restart;
	return $session;
}

# Have a session hold so many bytes, and let go of them.
sub hold
{
	my ($session, $bytes) = @_;

	return refused($session, "SELECT test_create(true); SELECT test_fill($bytes, 100000)");
}

# A statement that needs so many bytes, and gives them back.
sub wants
{
	my ($bytes) = @_;

	return "SELECT length(repeat('x', n)) FROM generate_series($bytes, $bytes) n";
}

sub let_go
{
	my ($session) = @_;

	return ask($session, 'SELECT test_delete(); SELECT goarena_release() >= 0');
}

# What a session needs for the queries of this test, it has from then on.
sub warm_up
{
	my ($session) = @_;

	ask($session, '\set VERBOSITY verbose');
	ask($session, 'SELECT count(held) FROM goarena_users; SELECT count(held) FROM goarena_databases');
	hold($session, 1_000_000);
	return let_go($session);
}

my $observer = session_of('viewer');

# What the processes of a user or a database hold, in MB.
sub sum_of
{
	my ($view, $name) = @_;
	my $column = $view eq 'goarena_users' ? 'usename' : 'datname';

	return ask($observer, "SELECT coalesce(sum(held), 0)::bigint / 1000000 FROM $view WHERE $column = '$name'");
}

sub error_of
{
	my ($limit, $kind, $name, $kb) = @_;

	return qr/ERROR:\ \ 53200:\ out\ of\ memory\ because\ of\ goarena\.$limit\n
		DETAIL:\ \ Failed\ on\ request\ of\ size\ \d+\ in\ memory\ context\ "[^"]+":\ 
		goarena\.$limit\ is\ $kb\ kB,\ and\ all\ processes\ of\ $kind\ "$name"\ hold\ \d+\ kB\.\ \ 
		Of\ that,\ \d+\ kB\ are\ not\ in\ use\.\ \ Process\ \d+\ \([\w\ ]+\)\ holds\ the\ most,\ \d+\ kB\..*
		HINT:.*raise\ goarena\.$limit.*CONSTRAINT\ NAME:\ \ goarena\.$limit/sx;
}

my $etl_error = error_of('user_memory_limit', 'user', 'etl', 100 * 1024);

#
# By user
#
my @etl = map { session_of('etl') } 1 .. 3;
my $reports = session_of('reports');
warm_up($_) foreach (@etl, $reports);
is(hold($etl[0], 40_000_000), '', 'a session holds 40 MB');
is(hold($etl[1], 40_000_000), '', 'another one as well');
like(refused($etl[2], wants(40_000_000)), $etl_error, 'the third is refused as much');
is(ask($etl[2], 'SELECT 1'), '1', 'and goes on');
like(refused($etl[2], "BEGIN; " . wants(40_000_000)), $etl_error, 'refused in a transaction');
is(refused($etl[2], 'ROLLBACK'), '', 'which can be rolled back');

# At the limit, with memory that outlives transactions: each command gets one answer.
is(scalar(() = refused($etl[2], 'SELECT test_create(true); SELECT test_fill(40000000, 100000); SELECT test_fill(40000000, 100000)') =~ /ERROR:/g), 2, 'each command is refused once, and the next one is read');

# What gives memory up takes some, too.  That is no way to grow, however often one asks.
foreach my $session (@etl[ 0, 2 ])
{
	is(refused($session, wants(100_000)), '', 'where the limit is full, a session that holds much has room for a command');
	like(refused($session, wants(3_000_000)), $etl_error, 'but for no large one');
	cmp_ok(scalar(grep { refused($session, 'SELECT test_fill(400000, 100000)') eq '' } 1 .. 60),
		'<', 10, 'nor to keep more, however often it asks');
	ask($session, 'BEGIN');
	cmp_ok(scalar(grep { refused($session, "DECLARE c$_ CURSOR FOR SELECT '" . 'x' x 20_000 . "'") eq '' } 1 .. 100),
		'<', 80, 'nor in a transaction');
	is(refused($session, 'ROLLBACK'), '', 'which can be rolled back');

	# notifications are kept until the transaction ends
	ask($session, 'BEGIN');
	cmp_ok(scalar(grep { refused($session, "SELECT count(pg_notify('c', $_ || repeat('x', 7800) || i)) FROM generate_series(1, 30) i") eq '' } 1 .. 12),
		'<', 10, 'nor with what ends with the transaction');
	is(refused($session, 'ROLLBACK'), '', 'which can be rolled back, too');
}
cmp_ok(sum_of('goarena_users', 'etl'), '<', 115, 'and the sum is little more than the limit');
is(refused($etl[2], 'BEGIN; SELECT test_delete(); COMMIT'), '', 'so it can give its memory up');
is(refused($etl[0], 'SELECT test_fill(400000, 100000)'), '', 'and when there is room, it is there for all');
end_session($etl[2]);
$etl[2] = session_of('etl');
warm_up($etl[2]);
hold($etl[2], 40_000_000);
is(hold($reports, 150_000_000), '', 'another user has another limit');
let_go($reports);
my $sum;
# A busy machine can need longer than the moment that figures are waited for.
ok(wait_until(sub { ($sum = sum_of('goarena_users', 'etl')) > 80 }), 'the sum is seen');
cmp_ok($sum, '<', 106, 'and it is no more than the limit');
is(ask($observer, q{SELECT processes FROM goarena_users WHERE usename = 'etl'}), '3', 'with the number of processes');
let_go($etl[2]);
is(ask($etl[0], q{SELECT count(held), count(*) > 1 FROM goarena_users}), '1|t', 'another user sees the sum of its own');
is(ask($etl[0], q{SELECT count(held), count(*) FROM goarena_databases}), '0|1', 'and that of no database');

# Whoever it is later, it is who logged in that counts.
like(refused($etl[2], "SET ROLE team; " . wants(40_000_000)), $etl_error, 'SET ROLE changes nothing');
ask($etl[2], 'RESET ROLE');
my $admin = session_of('admin');
ask($admin, q{SET SESSION AUTHORIZATION etl});
my $before = sum_of('goarena_users', 'etl');
is(hold($admin, 40_000_000), '', 'SET SESSION AUTHORIZATION: the limit is that of the user who logged in');
cmp_ok(sum_of('goarena_users', 'etl'), '<', $before + 20, 'SET SESSION AUTHORIZATION: the sum, too');
ok(wait_until(sub { sum_of('goarena_users', 'admin') > 40 }), 'SET SESSION AUTHORIZATION: which has the process');
end_session($admin);

# Parallel workers count for their leader's user.
SKIP:
{
	my $query = q{SELECT max(length(repeat('x', 40000000 + i * 0))) FROM numbers WHERE test_in_worker() AND i < 10};

	ask($etl[2], parallel_mode('on'));
	ask($etl[2], q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
		SET max_parallel_workers_per_gather = 1; SET parallel_leader_participation = off});
	let_go($etl[1]);
	my $result = refused($etl[2], $query);
	is($result, '', 'a parallel worker gets what there is room for');
	is(hold($etl[1], 40_000_000), '', 'no room any more');
	my $message = refused($etl[2], $query);
	like($message, $etl_error, 'a parallel worker is refused, for it counts for the user of its leader');
}

# What others keep and do not use can be had.
let_go($etl[1]);
ask($etl[1], q{SELECT test_create(true); SELECT test_fill(10000000, 100000); SELECT test_reset()});
is(hold($etl[1], 40_000_000), '', 'memory that nobody uses is given back before anybody is refused');
$_ and end_session($_) foreach ($etl[1]);
ok(wait_until(sub { sum_of('goarena_users', 'etl') < 60 }), 'the sum comes down when a session ends');
is(hold($etl[2], 40_000_000), '', 'and its memory can be had');

# A reload that lowers the limit of all
$node->append_conf('postgresql.conf', "goarena.user_memory_limit = '64MB'");
$node->reload;
ok(wait_until(sub { ask($reports, 'SHOW goarena.user_memory_limit') eq '64MB' }), 'lowered in the file');
is(ask($etl[0], 'SHOW goarena.user_memory_limit'), '100MB', 'a role with a value of its own has that');
like(refused($reports, wants(90_000_000)), error_of('user_memory_limit', 'user', 'reports', 64 * 1024), 'and the others the lower one');

#
# By database
#
ask($_, 'SELECT test_delete()') foreach ($etl[0], $etl[2]);
$node->safe_psql('postgres', q{ALTER DATABASE other SET goarena.database_memory_limit = '90MB'; ALTER SYSTEM SET goarena.user_memory_limit = -1});
$node->reload;
my @other = (session_of('reports', database => 'other'), session_of('team', database => 'other'));
warm_up($_) foreach @other;
ok(wait_until(sub { ask($other[0], 'SHOW goarena.user_memory_limit') eq '-1' }), 'no limit by user');
is(hold($other[0], 60_000_000), '', 'one session in the database');
like(refused($other[1], wants(60_000_000)), error_of('database_memory_limit', 'database', 'other', 90 * 1024), 'another user there is refused as much');
is(hold($reports, 150_000_000), '', 'but not in another database');
ok(wait_until(sub { sum_of('goarena_databases', 'other') =~ /^[6-9]\d$/ }), 'the sum is seen');
cmp_ok(ask($observer, q{SELECT sum(held) FROM goarena_databases}) - ask($observer, q{SELECT sum(held) FROM goarena_activity WHERE datid IS NOT NULL}), '<', 30_000_000, 'sums and processes agree');
end_session($other[0]);
ok(wait_until(sub { hold($other[1], 60_000_000) eq '' }), 'when it ends, others have its memory');
end_session($other[1]);
ok(wait_until(sub { ask($observer, q{SELECT count(*) FROM goarena_databases WHERE datname = 'other'}) eq '0' }), 'a database without processes has no row');

#
# Who may change them
#
my $may_not = qr/permission denied to set parameter/;
$node->safe_psql('postgres', q{ALTER DATABASE other SET goarena.user_memory_limit = '128MB'});
foreach my $setting ('user_memory_limit', 'database_memory_limit')
{
	my $session = session_of('etl');
	my $shown = ask($session, "SHOW goarena.$setting");
	my @ways = (
		"SET goarena.$setting = -1", "SET LOCAL goarena.$setting = -1", "SET SESSION goarena.$setting = '1GB'", "SET goarena.$setting TO DEFAULT", "RESET goarena.$setting",
		"SET goarena.$setting = '16MB'",
		"SELECT set_config('goarena.$setting', '-1', false)", "SELECT set_config('goarena.$setting', '-1', true)",
		"UPDATE pg_settings SET setting = -1 WHERE name = 'goarena.$setting'",
		"CREATE FUNCTION raise_limit() RETURNS int LANGUAGE sql SET goarena.$setting = -1 AS 'SELECT 1'",
		"ALTER ROLE etl SET goarena.$setting = -1", "ALTER ROLE CURRENT_USER RESET goarena.$setting", "ALTER ROLE etl IN DATABASE postgres SET goarena.$setting = -1",
		"ALTER ROLE ALL SET goarena.$setting = -1", "ALTER DATABASE postgres SET goarena.$setting = -1", "ALTER SYSTEM SET goarena.$setting = -1",
		"SET ROLE team; SET goarena.$setting = -1", "DO \$\$ BEGIN PERFORM set_config('goarena.$setting', '-1', false); END \$\$");

	foreach my $way (@ways)
	{
		like(refused($session, $way), qr/ERROR:  (permission denied|must be (superuser|owner|able))/, "not by: $way");
		refused($session, 'RESET ROLE');
	}
	refused($session, $_) foreach ('RESET ALL', 'DISCARD ALL', 'ALTER ROLE etl RESET ALL', 'BEGIN; ROLLBACK', 'SET SESSION AUTHORIZATION DEFAULT');
	is(ask($session, "SHOW goarena.$setting"), $shown, "$setting: RESET ALL, DISCARD ALL and the like change nothing");
	end_session($session);
	$session = session_of('etl');
	is(ask($session, "SHOW goarena.$setting"), $shown, "$setting: nor is anything else stored");
	end_session($session);

	# as the owner of a database
	$session = session_of('owner', database => 'other');
	like(refused($session, "ALTER DATABASE other SET goarena.$setting = -1"), $may_not, "$setting: nor by the owner of a database");
	like(refused($session, "ALTER DATABASE other RESET goarena.$setting"), qr/permission denied/, "$setting: who cannot reset it either");
	refused($session, 'ALTER DATABASE other RESET ALL');
	end_session($session);
	$session = session_of('owner', database => 'other');
	unlike(ask($session, "SHOW goarena.$setting"), qr/^-1$/, "$setting: nor with all others");
	end_session($session);
	like(psql_error("-c goarena.$setting=-1"), qr/permission denied to set parameter "goarena.$setting"/, "$setting: nor by options of the connection");

	# parallel workers have what the leader has
	$session = session_of('etl');
	ask($session, parallel_mode('on'));
	ask($session, 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET max_parallel_workers_per_gather = 1');
	is(ask($session, "SELECT current_setting('goarena.$setting') WHERE test_in_worker()"), $shown, "$setting: parallel workers have it");
	end_session($session);
}

sub psql_error
{
	my ($options) = @_;
	local $ENV{PGOPTIONS} = $options;
	my ($out, $err);

	$node->psql('postgres', 'SELECT 1', extra_params => [ '-U', 'etl' ], stderr => \$err);
	return $err;
}

$admin = session_of('admin');
is(refused($admin, q{SET goarena.user_memory_limit = '1GB'; SET goarena.database_memory_limit = '1GB'}), '', 'a superuser may set them');
like(refused($admin, q{SET goarena.user_memory_limit = '15MB'}), qr/must be at least 16MB, or -1 for no limit/, 'not too low');
like(refused($admin, q{SET goarena.database_memory_limit = '15MB'}), qr/must be at least 16MB, or -1 for no limit/, 'nor that of a database');
end_session($admin);

#
# After a crash, sums begin anew
#
$node->safe_psql('postgres', q{ALTER ROLE etl SET goarena.user_memory_limit = '100MB'});
let_go($etl[0]) if hold($etl[0], 1_000_000) eq '';
is(hold($etl[0], 60_000_000), '', 'a session holds much');
my $offset = -s $node->logfile;
kill('KILL', backend_pid($etl[0])) or die 'cannot kill';
ok(wait_until(sub { is_up_again($node, $offset) }), 'the server is up again after kill -9');
foreach my $session (@etl[ 0, 2 ], $reports, $observer)
{
	eval { end_session($session) };
}
$observer = session_of('viewer');
is(ask($observer, q{SELECT count(*) FROM goarena_users WHERE usename = 'etl'}), '0', 'nothing is left of it');
my $again = session_of('etl');
is(hold($again, 80_000_000), '', 'and its memory can be had');
end_session($again);

# Many that come and go leave nothing behind.
for my $i (1 .. 20)
{
	my $user = $i % 2 ? 'etl' : 'reports';

	$node->safe_psql($i % 3 ? 'postgres' : 'other', 'SELECT 1', extra_params => [ '-U', $user ]);
}
ok(wait_until(sub { ask($observer, q{SELECT string_agg(usename || processes, ' ') FROM goarena_users}) eq 'viewer1' }), 'those who come and go leave nothing behind')
  or diag(ask($observer, 'SELECT * FROM goarena_users'));
end_session($observer);

$node->stop;

done_testing();
