# Copyright (c) 2026, goarena contributors

# goarena-check: what it finds, what it refuses, and what it leaves behind.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $directory = PostgreSQL::Test::Utils::tempdir();
my $number = 0;

sub spill
{
	my ($name, $text) = @_;
	my $path = "$directory/$name";

	open(my $handle, '>', $path) or die "$path: $!";
	print $handle $text;
	close($handle);
	return $path;
}

# Run goarena-check.  Returns its exit status, what the command said, what it said itself,
# its TAP and its JUnit.
sub check
{
	my (@arguments) = @_;
	my ($out, $err) = ('', '');
	my ($tap, $junit) = map { "$directory/" . ++$number . ".$_" } ('tap', 'xml');
	my $log = 'command: goarena-check ' . join(' ', @arguments);

	note($log);
	IPC::Run::run([ 'goarena-check', "--tap=$tap", "--junit=$junit", @arguments ],
		'<', \undef, '>', \$out, '2>', \$err);
	my $status = $? >> 8;
	note($err);
	return ($status, $out, $err, map { -e $_ ? slurp_file($_) : '' } ($tap, $junit));
}

# A command that runs each script in a session of its own, with the planted bugs, and does
# not care what comes of them.
sub sessions
{
	my @scripts = map { spill('script' . ++$number, "$_\n") } 'CREATE EXTENSION goarena_bugs;', @_;

	return ('sh', '-c', join('', map { "psql -Xq -f $_; " } @scripts) . 'exit 0');
}

sub reported
{
	my ($err) = @_;

	return [ $err =~ /^== \d+ of \d+: (.*)$/mg ];
}

