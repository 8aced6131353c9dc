
# Copyright (c) 2026, goarena contributors

# The settings of limits: what holds, what SHOW says, and what the server warns of.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('limit_settings', PRELOAD, 'jit = off', 'autovacuum = off',
	"goarena.memory_limit = '100MB'", "goarena.session_memory_limit = '200MB'");
$node->safe_psql('postgres', q{
	CREATE ROLE ordinary LOGIN; CREATE ROLE other LOGIN; CREATE ROLE strong LOGIN SUPERUSER;
	GRANT ALL ON SCHEMA public TO ordinary;
	ALTER ROLE other SET goarena.memory_limit = '50MB'});

# A session of a user, with connection options.
sub session_of
{
	my ($user, $options) = @_;
	local $ENV{PGOPTIONS} = $options // '';

	return session($node, extra_params => [ '-U', $user ]);
}

# What holds: the limit that a statement of the session meets, in MB, or what it had.
sub limit_met
{
	my ($session, $bytes) = @_;
	my $error = refused($session, "SELECT length(repeat('x', $bytes))");

	return $error =~ /goarena.memory_limit is (\d+) kB/ ? $1 / 1024 : 'none met';
}

sub shown
{
	my ($session) = @_;

	return ask($session, 'SHOW goarena.memory_limit');
}

# Wait until the server's value is in effect in new sessions.
sub reload_and_wait
{
	my ($value) = @_;

	$node->reload;
	ok(wait_until(sub { $node->safe_psql('postgres', 'SHOW goarena.memory_limit') eq $value }), "the server's limit is $value");
}

my $file = $node->data_dir . '/postgresql.conf';
my $raise = qr/permission denied to raise "goarena.memory_limit"/;

#
# A value that is only looked at does not become the cap
#
my $reader = session_of('strong');
ask($reader, "SET ROLE ordinary");
append_to_file($file, "goarena.memory_limit = '400MB'\n");
ask($reader, 'RESET ROLE');
is( ask($reader, q{SELECT setting FROM pg_file_settings WHERE name = 'goarena.memory_limit' ORDER BY seqno DESC LIMIT 1}),
	'400MB', 'a session reads pg_file_settings');
ask($reader, "ALTER SYSTEM SET goarena.memory_limit = '300MB'");
ask($reader, 'SET SESSION AUTHORIZATION ordinary');
like(refused($reader, "SET goarena.memory_limit = '150MB'"), $raise, 'pg_file_settings and ALTER SYSTEM without a reload raise nothing');
is(refused($reader, "SET goarena.memory_limit = '90MB'"), '', 'what was allowed before still is');
end_session($reader);
$node->safe_psql('postgres', 'ALTER SYSTEM RESET goarena.memory_limit');

# A reload that is given up
my $kept = session_of('ordinary');
my $offset = -s $node->logfile;
append_to_file($file, "goarena.memory_limit = '400MB'\nno_such_setting = 1\n");
$node->reload;
ok(wait_until(sub { log_of($node, $offset) =~ /contains errors/ }), 'a reload is rejected');
like(refused($kept, "SET goarena.memory_limit = '150MB'"), $raise, 'a rejected reload raises nothing');
end_session($kept);
{
	my $text = slurp_file($file);

	$text =~ s/^(goarena.memory_limit = '400MB'|no_such_setting = 1)\n//mg;
	open(my $handle, '>', $file) or die "$file: $!";
	print $handle $text;
	close($handle);
}
reload_and_wait('100MB');

#
# Lowered in the file, with values of every kind in effect
#
my %before = (
	'nothing set' => session_of('ordinary'),
	'connection option' => session_of('ordinary', '-c goarena.memory_limit=90MB'),
	'SET' => session_of('ordinary'),
	'SET LOCAL' => session_of('ordinary'),
	'SET in a transaction that is rolled back' => session_of('ordinary'));
ask($before{SET}, "SET goarena.memory_limit = '80MB'");
ask($before{'SET LOCAL'}, "BEGIN; SET LOCAL goarena.memory_limit = '70MB'");
ask($before{'SET in a transaction that is rolled back'}, "SET goarena.memory_limit = '75MB'; BEGIN; SET goarena.memory_limit = '65MB'; SAVEPOINT s; SET goarena.memory_limit = '60MB'");
my $strong = session_of('strong');
ask($strong, "SET goarena.memory_limit = '500MB'");
append_to_file($file, "goarena.memory_limit = '30MB'\n");
reload_and_wait('30MB');
foreach my $name (sort keys %before)
{
	my $session = $before{$name};

	if ($name =~ /rolled back/)
	{
		ask($session, 'ROLLBACK TO s');
		is(shown($session), '30MB', "lowered: $name: SHOW in the transaction");
		ask($session, 'ROLLBACK');
	}
	ok(wait_until(sub { shown($session) eq '30MB' }), "lowered: $name: SHOW tells");
	is(ask($session, q{SELECT setting || unit FROM pg_settings WHERE name = 'goarena.memory_limit'}), '30720kB', "lowered: $name: pg_settings tells");
	is(limit_met($session, 60_000_000), 30, "lowered: $name: and it holds");
	ask($session, 'ROLLBACK') if $name eq 'SET LOCAL';
	is(shown($session), '30MB', "lowered: $name: also in the next transaction");
}
is(shown($strong), '500MB', 'lowered: what a superuser set for the session stays');

