--
-- What contexts are charged for, and what depends on it
--
SELECT current_database() AS db \gset
SET max_parallel_workers_per_gather = 0;

-- sums of pg_backend_memory_contexts
SELECT count(*) > 10 AS some, bool_and(total_bytes >= used_bytes) AS used,
	bool_and(total_bytes = used_bytes + free_bytes) AS sums, bool_and(total_nblocks > 0) AS blocks,
	bool_and(least(total_bytes, used_bytes, free_bytes, free_chunks) >= 0) AS not_negative
FROM pg_backend_memory_contexts;
-- small contexts weigh no more than AllocSet's smallest
SELECT name, total_bytes, used_bytes BETWEEN 1 AND total_bytes AS used
FROM pg_backend_memory_contexts WHERE name = 'RowDescriptionContext';

-- The total of all contexts of a name, and that of everything; NULL when there is none.
CREATE FUNCTION total_of(context text) RETURNS bigint LANGUAGE sql AS $$
	SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name = context
$$;
-- Megabytes, rounded.
CREATE FUNCTION mb(bytes numeric) RETURNS bigint LANGUAGE sql AS $$ SELECT round(bytes / 1048576)::bigint $$;

--
-- Totals follow what is built, and come back
--
-- Looks at a context while the cursor of another query is open.
CREATE FUNCTION measure(query text, context text, low numeric, high numeric,
	OUT before bigint, OUT during text, OUT after bigint)
LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	r record;
BEGIN
	before := mb(total_of(context));
	OPEN c FOR EXECUTE query;
	FETCH c INTO r;
	during := total_of(context) / 1048576.0;
	during := CASE WHEN during::numeric BETWEEN low AND high THEN 'as expected' ELSE during END;
	CLOSE c;
	after := mb(total_of(context));
END $$;

-- a sort of 100,000 tuples, which AllocSet rounds up to powers of two (without LIMIT they are in a context of another type)
SET work_mem = '1GB';
\set sort 'SELECT * FROM measure(''SELECT md5(i::text) FROM generate_series(1, 100000) i ORDER BY 1 LIMIT 99999'', ''Caller tuples'', 4.5, 8.5);'
SET goarena.enabled = off;
:sort
SET goarena.enabled = on;
:sort
SET goarena.quarantine_sample_rate = 1;
:sort
SET goarena.quarantine = strict;
:sort
-- a hash table
\set hash 'SELECT * FROM measure(''SELECT a.i FROM generate_series(1, 100000) a(i) JOIN generate_series(1, 100000) b(i) USING (i)'', ''HashBatchContext'', 4.5, 6);'
SET enable_mergejoin = off;
SET goarena.enabled = off;
:hash
SET goarena.enabled = on;
:hash
RESET enable_mergejoin;
-- an array that grows by doubling
\set array 'SELECT * FROM measure(''SELECT array_agg(i) FROM generate_series(1, 500000) i'', ''ExprContext'', 6, 7.5);'
SET goarena.enabled = off;
:array
SET goarena.enabled = on;
:array
RESET goarena.quarantine;
RESET goarena.quarantine_sample_rate;
RESET work_mem;

-- A string that grows to 20 MB in one context.
CREATE FUNCTION grow(OUT during boolean, OUT after boolean) LANGUAGE plpgsql AS $$
DECLARE
	s text := '';
	before bigint := (SELECT sum(total_bytes) FROM pg_backend_memory_contexts);
BEGIN
	FOR i IN 1..20 LOOP
		s := s || repeat('x', 1024 * 1024);
	END LOOP;
	during := (SELECT mb(sum(total_bytes) - before) BETWEEN 20 AND 24 FROM pg_backend_memory_contexts);
	s := '';
	after := (SELECT mb(sum(total_bytes) - before) <= 3 FROM pg_backend_memory_contexts);
END $$;
SET goarena.enabled = off;
SELECT * FROM grow();
SET goarena.enabled = on;
SELECT * FROM grow();
SET goarena.quarantine_sample_rate = 1;
SET goarena.quarantine = strict;
SELECT * FROM grow();
RESET goarena.quarantine;
RESET goarena.quarantine_sample_rate;

--
-- Spilling to disk
--
CREATE TABLE spill AS SELECT i, i % 10000 AS k, md5(i::text) AS m FROM generate_series(1, 20000) i;
ANALYZE spill;