# Is this XML, as far as goarena-check uses it?
sub is_well_formed
{
	my ($text, $name) = @_;
	my (@open, $wrong);
	my $copy = $text;

	$wrong = 'no declaration' unless $text =~ s/\A<\?xml version="1\.0" encoding="UTF-8"\?>\n//;
	$wrong = 'not UTF-8' unless utf8::decode($copy);
	$wrong = 'a control character' if $text =~ /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/;
	$wrong = 'an ampersand' if $text =~ /&(?!(?:amp|lt|gt|quot|#9|#10);)/;
	while (!$wrong && $text =~ s/\A[^<>]*<([^<>]*)>//)
	{
		my $tag = $1;

		if ($tag =~ m{^/(\w+)$})
		{
			$wrong = "</$1>" if (pop(@open) // '') ne $1;
		}
		elsif ($tag =~ m{^(\w+)(?: \w+="[^"<>]*")*(/?)$})
		{
			push @open, $1 unless $2;
		}
		else
		{
			$wrong = "<$tag>";
		}
	}
	$wrong //= 'the rest' if @open || $text !~ /\A\s*\z/;
	is($wrong, undef, "$name: JUnit is well-formed");
	return;
}

# Does TAP say what it should?
sub tap_is
{
	my ($tap, $expected, $name) = @_;

	is_deeply([ $tap =~ /^((?:not )?ok \d+ - .*)$/mg ], $expected, "$name: TAP");
	like($tap, qr/\A1\.\.@{[ scalar @$expected ]}\n/, "$name: TAP has a plan");
	return;
}

# Is nothing left of this test's runs, neither a process nor a directory?  Others may run at
# the same time.
my $mark = "GOARENA_CHECK_TEST=$$";
$ENV{GOARENA_CHECK_TEST} = $$;

sub nothing_is_left
{
	my ($name) = @_;
	my @processes;

	# one that was ended may not be gone yet
	wait_until(sub {
			@processes = grep { slurp_environment($_) =~ /(?:^|\0)\Q$mark\E\0/ }
			  grep { $_ != $$ } map { m{/(\d+)$} } glob('/proc/[0-9]*');
			return !@processes;
		}, 30);
	is_deeply(\@processes, [], "$name: no process is left");
	is_deeply([ grep { -e } split(/\n/, slurp_file("$directory/scratch")) ], [], "$name: no directory is left");
	return;
}

sub slurp_environment
{
	my ($pid) = @_;

	open(my $handle, '<', "/proc/$pid/environ") or return '';
	local $/;
	return readline($handle) // '';
}

#
# Nothing to report
#
my ($status, $out, $err, $tap, $junit) = check('--baseline', '--', 'sh', '-c',
	qq{echo \$GOARENA_CHECK >>$directory/scratch; } . q{sleep 1; psql -XAtc "SELECT current_setting('shared_preload_libraries'), current_setting('goarena.quarantine', true)"});
is($status, 0, 'nothing to report: exit status');
is($out, "|\ngoarena|strict\n", 'nothing to report: the command runs with a plain server, and with goarena in strict');
like($err, qr/goarena is active: enabled = on, quarantine = strict, quarantine_sample_rate = 1, on_fault = terminate\n/,
	'nothing to report: the settings are said');
like($err, qr/the command took [\d.]+ s, [\d.]+ times the [\d.]+ s without goarena\n.*: 0 found\n\z/,
	'nothing to report: the slowdown and the sum are said');
tap_is($tap, [
		'ok 1 - the scratch server works', 'ok 2 - goarena is active', 'ok 3 - settings are as asked',
		'ok 4 - the command succeeds', 'ok 5 - goarena reports nothing' ], 'nothing to report');
is_well_formed($junit, 'nothing to report');
like($junit, qr/tests="5" failures="0" errors="0" skipped="0"/, 'nothing to report: JUnit counts');
nothing_is_left('nothing to report');

#
# Planted bugs, in a command that does not care
#
($status, $out, $err, $tap, $junit) = check('--', sessions(
	'SELECT bug_double_pfree()',
	'SET client_min_messages = error; SET log_min_messages = fatal;
	DO $$ BEGIN PERFORM bug_double_pfree(); EXCEPTION WHEN OTHERS THEN NULL; END $$',
	'SELECT bug_pfree_foreign()',
	'SELECT bug_small_write()',
	'SET client_min_messages = error; SET log_min_messages = error; SELECT bug_small_write()',
	'SELECT bug_spi_finish() /* LOG:  goarena: access to freed memory */',
	'SELECT bug_spi_finish()',
	'SELECT bug_static_row(i) /* <&>]]>" */ FROM generate_series(1, 2) AS i'));
is($status, 1, 'planted bugs: exit status');
my @reported = (
	[ 'an object is freed twice (2 times)', 'bug_double_pfree', 'FreeEntry', 'freed once' ],
	[ 'pfree of what is no object', '(?:FreeData|bug_pfree_foreign)', undef, 'what palloc returned' ],
	[ 'write to an object after its pfree (2 times)', undef, 'FreeEntry', 'forget all pointers' ],
	[ 'read of freed memory (2 times)', 'Look', 'QueryValue', 'SPI_finish' ],
	[ 'read of freed memory', 'Look', 'postgres', 'fn_mcxt' ]);
# from 16 on the server sees one of them first
my $foreign = (grep { /invalid pointer/ } @{ reported($err) })[0] // 'pfree of what is no object';
like($foreign, qr/^pfree (?:of what is no object|called with invalid pointer)$/, 'planted bugs: no addresses in the title');
$reported[1][0] = $foreign;
is_deeply(reported($err), [ map { $_->[0] } @reported ], 'planted bugs: what is reported');
my (undef, @texts) = split(/^== \d+ of \d+: /m, $err);
foreach (@reported)
{
	my ($title, $used_in, $freed_in, $advice) = @$_;
	my $text = shift @texts;

	like($text, qr/^  used in    $used_in\b.*$/m, "$title: the author's frame comes first") if $used_in;
	like($text, qr/^  freed in   $freed_in\b|^  freed in   [^\n]*(?:\n {13}[^\n]*)*\($freed_in\)/m, "$title: who freed it") if $freed_in;
	like($text, qr/^  advice     [^\n]*(?:\n {13}[^\n]*)*$advice/m, "$title: the advice");
	like($text, qr/^  statement  \S/m, "$title: the statement");
}
like($tap, qr/^ok 4 .*\nnot ok 5 .* is freed twice in \w+ at \S+\.c:\d+/m, 'planted bugs: TAP has them as tests');
is_well_formed($junit, 'planted bugs');
like($junit, qr/tests="9" failures="5" errors="0" skipped="0"/, 'planted bugs: JUnit counts');

#
# Suppressions
#
my $suppress = spill('suppress', "# known\n\nbug_spi_finish  SPI Pr?c\n*pfree_foreign *\nnobody *\n");
my @spi = sessions('SELECT bug_pfree_foreign()', 'SELECT bug_spi_finish()');
($status, $out, $err, $tap, $junit) = check("--suppress=$suppress", '--', @spi);
is($status, 0, 'suppressions: exit status');
is_deeply(reported($err), [], 'suppressions: nothing is reported');
like($err, qr/: 0 found, 2 suppressed\n\z/, 'suppressions: they are counted');
like($err, qr/\Q$suppress\E:5 suppresses nothing\n/, 'suppressions: one that is not needed is named');
like($tap, qr/^ok 5 - .* # SKIP suppressed\nok 6 - .* # SKIP suppressed$/m, 'suppressions: TAP');
is_well_formed($junit, 'suppressions');
$suppress = spill('suppress2', "bug_spi_finish SPI\nSPI_finish2 SPI Proc\n");
($status, $out, $err) = check("--suppress=$suppress", '--', @spi);
is($status, 1, 'suppressions that do not match: exit status');
is(scalar @{ reported($err) }, 2, 'suppressions that do not match: all is reported');

#
# The command fails, or a process crashes without a report
#
($status, $out, $err, $tap) = check('--', 'sh', '-c', 'exit 7');
is($status, 2, 'the command fails: exit status');
like($err, qr/the command failed with exit status 7\n/, 'the command fails: its own is said');
like($tap, qr/^not ok 4 - the command succeeds$/m, 'the command fails: TAP');
is((check('--', "$directory/nothing"))[0], 2, 'the command cannot be run: exit status');
($status, $out, $err, $tap, $junit) = check("--log=$directory/log", '--', sessions(
	"CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0;\n\\c bytes\n"
	  . "COPY (SELECT) TO PROGRAM 'kill -SEGV \$PPID' /* \x01\xff<&>]]>\" */"));
is($status, 1, 'a crash without a report: exit status');
like("@{ reported($err) }", qr/^(?:server process|client backend) \(PID \d+\) was terminated by signal 11/, 'a crash without a report: it is told');
is_well_formed($junit, 'a crash without a report');
($status, $out, $err, $tap, $junit) = check('--', 'sh', '-c', 'pg_ctl -s -D $GOARENA_CHECK/data -m immediate stop');
is($status, 5, 'the command stops the server: exit status');
like($err, qr/the server does not answer/, 'the command stops the server: it says so');
is_well_formed($junit, 'the command stops the server');
like(slurp_file("$directory/log"), qr/was terminated by signal 11.*shut down/s, 'the log is kept');

#
# Settings
#
my @refused = (
	[ [ '-o', 'goarena.quarantine=strickt' ], 4, qr/goarena\.quarantine.*strickt/ ],
	[ [ '-o', 'goarena.quaranteen=strict' ], 4, qr/goarena\.quaranteen/ ],
	[ [ '-o', 'work_memm=4MB' ], 4, qr/unrecognized configuration parameter "work_memm"/ ],
	[ [ '--preload=nothing_at_all' ], 4, qr/could not access file "nothing_at_all"/ ],
	[ [ '-o', 'goarena.enabled=off' ], 3, qr/no memory context is quarantined/ ],
	[ [ '-o', 'goarena.quarantine=off' ], 3, qr/no memory context is quarantined/ ],
	[ [ '-o', 'shared_preload_libraries=' ], 64, qr/--preload/ ],
	[ [ '-o', 'nonsense' ], 64, qr/no setting: nonsense/ ],
	[ [ '--nonsense' ], 64, qr/--help/ ],
	[ [ '--suppress=' . spill('bad', "# only\nfunction\n") ], 64, qr/bad:2: FUNCTION CONTEXT is wanted/ ],
	[ [ '--suppress=/nowhere' ], 64, qr{could not read /nowhere} ],
	[ [ '--initdb=--nonsense' ], 5, qr/initdb failed/ ],
	[ [ '--pg-config=/nowhere' ], 5, qr{could not run /nowhere} ]);
foreach (@refused)
{
	my ($options, $expected, $said) = @$_;
	my $name = join(' ', map { s{\Q$directory\E/}{}r } @$options);

	($status, $out, $err, $tap, $junit) = check(@$options, '--', 'echo', 'it ran');
	is($status, $expected, "$name: exit status");
	like($err, $said, "$name: it says why");
	is($out, '', "$name: the command does not run");
	next if $expected == 64;
	like($tap, qr/^not ok [123] /m, "$name: TAP fails");
	is_well_formed($junit, $name);
}
is((check('--'))[0], 64, 'no command: exit status');
nothing_is_left('settings');

# a server for which it is not installed
my $pg_config = spill('pg_config', qq{#!/bin/sh\ncase "\$1" in --pkglibdir) echo $directory ;; *) exec pg_config "\$@" ;; esac\n});
chmod(0755, $pg_config);
($status, $out, $err) = check("--pg-config=$pg_config", '--', 'echo', 'it ran');
is($status, 3, 'not installed: exit status');
like($err, qr/goarena is not installed/, 'not installed: it says so');

# settings that the command changes
($status, $out, $err) = check('--', 'psql', '-Xqc', q{ALTER SYSTEM SET goarena.quarantine = 'on'}, '-c', 'SELECT pg_reload_conf()');
is($status, 4, 'settings that the command changes: exit status');
like($err, qr/not as asked after the command: goarena\.quarantine is not set by the file/, 'settings that the command changes: it says so');

#
# Servers that the command starts
#
sub tap_test
{
	my ($name, $conf, $script) = @_;

	mkdir("$directory/$name");
	spill("$name/001_test.pl", qq{
		use strict; use warnings;
		use PostgreSQL::Test::Cluster; use PostgreSQL::Test::Utils; use Test::More;
		my \$node = PostgreSQL::Test::Cluster->new('inner');
		\$node->init;
		\$node->append_conf('postgresql.conf', q{$conf});
		\$node->start;
		\$node->psql('postgres', q{CREATE EXTENSION goarena_bugs; $script});
		\$node->stop;
		ok(1, 'done');
		done_testing();});
	return ('sh', '-c', "cd $directory/$name && unset TESTDATADIR TESTLOGDIR && prove -v 001_test.pl");
}

($status, $out, $err) = check('--', tap_test('tap_bug', '', 'SELECT bug_spi_finish()'));
is($status, 1, 'a server of the command: exit status');
is_deeply(reported($err), ['read of freed memory'], 'a server of the command: what is reported');
like($err, qr/^  where      001_test_inner\b/m, 'a server of the command: where');
($status, $out, $err) = check('--', tap_test('tap_collector', "logging_collector = on\n", 'SELECT bug_double_pfree()'));
is($status, 1, 'a server with a log collector: exit status');
is_deeply(reported($err), ['an object is freed twice'],
	'a server with a log collector: what is reported');
my @plain = tap_test('tap_plain', "shared_preload_libraries = ''\n", 'SELECT bug_spi_finish()');
($status, $out, $err) = check('--', @plain);
is($status, 3, 'a server without goarena: exit status');
like($err, qr/goarena was not active in a server that the command started: 001_test_inner/, 'a server without goarena: which');
($status, $out, $err) = check('--', 'sh', '-c', 'echo 4000000 >$GOARENA_CHECK/starts/pipe');
is($status, 3, 'a server that was not seen: exit status');
like($err, qr/process 4000000, ended before it could be watched/, 'a server that was not seen: it says so');
is((check('--plain-servers', '--', @plain))[0], 0, 'a server without goarena that is meant: exit status');
($status, $out, $err) = check('--', tap_test('tap_on', "goarena.quarantine = on\n", 'SELECT 1'));
is($status, 4, 'a server with another mode: exit status');
like($err, qr/other settings: 001_test_inner.*quarantine = on/, 'a server with another mode: which');
($status, $out, $err) = check('--', tap_test('tap_typo', "goarena.quarantine = strickt\n", 'SELECT 1'));
is($status, 4, 'a server with a wrong mode: exit status');
nothing_is_left('servers that the command starts');

#
# Interrupted: here and in a server that the command started
#
foreach my $signal ('TERM', 'INT', 'HUP')
{
	my ($said, $told) = ('', '');
	my $run = IPC::Run::start([ 'goarena-check', '--', 'sh', '-c',
			"initdb -A trust -N -D $directory/data.$signal >/dev/null && "
			  . "echo \"unix_socket_directories = '\$PGHOST'\" >> $directory/data.$signal/postgresql.conf && "
			  . "echo \"listen_addresses = ''\" >> $directory/data.$signal/postgresql.conf && "
			  . "cat \$TEMP_CONFIG >> $directory/data.$signal/postgresql.conf && "
			  . "pg_ctl -w -D $directory/data.$signal -o '-p 65000' -l $directory/log.$signal start >/dev/null && "
			  . "echo \$GOARENA_CHECK >>$directory/scratch && echo ready && sleep 1000" ],
		'<', \undef, '>', \$said, '2>', \$told);
	IPC::Run::pump($run) until $said =~ /ready/;
	ok(-e "$directory/data.$signal/postmaster.pid", "SIG$signal: a server of the command runs");
	$run->signal($signal);
	IPC::Run::finish($run);
	is($run->full_result >> 8, 128 + { HUP => 1, INT => 2, TERM => 15 }->{$signal}, "SIG$signal: exit status");
	like($told, qr/interrupted by SIG$signal/, "SIG$signal: it says so");
	ok(!-e "$directory/data.$signal/postmaster.pid", "SIG$signal: the server of the command is stopped");
	nothing_is_left("SIG$signal");
}

like((check('--help'))[1], qr/^Usage: goarena-check .*Exit status/ms, '--help');

done_testing();