# And raised again: a session has its own value back.
append_to_file($file, "goarena.memory_limit = '100MB'\n");
reload_and_wait('100MB');
ok(wait_until(sub { shown($before{SET}) eq '80MB' }), 'raised again: SET');
ok(wait_until(sub { shown($before{'connection option'}) eq '90MB' }), 'raised again: connection option');
ok(wait_until(sub { shown($before{'nothing set'}) eq '100MB' }), 'raised again: nothing set');
is(shown($before{'SET in a transaction that is rolled back'}), '75MB', 'raised again: what was set before the transaction');
like(refused($before{SET}, "SET goarena.memory_limit = '101MB'"), $raise, 'raised again: but no more');
end_session($_) foreach (values %before, $strong);

# A setting that is removed from the file
my $session = session_of('ordinary');
{
	my $text = slurp_file($file);

	$text =~ s/^goarena.memory_limit.*\n//mg;
	open(my $handle, '>', $file) or die "$file: $!";
	print $handle $text;
	close($handle);
}
reload_and_wait('-1');
ok(wait_until(sub { refused($session, "SET goarena.memory_limit = '900MB'") eq '' }), 'removed from the file: users can set what they want');
append_to_file($file, "goarena.memory_limit = '100MB'\n");
reload_and_wait('100MB');
is(shown($session), '100MB', 'and set again: it holds');
end_session($session);

#
# Stored for a role, and connection options
#
$session = session_of('other', '-c goarena.memory_limit=80MB');
is(shown($session), '50MB', 'a connection option above what is stored for the role: SHOW tells what holds');
is(limit_met($session, 60_000_000), 50, 'and it does hold');
is(ask($session, q{SELECT current_setting('goarena.memory_limit')}), '50MB', 'current_setting tells it, too');
end_session($session);
$session = session_of('other', '-c goarena.memory_limit=40MB');
is(shown($session), '40MB', 'one below it is what holds');
end_session($session);

# A function with a value of its own, in a session whose value is above the cap
ask($node->{admin} = session_of('strong'), q{CREATE FUNCTION limited() RETURNS text LANGUAGE plpgsql
	SET goarena.memory_limit = '20MB' AS 'BEGIN RETURN current_setting(''goarena.memory_limit''); END'});
$session = session_of('other', '-c goarena.memory_limit=80MB');
is(ask($session, 'SELECT limited()'), '20MB', 'a function with a limit of its own has it');
is(shown($session), '50MB', 'and after it the session has its own');
end_session($session);

