
# Copyright (c) 2026, goarena contributors

# What quarantine is for: dangling pointers meet a fault, frees that are wrong an
# error, writes after pfree() a warning; and memory comes back only when nothing
# points to it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_server('quarantine', PRELOAD,
	'restart_after_crash = on', 'goarena.quarantine_sample_rate = 1', 'goarena.on_fault = crash');

# Does this end the session by SIGSEGV?  Waits until the server is up again.
sub crash_of
{
	my ($sql) = @_;
	my $offset = -s $node->logfile;
	my ($ret, $stdout, $stderr) = $node->psql('postgres', $sql);
	my $crashed = $stderr =~ /server closed the connection unexpectedly/;

	if ($crashed)
	{
		wait_until(sub { is_up_again($node, $offset) }) or die 'the server is gone';
		return 'another crash'
		  if log_of($node, $offset) !~ /\(PID \d+\) was terminated by signal 11: Segmentation fault/;
		return 'SIGSEGV';
	}
	return "no crash: $stdout";
}

#
# Touching memory of a context that was reset
#
my $dangle = q{SELECT test_create(true); SELECT substr(test_keep(), 1, 2); SELECT test_reset()};

is(crash_of("SET goarena.quarantine = strict; $dangle; SELECT test_read_kept()"),
	'SIGSEGV', 'strict: reading memory of a context that was reset');
is(crash_of("SET goarena.quarantine = strict; $dangle; SELECT test_write_kept()"),
	'SIGSEGV', 'strict: writing to it');
is( crash_of(
		q{SET goarena.quarantine = strict; SELECT test_create(true); SELECT substr(test_keep(), 1, 2);
		SELECT test_delete(); SELECT test_read_kept()}),
	'SIGSEGV', 'strict: reading memory of a context that was deleted');
is(crash_of("SET goarena.quarantine = strict; $dangle; SELECT count(*) FROM goarena_sweep(); SELECT test_read_kept()"),
	'SIGSEGV', 'strict: a sweep does not free what is still pointed to');
is( crash_of(
		q{SET goarena.quarantine = strict; SET goarena.sweep_min = '32MB'; SET goarena.sweep_percent = 0;
		SELECT test_create(true); SELECT substr(test_keep(), 1, 2); SELECT test_reset();
		SELECT count(*) FROM test_stress(5, 3000); SELECT test_churn(50000000);
		SELECT test_read_kept()}),
	'SIGSEGV', 'strict: nor do many sweeps, and nobody gets its addresses');
is(crash_of("SET goarena.quarantine = off; $dangle; SELECT test_read_kept()"),
	"no crash: t\n0x\n\nk", 'off: reading memory of a context that was reset');
is( crash_of(
		q{SET goarena.enabled = off; SET goarena.quarantine = strict; SELECT test_create(false);
		SELECT substr(test_keep(), 1, 2); SELECT test_reset(); SELECT test_read_kept()}),
	"no crash: t\n0x\n\nk", 'strict, not sampled: the same');

# Mode on lets the nursery fault when it is used up; a sweep ends the wait.
is( crash_of(
		q{SET goarena.quarantine = on; SELECT test_create(true); SELECT substr(test_keep(), 1, 2);
		SELECT test_fill(1000000); SELECT test_reset(); SELECT count(*) FROM goarena_sweep();
		SELECT test_read_kept()}),
	"SIGSEGV", 'on: reading memory of a full chunk of a context that was reset');

# Objects that are freed one by one: large ones have chunks of their own.
my $large = q{SET goarena.quarantine = strict; SELECT test_create(true); SELECT substr(test_keep(5000000), 1, 2)};
is(crash_of("$large; SELECT test_free_kept(); SELECT test_read_kept()"),
	'SIGSEGV', 'strict: reading a large object after pfree');
is(crash_of("$large; SELECT test_grow_kept(6000000); SELECT test_read_kept()"),
	'SIGSEGV', 'strict: reading a large object at its old place after repalloc');
