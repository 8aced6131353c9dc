
# Copyright (c) 2026, goarena contributors

# Backends and servers that end before they should, in strict mode and under
# load: nothing is lost that was committed, and nothing is left behind.

use strict;
use warnings;

use File::Find;
use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# Dynamic shared memory as files in the data directory, where they can be told
# from those of other servers.
my @conf = ('restart_after_crash = on', 'dynamic_shared_memory_type = mmap');

# The files of a server that are not data: names without the numbers in them.  The history is
# meant to stay.
sub leftovers
{
	my ($node) = @_;
	my $top = $node->data_dir;
	my %names;

	foreach my $name (slurp_dir($top))
	{
		next if $name =~ /^\.\.?$/;
		$names{$name} = 1;
	}
	find(
		sub {
			return if -d;
			my $name = substr($File::Find::name, length($top) + 1);
			return if $name =~ /^pg_stat\/pgsql_tmp\.goarena_(history|last_crash)$/;
			$names{$name} = 1 if $name =~ /pgsql_tmp|pg_dynshmem|pg_stat_tmp/;
		},
		$top);
	return join(' ', sort keys %names);
}

# Is the System V segment of a server that was stopped still there?
sub segment_remains
{
	my ($id) = @_;

	return `ipcs -m -i $id 2>&1` =~ /shmid=$id\b/;
}

sub segment_of
{
	my ($node) = @_;
	my @lines = split(/\n/, slurp_file($node->data_dir . '/postmaster.pid'));

	return (split(' ', $lines[6]))[1];
}

# All processes of a server.
sub processes
{
	my ($node) = @_;

	return split(/\n/, $node->safe_psql('postgres',
		q{SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()}));
}

# The money of pgbench's tables: all four sums are the same, always.
sub balanced
{
	my ($node) = @_;

	return $node->safe_psql('postgres', q{
		SELECT count(DISTINCT s) FROM (
			SELECT sum(abalance) FROM pgbench_accounts
			UNION ALL SELECT sum(tbalance) FROM pgbench_tellers
			UNION ALL SELECT sum(bbalance) FROM pgbench_branches
			UNION ALL SELECT coalesce(sum(delta), 0) FROM pgbench_history) t(s)});
}

# pgbench in the background; it ends when the server does.
sub start_load
{
	my ($node, $output) = @_;

	local $ENV{PGAPPNAME} = 'pgbench';

	$$output = '';
	my $load = IPC::Run::start [
		'pgbench', '-n', '-c', '4', '-T', '120', '-h', $node->host,
		'-p', $node->port, 'postgres' ],
	  '>', $output, '2>&1';
	$node->poll_query_until('postgres',
		'SELECT count(*) > 50 FROM pgbench_history')
	  or die 'there is no load';
	return $load;
}

# A plain server, to compare with
my $plain = new_server('plain', @conf);
$plain->stop;
my $usual = leftovers($plain);

my $node = new_server('crashing', PRELOAD, STRICT, @conf);
$node->run_log([
	'pgbench', '-i', '-q', '-h', $node->host, '-p', $node->port, 'postgres' ]);
$node->safe_psql('postgres', q{
	CREATE TABLE precious AS SELECT i, md5(i::text) AS m FROM generate_series(1, 10000) i});
my $precious = q{SELECT count(*), md5(string_agg(m, '' ORDER BY i)) FROM precious};
my $contents = $node->safe_psql('postgres', $precious);
my $output;

#
# kill -9 of a backend
#
for my $round (1 .. 2)
{
	my $offset = -s $node->logfile;
	my $load = start_load($node, \$output);
	my @before = processes($node);
	my $victim = $node->safe_psql('postgres', q{
		SELECT pid FROM pg_stat_activity
		WHERE application_name = 'pgbench'
		ORDER BY random() LIMIT 1});

	kill('KILL', $victim);
	ok( wait_until(
			sub { is_up_again($node, $offset) }),
		"kill -9, $round: the server restarts its processes");
	$load->finish;
	like($output, qr/aborted|failed/, "kill -9, $round: the load ended");
	ok($node->poll_query_until('postgres', 'SELECT 1', '1'),
		"kill -9, $round: it accepts connections again");
	is( scalar(grep { kill(0, $_) } @before), 0,
		"kill -9, $round: no process of before is left");
	is($node->safe_psql('postgres', $precious),
		$contents, "kill -9, $round: data are as they were");
	is(balanced($node), '1',
		"kill -9, $round: what was committed was committed as a whole");
	like( log_of($node, $offset),
		qr/(server process|client backend) \(PID $victim\) was terminated by signal 9/,
		"kill -9, $round: the log names the process");
	is( () = log_of($node, $offset) =~ /was terminated by signal/g, 1,
		"kill -9, $round: no other process crashed");
	$node->safe_psql('postgres', 'TRUNCATE pgbench_history; UPDATE pgbench_accounts SET abalance = 0; UPDATE pgbench_tellers SET tbalance = 0; UPDATE pgbench_branches SET bbalance = 0');
}

# new backends
my $session = session($node);
is(ask($session, q{SELECT DISTINCT quarantine FROM goarena_arenas() WHERE id > 0}),
	'strict', 'after a crash: contexts of new backends are arenas');
is(ask($session, 'SELECT allocs > 1000 FROM test_stress(2, 5000)'),
	't', 'after a crash: new backends work');
in_order($session, 'after a crash: all in order');
end_session($session);

