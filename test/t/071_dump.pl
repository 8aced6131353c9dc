
# Copyright (c) 2026, goarena contributors

# Heap dumps: what they say of planted leaks, of other processes, and what is refused.

use strict;
use warnings;

use Fcntl ':mode';
use File::Copy;
use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use POSIX 'mkfifo';
use Test::More;

my $node = new_server('dump', PRELOAD, 'jit = off', 'goarena.quarantine_sample_rate = 0',
	"goarena.quarantine = 'strict'", 'autovacuum = off');
$node->safe_psql('postgres', 'CREATE EXTENSION goarena_consumer');

my $directory = $node->data_dir . '/goarena_dumps';

sub files
{
	return map { s/.*\///r } grep { !/\/\.\.?$/ } glob("$directory/*");
}

# What a dump says of an address: depth, root, pointer, holder and chain.
sub pinned
{
	my ($session, $file, $address) = @_;

	return ask($session, qq{SELECT concat_ws('|', state, context, depth, regexp_replace(root, '.*/', ''), pointer, holder,
			regexp_replace(chain, '^.*/', ''))
		FROM goarena_dump_pins('$file') WHERE address = '$address'});
}

#
# A leak, and what keeps it alive
#
my $session = session($node);
my $pid = backend_pid($session);
my $file;

my @chain;
my $kept;
my $keeper = ask($session, 'SELECT test_keeper()');

# What merely looks like a pointer, or was left by others, can make a chain shorter.
foreach my $attempt (1 .. 5)
{
	ask($session, 'SELECT test_create(false)');
	ask($session, "SELECT test_fill(1000 * $attempt, 1000)");
	@chain = split(/\n/, ask($session, 'SELECT unnest(test_chain(5))'));
	$kept = ask($session, 'SELECT test_keep(100)');
	$file = ask($session, 'SELECT goarena_dump()');
	last if pinned($session, $file, $chain[4]) =~ /\|5\|/ && pinned($session, $file, $kept) =~ /goarena_test/;
}
like($file, qr/^pgsql_tmp\.$pid\.\d+$/, 'a dump has the name of a temporary file, which base backups leave out');
is(S_IMODE((stat($directory))[2]), 0700, 'the directory is for the owner alone');
is(S_IMODE((stat("$directory/$file"))[2]), 0600, 'the file is for the owner alone');
is(pinned($session, $file, $kept), "live|goarena test|1|goarena_test.so|$keeper|goarena_test.so $keeper -> $kept",
	'what a static variable points to, by the name of the library');
my ($first_pointer) = pinned($session, $file, $chain[0]) =~ /\|(0x[0-9a-f]+)\|/;
foreach my $i (1 .. 4)
{
	my $pointer = sprintf('0x%012x', hex($chain[ $i - 1 ]) + 8);

	is( pinned($session, $file, $chain[$i]),
		'live|goarena test|' . ($i + 1) . "|goarena_test.so|$pointer|$chain[$i - 1]|goarena_test.so $first_pointer -> "
		  . join(' -> ', @chain[ 0 .. $i ]),
		"the chain to object $i");
}
is( ask($session, qq{SELECT count(*) = (SELECT count(*) FROM goarena_dump_pins('$file') WHERE state = 'live')
		FROM goarena_dump_objects('$file') WHERE state = 'live'}),
	't', 'both functions have all live objects');
is( ask($session, qq{
		SELECT count(*) FILTER (WHERE size = 100), count(*) FILTER (WHERE size = 48)
		FROM goarena_dump_objects('$file') WHERE context = 'goarena test' AND state = 'live'}),
	'1|5', 'objects and their sizes');

# What nothing points to is there, without a chain; what was freed is there, too.
ask($session, 'SELECT test_clear()');
ask($session, 'SELECT test_keep(200)');
ask($session, 'SELECT test_fill(1000, 100)');
ask($session, 'SELECT test_free_kept()');
$file = ask($session, 'SELECT goarena_dump()');
is(pinned($session, $file, $kept), 'live|goarena test', 'an object that nobody points to has no chain');
is( ask($session, qq{SELECT count(*) > 0 FROM goarena_dump_objects('$file')
		WHERE state = 'free' AND context = 'goarena test'}), 't', 'objects on free lists');
ask($session, $_) foreach 'SELECT test_clear()', 'SELECT test_create(true)', 'SELECT test_keep(200)', 'SELECT test_free_kept()';
$file = ask($session, 'SELECT goarena_dump()');
is( ask($session, qq{SELECT count(*) > 0 FROM goarena_dump_objects('$file')
		WHERE state = 'delayed' AND context = 'goarena test'}), 't', 'objects in the delay queue');

# Memory in quarantine, by the pointer that pins it
$kept = ask($session, 'SELECT test_keep(3000000)');
ask($session, 'SELECT test_reset()');
$file = ask($session, 'SELECT goarena_dump()');
is( ask($session, qq{SELECT count(*) FROM goarena_dump_pins('$file')
		WHERE state = 'quarantined' AND pointer = '$keeper' AND depth = 1 AND root ~ 'goarena_test.so'}),
	'1', 'a pointer to memory that was freed');
ask($session, 'SELECT test_clear()');

# Contexts of the same kind come and go, and the arena of each ends with it.
ask($session, 'SET goarena.quarantine_sample_rate = 0.5');
ask($session, 'SELECT 1') foreach 1 .. 100;
ask($session, 'SET goarena.quarantine_sample_rate = 1');
$file = ask($session, 'SELECT goarena_dump()');
my $arenas = () = slurp_file("$directory/$file") =~ /\x02\x00\x90\x00[\x00-\x02]\x00\x00\x00/g;
cmp_ok($arenas, '<=', ask($session, q{SELECT count(*) + 20 FROM goarena_arenas() WHERE type = 'arena'}),
	'no arena outlives its context');

# A long chain is shown in part, and takes no stack.
ask($session, 'SELECT test_create(false)');
@chain = split(/\n/, ask($session, 'SELECT unnest((test_chain(100000))[99985:])'));
$file = ask($session, 'SELECT goarena_dump()');
my (undef, undef, $depth, undef, undef, $holder, $shown) = split(/\|/, pinned($session, $file, $chain[-1]));
cmp_ok($depth, '>', 16, 'the last object of a long chain');
is($holder, $chain[-2], 'and what points to it');
like($shown, qr/^\S+ -> \(\d+ more\) -> \Q@{[ join(' -> ', @chain) ]}\E$/, 'the end of its chain');

# Types, and memory without pointers
ask($session, q{SELECT consumer_keep('small')});
$file = ask($session, 'SELECT goarena_dump()');
is( ask($session, qq{SELECT string_agg(concat_ws(' ', coalesce(type, '-'), size), ', ' ORDER BY type, size)
		FROM goarena_dump_objects('$file') WHERE context = 'goarena consumer keeper'}),
	'Ring 48, - 104', 'types of objects');
is(ask($session, 'SELECT goarena_check() IS NULL'), 't', 'the heap is in order');

#
# Another process
#
my $other = session($node);
my $other_pid = backend_pid($other);
ask($other, 'SELECT test_create(false)');
my $others = ask($other, 'SELECT test_keep(123)');
$file = ask($session, "SELECT goarena_dump($other_pid, 600)");
like($file, qr/^pgsql_tmp\.$other_pid\.\d+$/, 'an idle process is asked for a dump');
like(pinned($session, $file, $others), qr/^live\|goarena test\|1\|goarena_test.so\|/, 'and writes it');
$other->query_until(qr/begun/, "\\echo begun\nDO \$\$ BEGIN LOOP PERFORM test_fill(100000, 1000); PERFORM test_reset(); END LOOP; END \$\$;\n");
# Between two turns it may have nothing that is pinned.
ok(wait_until(sub {
	$file = ask($session, "SELECT goarena_dump($other_pid, 600)");
	return ask($session, "SELECT count(*) > 0 FROM goarena_dump_pins('$file')") eq 't';
}), 'one at work writes one as well');
kill('STOP', $other_pid);
like(refused($session, "SELECT goarena_dump($other_pid, 0.1)"),
	qr/ERROR:  process $other_pid did not write a heap dump within 0\.1 s/, 'one that is stopped does not');
kill('CONT', $other_pid);
ask($session, "SELECT pg_cancel_backend($other_pid)");
$other->query('SELECT 1');
is(ask($other, 'SELECT goarena_check() IS NULL'), 't', 'its heap is in order');
end_session($other);
like(refused($session, 'SELECT goarena_dump(1)'), qr/WARNING:  PID 1 is not a process/, 'a process that is not there');
like(refused($session, "SELECT goarena_dump($pid, -1)"), qr/timeout is out of range/, 'a timeout that cannot be');
like(ask($session, "SELECT goarena_dump($pid)"), qr/^pgsql_tmp\.$pid\./, 'the own process by its number');

#
# What cannot be written leaves nothing
#
ask($session, 'SELECT test_create(false)');
ask($session, 'SELECT test_fill(50000000, 100)');
my @before = files();
ask($session, q{SET statement_timeout = '1ms'});
like(refused($session, 'SELECT goarena_dump() FROM generate_series(1, 10000)'), qr/canceling statement due to statement timeout/,
	'a dump can be cancelled');
lift_timeout($session);
unlink(map { "$directory/$_" } grep { my $name = $_; !grep { $_ eq $name } @before } files());
SKIP:
{
	skip 'there is no prlimit', 2 if system("prlimit --pid $pid --fsize=65536:65536 >/dev/null 2>&1") != 0;
	like(refused($session, 'SELECT goarena_dump()'), qr/could not write heap dump "goarena_dumps\/pgsql_tmp\.\d+\.\d+": File too large/,
		'a limit of the system on lengths of files');
	is(join(' ', files()), join(' ', @before), 'nothing remains');
}
end_session($session);
$session = session($node);
ask($session, q{SELECT test_create(false)});
rename($directory, "$directory.away");
append_to_file($directory, 'a file');
like(refused($session, 'SELECT goarena_dump()'), qr/could not write heap dump .*: Not a directory/, 'no directory');
unlink($directory);
symlink("$directory.away", $directory);
like(refused($session, 'SELECT goarena_dump()'), qr/could not write heap dump .*: (Not a directory|Too many levels)/, 'a link to one');
unlink($directory);
is(ask($session, 'SELECT goarena_dump() IS NOT NULL'), 't', 'without anything in its place, it is made');
unlink(map { "$directory/$_" } files());
rmdir($directory);
rename("$directory.away", $directory);
if ($> != 0)
{
	chmod(0500, $directory);
	like(refused($session, 'SELECT goarena_dump()'), qr/could not write heap dump .*: Permission denied/, 'a directory that cannot be written to');
	chmod(0700, $directory);
}
is(ask($session, 'SELECT goarena_check() IS NULL'), 't', 'the heap is in order after that');

#
# What cannot be read
#
ask($session, 'SELECT test_fill(20000, 100)');
$file = ask($session, 'SELECT goarena_dump()');
my $good = slurp_file("$directory/$file");
my $objects = ask($session, "SELECT count(*) FROM goarena_dump_objects('$file')");
cmp_ok($objects, '>', 100, 'a good one has many objects');

# What is said of a file with this content, by both functions.
sub told
{
	my ($content) = @_;
	my %errors;

	unlink("$directory/bad");
	open(my $fh, '>:raw', "$directory/bad") or die $!;
	print $fh $content;
	close($fh);
	foreach my $function ('objects', 'pins')
	{
		my $error = refused($session, "\\set VERBOSITY verbose\nSELECT count(*) FROM goarena_dump_$function('bad')");

		$errors{ $error =~ /ERROR:  (\w+: .*\n(DETAIL:.*)?)/ ? $1 =~ s/\n/ /gr : "no error: $error" } = 1;
	}
	return join('', keys %errors);
}

sub crc32c
{
	my ($crc, $data) = (0xffffffff, @_);

	foreach my $byte (unpack('C*', $data))
	{
		$crc ^= $byte;
		$crc = $crc & 1 ? ($crc >> 1) ^ 0x82f63b78 : $crc >> 1 for 1 .. 8;
	}
	return $crc ^ 0xffffffff;
}

# A file with these records in one block, whose checksums are right.
my $head = pack('a8 L L l l q L', "goadump\n", 1, 40, 1, 15, 0, 0);
$head .= pack('L', crc32c($head));

sub crafted
{
	my $records = join('', @_);

	return $head . pack('L L', length($records), crc32c(pack('Q', 0) . $records)) . $records;
}

sub record
{
	my ($kind, $number, $fields) = @_;

	return pack('S S L', $kind, 8 + length($fields), $number) . $fields;
}
my $object = record(4, 0, pack('Q3 L2', 4096, 16, 1, 0, 0));
my $root = record(5, 0, pack('Q2 a128', 0, 8192, 'root'));
my $end = record(7, 0, pack('Q2', 0, 0));
sub ended { my @records = @_; return crafted(@records, record(7, 0, pack('Q2', scalar(@records), 0))); }

like(told(ended()), qr/no error/, 'an empty dump');
like(told(ended($object, $root, record(6, 0, pack('Q2', 8, 4100)))), qr/no error/, 'a small dump');
is(ask($session, q{SELECT address, depth, chain FROM goarena_dump_pins('bad')}), '0x000000001000|1|root 0x000000000008 -> 0x000000001000',
	'and what is in it');
my %wrong = (
	'nothing' => '',
	'text' => "goarena\n" x 100,
	'its beginning' => substr($good, 0, 7),
	'a head that is cut off' => substr($good, 0, 39),
	'no blocks' => substr($good, 0, 40),
	'half the head of a block' => substr($good, 0, 44),
	'half a block' => substr($good, 0, 1000),
	'all but a byte' => substr($good, 0, -1),
	'a byte more' => $good . "\0",
	'two of them' => $good . substr($good, 40),
	'no end' => crafted($object),
	'an end that counts wrongly' => crafted($object, $end),
	'records behind the end' => crafted($end, $object),
	'a kind that does not exist' => ended(record(99, 0, '')),
	'kind 0' => ended(pack('S S L', 0, 0, 0)),
	'a length that does not belong to the kind' => ended(record(4, 0, pack('Q2', 0, 0))),
	'half a record' => crafted(substr($object, 0, 7)),
	'a block without records' => $head . pack('L L', 0, 0),
	'a block of 4 GB' => $head . pack('L L', 0xffffffff, 0),
	'objects that overlap' => ended($object, $object),
	'an object around all addresses' => ended(record(4, 0, pack('Q3 L2', 4096, 2**63 + (2**63 - 1), 1, 0, 0))),
	'an object of a type that does not exist' => ended(record(4, 1, pack('Q3 L2', 4096, 16, 1, 0, 0))),
	'an object in a state that does not exist' => ended(record(4, 0, pack('Q3 L2', 4096, 16, 1, 3, 0))),
	'objects behind roots' => ended($root, $object),
	'roots that are not in order' => ended($root, $root),
	'a type without a place' => ended(record(1, 5, pack('Q a64', 8, 'type'))),
	'a name without end' => ended(record(5, 0, pack('Q2 a128', 0, 0, 'x' x 128))),
);
foreach my $what (sort keys %wrong)
{
	like(told($wrong{$what}), qr/^XX001: (heap dump "bad" is damaged DETAIL:  |file "bad" is not a heap dump of goarena)/, "refused: $what");
}
{
	ask($session, '\set VERBOSITY default');
	told($head);
	open(my $fh, '>:raw', "$directory/bad") or die $!;
	print $fh ended($object, record(6, 0, pack('Q2', 8, 4100)));
	close($fh);
	like(refused($session, q{SELECT * FROM goarena_dump_pins('bad')}), qr/A pointer lies in a root that does not exist/,
		'refused: a pointer in a root that does not exist');
}

# No bit of a file can change without being noticed.
my $seed = $ENV{GOARENA_SEED} // time;
srand($seed);
my @missed;
foreach my $i (1 .. 40)
{
	my $at = $i <= 8 ? 5 * $i - 1 : int(rand(length($good)));
	my $changed = $good;

	substr($changed, $at, 1) = chr(ord(substr($changed, $at, 1)) ^ (1 << int(rand(8))));
	push @missed, $at unless told($changed) =~ /^(XX001|0A000): /;
}
is("@missed", '', "each byte that is changed is noticed (seed $seed)");
like(told(substr($good, 0, 8) . pack('L', 2) . substr($good, 12)),
	qr/^0A000: heap dump "bad" has a format that cannot be read DETAIL:  Its version is 2/, 'another version');

# Files that are none
unlink("$directory/bad");
symlink("$directory/$file", "$directory/bad");
mkdir("$directory/directory");
mkfifo("$directory/pipe", 0600) or die $!;
open(my $huge, '>', "$directory/huge") or die $!;
truncate($huge, 3 * 2**30) or die $!;
close($huge);
ask($session, '\set VERBOSITY verbose');
foreach my $case (
	[ 'bad', '42809: heap dump "bad" is not a regular file', 'a link' ],
	[ 'directory', '42809: heap dump "directory" is not a regular file', 'a directory' ],
	[ 'pipe', '42809: heap dump "pipe" is not a regular file', 'a named pipe' ],
	[ 'huge', '54000: heap dump "huge" is too large', 'a huge file' ],
	[ 'missing', '58P01: could not open heap dump "missing": No such file', 'no file' ],
	[ '../PG_VERSION', '42602: invalid name of a heap dump', 'a file elsewhere' ],
	[ "$directory/$file", '42602: invalid name of a heap dump', 'a path' ],
	[ '..', '42602: invalid name of a heap dump', 'the directory above' ],
	[ '', '42602: invalid name of a heap dump', 'no name' ],
	[ 'x' x 5000, '42622: name of a heap dump is too long', 'a long name' ])
{
	my ($name, $error, $what) = @$case;

	like(refused($session, "SELECT goarena_dump_$_('$name')"), qr/ERROR:  \Q$error\E/, "$_: $what")
	  foreach 'objects', 'pins';
}
ask($session, '\set VERBOSITY default');
is(ask($session, "SELECT count(*) FROM goarena_dump_objects('$file')"), $objects, 'the good one can still be read');
end_session($session);
stop_in_order($node);
done_testing();
