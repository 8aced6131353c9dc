
# Copyright (c) 2026, goarena contributors

# goarena.debug finds what is not found otherwise: reads of small objects that were freed, accesses
# beyond objects, sweeps that miss pointers.  Reports say where objects were allocated.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $poison = '000025a5deadf00d';
my $node = new_server('debug', PRELOAD, 'goarena.on_fault = terminate',
	# only sweeps that a test asks for
	'goarena.idle_release = -1');

$node->safe_psql('postgres', 'CREATE EXTENSION goarena_fault_test');

# What a session prints and is told, one line each.
sub said
{
	my ($script) = @_;
	my ($ret, $out, $err) = $node->psql('postgres', $script);

	return "$out\n$err";
}

# The text of the last report.
sub last_report
{
	return $node->safe_psql('postgres', 'SELECT goarena_faults_text(max(id)) FROM goarena_faults()');
}

sub query
{
	return $node->safe_psql('postgres', shift);
}

#
# clobber
#
foreach my $quarantine ('off', 'on')
{
	my $settings = "SET goarena.quarantine = $quarantine; SET goarena.quarantine_sample_rate = 1;";

	foreach my $free ('fault_reset', $quarantine eq 'off' ? 'fault_pfree' : (), 'fault_delete')
	{
		my $read = "$settings SELECT fault_create(); SELECT fault_keep(1000); SELECT $free(); SELECT fault_read(504);";

		like(said("SET goarena.debug = clobber; $read"), qr/^$poison$/m,
			"$quarantine, clobber: what is read after $free is poison");
		unlike(said($read), qr/^$poison$/m, "$quarantine: else it is not");
	}
}
like(said(q{SET goarena.quarantine = off; SET goarena.debug = clobber; SELECT fault_create();
	SELECT fault_keep(8); SELECT fault_reset(); SELECT fault_take(); SELECT fault_follow()}),
	qr/FATAL:  terminating connection because of an access to freed memory/,
	'off, clobber: a pointer that is read after a reset and followed is reported');

#
# efence
#
my $overrun = 'SELECT fault_create(); SELECT fault_keep(%d); SELECT %s(%d);';

foreach (
	[ 1001, 'fault_write', 1008, 'write' ],
	[ 100000, 'fault_read', 100000, 'read' ])
{
	my ($size, $function, $offset, $access) = @$_;
	my $script = sprintf($overrun, $size, $function, $offset);
	my $told = said("SET goarena.debug = efence; $script");

	like($told, qr/FATAL:  terminating connection because of an access beyond an object/,
		"efence: $function at $offset beyond $size bytes ends the session");
	like($told, qr/DETAIL:  An object of $size bytes was overrun in memory context "fault test"\./,
		'the message names the object and its context');
	like($told, qr/It was used in $function.*\(goarena_fault_test\.so\)\.  The statement was: SELECT $function/,
		"and the author's frame and the statement");
	my $text = last_report();
	like($text, qr/^kind: overrun\noutcome: terminate\naccess: $access$/m, 'the report says what it was');
	like($text, qr/^context: fault test\n.*^object size: $size\nobject offset: $offset$/ms, 'where');
	like($text, qr/^allocation stack:\n(?:  .*\n)*.* Keep.*goarena_fault_test/m, 'and who allocated the object');
	unlike($text, qr/free stack/, 'but not who freed it');
	unlike(said($script), qr/FATAL/, 'without efence nobody notices');
}
like(said("SET goarena.debug = efence; SET goarena.debug_contexts = 'others'; " . sprintf($overrun, 1000, 'fault_read', 1000)),
	qr/\A(?!.*FATAL)/s, 'efence looks at contexts that are named');
like(said('SET goarena.debug = efence; SELECT fault_create(); SELECT fault_keep(1000); SELECT fault_pfree(); SELECT fault_read()'),
	qr/FATAL:  .*access to freed memory\nDETAIL:  It belonged to memory context "fault test" and was freed by pfree/,
	'efence: a small object that was freed faults at once');
like(last_report(), qr/^object size: 1000$/m, 'and is known');

# More objects than may have pages of their own.
my $offset = -s $node->logfile;
is(query(q{
	SET goarena.debug_contexts = 'goarena test';
	SET goarena.debug = efence;
	SELECT test_create() AND test_fill(9000 * 1000, 1000) = 9000 AND goarena_check() IS NULL}),
	't', 'efence: with too many objects for the system all goes on');
my @told = log_of($node, $offset) =~ /LOG:  (goarena no longer gives all objects pages of their own)/g;
is(scalar(@told), 1, 'which is told once');
like(log_of($node, $offset), qr/DETAIL:  \d+ objects have some\.\n.*HINT:  Raise vm\.max_map_count/, 'with numbers and advice');

#
# checkmark
#
my $pinned = q{SET goarena.quarantine = strict; SET goarena.quarantine_sample_rate = 1; SET goarena.debug = checkmark;
	SELECT fault_create(); SELECT fault_keep(1000); SELECT fault_reset();};
my $sweep = q{SELECT 'pinned ' || (chunks_pinned > 0) FROM goarena_sweep();
	SELECT 'differences ' || coalesce((check_differences > 0)::text, 'unknown') FROM goarena_sweeps() LIMIT 1;};
