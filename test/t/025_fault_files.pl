
# Copyright (c) 2026, goarena contributors

# Fault reports on disk: whatever lies in their place, goarena_faults() shows those that
# are whole; and they are those of this server.

use strict;
use warnings;

use Fcntl qw(:mode);
use File::Basename qw(basename);
use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use POSIX qw(mkfifo);
use Test::More;

my $node = new_server('files', PRELOAD, STRICT, 'goarena.on_fault = terminate');
my $directory = $node->data_dir . '/goarena_faults';
my $fault = q{SELECT fault_in('plainly')};

$node->safe_psql('postgres', q{
	CREATE EXTENSION goarena_fault_test;
	CREATE FUNCTION write_freed(n int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1..n LOOP
			PERFORM fault_create(), fault_keep(1000);
			PERFORM fault_pfree();
			PERFORM fault_write(24);
			PERFORM fault_reset();
		END LOOP;
	END $$});
$node->psql('postgres', $fault) for 1 .. 3;

# The number of reports shown, and warnings and notices.
sub shown
{
	my ($count, $messages);

	$node->psql('postgres', q{SET statement_timeout = '20s'; SELECT count(*) FROM goarena_faults()},
		stdout => \$count, stderr => \$messages, timeout => 120);
	return ($count, $messages);
}

is((shown())[0], 3, 'there are three reports');
my ($first, $second) = sort glob("$directory/*");
my $report = slurp_file($first);

#
# Damaged reports
#
my %damage = (
	'no time' => sub { s/^at: .*\n//mr },
	'half of a time' => sub { s/^at: .*/at: 2026-11-/mr },
	'a time that never was' => sub { s/^at: .*/at: 2026-13-45 29:05:14.000000+00/mr },
	'29 February of a usual year' => sub { s/^at: .*/at: 2026-02-29 20:05:14.000000+00/mr },
	'a year of six digits' => sub { s/^at: .*/at: 312026-11-26 21:05:14+00/mr },
	'another time zone' => sub { s/^at: .*/at: 2026-11-26 21:05:14.000000+01/mr },
	'an odd time of the free' => sub { s/^freed at: .*/freed at: x/mr },
	'a number that is too large' => sub { s/^id: .*/id: 99999999999999999999999999/mr },
	'a number with letters' => sub { s/^pid: .*/pid: 12x/mr },
	'no number' => sub { s/^id: .*\n//mr },
	'an empty file' => sub { '' },
	'zeros' => sub { "\0" x 5000 },
	'bytes of no encoding' => sub { join('', map { chr($_) } 128 .. 255) x 10 },
	'no end of a line' => sub { 'id: 5' },
	'a very long line' => sub { 'id: ' . '9' x 60000 });
foreach my $what (sort keys %damage)
{
	local $_ = $report;
	my $damaged = $damage{$what}->();

	unlink($first);
	append_to_file($first, $damaged);
	my ($count, $messages) = shown();
	is($count, 2, "$what: the other reports are shown");
	like($messages, qr{^\S*\s*WARNING:  file "goarena_faults/pgsql_tmp\.0" is not a fault report$}m,
		"$what: it is told");
}

#
# Other things in their place
#
my %things = (
	'a directory' => sub { mkdir($_[0]) },
	'a FIFO' => sub { mkfifo($_[0], 0600) },
	'a symbolic link to a report' => sub { symlink(basename($second), $_[0]) },
	'a symbolic link to nothing' => sub { symlink('nowhere', $_[0]) },
	'a symbolic link to a device' => sub { symlink('/dev/zero', $_[0]) },
	'a file that is too large' => sub {
		append_to_file($_[0], $report);
		truncate($_[0], 100 * 1024 * 1024 * 1024);
	},
	'a file that may not be read' => sub { append_to_file($_[0], $report); chmod(0, $_[0]) });
foreach my $what (sort keys %things)
{
	next if $what =~ /may not/ && $> == 0;

	unlink($first);
	ok($things{$what}->($first), "$what: made");
	my ($count, $messages) = shown();
	is($count, 2, "$what: the reports are shown, within the time for a statement");
	like($messages, qr{WARNING:  .*file "goarena_faults/pgsql_tmp\.0"}, "$what: it is told");
	is( $node->safe_psql('postgres', q{
			SELECT goarena_faults_text(id) ~ 'kind: access' FROM goarena_faults() LIMIT 1}),
		't', "$what: goarena_faults_text() finds the reports");

	# and when a report is to be written
	$node->psql('postgres', $fault);
	is((shown())[0], 3, "$what: another report can be kept");
	unlink((glob("$directory/*"))[-1]);
	rmdir($first) if $what eq 'a directory';
	unlink($first);
	unlink(grep { $_ ne $second && $_ !~ /\.2$/ } glob("$directory/*"));
}

# all names taken by what cannot be removed
unlink(glob("$directory/*"));
mkdir("$directory/pgsql_tmp.$_") foreach 0 .. 63;
my $offset = -s $node->logfile;
$node->psql('postgres', $fault);
like(log_of($node, $offset), qr/access to freed memory\nid: .*free stack:/s,
	'no name is free: the log has the report');
like(log_of($node, $offset), qr/LOG:  goarena: the report could not be kept in goarena_faults$/m,
	'no name is free: that is told');
like(log_of($node, $offset), qr/FATAL:  terminating connection because/,
	'no name is free: the session ends as it should');
rmdir("$directory/pgsql_tmp.$_") foreach 0 .. 63;

# no directory can be made
rmdir($directory) or die "rmdir: $!";
append_to_file($directory, '');
$offset = -s $node->logfile;
$node->psql('postgres', $fault);
like(log_of($node, $offset), qr/access to freed memory\nid: .*free stack:/s,
	'no directory: the log has the report');
is((shown())[0], 0, 'no directory: there are no reports');
unlink($directory);

#
# Warnings keep to their own places
#
$node->psql('postgres', $fault);
$offset = -s $node->logfile;
$node->safe_psql('postgres', 'SELECT write_freed(100)') for 1 .. 3;
is($node->safe_psql('postgres', q{SELECT count(*) FROM goarena_faults() WHERE outcome = 'terminate'}),
	'1', 'many writes to freed objects push no other report out');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM goarena_faults() WHERE outcome = 'warning'}),
	'<=', 16, 'many writes to freed objects: a bounded number is kept');
