
# Copyright (c) 2026, goarena contributors

=pod

=head1 NAME

GoarenaTest - what the tests of goarena share

=head1 SYNOPSIS

  use FindBin;
  use lib $FindBin::RealBin;
  use GoarenaTest;

  my $node = new_server('primary', "goarena.quarantine = 'strict'");
  my $session = session($node);
  is(ask($session, 'SELECT goarena_check() IS NULL'), 't', 'in order');
  like(refused($session, 'SELECT 1 / 0'), qr/division by zero/, 'an error');
  end_session($session);

=cut

package GoarenaTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  PRELOAD
  STRICT
  ask
  backend_pid
  create_extensions
  crashes
  end_session
  in_order
  is_up_again
  lift_timeout
  log_of
  new_server
  parallel_mode
  process_kb
  refused
  session
  statistics
  stop_in_order
  wait_for_client
  wait_until
);

# Lines of postgresql.conf
use constant PRELOAD => "shared_preload_libraries = 'goarena'";
use constant STRICT => (
	"goarena.contexts = '*'",
	"goarena.quarantine = 'strict'",
	"goarena.quarantine_sample_rate = 1");

# Start a new server with the given lines of configuration, and goarena's
# functions and those of the test module in database postgres.  It does not log
# each statement.
sub new_server
{
	my ($name, @conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(allows_streaming => 'logical');
	$node->append_conf('postgresql.conf',
		join("\n", 'log_statement = none', @conf, ''));
	$node->start;
	create_extensions($node);
	return $node;
}

sub create_extensions
{
	my ($node) = @_;

	$node->safe_psql('postgres',
		'CREATE EXTENSION goarena; CREATE EXTENSION goarena_test');
}

# A session that goes on after errors.
sub session
{
	my ($node, %params) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0, %params);

	$session->set_query_timer_restart;
	return $session;
}

# SQL to have queries run in parallel workers, or not: 'on' or 'off'.  The setting has
# another name from 16 on.
sub parallel_mode
{
	my ($mode) = @_;

	return qq{SELECT set_config(name, '$mode', false) FROM pg_settings
		WHERE name IN ('force_parallel_mode', 'debug_parallel_query')};
}

sub end_session
{
	my ($session) = @_;

	$session->quit;
}

# The result of a query, which may give notices but no error.
sub ask
{
	my ($session, $query) = @_;

	$session->{stderr} = '';
	my ($result) = $session->query($query);
	die "query failed: $query: $session->{stderr}"
	  if $session->{stderr} =~ /ERROR:|FATAL:|PANIC:/;
	return $result;
}

# What the server says of a query: errors and notices.
sub refused
{
	my ($session, $query) = @_;

	$session->{stderr} = '';
	$session->query($query);
	my $messages = $session->{stderr};
	$session->{stderr} = '';
	return $messages;
}

# Lift the session's statement_timeout, which holds for the statement that lifts it, too.
sub lift_timeout
{
	my ($session) = @_;

	wait_until(sub { refused($session, 'SET statement_timeout = 0') eq '' })
	  or die 'statement_timeout cannot be lifted';
	return;
}

sub backend_pid
{
	my ($session) = @_;

	return ask($session, 'SELECT pg_backend_pid()');
}

# The rows of goarena_stats() and goarena_heap() as a hash; values that are null are missing.
sub statistics
{
	my ($session) = @_;

	return { map { split(/=/, $_, 2) } split(/\n/, ask($session, q{
		SELECT key || '=' || value
		FROM goarena_stats() s JOIN goarena_heap() h USING (pid),
			jsonb_each_text(to_jsonb(s) || to_jsonb(h))
		WHERE pid = pg_backend_pid() AND value IS NOT NULL})) };
}

# Do all figures and lists of the session's process agree?
sub in_order
{
	my ($session, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $s = eval { statistics($session) };
	my @wrong;

	if (!$s)
	{
		fail($name);
		diag($@);
		return;
	}
	push @wrong, 'mapped <= reserved'
	  if $s->{mapped} > $s->{reserved};
	push @wrong, 'reserved = fresh + owned + retained + released'
	  if $s->{reserved} !=
	  $s->{fresh} + $s->{owned} + $s->{retained} + $s->{released};
	push @wrong, ask($session, 'SELECT goarena_check() WHERE goarena_check() IS NOT NULL');
	is(join(', ', grep { $_ ne '' } @wrong), '', $name);
}

# A figure of /proc/PID/status in kB, such as VmRSS.
sub process_kb
{
	my ($pid, $what) = @_;

	slurp_file("/proc/$pid/status") =~ /^$what:\s+(\d+) kB/m
	  or die "no $what of process $pid";
	return $1;
}

# The log from an offset on.
sub log_of
{
	my ($node, $offset) = @_;

	return slurp_file($node->logfile, $offset // 0);
}

# Lines of the log that tell of a crash.
sub crashes
{
	my ($node, $offset) = @_;

	return join("\n",
		grep { /was terminated by signal|PANIC:|TRAP:/ }
		  split(/\n/, log_of($node, $offset)));
}

# Is the server that crashed since then ready again?  Asking it would not do: psql
# ends before it reads the query as long as it is not, and the test with it.
sub is_up_again
{
	my ($node, $offset) = @_;

	return log_of($node, $offset) =~
	  /all server processes terminated; reinitializing.*ready to accept connections/s;
}

# Stop a server, which must not have crashed before.
sub stop_in_order
{
	my ($node, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$node->stop;
	is(crashes($node), '', $name // $node->name . ' did not crash');
}

# Wait until a condition holds; false if it does not within so many seconds, or the usual time.
sub wait_until
{
	my ($condition, $seconds) = @_;

	$seconds //= $PostgreSQL::Test::Utils::timeout_default;
	for (my $i = 0; $i < 10 * $seconds; $i++)
	{
		return 1 if $condition->();
		select(undef, undef, undef, 0.1);
	}
	return 0;
}

# Wait until the session of a backend waits for its client.  In a transaction that takes a
# moment after its result came, and until then it cannot be told from one at work.
sub wait_for_client
{
	my ($asker, $pid) = @_;

	wait_until(sub { ask($asker, "SELECT wait_event FROM pg_stat_activity WHERE pid = $pid") eq 'ClientRead' });
	return;
}

1;