my $told = said("$pinned $sweep");

like($told, qr/^pinned true\ndifferences false$/m, 'checkmark: both readings find the same');
unlike($told, qr/WARNING/, 'and nothing is said');
SKIP:
{
	skip 'system calls cannot be filtered here', 4
	  if said('SELECT test_refuse_peek(true)') !~ /^t$/m;
	$told = said("$pinned SELECT test_refuse_peek(true); $sweep");
	like($told, qr/^pinned true\ndifferences true$/m,
		'checkmark: where the second reading finds less, that is counted, and what the first found stays');
	like($told, qr/WARNING:  two readings of memory by sweep 1 of goarena differ\nDETAIL:  [1-9]\d* slots have a pointer to them that only the direct reading found, and 0 one/,
		'and told');

	$offset = -s $node->logfile;
	$told = said("$pinned SELECT test_refuse_peek(false); $sweep $sweep");
	like($told, qr/^pinned true\ndifferences unknown$/m, 'checkmark: where nothing can be read through the kernel, nothing is compared');
	@told = log_of($node, $offset) =~ /LOG:  (goarena could not check its sweeps in this process)/g;
	is(scalar(@told), 1, 'which is told once');
}

#
# alloctrace
#
$offset = -s $node->logfile;
query(q{
	SET goarena.debug_contexts = '!fault parent, fault*';
	SET goarena.debug = alloctrace;
	SET goarena.quarantine = off;
	SELECT fault_create('an ident'), fault_keep(1000), fault_pfree(), fault_reset(), fault_delete()});
my $log = log_of($node, $offset);
foreach (
	[ 'alloc of 1000 bytes of an object', 'Keep' ],
	[ 'alloc of 16 bytes of an object', 'fault_keep' ],
	[ 'free of 1000 bytes of an object', 'fault_pfree' ],
	[ 'reset of \d+ bytes', 'fault_reset' ],
	[ 'delete of \d+ bytes', 'fault_delete' ])
{
	my ($what, $function) = @$_;

	like($log, qr/LOG:  goarena: $what in context "fault test", arena \d+\n(?:object: 0x[0-9a-f]+\n)?stack:\n(?:  .*\n)*?.* $function/,
		"alloctrace: $what with its stack");
}
unlike($log, qr/in context "(?!fault test)/, 'and nothing of other contexts');

$offset = -s $node->logfile;
query(q{
	SET goarena.debug_contexts = 'goarena test';
	SET goarena.debug = alloctrace;
	SELECT test_create() AND test_fill(20000 * 1000, 1000) = 20000});
$log = log_of($node, $offset);
my $written = () = $log =~ /LOG:  goarena: alloc of 1000 bytes of an object in context "goarena test"/g;
my $left_out = 0;
$left_out += $_ foreach $log =~ /LOG:  goarena: alloctrace left out (\d+) allocations and frees before this/g;
ok($written > 0 && $left_out > 0, "alloctrace: $written entries of 20000 are written");
is($written + $left_out, 20000, 'and those that are not are counted');

#
# Stacks of allocations
#
my $dangling = 'SELECT fault_create(); SELECT fault_keep(1000); SELECT fault_reset(); SELECT fault_read();';
my $keeper = qr/^allocation stack:\n(?:  .*\n)*?.* Keep.*goarena_fault_test/m;

foreach (
	[ 'strict', 'on', 1, 1 ],
	[ 'strict', 'strict', 1, 1 ],
	[ 'strict', 'off', 1, 0 ],
	[ 'on', 'on', 0.999, 1 ],
	[ 'on', 'strict', 0.999, 0 ])
{
	my ($quarantine, $stacks, $rate, $kept) = @$_;

	like(said("SET goarena.quarantine = $quarantine; SET goarena.quarantine_sample_rate = $rate;"
		. " SET goarena.allocation_stacks = $stacks;" . $dangling x ($rate < 1 ? 20 : 1)), qr/FATAL/,
		"quarantine $quarantine, rate $rate, stacks $stacks: a report");
	$kept ? like(last_report(), $keeper, 'it says who allocated the object')
	  : unlike(last_report(), qr/allocation stack/, 'it does not say who allocated the object');
}

# An object that was freed by itself, while others live.
foreach (
	[ 'on', qr/allocation stack:\n(?:  .*\n)*?.* Keep/ ],
	[ 'strict', qr/\A(?!.*allocation stack)/s ])
{
	my ($stacks, $expected) = @$_;

	like(said("SET goarena.quarantine = on; SET goarena.quarantine_sample_rate = 1; SET goarena.allocation_stacks = $stacks;"
		. ' SELECT fault_create(); SELECT fault_keep(1000); SELECT fault_pfree(); SELECT fault_pfree()'),
		qr/ERROR:  an object in memory context "fault test" is freed twice/, "on, stacks $stacks: a double pfree");
	like(last_report(), $expected, 'has the stack of the allocation, or has none');
	like(last_report(), qr/^free stack:\n.*fault_pfree/m, 'and that of the first free');
}
stop_in_order($node);
done_testing();
