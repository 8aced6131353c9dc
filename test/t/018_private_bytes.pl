
# Copyright (c) 2026, goarena contributors

# What goarena says that processes hold, against what the kernel says: many sessions
# under mixed load, all stopped at one moment.
#
#   GOARENA_SESSIONS  sessions (default 50)
#   GOARENA_MOMENTS   moments at which they are compared (default 3)
#
# The kernel's private bytes of a process are of these kinds of mappings:
#
#   arenas    goarena's address space for chunks
#   malloc    [heap] and mappings without a name: contexts that are no arenas with what
#             malloc keeps beside them, goarena's metadata, what libraries have there
#   data      of the program and its libraries, with what was written by the loader
#   stack
#   shared    shared memory that no other process has touched so far
#
# Of these, goarena knows the first, and of the second contexts and metadata.  What
# it holds goes beyond the kernel's figure by memory that was allocated and not yet
# written (touched + metadata - resident), such as the second half of a buffer that was just
# doubled.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sessions = $ENV{GOARENA_SESSIONS} || 50;
my $moments = $ENV{GOARENA_MOMENTS} || 3;

my $node = new_server('private', PRELOAD, 'max_connections = 120', 'autovacuum = off',
	'work_mem = 8MB', 'max_parallel_workers_per_gather = 0');
my $watcher = session($node);

ask($watcher, q{
	CREATE TABLE facts AS
		SELECT i, i % 1000 AS k, md5(i::text) AS m FROM generate_series(1, 100000) i;
	ALTER TABLE facts ADD PRIMARY KEY (i);
	CREATE TABLE accounts AS SELECT i, 0 AS balance FROM generate_series(1, 10000) i;
	ALTER TABLE accounts ADD PRIMARY KEY (i);
	ANALYZE});

# The load: what pgbench runs in turn, each in a file
my %scripts = (
	lookup => [ 10, q{\set i random(1, 100000)
		SELECT m FROM facts WHERE i = :i;} ],
	update => [ 5, q{\set i random(1, 10000)
		BEGIN; UPDATE accounts SET balance = balance + 1 WHERE i = :i; SELECT count(*) FROM accounts WHERE i < :i; COMMIT;} ],
	sort => [ 2, q{SELECT count(*) FROM (SELECT m FROM facts ORDER BY m LIMIT 50000) s;} ],
	group => [ 2, q{SELECT count(*) FROM (SELECT m, count(*) FROM facts GROUP BY m) s;} ],
	join => [ 2, q{SELECT count(*) FROM facts a JOIN facts b ON a.m = b.m WHERE a.k < 500;} ],
	json => [ 2, q{SELECT length(jsonb_agg(f)::text) FROM facts f WHERE k < 20;} ],
	strings => [ 2, q{\set n random(1000, 3000000)
		SELECT length(string_agg(repeat('x', 100), '')) FROM generate_series(1, :n / 100);} ],
	code => [ 2, q{DO $$ DECLARE a int[] := '{}'; BEGIN
		FOR i IN 1..20000 LOOP a := a || i; END LOOP; END $$;} ],
	nap => [ 5, q{\set ms random(1, 300) ms
		\sleep :ms ms} ]);
my $dir = PostgreSQL::Test::Utils::tempdir;
my @files;

foreach my $name (sort keys %scripts)
{
	my ($weight, $text) = @{ $scripts{$name} };

	$text =~ s/ ms$//m;
	$text =~ s/^\t+//mg;
	$text =~ s/\s*\n(?!\\)(?=\S)/ /g unless $text =~ /^\\/m;
	open(my $file, '>', "$dir/$name.sql") or die $!;
	print $file "$text\n";
	close($file);
	push @files, '-f', "$dir/$name.sql\@$weight";
}