is(crash_of("$large; SELECT test_grow_kept(600000000); SELECT test_write_kept()"),
	'SIGSEGV', 'strict: writing to it after repalloc to much more');
is( crash_of(
		q{SET goarena.quarantine = strict; SELECT test_create(true); SELECT substr(test_keep(), 1, 2);
		SELECT test_free_kept(); SELECT test_read_kept()}),
	"no crash: t\n0x\n\n\r", 'strict: a small object does not fault on its own, but is poisoned');

is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server goes on after all this');

#
# pfree() and repalloc() of what must not be freed
#
# Up to 15 the word before an object names its context; later the context is found
# from the address, so an object cannot be freed in the wrong one.
my $by_address = $node->pg_version >= 16;
my $no_object = 'ERROR:  XX000: a pointer is not an object of';
my %message = (
	'foreign' => $by_address ? 'any memory context' : 'memory context "goarena test"',
	'other' => $by_address
	? 'memory context "goarena other".*DETAIL:.* was last used by arena (\d+); the context is arena \1'
	: 'memory context "goarena test".*DETAIL:.* was last used by arena (\d+); the context is arena (?!\1)\d+');

my $session = session($node);
my $offset = -s $node->logfile;
my $told = '';

# As refused(), and remember what the client was told.
sub told
{
	my $messages = refused(@_);

	$told .= $messages;
	return $messages;
}

ask($session, '\set VERBOSITY verbose');
foreach my $mode ('off', 'on', 'strict')
{
	ask($session, "SET goarena.quarantine = $mode; SELECT test_create(true)");
	foreach my $function ('test_free_wrong', 'test_realloc_wrong')
	{
		like(told($session, "SELECT $function('twice')"),
			qr/ERROR:  XX000: an object in memory context "goarena test" is freed twice/,
			"$mode, $function: an object that was freed");
		like(told($session, "SELECT $function('interior')"),
			qr/$no_object memory context "goarena test".*DETAIL:  It points \d+ bytes into a chunk of \d+ bytes that is active/s,
			"$mode, $function: a pointer into an object");
		like(told($session, "SELECT $function('foreign')"),
			qr/$no_object $message{foreign}.*DETAIL:  It does not point into memory of any arena/s,
			"$mode, $function: a pointer to memory of something else");
		like(told($session, "SELECT $function('other')"),
			qr/$no_object $message{other}/s,
			"$mode, $function: an object of another arena");
	}
	is(ask($session, 'SELECT test_fill(1000000)'), '1000', "$mode: the context goes on");
	in_order($session, "$mode: all in order after wrong frees");
}
ask($session, '\set VERBOSITY default');

#
# Writing to an object after pfree()
#
foreach my $mode ('on', 'strict')
{
	ask($session, "SET goarena.quarantine = $mode; SELECT test_create(true)");
	ask($session, 'SELECT test_keep(); SELECT test_fill(1000); SELECT test_free_kept()');
	my $messages = told($session, 'SELECT test_write_kept()');
	$messages .= told($session, 'SELECT test_reset()');
	$messages .= told($session, 'SELECT 1') for 1 .. 2;
	like( $messages,
		qr/WARNING:  memory was written after pfree in memory context "goarena test"\nDETAIL:  An object of 1000 bytes was changed at offset 64\./,
		"$mode: a write after pfree gives a warning when the context is reset");

	# no false alarm
	ask($session, 'SELECT test_reset()');
	ask($session, 'SELECT test_keep(); SELECT test_fill(1000); SELECT test_free_kept()');
	$messages = refused($session, 'SELECT test_reset()') . refused($session, 'SELECT 1') . refused($session, 'SELECT 1');
	is($messages, '', "$mode: no warning without a write");
}
unlike($told, qr/0x/, 'clients are told no addresses, and nothing of what is in memory');
my $logged = log_of($node, $offset);
like($logged, qr/DETAIL:  Address 0x[0-9a-f]+: $_/, "the log has the address: $_")
  for 'The object has \d+ bytes\.', 'It points \d+ bytes into a chunk', 'It does not point into';
