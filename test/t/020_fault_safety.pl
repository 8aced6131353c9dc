
# Copyright (c) 2026, goarena contributors

# A backend is ended alone only where that is safe.  A library may fork it without
# replacing its program, or start threads: the server knows nothing of them, so they
# leave its shared memory and the backend's client alone, and end as they would
# without goarena.  And one that is about to end does end.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use IO::Socket::UNIX;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# Seconds after which what should have ended hangs
use constant LIMIT => 300;

my $fatal = qr/FATAL:  terminating connection because of an access to freed memory/;

my $node = new_server(
	'children', PRELOAD, STRICT,
	'restart_after_crash = on',
	"goarena.total_memory_limit = '400MB'");

$node->safe_psql('postgres', q{
	CREATE EXTENSION goarena_fault_test;
	CREATE TABLE written (i int);
	CREATE TABLE locked (i int)});

# What all processes hold, and the sum that is kept of it, in MB.
my $sums = q{SELECT goarena_total_held() / 1048576, sum(held)::bigint / 1048576 FROM goarena_stats()};

#
# Names and identifiers that are gone
#
{
	my $session = session($node);
	my $watcher = session($node);
	my $pid = backend_pid($session);
	my $start = -s $node->logfile;

	ask($session, q{SET goarena.log_peak = 0; SET client_min_messages = error});
	ask($session, 'SELECT fault_name_in_itself()') for 1 .. 3;
	ask($session, 'SET goarena.quarantine = off; SELECT fault_name_in_itself()') for 1 .. 3;
	is(ask($session, 'SELECT 1'), '1', 'identifier in the context that is reset: the session goes on');
	like(refused($session, q{SET goarena.memory_limit = '60MB'; SELECT length(repeat('x', 100000000))}),
		qr/ERROR:  .*memory_limit/, 'identifier in the context that is reset: an error with contexts');
	like(refused($session, 'SELECT fault_name_in_itself(true)'),
		qr/ERROR:  an object in memory context "unreadable" is freed twice/,
		'name in a context that is reset: an error with the name');
	cmp_ok(ask($session, 'SELECT count(*) FROM goarena_arenas()'),
		'>', 10, 'identifier in the context that is reset: contexts can be listed');
	is( ask($session, q{
			SELECT count(*) FILTER (WHERE name = 'unreadable') >= 7, count(*) FILTER (WHERE name = 'fault itself' AND ident = 'unreadable') >= 7
			FROM goarena_arenas()}),
		't|t', 'name and identifier in a context that is reset: what is gone is not shown');
	is( ask($watcher, qq{
			SELECT sum(contexts) FILTER (WHERE name = 'unreadable') >= 7, count(*) FILTER (WHERE name !~ '^[[:print:]]*\$')
			FROM goarena_arenas($pid, 60)}),
		't|0', 'name and identifier in a context that is reset: nor to others');
	unlike(log_of($node, $start), qr/[^\t\n -~]/, 'name and identifier in a context that is reset: nothing of what lies there is in the log');
	is(backend_pid($session), $pid, 'identifier in the context that is reset: all in one session');
	end_session($_) foreach $session, $watcher;
}

