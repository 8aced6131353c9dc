
# Copyright (c) 2026, goarena contributors

# What fails how, on a real server, when the operating system refuses memory.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('limits', PRELOAD, STRICT);

# Set a soft limit of a process in kB, or lift it.
sub limit
{
	my ($pid, $resource, $kb) = @_;
	my $value = defined $kb ? $kb * 1024 : 'unlimited';

	system_or_bail('prlimit', '--pid', $pid, "--$resource=$value:");
}

# Seconds of the processor's time that a process has used.
sub cpu_seconds
{
	my ($pid) = @_;
	my (undef, $rest) = split(/\) /, slurp_file("/proc/$pid/stat"), 2);
	my ($user, $system) = (split(' ', $rest))[ 11, 12 ];

	return ($user + $system) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# The result of a query, or its error.
sub tried
{
	my ($session, $query) = @_;

	return eval { ask($session, $query) } // $@;
}

my $big = q{SELECT length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 300000)};
my $many = q{SET work_mem = '1GB'; SELECT sum(length(s)) FROM (SELECT string_agg(repeat(md5(i::text), 250), '') AS s FROM generate_series(1, 100000) i GROUP BY i) t};
my $small = q{SELECT count(*), md5(string_agg(md5(i::text), '')) FROM generate_series(1, 1000) i};
my $answer = $node->safe_psql('postgres', $small);

foreach my $mode ('strict', 'on', 'off')
{
	# Address space is reserved in steps of 64 MB; what is reserved counts.
	# RLIMIT_DATA counts what can be written: mprotect fails.
	foreach my $case (
		[ 'as', 'VmSize', 100 * 1024, 'address space used up' ],
		[ 'data', 'VmData', 40 * 1024, 'mprotect fails' ])
	{
		my ($resource, $figure, $room, $name) = @$case;
		my $session = session($node);
		my $pid = backend_pid($session);

		$name = "$mode: $name";
		ask($session, "SET goarena.quarantine = $mode");
		ask($session, '\set VERBOSITY verbose');
		ask($session, 'SELECT test_create(); SELECT test_fill(1000000)');
		is(ask($session, $small), $answer, "$name: a query before");

		limit($pid, $resource, process_kb($pid, $figure) + $room);
		like(refused($session, $big),
			qr/ERROR:  53200: out of memory.*DETAIL:  Failed on request of size \d+ in memory context/s,
			"$name: a large query gives an error");
		is(tried($session, $small), $answer, "$name: the session goes on");
		in_order($session, "$name: all in order");
		like(refused($session, $many),
			qr/ERROR:  53200: out of memory/,
			"$name: so does one of many objects");
		is(tried($session, $small), $answer, "$name: the session goes on after that");
		is(tried($session, q{SELECT test_alloc(500000000, 'no_oom huge')}),
			'null', "$name: with MCXT_ALLOC_NO_OOM the result is NULL");
		is(tried($session, q{SELECT test_alloc(500000000, 'no_oom huge zero')}),
			'null', "$name: also with MCXT_ALLOC_ZERO");
		like(refused($session, q{SELECT test_alloc(500000000, 'huge')}),
			qr/ERROR:  53200: out of memory.*Failed on request of size 500000000 in memory context "goarena test"/s,
			"$name: without it, an error that names the context");
		is(tried($session, q{SELECT test_alloc(100000, 'zero')}),
			'ok', "$name: what there is room for is had");

		# an error within a subtransaction
		is( tried($session, qq{
				DO \$\$
				BEGIN
					FOR i IN 1..3 LOOP
						BEGIN
							EXECUTE '@{[ $big =~ s/'/''/gr ]}';
							RAISE 'not reached';
						EXCEPTION WHEN out_of_memory THEN
							NULL;
						END;
					END LOOP;
				END \$\$;
				SELECT 'caught'}),
			'caught', "$name: the error can be caught");
		in_order($session, "$name: all in order after errors");
		is(tried($session, q{SELECT count(*) > 0 FROM goarena_sweeps() WHERE reason = 'out of memory'}),
			't', "$name: a sweep was tried");
		like(tried($session, 'SELECT goarena_release()'),
			qr/^\d+$/, "$name: memory can be released");

		limit($pid, $resource);
		is(ask($session, $big), '300000000', "$name: the limit is lifted, the query works");
		is(tried($session, q{SELECT test_alloc(500000000, 'no_oom huge')}),
			'ok', "$name: the limit is lifted, memory is had");
		is(ask($session, 'SELECT allocs > 1000 FROM test_stress(4, 3000)'),
			't', "$name: many allocations afterwards");
		in_order($session, "$name: all in order in the end");
		end_session($session);
	}
}

