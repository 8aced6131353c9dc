--
-- What becomes of memory that is freed
--
SELECT current_database() AS db \gset
\set mode 'SELECT quarantine FROM goarena_arenas() WHERE name = ''ExecutorState'';'

-- Frees some megabytes: small objects, large ones, and one that grows.
CREATE FUNCTION work() RETURNS bigint LANGUAGE sql AS $$
	SELECT sum(length(s)) + length(string_agg(s, '')) + length(repeat('x', 3000000 + count(*)::int))
	FROM (
		SELECT string_agg(md5(i::text), '') AS s FROM generate_series(1, 10000) i GROUP BY i % 10) t
$$;

-- Needs many contexts at a time.
CREATE FUNCTION deep(n int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	RETURN CASE WHEN n > 0 THEN deep(n - 1) ELSE 0 END;
END $$;

-- What waits.  Settings of a database come too late for the very first contexts
-- of a session, so there may be a few chunks that do whatever the mode is.
CREATE FUNCTION waiting(OUT chunks text, OUT megabytes boolean) LANGUAGE sql AS $$
	SELECT CASE WHEN chunks_quarantined < 5 THEN 'few' ELSE 'many' END,
		quarantined + since_sweep > 8 * 1024 * 1024
	FROM goarena_heap() WHERE pid = pg_backend_pid()
$$;

--
-- The mode of an arena is drawn when its life begins.  (Small contexts that are not
-- quarantined are arenas only if they are named.)
--
SET goarena.contexts = '?*';
SET goarena.quarantine_sample_rate = 1;
:mode
SET goarena.quarantine = strict;
:mode
SET goarena.quarantine = off;
:mode
SET goarena.quarantine = strict;
SET goarena.quarantine_sample_rate = 0;
:mode
SET goarena.quarantine_sample_rate = 1;
:mode
RESET goarena.contexts;

-- arenas that live on change with the next reset
SET goarena.quarantine = on;
SELECT name, quarantine FROM goarena_arenas() WHERE name = 'MessageContext';

-- half of them: 200 of 400, give or take six standard deviations
SET goarena.quarantine_sample_rate = 0.5;
SET goarena.quarantine = strict;
CREATE TEMP TABLE draws (quarantine text);
DO $$
BEGIN
	FOR i IN 1..400 LOOP
		INSERT INTO draws SELECT coalesce(quarantine, 'off') FROM goarena_arenas()
			WHERE name = 'ExecutorState' ORDER BY level DESC LIMIT 1;
	END LOOP;
END $$;
SELECT quarantine, count(*) BETWEEN 140 AND 260 AS half FROM draws GROUP BY 1 ORDER BY 1;
DROP TABLE draws;

--
-- off: memory is used again at once
--
ALTER DATABASE :"db" SET goarena.quarantine = off;
ALTER DATABASE :"db" SET goarena.quarantine_sample_rate = 1;
\c -
SELECT work();
SELECT * FROM waiting();
SELECT reserved AS reserved FROM goarena_heap() WHERE pid = pg_backend_pid() \gset
DO $$ BEGIN FOR i IN 1..10 LOOP PERFORM work(); END LOOP; END $$;
SELECT sweeps, reserved = :reserved AS flat FROM goarena_stats() JOIN (SELECT pid, reserved, chunks_freed FROM goarena_heap()) h USING (pid) WHERE pid = pg_backend_pid();
SELECT * FROM waiting();

--
-- on: full chunks wait, the active one is handed on
--
ALTER DATABASE :"db" SET goarena.quarantine = on;
\c -
SET goarena.sweep_percent = -1;
SELECT work();
SELECT * FROM waiting();
SET goarena.quarantine = off;
SELECT chunks_freed > 5 AS freed FROM goarena_sweep();
SELECT * FROM waiting();
SET goarena.quarantine = on;
-- (None are left at the moment when the nursery is used up.)
CREATE FUNCTION hand_on() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..20 LOOP
		PERFORM deep(20);
		IF (SELECT chunks_reuse > 4 FROM goarena_heap() WHERE pid = pg_backend_pid()) THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;
SELECT hand_on();

--
-- strict: every chunk is set to fault at once, none is handed on
--
ALTER DATABASE :"db" SET goarena.quarantine = strict;
\c -
SET goarena.sweep_percent = -1;
SELECT work();
SELECT * FROM waiting();
SELECT deep(20);
SELECT chunks_reuse > 4 AS handed_on, chunks_fault > 0 AS not_yet FROM goarena_heap() WHERE pid = pg_backend_pid();
-- the large ones as well
SELECT count(*) > 0 AS large FROM goarena_chunks() WHERE state = 'quarantined' AND size >= 1024 * 1024;
-- nothing in quarantine can be accessed, and it is retained up to the budget
SELECT mapped <= reserved - quarantined AS no_access,
	retained <= pg_size_bytes(current_setting('goarena.retain')) AS budget
FROM goarena_heap() WHERE pid = pg_backend_pid();
SELECT goarena_check() IS NULL AS in_order;

-- a sweep leaves what is pinned, a second one finds nothing new
SET goarena.quarantine = off;
CREATE FUNCTION sweep_twice(OUT freed boolean, OUT only_pinned boolean, OUT few boolean,
	OUT nothing_more boolean) LANGUAGE plpgsql AS $$
DECLARE
	first record;
	second record;
	stats record;
BEGIN
	SELECT * INTO first FROM goarena_sweep();
	SELECT * INTO stats FROM goarena_heap() WHERE pid = pg_backend_pid();
	SELECT * INTO second FROM goarena_sweep();
	freed := first.chunks_freed > 10;
	only_pinned := stats.chunks_quarantined = first.chunks_pinned;
	few := first.chunks_pinned < first.chunks_freed / 4;
	nothing_more := second.chunks_freed <= first.chunks_pinned;
END $$;
SELECT * FROM sweep_twice();

-- what was freed is used again: address space does not grow
SET goarena.quarantine = strict;
RESET goarena.sweep_percent;
SET goarena.sweep_min = '64MB';
SELECT work();
SELECT reserved AS reserved FROM goarena_heap() WHERE pid = pg_backend_pid() \gset
DO $$ BEGIN FOR i IN 1..10 LOOP PERFORM work(); END LOOP; END $$;
SELECT reserved = :reserved AS flat, sweeps > 10 AS swept, chunks_freed > 100 AS freed FROM goarena_stats() JOIN (SELECT pid, reserved, chunks_freed FROM goarena_heap()) h USING (pid) WHERE pid = pg_backend_pid();
RESET goarena.sweep_min;

-- in one long transaction as well: sweeps run on the allocation path
SELECT count(*) FILTER (WHERE reason = 'volume') > 0 AS on_the_way FROM goarena_sweeps();

-- with other chunk sizes
SET goarena.chunk_size = '64kB';
SELECT work();
SELECT goarena_check() IS NULL AS in_order;
SET goarena.chunk_size = '64MB';
SELECT work();
SELECT goarena_check() IS NULL AS in_order;
SET goarena.huge_pages = try;
SELECT work();
SELECT length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 30000);
SELECT goarena_check() IS NULL AS in_order;
RESET goarena.huge_pages;
RESET goarena.chunk_size;
-- no budget for pages at all
SET goarena.retain = 0;
SELECT work();
SELECT chunks_freed > 0 AS freed FROM goarena_sweep();
SELECT retained = 0 AS none FROM goarena_stats() WHERE pid = pg_backend_pid();
RESET goarena.retain;
SELECT work();

-- an error leaves nothing
CREATE FUNCTION work_in_vain() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	RETURN work() / 0;
END $$;
SELECT work_in_vain();
SELECT goarena_check() IS NULL AS in_order;

ALTER DATABASE :"db" RESET ALL;
\c -
DROP FUNCTION work(), work_in_vain(), deep(int), hand_on(), waiting(), sweep_twice();
