
# Copyright (c) 2026, goarena contributors

# Finalizers of objects, in arenas, in other contexts, and where goarena is not loaded:
# when they are called, and what becomes of those that misbehave.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('finalizers', 'jit = off');

# A session in which goarena is loaded, with a mode of quarantine.
sub loaded_session
{
	my ($mode) = @_;
	local $ENV{PGOPTIONS} = '-c session_preload_libraries=goarena';
	my $session = session($node);

	ask($session, "SET goarena.quarantine = '$mode'; SET goarena.quarantine_sample_rate = 1");
	return $session;
}

# What a scenario says, and the warnings and errors of it.
sub play
{
	my ($session, $scenario) = @_;

	$session->{stderr} = '';
	my ($result) = $session->query("SELECT test_finalizers('$scenario')");
	return ($result, $session->{stderr} =~ /((?:WARNING|ERROR|FATAL):.*)/g);
}

# A session that ends calls none.
sub ends
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @said = split /^/, ($node->psql('postgres', "SELECT test_finalizers('exit')"))[2];

	like($said[0], qr/FATAL:  the session ends/, "$name: a session can end");
	is_deeply([ grep { /fail|WARNING/ } @said ], [], "$name: and calls none then");
	return;
}

my $failed = 'WARNING:  finalizer of an object in memory context "finalized" failed';

foreach my $mode ('off', 'on', 'strict')
{
	my $session = loaded_session($mode);
	my @lines;

	is_deeply([ play($session, 'order') ], ['c b a reset e d deleted'],
		"$mode: a reset and a deletion call them, newest first");
	is_deeply([ play($session, 'free') ], ['a b freed d'], "$mode: a free calls one, and one that was taken away is not called");
	is_deeply([ play($session, 'pfree') ], ['a freed'], "$mode: pfree calls one");
	is_deeply([ play($session, 'move') ], ['b a'], "$mode: they stay with objects that move");
	is_deeply([ play($session, 'twice') ], [ '', 'ERROR:  the object has a finalizer already' ],
		"$mode: an object has one at most");
	is(ask($session, 'SELECT test_finalized()'), 'a', "$mode: and keeps the first");
	is_deeply([ play($session, 'wrong') ],
		[ '', 'ERROR:  a finalizer can be set only for an object that was allocated' ],
		"$mode: one for something else is an error");
	is_deeply([ play($session, 'fail') ],
		[ 'a d c b', "$failed: a fails", "$failed: c fails" ],
		"$mode: an error is a warning, and the others are called");
	like($session->{stderr}, qr/DETAIL:  It was meant to\.\nHINT:  Do nothing\./, "$mode: with detail and hint");
	@lines = play($session, 'handled');
	is_deeply(\@lines,
		[ '', "$failed: third fails", "$failed: first fails", 'ERROR:  the error that is handled' ],
		"$mode: an error that is handled meanwhile survives");
	like($session->{stderr}, qr/ERROR:  the error that is handled\nDETAIL:  Its detail\./, "$mode: with its detail");
	@lines = play($session, 'handled twice');
	is($lines[-1], 'ERROR:  the error that is handled', "$mode: also several times");
	is(ask($session, 'SELECT test_finalized()'), 'third second first fourth', "$mode: and all were called");
	is_deeply([ play($session, 'free other') ], ['c a b'], "$mode: one may free an object whose finalizer was not called yet");
	is_deeply(
		[ play($session, 'bad ends') ],
		[
			'g f e d c b a reset h i j k l freed child',
			map { "$failed: $_" } (
				('memory context "finalized" cannot be reset or deleted by a finalizer of an object in it') x 2,
				('a finalizer cannot be set for an object that is about to end') x 2,
				('an object in memory context "finalized" is freed twice') x 3,
				('memory context "finalized" cannot be reset or deleted by a finalizer of an object in it') x 2,
				'a finalizer cannot be set for an object that is about to end')
		],
		"$mode: one that ends its object or context, or sets another, is refused");
	is_deeply([ play($session, 'allocate') ], ['a empty'], "$mode: one may allocate in its context");
	@lines = play($session, 'chain');
	is(shift @lines, 'all', "$mode: those that free one another are all called");
	is_deeply([ grep { !/^\Q$failed\E: stack depth limit exceeded/ } @lines ], [], "$mode: and use no more stack than there is");
	is_deeply([ sort(play($session, 'abort')) ], [ '', 'ERROR:  the transaction fails', "$failed: b fails" ],
		"$mode: they are called when a transaction is rolled back");
	is(ask($session, 'SELECT test_finalized()'), 'b a', "$mode: all of them");
	is_deeply([ play($session, 'critical') ], ['section ends c a section ends'],
		"$mode: in a critical section pfree calls none, and the object stays until the context ends");
	is_deeply([ play($session, 'cancel') ],
		[ '', "$failed: b fails", 'ERROR:  canceling statement due to user request' ],
		"$mode: a cancel waits until all have been called");
	is(ask($session, 'SELECT test_finalized()'), 'b a not held off', "$mode: and interrupts are as they were");
	is_deeply(
		[ play($session, 'elsewhere') ],
		[
			'a b freed d f e',
			'WARNING:  finalizer of an object in memory context "plain" failed: f fails',
			'WARNING:  finalizer of an object in memory context "plain" failed: e fails'
		],
		"$mode: they are called in contexts that are no arenas, too");
	is(ask($session, 'SELECT test_finalize_many(1000)'), '1000', "$mode: all of many are called");
	is(ask($session, 'SELECT goarena_check() IS NULL'), 't', "$mode: the heap is in order");
	end_session($session);

	local $ENV{PGOPTIONS} = "-c session_preload_libraries=goarena -c goarena.quarantine=$mode -c goarena.quarantine_sample_rate=1";
	ends($mode);
}