#
# The whole server
#
my $load = start_load($node, \$output);
my $segment = segment_of($node);
ok(segment_remains($segment), 'a running server has shared memory');
my $offset = -s $node->logfile;
$node->stop('immediate');
$load->finish;
ok(!segment_remains($segment),
	'immediate shutdown: no shared memory is left');
$node->start;
like(log_of($node, $offset),
	qr/automatic recovery in progress/, 'immediate shutdown: recovery');
is($node->safe_psql('postgres', $precious),
	$contents, 'immediate shutdown: data are as they were');
is(balanced($node), '1', 'immediate shutdown: transactions are whole');

$load = start_load($node, \$output);
my @before = processes($node);
$offset = -s $node->logfile;
$node->kill9;
$load->finish;
ok(wait_until(sub { !grep { kill(0, $_) } @before }),
	'kill -9 of the postmaster: all processes end');
$node->start;
like(log_of($node, $offset),
	qr/automatic recovery in progress/,
	'kill -9 of the postmaster: recovery');
is($node->safe_psql('postgres', $precious),
	$contents, 'kill -9 of the postmaster: data are as they were');
is(balanced($node), '1', 'kill -9 of the postmaster: transactions are whole');

#
# Queries that are ended
#
$offset = -s $node->logfile;
my $big = q{SELECT count(*) FROM (
	SELECT string_agg(md5(i::text), '') AS s, array_agg(i) FROM generate_series(1, 20000000) i
	GROUP BY i % 1000 ORDER BY 1) t};

# pg_terminate_backend()
my ($out, $err) = ('', '');
my $victim = IPC::Run::start [
	'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', $big ],
  '>', \$out, '2>', \$err;
my $where = q{FROM pg_stat_activity WHERE query LIKE '%20000000%' AND pid <> pg_backend_pid() AND state = 'active'};
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 1 $where AND now() - query_start > '0.5 s'"),
	'terminate: a query runs');
is($node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 60000) $where"),
	't', 'terminate: it ends');
$victim->finish;
like($err, qr/terminating connection due to administrator command/,
	'terminate: as it should');

# the client is gone
$victim = IPC::Run::start [
	'psql', '-XAtq', '-d', $node->connstr('postgres'),
	'-c', "SET client_connection_check_interval = '100ms'", '-c', $big ],
  '>', \$out, '2>', \$err;
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 $where"),
	'client dies: a query runs');
$victim->kill_kill;
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 $where"),
	'client dies: the query ends');

# pg_cancel_backend() and statement_timeout
$session = session($node);
my $pid = backend_pid($session);
$session->query_until(qr/^started$/m, "\\echo started\n$big;\n");
ok( $node->poll_query_until('postgres',
		"SELECT pg_cancel_backend(pid) $where AND now() - query_start > '0.5 s'"),
	'cancel: sent to the query');
like(refused($session, 'SELECT 1'), qr/canceling statement due to user request/,
	'cancel: it ends');
in_order($session, 'cancel: all in order');
ask($session, "SET statement_timeout = '20ms'");
my $timeouts = 0;
for (1 .. 30)
{
	$timeouts++ if refused($session, $big) =~ /canceling statement due to statement timeout/;
}
is($timeouts, 30, 'timeout: 30 queries end');
lift_timeout($session);
in_order($session, 'timeout: all in order');
is(backend_pid($session), $pid, 'timeout: still the same backend');
ask($session, 'SELECT goarena_release()');
my $flat = process_kb($pid, 'VmRSS');
for (1 .. 10)
{
	refused($session, "SET statement_timeout = '20ms'; $big");
	lift_timeout($session);
}
ask($session, 'SELECT goarena_release()');
cmp_ok(process_kb($pid, 'VmRSS'), '<', $flat + 4096,
	'timeout: nothing of their memory is left');

# errors in subtransactions
ask($session, q{
	CREATE FUNCTION recurse(n int) RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		IF n = 0 THEN
			PERFORM 1 / length(repeat('', 1000));
		END IF;
		BEGIN
			PERFORM string_agg(md5(i::text), '') FROM generate_series(1, 100) i;
			RETURN recurse(n - 1);
		EXCEPTION WHEN raise_exception THEN
			RETURN 0;
		END;
	END $$});
is( ask($session, q{
		DO $$
		DECLARE
			failed int := 0;
		BEGIN
			FOR i IN 1..500 LOOP
				BEGIN
					PERFORM recurse(i % 10);
				EXCEPTION WHEN division_by_zero THEN
					failed := failed + 1;
				END;
			END LOOP;
			PERFORM set_config('test.failed', failed::text, false);
		END $$;
		SELECT current_setting('test.failed')}),
	'500',
	'subtransactions: 500 of up to 11 levels fail');
in_order($session, 'subtransactions: all in order');
ask($session, 'BEGIN; SAVEPOINT s');
for my $i (1 .. 100)
{
	refused($session, "SELECT length(repeat('x', 5000000)) / 0; ROLLBACK TO s");
}
in_order($session, 'savepoints: all in order after 100 errors');
ask($session, 'COMMIT');
end_session($session);
is(crashes($node, $offset), '', 'nothing of this is a crash');

#
# What is left
#
ok( $node->poll_query_until('postgres',
		q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()}),
	'no backend is left');
$segment = segment_of($node);
$node->stop;
ok(!segment_remains($segment), 'no shared memory is left');
is(leftovers($node), $usual, 'no files are left that a plain server would not leave');

done_testing();
