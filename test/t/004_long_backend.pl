
# Copyright (c) 2026, goarena contributors

# Backends that live long: memory stays flat, and all figures go on to agree.
#
#   GOARENA_TRANSACTIONS     transactions in one backend (default 20000)
#   GOARENA_MODES            modes of quarantine of that backend (default "on strict")
#   GOARENA_PGBENCH_SECONDS  length of each pgbench run (default 5)

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use GoarenaTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $transactions = $ENV{GOARENA_TRANSACTIONS} || 20000;
my $seconds = $ENV{GOARENA_PGBENCH_SECONDS} || 5;
my @modes = split(' ', $ENV{GOARENA_MODES} || 'on strict');

# Before anything is compared: caches fill, and sweeps begin.
my $warm_up = 5000;

my $node = new_server('long', PRELOAD, 'autovacuum = off', 'shared_buffers = 16MB');

sub pgbench
{
	my (@options) = @_;
	my ($stdout, $stderr) = ('', '');

	IPC::Run::run [
		'pgbench', '-n', '-h', $node->host, '-p', $node->port, @options, 'postgres' ],
	  '>', \$stdout, '2>', \$stderr;
	return ($?, $stdout, $stderr);
}

# Transactions of one statement each, of several kinds.  The samples are taken
# by the backend itself, after a sweep: what waits in a batch is no leak.
$node->safe_psql('postgres', q{
	CREATE TABLE small AS SELECT i, i % 10 AS k, 0 AS n, md5(i::text) AS m FROM generate_series(1, 2000) i;
	ALTER TABLE small SET (fillfactor = 50);
	ALTER TABLE small ADD PRIMARY KEY (i);
	VACUUM FULL ANALYZE small;
	CREATE TABLE samples (mode text, transaction int, reserved bigint, mapped bigint, in_use bigint,
		metadata bigint, chunks bigint, rss_kb bigint, resets bigint, sweeps bigint, owned bigint, touched bigint);
	CREATE TABLE verdicts (mode text, adds_up boolean, in_order boolean, only_pinned boolean);

	CREATE FUNCTION sample(transaction int) RETURNS void LANGUAGE sql AS $$
		SELECT goarena_sweep();
		INSERT INTO samples
		SELECT current_setting('goarena.quarantine'), transaction, reserved, mapped, in_use, metadata,
			chunks_active + chunks_reuse + chunks_fault + chunks_quarantined + chunks_ready, substring(pg_read_file('/proc/self/status') FROM 'VmRSS:\s+(\d+) kB')::bigint,
			resets, sweeps, owned, h.touched
		FROM goarena_heap() h JOIN (SELECT pid, resets, sweeps FROM goarena_stats()) s USING (pid)
		WHERE pid = pg_backend_pid() $$;

	-- a subtransaction that fails
	CREATE FUNCTION fail(i int) RETURNS int LANGUAGE plpgsql AS $$
	BEGIN
		RETURN i / 0;
	EXCEPTION WHEN division_by_zero THEN
		RETURN length(repeat('x', i));
	END $$;

	-- to be called with quarantine off, or memory of its own comes in between
	CREATE FUNCTION verdict(mode text) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE
		swept record;
		s record;
	BEGIN
		SELECT * INTO swept FROM goarena_sweep();
		SELECT * INTO s FROM goarena_heap() WHERE pid = pg_backend_pid();
		INSERT INTO verdicts VALUES (mode,
			s.mapped <= s.reserved AND s.reserved = s.fresh + s.owned + s.retained + s.released,
			goarena_check() IS NULL,
			s.chunks_quarantined = swept.chunks_pinned);
	END $$;

	-- for the midst of a load
	CREATE FUNCTION check_now() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF goarena_check() IS NOT NULL THEN
			RAISE EXCEPTION '%', goarena_check();
		END IF;
	END $$});

my $script = $node->basedir . '/long.sql';
append_to_file($script, q{\set n :n + 1
\set a random(1, 2000)
\set kind :n % 6
\if :kind = 0
SELECT * FROM small WHERE i = :a;
\elif :kind = 1
UPDATE small SET n = n + 1 WHERE i = :a;
\elif :kind = 2
SELECT k, count(*), string_agg(m, ',') FROM small WHERE i BETWEEN :a AND :a + 50 GROUP BY k ORDER BY 2;
\elif :kind = 3
SELECT count(*) FROM (SELECT a.m FROM small a JOIN small b USING (i) WHERE a.i BETWEEN :a AND :a + 50 ORDER BY 1) t;
\elif :kind = 4
SELECT fail(:a);
\else
SELECT array_agg(i), length(repeat('x', :a * 50)) FROM generate_series(1, :a) i;
\endif
\set sample :n = :first or :n = :half or :n = :last
\if :sample
SELECT sample(:n);
\endif
\if :n = :last
SELECT set_config('goarena.quarantine', 'off', false);
SELECT verdict(:mode);
\endif
});