-- What EXPLAIN ANALYZE says about memory and disk, without the figures.
CREATE FUNCTION explained(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) ' || query LOOP
		line := regexp_replace(line, '(Planned Partitions|Batches|Memory Usage|Disk Usage|Memory|Disk): \d+(kB)?',
			'\1: N\2', 'g');
		line := regexp_replace(line, '(rows=\d+)\.00', '\1');	-- 18 and later
		IF line ~ 'Batches|Disk|Sort Method|Partitions|Aggregate|Sort' THEN
			RETURN NEXT trim(line);
		END IF;
	END LOOP;
END $$;
\set aggregate 'SELECT * FROM explained(''SELECT k, count(*) FROM spill GROUP BY k'');'
\set sort 'SELECT * FROM explained(''SELECT m FROM spill ORDER BY m'');'

SET work_mem = '64kB';
SET enable_sort = off;
SET goarena.enabled = off;
:aggregate
SET goarena.enabled = on;
:aggregate
SET goarena.quarantine_sample_rate = 1;
:aggregate
SET goarena.quarantine = strict;
:aggregate
RESET enable_sort;
RESET goarena.quarantine;
RESET goarena.quarantine_sample_rate;
SET goarena.enabled = off;
:sort
SET goarena.enabled = on;
:sort
SET goarena.quarantine_sample_rate = 1;
SET goarena.quarantine = strict;
:sort

-- and not where there is room
SET work_mem = '64MB';
SET enable_sort = off;
SET goarena.enabled = off;
:aggregate
SET goarena.enabled = on;
:aggregate
RESET enable_sort;
:sort

--
-- Results are the same, whatever the arenas are like
--
CREATE TABLE results (setting text, what text, result text);
CREATE FUNCTION large_results(setting text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO results
	SELECT setting, 'string_agg', md5(string_agg(m, ',' ORDER BY i)) FROM spill
	UNION ALL
	-- grows as a span from 1 MB on
	SELECT setting, 'long pieces', md5(string_agg(repeat(m, 1000), '')) FROM spill WHERE i <= 600
	UNION ALL
	SELECT setting, 'array_agg', md5(array_agg(i)::text) FROM spill
	UNION ALL
	SELECT setting, 'jsonb', md5(jsonb_object_agg(i, m)::text) FROM spill WHERE i <= 10000
	UNION ALL
	SELECT setting, 'join', md5(string_agg(a.m || b.m, '' ORDER BY a.i, b.i))
	FROM spill a JOIN spill b ON a.k = b.k
	UNION ALL
	SELECT setting, 'distinct', count(DISTINCT substr(m, 1, 4))::text FROM spill
	UNION ALL
	SELECT setting, 'window', md5(string_agg(r::text, '' ORDER BY i)) FROM (
		SELECT i, rank() OVER (PARTITION BY k % 10 ORDER BY m) AS r FROM spill) t
	UNION ALL
	SELECT setting, 'toast', md5(string_agg(t, '')) FROM (
		SELECT repeat(m, 20000) AS t FROM spill WHERE i <= 10) t
$$;
SET goarena.enabled = off;
SELECT large_results('plain');
SET goarena.enabled = on;
SET goarena.quarantine_sample_rate = 1;
SET goarena.quarantine = off;
SELECT large_results('off');
SET goarena.quarantine = on;
SELECT large_results('on');
SET goarena.quarantine = strict;
SELECT large_results('strict');
SET goarena.chunk_size = '64kB';
SELECT large_results('strict, small chunks');
SET goarena.quarantine = on;
SET goarena.chunk_size = '64MB';
SET work_mem = '64kB';
SELECT large_results('on, large chunks, spilling');
RESET goarena.chunk_size;
SELECT what, count(*), count(DISTINCT result) AS different FROM results GROUP BY 1 ORDER BY 1;
SELECT result = md5((SELECT string_agg(repeat(m, 1000), '') FROM spill WHERE i <= 600)) AS same
FROM results WHERE setting = 'plain' AND what = 'long pieces';
-- beyond 64 MB, in a span of several heap arenas
RESET work_mem;
SET goarena.quarantine = strict;
SELECT length(x), md5(right(x, 1000)) = md5(repeat('0123456789', 100)) AS same
FROM (SELECT string_agg(repeat('0123456789', 1000), '') AS x FROM generate_series(1, 10000)) t;
SELECT large_allocs > 0 AS large FROM goarena_heap() WHERE pid = pg_backend_pid();
SELECT goarena_check() IS NULL AS in_order;

DROP TABLE results, spill;
DROP FUNCTION large_results(text), explained(text), measure(text, text, numeric, numeric), grow(), total_of(text), mb(numeric);