# Some sessions have come to rest: with a cursor that is open, or with memory of their own.
my $resting = int($sessions / 5);
my @resting = map { session($node) } 1 .. $resting;
for my $i (0 .. $#resting)
{
	ask($resting[$i], $i % 2 == 0
		? 'SELECT test_create(); SELECT test_fill(2000000 * (1 + random())::int)'
		: 'BEGIN; DECLARE c CURSOR FOR SELECT m FROM facts ORDER BY m; FETCH 10 FROM c');
}

my ($stdout, $stderr) = ('', '');
my $load = IPC::Run::start [
	'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-c', $sessions - $resting, '-j', 2,
	'-T', 3600, @files, 'postgres' ],
  '>', \$stdout, '2>', \$stderr;
ok( wait_until(sub {
			ask($watcher, 'SELECT count(*) FROM goarena_stats() WHERE allocs > 20000') >= $sessions / 2
		}),
	"$sessions sessions are at work");
sleep(5);    # their caches fill

# The private bytes of a process by kind of mapping.
sub private_bytes
{
	my ($pid) = @_;
	my %bytes = map { $_ => 0 } qw(arenas malloc data stack shared);
	my $kind;

	foreach my $line (split(/\n/, slurp_file("/proc/$pid/smaps")))
	{
		if ($line =~ /^([0-9a-f]+)-[0-9a-f]+ (\S{4}) \S+ \S+ (\d+)\s*(.*)$/)
		{
			my ($from, $access, $inode, $name) = ($1, $2, $3, $4);

			$kind = $access =~ /s$/ ? 'shared' :
			  $name =~ /^\[stack/ ? 'stack' :
			  $name eq '[heap]' ? 'malloc' :
			  $inode != 0 || $name =~ /^\[/ ? 'data' :
			  length($from) > 8 && $from =~ /c0[0-9a-f]{8}$/ ? 'arenas' : 'malloc';
		}
		elsif ($line =~ /^Private_(?:Clean|Dirty|Hugetlb):\s+(\d+) kB/)
		{
			$bytes{$kind} += 1024 * $1;
		}
	}
	return \%bytes;
}

sub rollup
{
	my ($pid) = @_;
	my $bytes = 0;

	$bytes += 1024 * $_ foreach slurp_file("/proc/$pid/smaps_rollup") =~ /^Private_(?:Clean|Dirty|Hugetlb):\s+(\d+) kB/mg;
	return $bytes;
}

# What goarena and the kernel say of all backends at a moment at which they stand
# still.  A backend that is stopped may have a lock that the watcher wants: then try
# another moment.
sub compare
{
	for my $try (1 .. 100)
	{
		my @pids = split(/\n/, ask($watcher,
				q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()}));
		my $rows;
		my %sum;

		# What is looked at closely is seldom so where that takes long, but it is when somebody
		# asks; who has much to do answers the next time.
		for my $asked (1 .. 20)
		{
			my $late = ask($watcher, q{SELECT count(*) FROM goarena_stats()
				WHERE backend_type = 'client backend' AND published < statement_timestamp()});

			last if $asked >= 3 && $late == 0;
		}
		$watcher->{timeout}->start(10);
		ask($watcher, q{SET statement_timeout = '1s'});
		kill('STOP', @pids);
		$rows = eval {
			ask($watcher, 'SELECT pid, held, touched, metadata, others, resident FROM goarena_stats()');
		};
		if (defined $rows)
		{
			my %stopped = map { $_ => 1 } @pids;

			foreach my $row (split(/\n/, $rows))
			{
				my ($pid, $held, $touched, $metadata, $others, $resident) = split(/\|/, $row);
				my $kernel;

				next if !$stopped{$pid};
				$kernel = private_bytes($pid);
				$sum{$_} += $kernel->{$_} foreach keys %$kernel;
				$sum{private} += rollup($pid);
				$sum{held} += $held;
				$sum{unwritten} += $touched + $metadata - $resident;
				$sum{resident} += $resident;
				$sum{others} += $others;
				$sum{processes}++;
			}
		}
		kill('CONT', @pids);
		$watcher->{timeout}->start($PostgreSQL::Test::Utils::timeout_default);
		lift_timeout($watcher);
		return \%sum if $sum{processes};
		select(undef, undef, undef, 0.1);
	}
	return;
}

sub kb
{
	return sprintf('%d', $_[0] / 1024);
}

for my $moment (1 .. $moments)
{
	my $sum = compare();

	select(undef, undef, undef, 1);
	ok($sum, "moment $moment: all stand still") or next;

	my $beyond = $sum->{arenas} + $sum->{malloc} - $sum->{resident} - $sum->{others};
	my $explained = $sum->{held} - $sum->{unwritten} + $sum->{data} + $sum->{stack} + $sum->{shared};

	note("moment $moment, sums over $sum->{processes} processes in kB:");
	note(sprintf('  %-46s %8d', @$_)) foreach (
		[ 'private bytes (smaps_rollup)', $sum->{private} / 1024 ],
		[ 'held (goarena_stats)', $sum->{held} / 1024 ],
		[ '- allocated, not yet written', $sum->{unwritten} / 1024 ],
		[ '+ data of program and libraries', $sum->{data} / 1024 ],
		[ '+ stacks', $sum->{stack} / 1024 ],
		[ '+ shared memory that only one has touched', $sum->{shared} / 1024 ],
		[ '= explained', $explained / 1024 ],
		[ "not explained: malloc's own, libraries'", $beyond / 1024 ],
		[ 'parts of held: resident', $sum->{resident} / 1024 ],
		[ '               contexts that are no arenas', $sum->{others} / 1024 ],
		[ "the kernel's mappings: arenas", $sum->{arenas} / 1024 ],
		[ '                       malloc', $sum->{malloc} / 1024 ]);
	note(sprintf('  held / private %.3f, explained / private %.3f',
			$sum->{held} / $sum->{private}, $explained / $sum->{private}));

	cmp_ok($sum->{processes}, '>=', $sessions - 1, "moment $moment: processes");
	cmp_ok(abs($sum->{arenas} - $sum->{resident}),
		'<=', 0.1 * $sum->{private}, "moment $moment: the memory of arenas is what goarena says");

	# What is left is mostly what malloc keeps of the blocks that small contexts gave back, in each
	# process by itself: four contexts of 256 kB.
	cmp_ok(abs($explained - $sum->{private}), '<=', 0.1 * $sum->{private} + 1024 * 1024 * $sum->{processes},
		"moment $moment: the difference is explained");
}

$load->signal('TERM');    # INT may be ignored, as in a job of a script
eval { $load->finish };
unlike($stderr, qr/ERROR|FATAL|aborted/, 'no session failed');
end_session($_) foreach @resting;
end_session($watcher);
stop_in_order($node);

done_testing();
