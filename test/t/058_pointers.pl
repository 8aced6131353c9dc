
# Copyright (c) 2026, goarena contributors

# What goarena says of pointers, in SQL and in C.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_server('pointers', 'jit = off');

# A session in which goarena is loaded, with a test context in a mode of quarantine.
sub loaded_session
{
	my ($mode) = @_;
	local $ENV{PGOPTIONS} = '-c session_preload_libraries=goarena';
	my $session = session($node);

	ask($session, "SET goarena.quarantine = '$mode'");
	ask($session, 'SELECT test_create(true)');
	return $session;
}

# The address so many bytes behind another one.
sub behind
{
	my ($address, $bytes) = @_;

	return sprintf('0x%012x', hex($address) + $bytes);
}

# What SQL says of an address: state, context, offset, size, how it was freed.
sub told
{
	my ($session, $address) = @_;

	return ask($session, qq{SELECT concat_ws(' ', state, context, object_offset, size, freed_by)
		FROM goarena_pointer('$address')});
}

foreach my $mode ('off', 'on', 'strict')
{
	my $session = loaded_session($mode);

	foreach my $size (100, 3_000_000)
	{
		my $object = ask($session, "SELECT test_keep($size)");

		is(told($session, $object), "live goarena test 0 $size", "$mode: the beginning of an object of $size bytes");
		is(told($session, behind($object, $size - 1)), 'live goarena test ' . ($size - 1) . " $size",
			"$mode: the inside of it");
		is(ask($session, sprintf(q{SELECT object = '%s' FROM goarena_pointer('%s')}, $object, behind($object, $size / 2))),
			't', "$mode: and where it begins");
		is(told($session, behind($object, -1)), 'unused', "$mode: its header");
		is(told($session, behind($object, $size + 100_000)), 'unused', "$mode: what is behind it") if $size > 100_000;
		is(ask($session, qq{SELECT test_describe('$object')}),
			"live, goarena test context \"goarena test\", object $object of $size bytes + 0, not freed at no time, no stack",
			"$mode: the same in C");
		is(ask($session, qq{SELECT test_describe_briefly('$object')}), 't', "$mode: and for extensions of other versions");
	}
	is(told($session, '0x1000'), 'elsewhere', "$mode: where nothing is");
	is(told($session, ask($session, 'SELECT test_keeper()')), 'elsewhere', "$mode: static memory");
	end_session($session);
}

# What was freed one by one
foreach my $mode ('off', 'strict')
{
	my $session = loaded_session($mode);
	my $object = ask($session, 'SELECT test_keep(100)');

	ask($session, 'SELECT test_fill(1000)');
	ask($session, 'SELECT test_free_kept()');
	like(told($session, behind($object, 7)), qr/^freed goarena test 7 10[04] pfree$/, "$mode: an object that was freed");
	if ($mode eq 'strict')
	{
		like(ask($session, "SELECT freed_stack FROM goarena_pointer('$object')"), qr/test_free_kept/, "$mode: by whom");
		like(ask($session, "SELECT test_describe('$object')"),
			qr/^freed, goarena test context "goarena test", object $object of \d+ bytes \+ 0, pfree at no time, a stack$/,
			"$mode: the same in C");
	}
	end_session($session);
}

# What was freed as a whole
foreach my $how ('reset', 'delete', 'pfree')
{
	my $session = loaded_session('strict');
	my %frees = ('reset' => 'test_reset', 'delete' => 'test_delete', 'pfree' => 'test_free_kept');
	my $object = ask($session, 'SELECT test_keep(3000000)');
	my $small = ask($session, 'SELECT test_keep(100)') if $how ne 'pfree';

	ask($session, "SELECT $frees{$how}()");
	is(told($session, behind($object, 1_000_000)), "freed goarena test 1000000 3000000 $how", "$how: a large object");
	is(told($session, behind($small, 9)), "freed goarena test 9 100 $how", "$how: a small one") if $small;
	like(ask($session, "SELECT freed_query || freed_stack FROM goarena_pointer('$object')"),
		qr/SELECT $frees{$how}\(\).*$frees{$how}/s, "$how: by whom");
	is(ask($session, "SELECT freed_at BETWEEN now() - interval '1 hour' AND now() FROM goarena_pointer('$object')"),
		't', "$how: and when");
	my $context = $how eq 'delete' ? 'no' : 'goarena test';
	is(ask($session, qq{SELECT test_describe('$object')}),
		"freed, $context context \"goarena test\", object $object of 3000000 bytes + 0, $how before now, a stack",
		"$how: the same in C");
	end_session($session);
}

# A reset that keeps its memory leaves nothing that is known of what was there.
{
	my $session = loaded_session('off');
	my $object = ask($session, 'SELECT test_keep(100)');

	ask($session, 'SELECT test_reset()');
	is(told($session, $object), 'unused goarena test', 'off: after a reset');
	foreach my $wrong ('', '0x', '12345', '0x12g', '0x12345678901234567', '0x1 ', ' 0x1')
	{
		like(refused($session, "SELECT goarena_pointer('$wrong')"), qr/ERROR:  invalid address: "$wrong"\n.*HINT:/s, "'$wrong' is no address");
	}
	is(told($session, '0xffffffffffffffff'), 'elsewhere', 'the highest address');
	is(ask($session, 'SELECT goarena_pointer(NULL) IS NULL'), 't', 'null');
	end_session($session);
}

# Where goarena is not loaded nothing is known.
{
	my $session = session($node);

	ask($session, 'SELECT test_create()');
	like(ask($session, 'SELECT test_describe(test_keep(100))'), qr/^elsewhere, no context "", object 0x0+ of 0 bytes/, 'not loaded: C');
	like(refused($session, q{SELECT goarena_pointer('0x1')}), qr/goarena is not active in this session/, 'not loaded: SQL');
	end_session($session);
}

stop_in_order($node);
done_testing();