is(() = log_of($node, $offset) =~ /WARNING:  memory was written after pfree/g, 300,
	'many writes to freed objects: each is a warning');
cmp_ok(scalar(() = log_of($node, $offset) =~ /LOG:  goarena: write to freed memory/g), '<', 300,
	'many writes to freed objects: not each is a report with stacks');

#
# Copies of the server
#
my $count = (shown())[0];
$node->backup('base', backup_options => [ '-X', 'fetch' ]);
is_deeply([ glob($node->backup_dir . '/base/goarena_faults/*') ], [],
	'pg_basebackup leaves the reports out');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', 'SELECT count(*) FROM goarena_faults()'),
	'0', "a standby does not show the primary's reports");
$standby->psql('postgres', 'SELECT pg_backend_pid()');
$standby->stop;

my $copied = $standby->data_dir . '/goarena_faults';
rmdir($copied);
PostgreSQL::Test::RecursiveCopy::copypath($directory, $copied);
$standby->start;
my ($ret, $out, $err) = $standby->psql('postgres', 'SELECT count(*) FROM goarena_faults()');
is($out, '0', 'a copy made in another way does not show them, either');
like($err, qr/NOTICE:  $count fault reports of another server are left out/,
	'a copy made in another way: that is told');
$standby->promote;
$standby->psql('postgres', $fault);
is($standby->safe_psql('postgres', 'SET client_min_messages = warning; SELECT count(*) FROM goarena_faults()'),
	'1', 'it shows its own');
$standby->restart;
is($standby->safe_psql('postgres', 'SET client_min_messages = warning; SELECT count(*) FROM goarena_faults()'),
	'1', 'also after a restart');
$standby->stop;
stop_in_order($node);

done_testing();