#
# Children
#
foreach my $how ('fork', 'clone')
{
	my $session = session($node);

	for my $round (1 .. 3)
	{
		is(ask($session, "SELECT fault_in_child('$how', 'hold memory')"),
			'exit 0', "$how, round $round: a child takes 100 MB and ends");
	}
	# others come and go, as autovacuum does
	my ($total, $sum);
	wait_until(sub {
			($total, $sum) = split(/\|/, ask($session, $sums));
			return $total < 50 && abs($total - $sum) <= 2;
		}, 60);
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

foreach my $how ('fork', 'clone', 'vfork')
{
	my $session = session($node);
	my $pid = backend_pid($session);
	my $offset = -s $node->logfile;

	ask($session, 'CREATE TEMP TABLE mine AS SELECT 1');
	is(ask($session, "SELECT fault_in_child('$how', 'fault')"),
		'signal 11', "$how: a child that touches freed memory ends by the signal");
	is(ask($session, 'SELECT count(*) FROM mine'), '1', "$how: the session goes on");
	is(backend_pid($session), $pid, "$how: it is the same");
	like(log_of($node, $offset), qr/access to freed memory\nid: .*\npid: (?!$pid\n)\d+\nforked by: $pid\n.*\noutcome: crash\n/s,
		"$how: the report says whose child it was");
	unlike(log_of($node, $offset), qr/FATAL|PANIC/, "$how: the child speaks to nobody");
	end_session($session);
}
is(crashes($node), '', 'children: the server did not crash');

#
# States in which it is not safe
#

# Run a statement in a transaction that writes.  Returns what the client saw, what the
# log says, and how long it took.
sub run_unsafe
{
	my ($statement) = @_;
	my $offset = -s $node->logfile;
	my $started = time;
	my ($ret, $out, $err) = $node->psql('postgres',
		"BEGIN; LOCK TABLE locked; INSERT INTO written VALUES (1); $statement; COMMIT; SELECT 'alive'",
		on_error_stop => 0, timeout => LIMIT, timed_out => \my $timed_out);

	diag("hangs: $statement") if $timed_out;
	return ("$out$err", $offset, time - $started);
}

foreach my $case (
	[ 'thread', 'SELECT fault_in_thread(); INSERT INTO written SELECT i FROM generate_series(1, 100000000) i' ],
	(map { [ $_, "SELECT fault_with('$_')" ] }
		'other stack', 'signal handler', 'blocked signals', 'deep stack', 'loader', 'free'),
	(map { [ $_, "SELECT fault_with('$_')" ] }
		grep { qx(uname -m) =~ /x86_64/ } 'direction flag', 'alignment flag'))
{
	my ($name, $statement) = @$case;
	my ($seen, $offset) = run_unsafe($statement);

	unlike($seen, qr/$fatal|alive|no such state/, "$name: the client is told nothing");
	ok(wait_until(sub { is_up_again($node, $offset) }), "$name: the server restarts");
	my $log = log_of($node, $offset);
	like($log, qr/was terminated by signal 11/, "$name: it crashes as without goarena");
	like($log, qr/access to freed memory\nid: .*\noutcome: crash\n/s, "$name: after a report");
	like($log, qr/^thread: \d+$/m, "$name: the report has the thread") if $name eq 'thread';
	unlike($log, $fatal, "$name: no FATAL");
}

#
# States in which it cannot end by itself
#
foreach my $name ('mutex of an exit function', 'mutex and blocked signals')
{
	# SIGKILL comes later than anything should take in a test that is run each time.
	next if $name eq 'mutex and blocked signals' && !$ENV{GOARENA_LONG_TESTS};

	my ($seen, $offset, $seconds) = run_unsafe("SELECT fault_with('$name')");
	my $signal = $name =~ /blocked/ ? 9 : 11;

	like($seen, $fatal, "$name: the client is told");
	ok(wait_until(sub { is_up_again($node, $offset) }), "$name: the server restarts");
	cmp_ok($seconds, '<', LIMIT, "$name: it does not hang");
	like(log_of($node, $offset), qr/was terminated by signal $signal/, "$name: it crashes at last");
	like(log_of($node, $offset), qr/LOG:  goarena: process does not end/, "$name: the log says why")
	  if $signal == 11;
}

# A client that does not read, in the protocol's own words.
{
	my $offset = -s $node->logfile;
	my $client = IO::Socket::UNIX->new($node->host . '/.s.PGSQL.' . $node->port)
	  or die "could not connect: $!";
	my $user = $node->safe_psql('postgres', 'SELECT current_user');
	my $startup = pack('N Z* Z* Z* Z* x', 196608, 'user', $user, 'database', 'postgres');
	my $query = "BEGIN; LOCK TABLE locked; SELECT fault_with('full socket')\0";

	syswrite($client, pack('N', length($startup) + 4) . $startup);
	syswrite($client, 'Q' . pack('N', length($query) + 4) . $query);
	ok(wait_until(sub { log_of($node, $offset) =~ $fatal }), 'client that does not read: FATAL');
	is($node->safe_psql('postgres', "SET lock_timeout = '300s'; BEGIN; LOCK TABLE locked; SELECT 'got it'; COMMIT"),
		'got it', 'client that does not read: its locks are free soon');
	is(crashes($node, $offset), '', 'client that does not read: the server did not crash');
	close($client);
}

is($node->safe_psql('postgres', 'SELECT count(*) FROM written'), '0',
	'nothing of all these transactions is there');
$node->stop;

done_testing();
