
# Copyright (c) 2026, goarena contributors

# Typed arenas as an extension uses them that was built with the installed header: where
# goarena is loaded, where it is not, and what is refused.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The examples of the document are what is compiled and run here.
my ($document) = grep { -e $_ } map { "$FindBin::RealBin/$_/docs/c-api.md" } '..', '../..';
my $source = join('',
	map { slurp_file($_) } glob("$FindBin::RealBin/../modules/*.c $FindBin::RealBin/../modules/goarena_consumer/*.c"));
my ($typed) = slurp_file($document) =~ /^## Types\n(.*?)^## Finalizers/ms;
my @examples = $typed =~ /^```c\n(.*?)^```/msg;

ok(@examples >= 3, 'docs/c-api.md has examples');
foreach my $example (@examples)
{
	my ($name) = $example =~ /^(\w+)\(/m;

	ok(index($source, $example) >= 0, "the example $name is compiled and run");
}

my $node = new_server('typed', PRELOAD, 'goarena.quarantine_sample_rate = 0');
$node->safe_psql('postgres', 'CREATE EXTENSION goarena_consumer');

my $expression = '(a*(b+c))+d*e*longername';

# Each mode, and a server where the library is not loaded.
foreach my $mode ('off', 'on', 'strict', 'absent')
{
	my $session = session($node);
	my $loaded = $mode ne 'absent';

	if (!$loaded)
	{
		end_session($session);
		$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
		$node->restart;
		$session = session($node);
	}
	else
	{
		ask($session, "SET goarena.quarantine_sample_rate = 1; SET goarena.quarantine = $mode");
	}
	is(ask($session, 'SELECT consumer_version()') > 0, $loaded, "$mode: the interface");
	is(ask($session, "SELECT consumer_parse('$expression')"), '((a*(b+c))+((d*e)*longername))',
		"$mode: a tree is built in an arena and copied out");
	like(refused($session, q{SELECT consumer_parse('a+(b')}), qr/expected a parenthesis/,
		"$mode: an error while it is built");
	is(ask($session, 'SELECT consumer_types()'), 'ok', "$mode: types");
	foreach my $arena ('true', 'false')
	{
		is(ask($session, "SELECT consumer_alloc($arena)"), 'ok', "$mode: memory, arena $arena");
		is(ask($session, "SELECT consumer_resize($arena)"), 'ok', "$mode: arrays grow, arena $arena");
		is(ask($session, "SELECT consumer_clone(1000, $arena)"), 'ok', "$mode: copies, arena $arena")
		  if $loaded;
	}
	is(ask($session, q{SELECT consumer_zero('GoarenaFree')}), $loaded ? 't' : 'f',
		"$mode: no objects have one address");
	is(ask($session, q{SELECT consumer_zero('pfree')}), $loaded ? 't' : 'f',
		"$mode: pfree may have it");
	like(refused($session, 'SELECT consumer_alloc_array(1000, 9223372036854775807)'),
		qr/array size exceeds the maximum allowed/, "$mode: an array that is too large");
	like(refused($session, 'SELECT consumer_alloc_array(2, 4611686018427387904)'),
		qr/array size exceeds the maximum allowed/, "$mode: an array that is too large by one byte");
	like(refused($session, 'SELECT consumer_alloc_array(1, 4611686018427387903)'),
		qr/out of memory/, "$mode: an array that there is no memory for");
	like(refused($session, 'SELECT consumer_type(0, 1, -1)'), qr/cannot have size 0/,
		"$mode: a type without size");
	like(refused($session, 'SELECT consumer_type(16, 8, 12)'), qr/has no word at offset 12/,
		"$mode: a pointer that is not aligned");
	like(refused($session, 'SELECT consumer_type(16, 8, 16)'), qr/has no word at offset 16/,
		"$mode: a pointer behind the end");
	if (!$loaded)
	{
		like(refused($session, 'SELECT consumer_clone(10, true)'),
			qr/can only be copied where goarena is loaded/, 'absent: no copies');
		is(ask($session, q{SELECT consumer_free('pfree', 100)}), '',
			'absent: pfree may have memory without pointers');
		end_session($session);
		next;
	}

	# What has no header cannot be freed, and the server lives on.
	foreach my $how ('pfree', 'repalloc', 'GoarenaFree')
	{
		foreach my $size (3, 24, 100, 5000)
		{
			next if $how ne 'GoarenaFree' && $size < ($mode eq 'off' ? 64 : 16);
			like(
				refused($session, "SELECT consumer_free('$how', $size)"),
				qr/memory without pointers in memory context "goarena consumer" cannot be freed or resized by itself/,
				"$mode: $how of $size bytes without header");
		}
		is(ask($session, "SELECT consumer_free('$how', 5000000)"), '',
			"$mode: $how of what is large");
	}
	like(refused($session, q{SELECT consumer_zero('GoarenaSetFinalizer')}),
		qr/a finalizer cannot be set for an array of no objects/, "$mode: nothing has no finalizer");
	like(refused($session, q{SELECT consumer_zero('repalloc')}),
		qr/an object without bytes cannot change its size/, "$mode: nothing cannot grow");
	like(refused($session, 'SELECT consumer_type(12, 8, -1)'), qr/cannot have size 12/,
		"$mode: a size that is no multiple of the alignment");
	like(refused($session, 'SELECT consumer_type(48, 16, -1)'), qr/alignment 16/,
		"$mode: an alignment that memory has not got");
	like(refused($session, 'SELECT consumer_type(16, 4, 8)'), qr/alignment 4/,
		"$mode: pointers that are not aligned");
	is(ask($session, 'SELECT goarena_check() IS NULL'), 't', "$mode: the heap is in order");
	end_session($session);
}

$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "'goarena'");
$node->append_conf('postgresql.conf', q{
goarena.quarantine_sample_rate = 1
goarena.quarantine = strict});
$node->restart;