like($logged, qr/DETAIL:  Object 0x[0-9a-f]+ of 1000 bytes was changed at offset 64 to 0x206e657474697277\./,
	'the log has the address: what was written');

# also without a reset, once enough was freed after it
ask($session, 'SELECT test_create(true); SELECT test_keep(); SELECT test_fill(1000); SELECT test_free_kept(); SELECT test_write_kept()');
like( join('', map { refused($session, q{SELECT count(test_alloc(1000)) FROM generate_series(1, 1000)}) } 1 .. 3),
	qr/WARNING:  memory was written after pfree in memory context "goarena test"/,
	'strict: a warning when other objects were freed after it');

ask($session, 'SET goarena.quarantine = off; SELECT test_create(true)');
ask($session, 'SELECT test_keep(); SELECT test_fill(1000); SELECT test_free_kept(); SELECT test_write_kept()');
is(refused($session, 'SELECT test_reset()') . refused($session, 'SELECT 1'),
	'', 'off: nobody looks');

#
# Chunks whose objects were all freed one by one
#
my $chunks = q{SELECT chunks FROM goarena_arenas() WHERE name = 'goarena test'};
ask($session, 'SELECT test_create(false); SELECT test_free_all(50)');
cmp_ok(ask($session, $chunks), '>', 1, 'freed one by one: chunks stay while little is free');
ask($session, 'SELECT goarena_release()');
is(ask($session, $chunks), '1', 'freed one by one: they leave when memory is to be released');
in_order($session, 'freed one by one: all in order');
end_session($session);

#
# What is pinned, and by what.  Small contexts are arenas, too: what AllocSets leave
# behind in freed memory, here the chunk's address, would pin as well.
#
$node->append_conf('postgresql.conf', "goarena.contexts = '!CacheMemoryContext/, ?*'");
$node->reload;
$node->poll_query_until('postgres', 'SHOW goarena.contexts', '!CacheMemoryContext/, ?*') or die 'no reload';
$session = session($node);
ask($session, 'SET goarena.quarantine = strict; SELECT test_create(true)');
my $address = ask($session, 'SELECT test_keep()');
my $keeper = ask($session, 'SELECT test_keeper()');
my $chunk = qq{SELECT state, %s FROM goarena_chunks()
	WHERE '$address' BETWEEN address AND '0x' || lpad(to_hex(('x' || lpad(substr(address, 3), 16, '0'))::bit(64)::bigint + size - 1), 12, '0')};
is(ask($session, sprintf($chunk, 'pinned_by')), 'active|', 'pinned: not while it is in use');
ask($session, 'SELECT test_reset()');
# From now on, the session's own queries leave nothing in quarantine.
ask($session, 'SET goarena.quarantine = off');
is(ask($session, sprintf($chunk, 'pinned_by')), 'quarantined|', 'pinned: not before a sweep');
is(ask($session, 'SELECT chunks_pinned > 0 FROM goarena_sweep()'), 't', 'pinned: a sweep counts it');
is(ask($session, sprintf($chunk, 'pinned_by')), "quarantined|$keeper",
	'pinned: by the static pointer, whose address is shown');
is(ask($session, q{SELECT s.chunks_pinned = 0 FROM goarena_sweeps() s LIMIT 1}), 'f',
	'pinned: in the history of sweeps as well');
ask($session, 'SELECT goarena_sweep()') for 1 .. 3;
is(ask($session, sprintf($chunk, 'pinned_by')), "quarantined|$keeper",
	'pinned: as long as the pointer is there');
ask($session, 'SELECT test_clear()');
# Copies of it in memory that was used again last until that is written to.
ok( wait_until(
		sub {
			ask($session, 'SELECT goarena_sweep(); SELECT count(test_alloc(1000)) FROM generate_series(1, 100)');
			return ask($session, sprintf($chunk, 'coalesce(pinned_by, \'nothing\')')) =~ /^(fresh|ready|active|full)\|nothing$/;
		}),
	'pinned: freed by a sweep after the pointer was cleared');
