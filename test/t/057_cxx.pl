
# Copyright (c) 2026, goarena contributors

# Extensions in C++: errors of the server and exceptions keep to their sides, whatever is
# destroyed in between; containers and objects live in memory contexts.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('cxx', 'jit = off');
$node->safe_psql('postgres', 'CREATE EXTENSION goarena_cxx');

# 10,000 numbers from 0, and names of 0 to 49 letters
my $sum = 9999 * 5000 + 200 * 49 * 25;

my $server_error = "ERROR:  23514: the server raises an error\nDETAIL:  It has a detail.\nHINT:  And a hint.\n"
  . "CONSTRAINT NAME:  a_constraint\n";
my %failures = (
	'error' => $server_error,
	'layers' => $server_error,
	'later' => $server_error,
	'translated' => "ERROR:  38000: translated: the server raises an error\n",
	'exception' => "ERROR:  38000: out of range\n",
	'no exception' => "ERROR:  38000: unknown C++ exception\n",
	'through call' => "ERROR:  38000: passes\n",
	'memory' => "ERROR:  53200: out of memory\n",
	'too much memory' => "ERROR:  53200: out of memory\n");

foreach my $mode ('not loaded', 'off', 'strict')
{
	local $ENV{PGOPTIONS} = $mode eq 'not loaded' ? '' : '-c session_preload_libraries=goarena';
	my $session = session($node);

	ask($session, "SET goarena.quarantine = '$mode'; SET goarena.quarantine_sample_rate = 1") if $mode ne 'not loaded';
	ask($session, '\set VERBOSITY verbose');
	is(ask($session, 'SELECT cxx_containers(10000)'), $sum, "$mode: containers work in a context");
	foreach my $failure (sort keys %failures)
	{
		my $said = refused($session, "SELECT cxx_containers(10000, '$failure')");

		$said =~ s/^psql:<stdin>:\d+: //;
		$said =~ s/LOCATION:.*\n?//;
		is($said =~ s/\n?$/\n/r, $failures{$failure}, "$mode: failure '$failure' is an error");
		is(ask($session, 'SELECT cxx_state()'), 'all right', "$mode: and leaves nothing behind");
	}
	is(ask($session, 'SELECT count_primes(1000000)'), '78498', "$mode: the example works");
	is(ask($session, 'SELECT cxx_containers(10)'), 45 + 45, "$mode: after all that they still work");

	my $contexts = q{SELECT count(*) FROM pg_backend_memory_contexts WHERE name IN ('goarena cxx', 'goarena C++ error')};
	is(ask($session, $contexts), '0', "$mode: no context is left");
	ask($session, q{DO $$ BEGIN
		FOR i IN 1..500 LOOP
			BEGIN
				PERFORM cxx_containers(1000, 'layers');
			EXCEPTION WHEN check_violation THEN
			END;
		END LOOP;
	END $$});
	is(ask($session, 'SELECT cxx_state()'), 'all right', "$mode: errors that are caught leave nothing behind either");
	is(ask($session, $contexts), '0', "$mode: nor contexts");

	is(ask($session, q{SELECT cxx_make('')}), 'last second first end', "$mode: objects are destroyed with their context, newest first");
	is(ask($session, q{SELECT cxx_make('destroy')}), 'second last first end', "$mode: and one by one");
	is(ask($session, q{SELECT cxx_make('reset')}), 'last second first reset again end', "$mode: and by a reset");
	is(ask($session, q{SELECT cxx_make('release')}), 'kept last second first end', "$mode: a context can be kept");
	like(refused($session, q{SELECT cxx_make('constructor')}), qr/ERROR:  38000: a constructor fails/, "$mode: a constructor can fail");
	like(refused($session, q{SELECT cxx_make('error')}), qr/ERROR:  XX000: the server raises an error/, "$mode: an error can be raised");
	is(ask($session, 'SELECT cxx_state()'), 'all right', "$mode: and all is destroyed");
	is(ask($session, 'SELECT goarena_check() IS NULL'), 't', "$mode: the heap is in order") if $mode ne 'not loaded';
	end_session($session);
}

# An exception for want of memory is an error of a limit's kind, and not the end.
{
	local $ENV{PGOPTIONS} = '-c session_preload_libraries=goarena';
	my $session = session($node);

	ask($session, q{SET goarena.memory_limit = '48MB'});
	like(refused($session, 'SELECT cxx_containers(10000000)'), qr/ERROR:  out of memory/, 'a limit is met in a container');
	is(ask($session, 'SELECT cxx_state()'), 'all right', 'which is destroyed');
	is(ask($session, 'SELECT cxx_containers(10000)'), $sum, 'and then there is memory again');
	end_session($session);
}

stop_in_order($node);
done_testing();
