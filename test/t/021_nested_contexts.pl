
# Copyright (c) 2026, goarena contributors

# Who can open savepoints can nest memory contexts as deep as they please.  Nothing that
# goarena does may take a stack as deep, or the square of the time.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $depth = 60_000;
my $node = new_server('nested', PRELOAD, STRICT, 'jit = off');

# A session with a stack in which a function that calls itself for each level, with the
# least frame there is, has no room.
sub small_stack
{
	my $session = session($node);

	system_or_bail('prlimit', '--pid', backend_pid($session), '--stack=' . 16 * $depth . ':');
	return $session;
}

# What walks over all contexts, and an answer that it gives.
my %walks = (
	'goarena_stats()' => [ 'SELECT count(*) FROM goarena_stats() WHERE pid = pg_backend_pid()', qr/^1$/ ],
	'goarena_arenas()' => [ 'SELECT count(*) > 0 FROM goarena_arenas()', qr/^t$/ ],
	'goarena_arenas(pid)' => [ 'SELECT count(*) > 0 FROM goarena_arenas(pg_backend_pid())', qr/^t$/ ],
	'goarena_release()' => [ 'SELECT goarena_release() IS NOT NULL', qr/^t$/ ],
	'a sweep' => [ 'SELECT count(*) FROM goarena_sweep()', qr/^1$/ ],
	'goarena_check()' => [ 'SELECT goarena_check() IS NULL', qr/^t$/ ],
	'a statement that is logged' => [ 'SET goarena.log_peak = 0; SELECT 1', qr/^1$/ ],
	'a statement that is counted' => [ q{SET goarena.track_statements = 'all'; SELECT 1}, qr/^1$/ ],
	'a limit that is met' => [ q{SET goarena.memory_limit = '96MB'; SELECT length(repeat('x', 100000000))}, qr/out of memory.*goarena nested.* in $depth contexts/s ],
);
my $session = small_stack();
ask($session, "SELECT test_nest($depth, false)");
foreach my $walk (sort keys %walks)
{
	my ($query, $answer) = @{ $walks{$walk} };

	$session->{stderr} = '';
	my ($result) = $session->query($query);
	like($result . $session->{stderr}, $answer, "$walk goes over $depth nested contexts");
	$session->query('RESET ALL');
}

# To look at all contexts for each statement that is logged would take the square of the time.
# The next look comes when the session has run for a multiple of what the last one took, which
# was long if others had the processor meanwhile.
my $offset = -s $node->logfile;
my $looked = qr/statement used .*\n.*DETAIL:  Largest memory contexts.* in $depth contexts/;
ask($session, 'SET goarena.log_peak = 0');
for (1 .. 100)
{
	ask($session, 'SELECT 1') foreach 1 .. 20;
	last if log_of($node, $offset) =~ $looked;
}
ask($session, 'RESET goarena.log_peak');
like(log_of($node, $offset), $looked, 'contexts are looked at for a statement');
like(log_of($node, $offset), qr/statement used .*\n.*DETAIL:  The process has so many memory contexts that they were not looked at/, 'but not for each');
ask($session, 'SELECT test_unnest()');
is(ask($session, 'SELECT 1'), '1', 'the session goes on');
end_session($session);

# The same by savepoints alone, with those who look on, and with the end of the transaction.
# They come from a file, so that they are not in the log of the test.  A server with
# assertions checks all its contexts after each savepoint, which takes the square of the
# time whatever goarena does.
my $savepoints = PostgreSQL::Test::Utils::tempdir() . '/savepoints.sql';
$depth /= 8 if $node->safe_psql('postgres', 'SHOW debug_assertions') eq 'on';
append_to_file($savepoints, 'BEGIN' . '\; SAVEPOINT s' x $depth . ";\n");
foreach my $end ('COMMIT', 'ROLLBACK')
{
	$session = small_stack();
	my $pid = backend_pid($session);

	ask($session, "\\i $savepoints");
	is(ask($session, 'SELECT count(*) > 0 FROM goarena_arenas()'), 't', "$depth savepoints, then $end: the session shows its contexts");
	ok($node->safe_psql('postgres', "SELECT count(*) > 0 FROM goarena_arenas($pid, 60)") eq 't',
		"$depth savepoints, then $end: others see them");
	ask($session, $end);
	is(ask($session, 'SELECT 1'), '1', "$depth savepoints, then $end: the session goes on");
	end_session($session);
}

# A context costs the same wherever it is: by a counter of processor time, so that others
# on the machine matter little.
$session = session($node);
ask($session, q{SET goarena.contexts = '!CacheMemoryContext/, *'});
my $ratio;
for (1 .. 5)
{
	$ratio = ask($session, 'SELECT test_nest(40000, true)');
	ask($session, 'SELECT test_unnest()');
	last if $ratio < 5;
}
cmp_ok($ratio, '<', 5, 'the last of 40000 nested contexts costs about what the first did');
end_session($session);

stop_in_order($node);
done_testing();