# Where little is left, many rows need a little more: that does not take a sweep for each.
{
	my $session = session($node);
	my $pid = backend_pid($session);
	my $small_ones = $many =~ s{repeat\(md5\(i::text\), 250\)}{md5(i::text)}r =~ s{100000}{250000}r;

	is(ask($session, $small), $answer, 'many small objects: a query before');
	limit($pid, 'data', process_kb($pid, 'VmData') + 40 * 1024);
	like(refused($session, $small_ones), qr/ERROR:  out of memory/, 'many small objects: an error');
	cmp_ok(ask($session, 'SELECT sweeps FROM goarena_stats() WHERE pid = pg_backend_pid()'), '<', 500,
		'many small objects: there are few sweeps');
	end_session($session);
}

#
# Requests that are too large in themselves
#
my $session = session($node);
my $pid = backend_pid($session);
ask($session, 'SELECT test_create(true)');
like(refused($session, q{SELECT test_alloc(2000000000)}),
	qr/invalid memory alloc request size 2000000000/,
	'1 GB and more: refused without MCXT_ALLOC_HUGE');
is(tried($session, q{SELECT test_alloc(1100000000, 'huge')}),
	'ok', '1 GB and more: had with it');
is(tried($session, q{SELECT test_alloc(200::bigint * 1024 * 1024 * 1024 * 1024, 'huge no_oom')}),
	'null', 'more than can be addressed: NULL');
like(refused($session, q{SELECT test_alloc(200::bigint * 1024 * 1024 * 1024 * 1024, 'huge')}),
	qr/out of memory/, 'more than can be addressed: an error');
is(tried($session, q{SELECT test_alloc(0), test_alloc(0, 'zero'), test_alloc(1, 'zero'), test_alloc(2097152 - 16, 'zero')}),
	'ok|ok|ok|ok', 'small and medium ones');
in_order($session, 'sizes: all in order');

#
# The limit of mappings
#
my $max = slurp_file('/proc/sys/vm/max_map_count');
SKIP:
{
	skip 'vm.max_map_count is not the default', 10 if $max != 65530;

	my $offset = -s $node->logfile;
	# A sweep in between would make all of them ready.
	ask($session, q{SET goarena.sweep_min = '16GB'});
	is(ask($session, 'SELECT test_scatter(36000)'), '', 'mapping limit: nothing fails');
	my $s = statistics($session);
	my $isolated = $s->{chunks_quarantined};
	cmp_ok($s->{chunks_fault}, '>', 500, 'mapping limit: chunks wait without being isolated');
	my $mappings = () = slurp_file("/proc/$pid/maps") =~ /\n/g;
	cmp_ok($mappings, '<', $max * 0.6, 'mapping limit: mappings are left for others');
	diag("$mappings mappings of $max, $isolated chunks isolated, $s->{chunks_fault} not; estimate $s->{mappings}");
	is(ask($session, $small), $answer, 'mapping limit: queries work');
	in_order($session, 'mapping limit: all in order');
	my @told = log_of($node, $offset) =~ /LOG:  goarena no longer sets all freed memory to fault in this process/g;
	cmp_ok(scalar(@told), '>=', 1, 'mapping limit: the log tells');

	# by the time of the processor, since others may have much to do
	my $spent = cpu_seconds($pid);
	ask($session, 'SELECT test_scatter(0)');
	cmp_ok(cpu_seconds($pid) - $spent, '<', 60, 'mapping limit: memory is freed without delay');
	ask($session, 'SELECT goarena_sweep(); SELECT goarena_release()');
	is(ask($session, $big), '300000000', 'mapping limit: large queries afterwards');
	$mappings = () = slurp_file("/proc/$pid/maps") =~ /\n/g;
	cmp_ok($mappings, '<', 5000, 'mapping limit: mappings go when memory is used again');
	in_order($session, 'mapping limit: all in order in the end');
}
end_session($session);