foreach my $mode (@modes)
{
	# At the default rate, little is spent: it takes a small budget to make sweeps due.
	# Contexts that are named are arenas however small they are.
	my $budget = $mode eq 'on' ? "goarena.sweep_min = '64MB'\ngoarena.contexts = '!CacheMemoryContext/, ?*'" : "goarena.sweep_min = '1GB'\ngoarena.quarantine_sample_rate = 1\ngoarena.contexts = '!CacheMemoryContext/, *'";
	$node->append_conf('postgresql.conf', "goarena.quarantine = '$mode'\n$budget");
	$node->reload;
	ok($node->poll_query_until('postgres', 'SHOW goarena.quarantine', $mode),
		"$mode: set");

	my ($status, $stdout, $stderr) = pgbench(
		'-c', '1', '-t', $transactions + $warm_up,
		'-D', 'n=' . -$warm_up,
		'-D', 'first=' . int($transactions / 10),
		'-D', 'half=' . int($transactions / 2),
		'-D', "last=$transactions",
		'-D', "mode='$mode'",
		'-f', $script);
	is($status, 0, "$mode: $transactions transactions in one backend");
	like($stdout, qr/number of failed transactions: 0 /, "$mode: none failed");
	diag($stderr) if $status != 0;

	my @samples = map { [ split(/\|/) ] } split(/\n/, $node->safe_psql('postgres', qq{
		SELECT transaction, reserved / 1024, mapped / 1024, in_use / 1024, metadata / 1024, chunks, rss_kb,
			resets, sweeps, owned / 1024, touched / 1024
		FROM samples WHERE mode = '$mode' ORDER BY transaction}));
	diag(sprintf("%-7s%12s%14s%12s%11s%13s%8s%9s%10s%8s%10s%12s",
		$mode, 'transaction', 'reserved kB', 'mapped kB', 'in use kB', 'metadata kB',
		'chunks', 'RSS kB', 'resets', 'sweeps', 'owned kB', 'touched kB'));
	diag(sprintf("%-7s%12d%14d%12d%11d%13d%8d%9d%10d%8d%10d%12d", '', @$_)) foreach @samples;
	is(scalar(@samples), 3, "$mode: three samples");
	my ($first, $half, $last) = @samples;
	cmp_ok($last->[7] - $first->[7], '>', $transactions / 2,
		"$mode: arenas are reset all the time");
	cmp_ok($last->[8], '>', $first->[8], "$mode: sweeps go on");

	# One segment more or less is where the last sweep was.
	cmp_ok($last->[1], '<=', $first->[1] + 64 * 1024, "$mode: reserved is flat");
	foreach my $later ($half, $last)
	{
		# Chunks that are handed on add up slowly, to at most 32 of each size of
		# 8 to 64 kB, which are less than 4 MB together.
		cmp_ok($later->[9], '<=', 1.1 * $first->[9] + 4096,
			"$mode: memory of arenas is flat at transaction $later->[0]");
		# What else is accessible belongs to the 48 frames of 2 MB that moved last, or to
		# one of a few that are a nursery, wait for the next one, or hold something that lives.
		cmp_ok($later->[2], '<=', $later->[9] + 16 * 1024 + (48 + 12) * 2048,
			"$mode: mapped is what arenas own and some frames at transaction $later->[0]");
		cmp_ok($later->[3], '<=', 1.1 * $first->[3] + 256,
			"$mode: in use is flat at transaction $later->[0]");
		cmp_ok($later->[4], '<=', 1.1 * $first->[4] + 128,
			"$mode: metadata is flat at transaction $later->[0]");
		# The pages that chunks keep for the next use go the same way.
		cmp_ok($later->[10], '<=', $later->[9] + 16 * 1024,
			"$mode: pages are kept within goarena.retain at transaction $later->[0]");
		my $more = $later->[10] > $first->[10] ? $later->[10] - $first->[10] : 0;
		cmp_ok($later->[6] - $more, '<=', 1.05 * $first->[6] + 1024,
			"$mode: resident memory is flat, but for such pages, at transaction $later->[0]");
	}
	is($node->safe_psql('postgres',
			"SELECT adds_up, in_order, only_pinned FROM verdicts WHERE mode = '$mode'"),
		't|t|t',
		"$mode: at the end all agrees, and a sweep leaves only what is pinned");
}

#
# pgbench in strict mode, eight clients, each of which checks itself now and then
#
$node->append_conf('postgresql.conf', join("\n", STRICT));
$node->reload;
$node->poll_query_until('postgres', 'SHOW goarena.contexts', '*') or die 'no reload';
my $check = $node->basedir . '/check.sql';
append_to_file($check, "SELECT check_now();\n");
my $session = session($node);
pgbench('-i', '-q', '-s', '2');
foreach my $builtin ('select-only', 'tpcb-like')
{
	my ($status, $stdout, $stderr);

	# On a slow machine one run may be too short for a check, which are few.
	for (1 .. 20)
	{
		($status, $stdout, $stderr) = pgbench('-c', '8', '-j', '2', '-T', $seconds,
			'-b', "$builtin\@200", '-f', "$check\@1");
		last if $status != 0 || $stdout !~ /check\.sql.*- 0 transactions/s;
	}

	is($status, 0, "$builtin: ends in order");
	is($stderr =~ s/^pgbench: .*$//mr =~ s/\s//gr, '', "$builtin: no message");
	like($stdout, qr/number of failed transactions: 0 /, "$builtin: no failed transaction");
	like($stdout, qr/check\.sql.*- (?!0 )\d+ transactions/s, "$builtin: backends checked themselves");
	diag("$builtin, strict, 8 clients: $1 transactions per second")
	  if $stdout =~ /tps = ([0-9.]+)/;

	# A session that was there all the time
	ask($session, q{SELECT count(*) FROM (SELECT aid FROM pgbench_accounts ORDER BY abalance, filler, aid) t});
	in_order($session, "$builtin: all in order afterwards");
}
ask($session, "SET goarena.quarantine = off");
ask($session, q{SELECT verdict('pgbench')});
is(ask($session, q{SELECT adds_up, in_order, only_pinned FROM verdicts WHERE mode = 'pgbench'}),
	't|t|t', 'pgbench: afterwards all agrees, and a sweep leaves only what is pinned');
is( ask($session, q{
		SELECT (SELECT sum(abalance) FROM pgbench_accounts) = (SELECT sum(delta) FROM pgbench_history)}),
	't', 'pgbench: the books balance');
end_session($session);
stop_in_order($node);

done_testing();
