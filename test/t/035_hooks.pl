# Copyright (c) 2026, goarena contributors

# The hooks of planner and executor are there only when a setting needs them, and what
# begins to be seen inside of a statement is not taken for one at the top.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $all = 'planner start finish end ';
my $node = new_server('hooks', PRELOAD, 'autovacuum = off', 'jit = off', 'compute_query_id = on');

$node->safe_psql('postgres', q{
	CREATE ROLE somebody LOGIN;
	CREATE FUNCTION inner_one() RETURNS integer LANGUAGE plpgsql AS
		'DECLARE n integer; BEGIN SELECT count(*) INTO n FROM pg_class; RETURN n; END'});

# By default
my $session = session($node);
is(ask($session, 'SELECT test_hooks()'), '', 'default: no hooks');
ask($session, 'ALTER ROLE somebody SET work_mem = 200; ALTER DATABASE postgres SET work_mem = 1000; ALTER DATABASE postgres RESET work_mem');
is(ask($session, 'SELECT test_hooks()'), '', 'stored settings: the hook is gone with the command');
like(refused($session, 'ALTER ROLE somebody SET no_such_setting = 100'), qr/unrecognized/, 'stored settings: an error');
is(ask($session, 'SELECT test_hooks()'), '', 'stored settings: also after an error');

my $user = session($node, extra_params => [ '-U', 'somebody' ]);
like(refused($user, q{ALTER ROLE somebody SET goarena.memory_limit = '1GB'}), qr/permission denied to change the stored "goarena.memory_limit"/,
	'stored settings: nobody but superusers');
is(refused($user, q{ALTER ROLE somebody SET work_mem = 200}), '', 'stored settings: others everybody');
end_session($user);

# In the midst of a statement
ask($session, q{SELECT set_config('goarena.track_statements', 'top', false), inner_one()});
is(ask($session, 'SELECT count(*) FROM goarena_statements'), '0', 'set inside: nothing of the same message is at the top');
is(ask($session, 'SELECT inner_one() > 0'), 't', 'set inside: the next statement');
is(ask($session, q{SELECT string_agg(calls || ' ' || toplevel, ',') FROM goarena_statements WHERE calls = 1 AND toplevel}) =~ tr/,//, 1,
	'set inside: those of later messages are, and nothing inside of them');
is(ask($session, 'SELECT test_hooks()'), $all, 'track_statements: hooks are installed');
ask($session, 'RESET goarena.track_statements');
is(ask($session, 'SELECT inner_one() > 0'), 't', 'off again: statements run');
end_session($session);

# By a command, and by the file
$session = session($node);
my $offset = -s $node->logfile;
ask($session, q{SET goarena.log_peak = 0});
is(ask($session, 'SELECT test_hooks()'), $all, 'log_peak: hooks are installed');
like(log_of($node, $offset), qr/statement used \d+ kB of memory at its peak/, 'log_peak: and see the next statement');
end_session($session);

$session = session($node);
is(ask($session, 'SELECT test_hooks()'), '', 'another session: no hooks');
$node->append_conf('postgresql.conf', "goarena.total_memory_limit = '1GB'");
$node->reload;
ok(wait_until(sub { ask($session, 'SELECT test_hooks()') eq $all }), 'total_memory_limit: hooks are installed');
end_session($session);

stop_in_order($node, 'no crash');
done_testing();