# Parallel workers
$session = session_of('other', '-c goarena.memory_limit=80MB');
ask($session, parallel_mode('on'));
ask($session, 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET max_parallel_workers_per_gather = 1');
is(ask($session, q{SELECT current_setting('goarena.memory_limit') WHERE test_in_worker()}), '50MB', 'parallel workers have the limit that holds');
end_session($session);

#
# The limit of a session with its workers is capped just so
#
$session = session_of('ordinary');
is(ask($session, 'SHOW goarena.session_memory_limit'), '200MB', 'session_memory_limit: what the file has');
like(refused($session, "SET goarena.session_memory_limit = '201MB'"), qr/permission denied to raise "goarena.session_memory_limit"/, 'session_memory_limit: nobody else raises it');
is(refused($session, "SET goarena.session_memory_limit = '100MB'"), '', 'session_memory_limit: everybody may lower it');
like(refused($session, "ALTER ROLE ordinary SET goarena.session_memory_limit = '100MB'"), qr/permission denied to change the stored "goarena.session_memory_limit"/, 'session_memory_limit: nor store it');
like(refused($session, "SET goarena.session_memory_limit = '1MB'"), qr/must be at least 16MB/, 'session_memory_limit: not too low');
end_session($session);

#
# goarena.enabled = off: limits hold all the same
#
append_to_file($file, "goarena.enabled = off\ngoarena.total_memory_limit = '256MB'\n");
$node->reload;
ok(wait_until(sub { $node->safe_psql('postgres', 'SHOW goarena.enabled') eq 'off' }), 'goarena.enabled = off in the file');
$session = session_of('ordinary');
is(ask($session, q{SELECT count(*) FROM goarena_arenas() WHERE type = 'arena'}), '0', 'enabled = off: nothing is adopted');
is(limit_met($session, 150_000_000), 100, 'enabled = off: memory_limit holds');
is(limit_met($session, 15_000_000), 'none met', 'enabled = off: what there is room for is had');
cmp_ok(ask($session, 'SELECT held FROM goarena_stats() WHERE pid = pg_backend_pid()'), '>', 300_000, 'enabled = off: what the process holds is known');
end_session($session);
$session = session_of('strong');
ask($session, 'SET goarena.memory_limit = -1; SET goarena.session_memory_limit = -1');
like(refused($session, q{SELECT length(repeat('x', 300000000))}), qr/because of goarena.total_memory_limit/, 'enabled = off: total_memory_limit holds');
end_session($session);
end_session($node->{admin});

#
# What the log says
#
append_to_file($file, "goarena.enabled = on\ngoarena.total_memory_limit = -1\ngoarena.memory_limit = -1\ngoarena.session_memory_limit = -1\n");
$offset = -s $node->logfile;
$node->restart;
my @started = log_of($node, $offset) =~ /LOG:  (goarena [\d.]+ starts: .*)/g;
is(scalar(@started), 1, 'one line tells what goarena does');
like($started[0], qr/enabled = on, quarantine = on, quarantine_sample_rate = 0\.002, on_fault = \w+, memory_limit = -1, session_memory_limit = -1, user_memory_limit = -1, database_memory_limit = -1, total_memory_limit = -1, on_total_limit = error/, 'which is what its settings say');
unlike(log_of($node, $offset), qr/WARNING:  "goarena.*is less than/, 'no limits, no warnings');

append_to_file($file, "maintenance_work_mem = '1GB'\nautovacuum_work_mem = '128MB'\nwork_mem = '60MB'\nhash_mem_multiplier = 2\ngoarena.memory_limit = '100MB'\n");
$offset = -s $node->logfile;
$node->restart;
my $log = log_of($node, $offset);
like($log, qr/WARNING:  "goarena.memory_limit" is less than "maintenance_work_mem"/, 'start: a warning of maintenance_work_mem');
like($log, qr/WARNING:  "goarena.memory_limit" is less than "autovacuum_work_mem"/, 'start: of autovacuum_work_mem');
like($log, qr/WARNING:  "goarena.memory_limit" is less than "work_mem" times "hash_mem_multiplier"\n.*DETAIL:  It is 102400 kB, and the other one 122880 kB/, 'start: of work_mem, with figures');
unlike($log, qr/is less than "temp_buffers"/, 'start: not of what fits');
$offset = -s $node->logfile;
reload_and_wait('100MB');
unlike(log_of($node, $offset), qr/WARNING:  "goarena/, 'a reload that changes nothing: none again');
$offset = -s $node->logfile;
append_to_file($file, "goarena.memory_limit = '64MB'\n");
reload_and_wait('64MB');
my @warnings = log_of($node, $offset) =~ /WARNING:  "goarena.memory_limit" is less than "maintenance_work_mem"/g;
is(scalar(@warnings), 1, 'a reload that changes the limit: a warning, from the server alone');
stop_in_order($node);

#
# Limits that have no effect
#
$node = PostgreSQL::Test::Cluster->new('no_preload');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\ngoarena.total_memory_limit = '1GB'\n");
$node->start;
create_extensions($node);
my $no_effect = qr/WARNING:  "goarena.memory_limit" has no effect in this session\nDETAIL:  .*\nHINT:  Add goarena to "shared_preload_libraries"/;
my ($out, $err);
$node->psql('postgres', q{SELECT goarena_version(); SET goarena.memory_limit = '64MB'}, stderr => \$err);
like($err, $no_effect, 'not loaded on purpose: SET of a limit warns');
$node->psql('postgres', q{SELECT goarena_version(); ALTER ROLE CURRENT_USER SET goarena.memory_limit = '64MB'}, stderr => \$err);
like($err, $no_effect, 'so does ALTER ROLE');
$node->psql('postgres', 'SELECT goarena_version()', stderr => \$err);
like($err, $no_effect, 'a value that was left for the role: a warning with the first function that is called');
like($err, qr/WARNING:  "goarena.total_memory_limit" has no effect in this session/, 'and of one in the file');
$node->psql('postgres', q{LOAD 'goarena'; SELECT length(repeat('x', 150000000))}, stderr => \$err);
unlike($err, qr/"goarena.memory_limit" has no effect/, 'LOAD: that of the process has one');
like($err, qr/out of memory because of goarena.memory_limit/, 'it holds');
like($err, qr/WARNING:  "goarena.total_memory_limit" has no effect in this session\nDETAIL:  The library is not in "shared_preload_libraries"/, 'LOAD: that of all processes has none');
$node->psql('postgres', q{SELECT goarena_version(); SET goarena.memory_limit = -1}, stderr => \$err);
unlike($err =~ s/.*?HINT.*?HINT[^\n]*//sr, qr/has no effect/, 'to take it away does not warn');
$node->stop;

done_testing();