# What is kept for finalizers is bounded, and a limit holds for it.
{
	my $session = loaded_session('off');
	my $metadata = 'SELECT metadata FROM goarena_stats() WHERE pid = pg_backend_pid()';

	is(ask($session, 'SELECT test_finalize_many(1000000)'), '1000000', 'a million finalizers are called');
	my $after_one = ask($session, $metadata);
	cmp_ok($after_one, '<', 120 * 1024 * 1024, 'they take less than 120 bytes each');
	is(ask($session, 'SELECT test_finalize_many(1000000)'), '1000000', 'and so are a million more');
	is(ask($session, $metadata), $after_one, 'which take no more memory');
	end_session($session);

	$session = loaded_session('off');
	ask($session, q{SET goarena.memory_limit = '32MB'});
	like(refused($session, 'SELECT test_finalize_many(10000000)'),
		qr/ERROR:  out of memory because of goarena\.memory_limit/, 'the memory limit holds for finalizers');
	is(ask($session, 'SELECT goarena_check() IS NULL'), 't', 'and nothing is left behind');
	end_session($session);
}

# FATAL passes.  The other finalizer is not called.
{
	local $ENV{PGOPTIONS} = '-c session_preload_libraries=goarena';
	my ($status, undef, $stderr) = $node->psql('postgres', "SELECT test_finalizers('fatal')");

	is($status, 2, 'a finalizer can end the session');
	like($stderr, qr/FATAL:  a finalizer ends the session/, 'which says why');
	unlike($stderr, qr/WARNING/, 'and calls no other finalizer');
}

# Without goarena they are reset callbacks.
{
	my $session = session($node);

	is_deeply([ play($session, 'order') ], ['c b a reset e d deleted'], 'not loaded: a reset and a deletion call them');
	is_deeply([ play($session, 'free') ], ['a b freed d'], 'not loaded: GoarenaFree calls one');
	end_session($session);
	ends('not loaded');
}

stop_in_order($node);
done_testing();
