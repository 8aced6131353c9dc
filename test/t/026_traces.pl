# Copyright (c) 2026, goarena contributors

# Other libraries see the same with goarena as without it: error contexts, the current
# memory context, interrupts that are held off, blocked signals, timeouts and handlers
# of signals, whether their hooks are called before goarena's or after.  The timeout after
# which a session gives back what it does not use is not there if it never does.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# What a session does in which others look around.
my @statements = (
	('SELECT traces_look()') x 30,
	'CREATE TABLE t (i integer PRIMARY KEY, s text)',
	q{CREATE FUNCTION look() RETURNS integer LANGUAGE plpgsql AS $$
		DECLARE
			n integer;
		BEGIN
			n := traces_look();
			SELECT traces_look() INTO n;
			BEGIN
				PERFORM traces_look() / 0;
			EXCEPTION WHEN division_by_zero THEN
				n := n + traces_look();
			END;
			EXECUTE 'SELECT traces_look()' INTO n;
			RETURN n;
		END $$},
	q{CREATE FUNCTION look_at_row() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM traces_look(); RETURN new; END $$},
	q{CREATE PROCEDURE look_twice() LANGUAGE plpgsql AS $$
		BEGIN PERFORM look(); COMMIT; PERFORM look(); ROLLBACK; PERFORM look(); END $$},
	'CREATE TRIGGER before BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION look_at_row()',
	'CREATE CONSTRAINT TRIGGER after AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION look_at_row()',
	q{INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 10) i},
	'SELECT look()',
	'SELECT look() / 0',
	'CALL look_twice()',
	'BEGIN', 'SAVEPOINT s', 'SELECT look() / 0', 'ROLLBACK TO SAVEPOINT s', 'SELECT look()', 'COMMIT',
	'BEGIN', 'DECLARE c CURSOR FOR SELECT look() FROM t', 'FETCH 2 FROM c', 'SELECT look()', 'FETCH 2 FROM c', 'COMMIT',
	'PREPARE p AS SELECT look()', 'EXECUTE p',
	'EXPLAIN (ANALYZE, TIMING off, COSTS off) SELECT look()',
	'VACUUM t', 'ANALYZE t',
	'COPY (SELECT look()) TO STDOUT',
	'DO $$ BEGIN PERFORM look(); END $$',
	('SELECT 1') x 30,
	'SELECT string_agg(s, s) FROM t, generate_series(1, 100)');

# What they see.
sub seen
{
	my ($name, $libraries, @conf) = @_;
	my $node = new_server($name, "shared_preload_libraries = '$libraries'", 'autovacuum = off', 'jit = off', @conf);

	$node->safe_psql('postgres', 'CREATE EXTENSION goarena_traces');
	my $session = session($node);
	ask($session, 'SELECT traces_begin()');
	refused($session, join(";\n", @statements));
	my $seen = ask($session, 'SELECT traces_seen()');
	end_session($session);
	stop_in_order($node);
	return $seen;
}

my $plain = seen('plain', 'goarena_traces');
cmp_ok(scalar(() = $plain =~ /^(?:query|run): /mg), '>', 100, 'plain: hooks and functions were called');
like($plain, qr/^query: 0 error contexts/m, 'plain: the outermost query has no error context');
like($plain, qr/^query: [1-9] error contexts/m, 'plain: functions have some');

foreach my $libraries ('goarena_traces, goarena', 'goarena, goarena_traces')
{
	(my $name = $libraries) =~ s/, /_/;
	my $seen = seen($name, $libraries, 'goarena.idle_release = -1');
	my @plain = split(/\n/, $plain);
	my @differences =
	  map { ($plain[ $_->[0] ] // '') eq $_->[1] ? () : ($plain[ $_->[0] ] // 'nothing') . " became $_->[1]" }
	  do { my $i = 0; map { [ $i++, $_ ] } split(/\n/, $seen) };

	is(join("\n", @differences[ 0 .. ($#differences < 5 ? $#differences : 5) ]), '', "$libraries: nothing differs");
	is(scalar(split(/\n/, $seen)), scalar(@plain), "$libraries: hooks are called as often");
}

done_testing();