in_order($session, 'pinned: all in order');

# a pointer in another live arena pins as well
is( ask($session, q{
		SET goarena.quarantine = strict;
		CREATE FUNCTION pinned_after_sweep() RETURNS bigint LANGUAGE sql AS 'SELECT chunks_pinned FROM goarena_sweep()';
		SELECT pinned_after_sweep() >= 0}),
	't', 'a sweep in strict mode');

#
# No sweep where none may be
#
ask($session, q{SET goarena.sweep_min = '128MB'; SET goarena.sweep_percent = 0; SET goarena.quarantine = strict});
ask($session, 'SELECT 1');
my $before = statistics($session);
ask($session, 'SELECT test_churn(2048::bigint * 1024 * 1024, true)');
my $after = statistics($session);
cmp_ok($after->{sweeps} - $before->{sweeps}, '<=', 4,
	'held interrupts: no sweep while they are');
ask($session, 'SELECT test_churn(2048::bigint * 1024 * 1024, false)');
my $swept = statistics($session);
cmp_ok($swept->{sweeps} - $after->{sweeps}, '>=', 30,
	'not held: many sweeps');
in_order($session, 'held interrupts: all in order');

#
# Random operations in each mode, with sweeps all the time
#
my $seed = $ENV{GOARENA_SEED} || int(rand(1000000));
diag("seed $seed");
foreach my $mode ('off', 'on', 'strict')
{
	foreach my $chunk_size ('64kB', '8MB')
	{
		ask($session, "SET goarena.quarantine = $mode; SET goarena.chunk_size = '$chunk_size'");
		is(ask($session, "SELECT allocs > 2000 AND reallocs > 1000 FROM test_stress($seed, 6000)"),
			't', "stress: mode $mode, chunks of $chunk_size");
		in_order($session, "stress: mode $mode, chunks of $chunk_size: all in order");
	}
}

#
# The sample: contexts that are reset for each row are in it as if they were reset each 50 us
#
my $rows = q{SELECT count(*) FROM generate_series(1, 2000000) i WHERE length(i::text) > 0};
my $sampled = session($node);
ask($sampled, q{SET jit = off; SET goarena.contexts = '*'; SET goarena.quarantine = on; SET goarena.quarantine_sample_rate = 0.02});
ask($sampled, $rows);
my $resets = statistics($sampled)->{resets};
my $began = time;
ask($sampled, $rows);
my $most = (time - $began) * 1e6 * 0.02 / 50;
$resets = statistics($sampled)->{resets} - $resets;
cmp_ok($resets, '>', 20, 'the sample: contexts that are reset for each row are in it');
cmp_ok($resets, '<', $most + 200, 'the sample: but no more often than it takes time');

# From 0.1 on each life counts.
ask($sampled, 'SET goarena.quarantine_sample_rate = 0.1');
$resets = statistics($sampled)->{resets};
ask($sampled, $rows);
$resets = statistics($sampled)->{resets} - $resets;
cmp_ok(abs($resets - 200000), '<', 20000, "the sample: a tenth of all lives where the rate is 0.1 ($resets)");
end_session($sampled);

#
# What 16 and later add to memory contexts
#
SKIP:
{
	skip 'this server cannot allocate aligned memory', 7 if $node->pg_version < 16;

	ask($session, "SET goarena.chunk_size = '1MB'");
	foreach my $mode ('off', 'on', 'strict')
	{
		ask($session, "SET goarena.quarantine = $mode; SELECT test_create(true)");
		is(ask($session, "SELECT test_aligned($seed, 5000)"), 'ok', "aligned objects: mode $mode");
		in_order($session, "aligned objects: mode $mode: all in order");
	}
	is(ask($session, 'SELECT test_other_types()'), 't', 'other types of contexts are left alone');
}
end_session($session);
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server is well');
$node->stop;

done_testing();