#
# A kernel, or a filter of system calls, that does not let pages be moved
#
SKIP:
{
	my $session = session($node);
	my $offset = -s $node->logfile;
	skip 'there can be no filter of system calls', 11
	  if ask($session, 'SELECT test_refuse_mremap()') ne 't';

	foreach my $mode ('strict', 'on', 'off')
	{
		ask($session, "SET goarena.quarantine = $mode");
		is(ask($session, $small), $answer, "no mremap, $mode: queries work");
		is(ask($session, $big), '300000000', "no mremap, $mode: large objects grow");
		in_order($session, "no mremap, $mode: all in order");
	}
	my @told = log_of($node, $offset) =~ /LOG:  goarena could not move pages of freed memory/g;
	is(scalar(@told), 1, 'no mremap: told once');

	# What was freed faults all the same.
	$offset = -s $node->logfile;
	end_session($session);
	$node->psql('postgres', q{SELECT test_refuse_mremap(); SELECT test_create(true); SELECT test_keep();
		SELECT test_reset(); SELECT test_read_kept()});
	like(log_of($node, $offset), qr/LOG:  goarena: access to freed memory.*^freed by: reset$/ms,
		'no mremap: an access to freed memory is reported');
}

#
# What the server says of contexts.  18 and later count levels from 1.
#
$session = session($node);
$pid = backend_pid($session);
ask($session, 'SELECT test_create(true)');
ask($session, 'SELECT test_fill(10000000); SELECT test_fill(10000000, 5000000)');
my $figures = q{SELECT format('%s total in %s blocks; %s free', total, blocks, free), allocated = total,
	total - used - free, used BETWEEN 20000000 AND 20500000, total BETWEEN used AND used + 100000
	FROM test_accounting()};
my ($told, @relations) = split(/\|/, ask($session, $figures));
is("@relations", 't 0 t t', 'stats of an arena: what is used is counted');
my $offset = -s $node->logfile;
$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($pid)");
ok( wait_until(
		sub { log_of($node, $offset) =~ /LOG:  level: [12]; goarena test: \Q$told\E \(\d+ chunks\); \d+ used\n.*Grand total:.*\n/s }),
	'pg_log_backend_memory_contexts: the same figures');
like(log_of($node, $offset), qr/LOG:  level: [12]; MessageContext: \d+ total in \d+ blocks;/,
	'pg_log_backend_memory_contexts: the server\'s contexts');
my ($total) = log_of($node, $offset) =~ /LOG:  Grand total: (\d+) bytes in \d+ blocks/;
cmp_ok($total, '>', 20000000, 'pg_log_backend_memory_contexts: the grand total');
cmp_ok($total, '<', 20000000 + 3000000, 'pg_log_backend_memory_contexts: no more than that');

$offset = -s $node->logfile;
ask($session, 'SELECT test_print_stats()');
ok(wait_until(sub { log_of($node, $offset) =~ /^goarena test: \Q$told\E \(\d+ chunks\); \d+ used$/m }),
	'MemoryContextStats: the same figures');
is( ask($session, q{
		SELECT b.total_bytes = a.total AND b.used_bytes = a.used AND b.free_bytes = a.free AND b.total_nblocks = a.blocks
		FROM pg_backend_memory_contexts b, test_accounting() a WHERE b.name = 'goarena test'}),
	't', 'pg_backend_memory_contexts: the same figures');
is(ask($session, q{SELECT used_bytes BETWEEN 20000000 AND 20500000 FROM goarena_arenas() WHERE name = 'goarena test'}),
	't', 'goarena_arenas: about the same');
is(ask($session, 'SELECT test_chunk_space(100) BETWEEN 100 AND 140, test_chunk_space(1000) BETWEEN 1000 AND 1140, test_chunk_space(10000000) BETWEEN 10000000 AND 10000040'),
	't|t|t', 'GetMemoryChunkSpace: no more than is used');
ask($session, 'SELECT test_reset()');
is(ask($session, 'SELECT allocated <= 1024, total <= 1024, used <= 1024 FROM test_accounting()'),
	't|t|t', 'stats of an arena: nothing after a reset');
ask($session, 'SELECT test_delete()');
is(ask($session, q{SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'goarena test'}),
	'0', 'stats of an arena: gone with it');
end_session($session);

stop_in_order($node);

done_testing();