# What pins: a sweep reads words that are pointers, and what it knows nothing of.
my %pins = (pointer => 1, number => 0, untyped => 1, large => 0, 'small' => 0);

foreach my $place (sort keys %pins)
{
	my $session = session($node);
	my $pinned;

	ask($session, "SELECT consumer_keep('$place')");
	ask($session, 'SELECT count(*) FROM goarena_sweep()');
	$pinned = ask($session,
		q{SELECT count(*) FROM goarena_chunks() WHERE state = 'quarantined' AND size >= 2097152 AND pinned_by IS NOT NULL});
	is($pinned > 0 ? 1 : 0, $pins{$place}, "a dangling pointer in $place pins: $pins{$place}");
	end_session($session);
}

# A sweep skips memory without pointers, however much there is.
{
	my $session = session($node);
	my %read;

	ask($session, 'SET goarena.quarantine_sample_rate = 0');
	foreach my $held ('0, true', '60000, true', '60000, false')
	{
		ask($session, "SELECT consumer_hold($held)");
		$read{$held} = ask($session, 'SELECT bytes_scanned FROM goarena_sweep()');
	}
	cmp_ok($read{'60000, true'}, '<', $read{'0, true'} + 6_000_000, 'a sweep does not read 60 MB without pointers');
	cmp_ok($read{'60000, false'}, '>', $read{'0, true'} + 55_000_000, 'but reads as much without types');
	end_session($session);
}

# The heap profile knows memory without pointers: 10 MB are some 1300 samples.
{
	my $session = session($node);

	is( ask($session, q{SET goarena.profile_rate = '8kB'; SELECT consumer_hold(10000, true);
		SELECT sum(inuse_bytes) BETWEEN 8e6 AND 13e6 FROM goarena_profile() WHERE context = 'goarena consumer keeper'}),
		"\nt", 'the heap profile has memory without pointers');
	is( ask($session, q{SELECT consumer_hold(0, true);
		SELECT count(*) FROM goarena_profile() WHERE context = 'goarena consumer keeper' AND inuse_bytes > 0}),
		"\n0", 'and forgets it with its context');
	end_session($session);
}

# What is known of pointers, and what goarena.debug does to typed objects.
{
	my $session = session($node);

	is( ask($session, q{SELECT concat_ws(' ', p.state, p.context, p.size, p.type) FROM consumer_node(false) n, goarena_pointer(n) p}),
		'live goarena consumer keeper 48 Ring', 'the type of an object in SQL');
	is( ask($session, q{SELECT concat_ws(' ', p.state, p.size, p.type) FROM consumer_node(true) n, goarena_pointer(n) p}),
		'live 10000000 char', 'and that of a large array');
	is(ask($session, q{SELECT p.type IS NULL FROM goarena_pointer('0x1000') p}), 't', 'and what has none');
	end_session($session);
}
foreach my $pointers ('true', 'false')
{
	my ($ret, $out, $err) = $node->psql('postgres',
		"SET goarena.debug_contexts = 'goarena consumer*'; SET goarena.debug = efence; SELECT consumer_overrun(3, $pointers)");
	my $size = $pointers eq 'true' ? 144 : 24;

	like($err, qr/access beyond an object\nDETAIL:  An object of $size bytes was overrun in memory context "goarena consumer keeper"/,
		"efence: an overrun of typed memory, with pointers: $pointers");
	like($node->safe_psql('postgres', 'SELECT goarena_faults_text(max(id)) FROM goarena_faults()'),
		qr/^allocation stack:\n(?:  .*\n)*?.* consumer_overrun/m, 'and who allocated it');
}
my $offset = -s $node->logfile;
$node->safe_psql('postgres',
	"SET goarena.debug_contexts = 'goarena consumer*'; SET goarena.debug = alloctrace; SELECT consumer_hold(1, true)");
like(log_of($node, $offset),
	qr/LOG:  goarena: alloc of 1024 bytes of an object in context "goarena consumer keeper".*\nobject: .*\nstack:\n(?:  .*\n)*?.* consumer_hold/,
	'alloctrace: typed memory');

# A million nodes in a ring do not need more stack, and can be cancelled.
my $session = session($node);
is( ask($session, q{SET max_stack_depth = '100kB'; SELECT consumer_clone(200000, true)}),
	'ok', 'a long ring is copied');
ask($session, 'CREATE SEQUENCE copied');
ask($session, q{SET statement_timeout = '1ms'});
like(refused($session, q{SELECT CASE WHEN consumer_clone(500000, true) = 'ok' THEN nextval('copied') END}),
	qr/canceling statement due to statement timeout/, 'copies can be cancelled');
lift_timeout($session);
is(ask($session, 'SELECT is_called FROM copied'), 'f', 'before they are done');
is(ask($session, 'SELECT goarena_check() IS NULL'), 't', 'the heap is in order');

# mem_allocated, by which the server decides, and limits.
is(ask($session, 'SELECT consumer_accounting(50000000)'), 't', 'mem_allocated is right');
ask($session, q{SET goarena.memory_limit = '40MB'});
like(refused($session, 'SELECT consumer_accounting(100000000)'),
	qr/out of memory because of goarena\.memory_limit/, 'a limit refuses memory without pointers');
is(ask($session, 'RESET goarena.memory_limit; SELECT goarena_check() IS NULL'),
	't', 'the heap is in order after that');

# Types live as long as the process, so they have a limit.
ask($session,
	'SELECT consumer_types(); SELECT consumer_many_types(60000); SELECT consumer_many_types(60000)');
like(refused($session, 'SELECT consumer_many_types(66000)'), qr/too many types/,
	'a session can have only so many types');
is(ask($session, 'SELECT consumer_types()'), 'ok', 'and goes on with those that it has');
end_session($session);
stop_in_order($node);

done_testing();
