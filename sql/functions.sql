--
-- Functions: figures that belong together agree, on every machine
--
\set VERBOSITY terse

-- one row for this process
SELECT count(*), bool_and(pid = pg_backend_pid()) AS own, min(backend_type) AS type
FROM goarena_stats() WHERE pid = pg_backend_pid();

-- this process, with the details of its arenas
CREATE VIEW own_figures AS
SELECT s.*, h.owned, h.fresh, h.released, h.reserved, h.mapped, h.since_sweep, h.next_sweep_bytes, h.mappings, h.chunks_active,
	h.chunks_reuse, h.chunks_fault, h.chunks_quarantined, h.chunks_ready, h.chunks_freed, h.chunks_pinned, h.frees, h.large_allocs
FROM goarena_stats() s JOIN goarena_heap() h USING (pid) WHERE pid = pg_backend_pid();

-- What must hold at any moment.  Prints the conditions that do not.
CREATE FUNCTION broken() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	s record;
BEGIN
	SELECT t.arenas, t.total_allocated, t.sweeps, t.sweep_time_ms, t.max_sweep_ms, t.resets, h.* INTO s
	FROM goarena_stats() t JOIN goarena_heap() h USING (pid) WHERE pid = pg_backend_pid();
	RETURN QUERY SELECT c.name FROM (VALUES
		('mapped is reserved', s.mapped <= s.reserved),
		('reserved = fresh + owned + retained + released',
			s.reserved = s.fresh + s.owned + s.retained + s.released),
		('reserved is a multiple of 64 MB', s.reserved % 67108864 = 0),
		('arenas', s.arenas > 0),
		('in use is mapped', s.in_use BETWEEN 1 AND s.mapped),
		('in use is owned', s.in_use <= s.owned),
		('quarantined is not owned', s.quarantined <= s.retained + s.released),
		('quarantined has chunks', (s.quarantined = 0) = (s.chunks_quarantined = 0)),
		('metadata', s.metadata > 0),
		('frees', s.frees <= s.allocs),
		('large', s.large_allocs <= s.allocs),
		('sizes', s.total_allocated >= 8 * s.allocs),
		('sweep times', s.max_sweep_ms <= s.sweep_time_ms),
		('a sweep takes time', (s.sweeps = 0) = (s.sweep_time_ms = 0)),
		('next sweep', s.next_sweep_bytes >= pg_size_bytes(current_setting('goarena.sweep_min'))),
		('mappings', s.mappings >= 0),
		('nothing is negative', least(s.arenas, s.chunks_active, s.chunks_reuse, s.chunks_fault,
			s.chunks_quarantined, s.chunks_ready, s.in_use, s.total_allocated, s.reserved,
			s.mapped, s.retained, s.released, s.quarantined, s.metadata, s.allocs, s.frees,
			s.large_allocs, s.resets, s.sweeps, s.chunks_freed, s.chunks_pinned, s.owned,
			s.fresh, s.since_sweep, s.mappings) >= 0)
		) AS c(name, holds) WHERE c.holds IS NOT TRUE;
	IF goarena_check() IS NOT NULL THEN
		RETURN NEXT goarena_check();
	END IF;
END $$;
SELECT * FROM broken();

-- the same with something in each state
SET goarena.quarantine_sample_rate = 1;
SELECT count(*), sum(length(s)) FROM (
	SELECT string_agg(md5(i::text), '') AS s FROM generate_series(1, 50000) i GROUP BY i % 10) t;
SELECT * FROM broken();
SET goarena.quarantine = strict;
SELECT count(*), sum(length(s)) FROM (
	SELECT string_agg(md5(i::text), '') AS s FROM generate_series(1, 50000) i GROUP BY i % 10) t;
SELECT length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 20000);
SELECT * FROM broken();
SELECT goarena_check() IS NULL AS in_order;

--
-- goarena_chunks()
--
-- They fill the reserved address space without gaps, and none overlaps.
CREATE VIEW chunks AS
SELECT *, ('x' || lpad(substr(address, 3), 16, '0'))::bit(64)::bigint AS base FROM goarena_chunks();
SELECT DISTINCT state IN ('fresh', 'active', 'full', 'reuse', 'nursery', 'fault', 'quarantined', 'ready') AS known,
	size >= 8192 AND base % 8192 = 0 AND size % 8192 = 0 AS whole,
	(size & (size - 1)) = 0 AND base % size = 0 OR state NOT IN ('fresh', 'ready', 'quarantined') AS aligned,
	used BETWEEN 0 AND size AS used, resident BETWEEN 0 AND size AS resident, address ~ '^0x[0-9a-f]{12}$' AS hexadecimal
FROM chunks;
SELECT count(*) AS overlaps FROM (
	SELECT base, size, lead(base) OVER (ORDER BY base) AS next FROM chunks) t
WHERE base + size > next;
SELECT count(*) AS gaps FROM (
	SELECT base, size, lead(base) OVER (ORDER BY base) AS next FROM chunks) t
WHERE base + size <> next AND next % 67108864 <> 0;
SELECT (SELECT sum(size) FROM chunks) = (SELECT reserved FROM goarena_heap() WHERE pid = pg_backend_pid()) AS all_of_it;
SELECT bool_and(arena_id IS NOT NULL) AS has_owner FROM chunks WHERE state IN ('active', 'full', 'reuse');
SELECT count(*) FROM chunks WHERE state = 'fresh' AND (used <> 0 OR arena_id IS NOT NULL);
SELECT count(*) FROM chunks WHERE state = 'fresh' AND resident <> 0;
-- (the rows themselves take up to work_mem meanwhile)
SELECT (SELECT sum(resident) FROM chunks WHERE state = 'ready') -
	(SELECT retained FROM goarena_stats() WHERE pid = pg_backend_pid()) BETWEEN -8 * 1024 * 1024 AND 8 * 1024 * 1024 AS about_retained;
-- what is pinned is in quarantine
SELECT count(*) FROM chunks WHERE pinned_by IS NOT NULL AND state NOT IN ('quarantined', 'fault');

--
-- goarena_arenas()
--
SELECT count(*) = count(DISTINCT id) AS distinct_ids,
	bool_and(least(chunks, used_bytes, free_bytes, dead_bytes, allocs, resets) >= 0) AS not_negative,
	bool_and(quarantine IN ('off', 'on', 'strict')) AS modes, bool_and(level > 0) AS levels
FROM goarena_arenas() WHERE type = 'arena';
-- contexts that do not change while the query runs
SELECT a.name, a.held_bytes = a.used_bytes + a.free_bytes + a.dead_bytes AS adds_up,
	a.held_bytes - sum(c.resident) IN (1024, 8192) AS without_first_block, count(*) = a.chunks AS chunks
FROM goarena_arenas() a JOIN goarena_chunks() c ON c.arena_id = a.id AND c.state IN ('active', 'full')
WHERE a.name = 'MessageContext'
GROUP BY a.id, a.name, a.held_bytes, a.used_bytes, a.free_bytes, a.dead_bytes, a.chunks
ORDER BY 1;
-- those that are no arenas, as the server's own view has them
SELECT a.name, a.type, a.id, a.parent, a.contexts, a.held_bytes = b.total_bytes AS held, a.chunks = b.total_nblocks AS blocks,
	a.used_bytes = b.used_bytes AS used, a.free_bytes = b.free_bytes AS free, a.dead_bytes, a.allocs, a.resets, a.quarantine
FROM goarena_arenas() a JOIN pg_backend_memory_contexts b USING (name)
WHERE name IN ('TopMemoryContext', 'ErrorContext', 'CacheMemoryContext') ORDER BY 1;
SELECT count(*) > 5 AS some, bool_and(parent = 'CacheMemoryContext' AND type = 'AllocSet') AS all FROM goarena_arenas()
WHERE name = 'index info';
-- each context, and all that the process holds but chunks that no context has
SELECT (SELECT count(*) FROM goarena_arenas()) - (SELECT count(*) FROM pg_backend_memory_contexts) BETWEEN -5 AND 5 AS all,
	(SELECT sum(held_bytes) FROM goarena_arenas()) BETWEEN others AND held AS held
FROM goarena_stats() WHERE pid = pg_backend_pid();
-- 18 and later have a path of ids in place of parent, and count levels from 1
CREATE FUNCTION server_contexts() RETURNS TABLE (name text, parent text, level int, total_bytes bigint)
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE CASE WHEN current_setting('server_version_num')::int < 180000 THEN
		'SELECT name, parent, level, total_bytes FROM pg_backend_memory_contexts'
	ELSE '
		WITH all_contexts AS MATERIALIZED (SELECT * FROM pg_backend_memory_contexts)
		SELECT c.name, p.name, c.level - 1, c.total_bytes
		FROM all_contexts c LEFT JOIN all_contexts p ON p.path = c.path[:c.level - 1]'
	END;
END $$;
SELECT a.name, a.parent = b.parent AS parent, a.level = b.level AS level,
	a.used_bytes <= b.total_bytes AS used
FROM goarena_arenas() a JOIN server_contexts() b USING (name)
WHERE a.name IN ('MessageContext', 'TopPortalContext', 'RowDescriptionContext') ORDER BY 1;
-- identifiers, cut as in pg_backend_memory_contexts
SELECT a.name, a.ident = b.ident AS ident FROM goarena_arenas() a
	JOIN pg_backend_memory_contexts b USING (name) WHERE a.name = 'PortalContext';

--
-- goarena_size_classes()
--
SELECT count(*) > 10 AS several, count(*) = count(DISTINCT class) AS distinct_classes,
	bool_and(size % 8 = 0) AS multiples, bool_and(waste >= 0 AND waste < 1) AS waste,
	max(waste) FILTER (WHERE size > 128) < 0.1112 AS a_ninth,
	bool_and(least(allocs, frees, free_list_length) >= 0) AS not_negative
FROM goarena_size_classes();
SELECT count(*) FROM (
	SELECT size, lag(size) OVER (ORDER BY class) AS smaller FROM goarena_size_classes()) t
WHERE smaller >= size;
SELECT class, size, round(waste::numeric, 4) AS waste FROM goarena_size_classes()
WHERE class IN (0, 3, 15, 16, 24) ORDER BY class;
SELECT (SELECT sum(allocs) FROM goarena_size_classes()) <= (SELECT allocs FROM goarena_stats() WHERE pid = pg_backend_pid()) AS some,
	(SELECT sum(allocs * size) FROM goarena_size_classes()) <=
	(SELECT total_allocated FROM goarena_stats() WHERE pid = pg_backend_pid()) AS bytes;

--
-- goarena_sweep() and goarena_sweeps()
--
-- the executor's own memory is not to come into quarantine meanwhile
SET goarena.quarantine = off;
SELECT count(*), bool_and(chunks_freed > 0) AS freed, bool_and(chunks_pinned >= 0) AS pinned,
	bool_and(bytes_scanned > 1000000) AS scanned, bool_and(duration_ms > 0) AS duration
FROM goarena_sweep();
CREATE FUNCTION try_sweep() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	before record;
	swept record;
	noted record;
	stats record;
BEGIN
	SELECT count(*) AS n, max(at) AS latest INTO before FROM goarena_sweeps();
	SELECT * INTO swept FROM goarena_sweep();
	SELECT * INTO noted FROM goarena_sweeps() LIMIT 1;
	SELECT * INTO stats FROM own_figures;
	RETURN NEXT 'one more: ' || ((SELECT count(*) FROM goarena_sweeps()) = before.n + 1);
	RETURN NEXT 'reason: ' || noted.reason;
	RETURN NEXT 'newest first: ' ||
		(noted.at = (SELECT max(at) FROM goarena_sweeps()) AND noted.at >= before.latest);
	RETURN NEXT 'as told: ' || ((noted.chunks_freed, noted.chunks_pinned, noted.bytes_scanned,
		noted.duration_ms) = (swept.chunks_freed, swept.chunks_pinned, swept.bytes_scanned,
		swept.duration_ms));
	RETURN NEXT 'last sweep: ' || (stats.last_sweep = noted.at);
	RETURN NEXT 'only what is pinned stays: ' ||
		(stats.chunks_quarantined = swept.chunks_pinned);
	RETURN NEXT 'counts anew: ' || (stats.since_sweep = 0);
END $$;
SELECT * FROM try_sweep();
SELECT * FROM try_sweep();
SELECT * FROM broken();
-- the last 256 are remembered
DO $$ BEGIN FOR i IN 1..300 LOOP PERFORM goarena_sweep(); END LOOP; END $$;
SELECT count(*), count(DISTINCT reason) AS reasons, bool_and(at <= now() + '1 hour') AS times
FROM goarena_sweeps();
SELECT sweeps >= 300 AS counted FROM goarena_stats() WHERE pid = pg_backend_pid();
SELECT count(*) FROM (SELECT at, lag(at) OVER () AS newer FROM goarena_sweeps()) t WHERE newer < at;

-- by volume; less than 32MB counts as 32MB
SET goarena.quarantine = strict;
SET goarena.sweep_min = '64kB';
SET goarena.sweep_percent = 0;
SELECT count(*) FROM (SELECT md5(i::text) AS m FROM generate_series(1, 4000) i ORDER BY 1) t;
SELECT count(*) FROM (SELECT md5(i::text) AS m FROM generate_series(1, 4000) i ORDER BY 1) t;
SELECT bool_or(reason IN ('volume', 'transaction end')) AS by_volume FROM goarena_sweeps();
SELECT pg_size_pretty(next_sweep_bytes) AS next FROM goarena_heap() WHERE pid = pg_backend_pid();
-- never by volume
SET goarena.sweep_percent = -1;
SELECT count(*) FROM (SELECT md5(i::text) AS m FROM generate_series(1, 4000) i ORDER BY 1) t;
SELECT next_sweep_bytes FROM goarena_heap() WHERE pid = pg_backend_pid();
SELECT sweeps AS before FROM goarena_stats() WHERE pid = pg_backend_pid() \gset
SELECT count(*) FROM (SELECT md5(i::text) AS m FROM generate_series(1, 4000) i ORDER BY 1) t;
SELECT count(*) FROM (SELECT md5(i::text) AS m FROM generate_series(1, 4000) i ORDER BY 1) t;
SELECT sweeps = :before AS never FROM goarena_stats() WHERE pid = pg_backend_pid();
-- a share of what is in use
BEGIN;
DECLARE sorted CURSOR FOR SELECT md5(i::text) AS m FROM generate_series(1, 20000) i ORDER BY 1;
MOVE sorted;
SET goarena.sweep_percent = 10000;
SELECT 1;
SELECT goarena_sweep() IS NOT NULL AS swept;
SELECT next_sweep_bytes BETWEEN in_use * 50 AND in_use * 200 AS share FROM goarena_heap() WHERE pid = pg_backend_pid();
RESET goarena.sweep_percent;
RESET goarena.sweep_min;
COMMIT;

--
-- goarena_release()
--
SET goarena.quarantine = off;
CREATE FUNCTION try_release() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	before record;
	bytes bigint;
	again bigint;
	after record;
BEGIN
	SELECT * INTO before FROM own_figures;
	bytes := goarena_release();
	again := goarena_release();
	SELECT * INTO after FROM own_figures;
	RETURN NEXT 'bytes: ' || (bytes > 0 AND bytes <= before.retained + 1048576);
	RETURN NEXT 'retained: ' || (after.retained <= 262144);
	RETURN NEXT 'released: ' ||
		(after.released + after.fresh >= before.released + before.fresh + bytes - 1048576);
	RETURN NEXT 'reserved: ' || (after.reserved = before.reserved);
	RETURN NEXT 'reason: ' || (SELECT reason FROM goarena_sweeps() LIMIT 1);
	RETURN NEXT 'again: ' || (again <= 262144);
END $$;
SELECT * FROM try_release();
SELECT * FROM broken();
-- what was released can be used again
SELECT count(*), sum(length(s)) FROM (
	SELECT string_agg(md5(i::text), '') AS s FROM generate_series(1, 50000) i GROUP BY i % 10) t;
-- at most this much is retained
SET goarena.retain = '1MB';
SELECT count(*), sum(length(s)) FROM (
	SELECT string_agg(md5(i::text), '') AS s FROM generate_series(1, 50000) i GROUP BY i % 10) t;
SELECT retained <= 1024 * 1024 AS within FROM goarena_stats() WHERE pid = pg_backend_pid();
RESET goarena.retain;

--
-- goarena_reset_stats()
--
CREATE FUNCTION try_reset() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	before record;
	after record;
BEGIN
	SELECT * INTO before FROM own_figures;
	PERFORM goarena_reset_stats();
	SELECT * INTO after FROM own_figures;
	RETURN NEXT 'zero: ' || ((after.sweeps, after.sweep_time_ms, after.max_sweep_ms,
		after.chunks_freed, after.chunks_pinned, after.large_allocs) = (0, 0, 0, 0, 0, 0));
	RETURN NEXT 'few: ' || (after.allocs < before.allocs / 10 AND after.frees <= before.frees / 10 AND
		after.resets < before.resets / 10);
	RETURN NEXT 'allocated: ' || (after.total_allocated < before.total_allocated / 10);
	-- metadata may grow at any time
	RETURN NEXT 'what is, stays: ' || ((after.reserved, after.next_sweep_bytes) =
		(before.reserved, before.next_sweep_bytes) AND after.metadata >= before.metadata);
	RETURN NEXT 'classes: ' || ((SELECT sum(allocs) FROM goarena_size_classes()) < before.allocs / 10);
END $$;
SELECT * FROM try_reset();
SELECT count(*) FROM broken() b WHERE b <> 'frees';

--
-- All processes
--
SELECT count(*) > 3 AS several, count(*) = count(DISTINCT pid) AS distinct_pids,
	count(*) FILTER (WHERE pid = pg_backend_pid()) AS own,
	bool_and(touched + metadata + others = held) AS held,
	bool_and(touched >= in_use - 1048576 AND touched >= retained AND others > 0) AS parts, bool_and(published <= clock_timestamp()) AS published
FROM goarena_stats();
SELECT string_agg(DISTINCT backend_type, ', ' ORDER BY backend_type) FROM goarena_stats()
WHERE backend_type IN ('checkpointer', 'background writer', 'walwriter', 'client backend');
-- all that pg_stat_activity shows, and what it says of them
SELECT pid, backend_type FROM pg_stat_activity a
WHERE NOT EXISTS (SELECT FROM goarena_stats() s WHERE s.pid = a.pid) AND backend_type NOT LIKE 'autovacuum%';
SELECT bool_and(statement_peak > 0 AND statement_peak <= process_peak AND transaction_peak <= process_peak
	AND process_peak >= in_use) AS peaks
FROM goarena_stats() WHERE pid = pg_backend_pid();
SELECT query LIKE '%this very query%' AS query, state, datname = current_database() AS datname, held > 0 AS held
FROM goarena_activity WHERE pid = pg_backend_pid();
-- a process that cannot be asked, one that is not there, bad timeouts
SELECT count(*) > 0 AS some, bool_and(age >= '0'::interval) AS age
FROM goarena_arenas((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'), 0);
SELECT * FROM goarena_arenas(1);
SELECT goarena_sweep(1), goarena_release(1);
SELECT goarena_arenas(1, -1);
SELECT goarena_arenas(1, 'NaN');
SELECT goarena_arenas(1, 1e6);
SELECT goarena_arenas(NULL, 1), goarena_sweep(NULL), goarena_release(NULL);
-- the own one, as the function without arguments; the context may be an arena or none (quarantine is null then)
SELECT count(*) AS missing FROM goarena_arenas() a
WHERE name = 'MessageContext' AND NOT EXISTS (
	SELECT FROM goarena_arenas(pg_backend_pid()) b WHERE (a.id, a.name, a.parent, a.level, a.quarantine)
		IS NOT DISTINCT FROM (b.id, b.name, b.parent, b.level, b.quarantine) AND b.age IS NULL);

--
-- goarena_faults()
--
SELECT count(*) >= 0 AS called FROM goarena_faults();
SELECT goarena_faults_text(-1) IS NULL AS none;

-- a rescan calls them again
SELECT i, (SELECT count(*) FROM goarena_sweep() WHERE i > 0) FROM generate_series(1, 2) i;
SELECT i, s.pid = pg_backend_pid() AS own FROM generate_series(1, 2) i, LATERAL (
	SELECT * FROM goarena_stats() WHERE i > 0 AND pid = pg_backend_pid()) s;

RESET goarena.quarantine;
DROP FUNCTION broken(), try_sweep(), try_release(), try_reset();
DROP VIEW chunks, own_figures;

--
-- goarena_tree(): a row for each context where there is room, each with all below it
--
CREATE TEMP TABLE tree AS SELECT * FROM goarena_tree() WITH ORDINALITY AS t(context, subtree_bytes, held_bytes,
	used_bytes, contexts, level, type, ident, age, n);
SELECT context, level, n FROM tree WHERE level = 0;
SELECT bool_and(context = repeat('  ', level) || ltrim(context)) AS indented, bool_and(age IS NULL) AS now FROM tree;
-- the first row is all of it
SELECT (SELECT count(*) FROM tree) = contexts AS contexts, (SELECT sum(held_bytes) FROM tree) = subtree_bytes AS bytes
FROM tree WHERE n = 1;
-- what is below a context comes after it, up to the next one that is not further down
SELECT count(*) FROM tree a WHERE NOT EXISTS (
	SELECT FROM tree b WHERE b.n >= a.n AND b.n < coalesce(
		(SELECT min(c.n) FROM tree c WHERE c.n > a.n AND c.level <= a.level), 1000000)
	HAVING sum(b.held_bytes) = a.subtree_bytes AND count(*) = a.contexts);
-- of the children of one context the largest come first
SELECT count(*) FROM tree a JOIN tree b ON b.n = (SELECT min(c.n) FROM tree c WHERE c.n > a.n AND c.level <= a.level)
WHERE a.level = b.level AND a.subtree_bytes < b.subtree_bytes;
-- each row is that of goarena_arenas()
SELECT count(*) FROM tree t WHERE ltrim(context) IN ('RowDescriptionContext', 'CacheMemoryContext', 'ErrorContext') AND NOT EXISTS (
	SELECT FROM goarena_arenas() a WHERE (a.name, a.level, a.type) = (ltrim(t.context), t.level, t.type));
DROP TABLE tree;
-- a process that cannot be asked, one that is not there, a bad timeout
SELECT count(*) > 0 AS some, bool_and(age >= '0'::interval) AS age
FROM goarena_tree((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'), 0);
SELECT * FROM goarena_tree(1);
SELECT goarena_tree(1, -1);

--
-- goarena_top(): a look is a statement that the client sent
--
\c -
SELECT held > 0 AS held, growth, elapsed FROM goarena_top() WHERE pid = pg_backend_pid();
SELECT growth IS NOT NULL AS growth, elapsed > '0' AS elapsed FROM goarena_top() WHERE pid = pg_backend_pid();
-- two looks in one statement do not compare with each other
SELECT b.elapsed >= a.elapsed AS with_the_one_before, b.growth IS NOT NULL AS growth
FROM goarena_top() a, LATERAL (SELECT * FROM goarena_top() WHERE pid = a.pid) b WHERE a.pid = pg_backend_pid();
-- two statements of a transaction do, also if it is rolled back
BEGIN;
SELECT count(*) FROM goarena_top() WHERE pid = pg_backend_pid();
SELECT clock_timestamp() AS looked \gset
SELECT elapsed < clock_timestamp() - xact_start AS with_the_first
FROM goarena_top JOIN pg_stat_activity USING (pid) WHERE pid = pg_backend_pid();
ROLLBACK;
SELECT elapsed < clock_timestamp() - :'looked' AS with_the_second FROM goarena_top WHERE pid = pg_backend_pid();
-- the view: the largest first, queries in one line
SELECT usename = current_user AS usename, datname = current_database() AS datname, backend_type, state, query
FROM goarena_top WHERE pid
	= pg_backend_pid();
SELECT count(*) > 1 AS some, bool_and(held >= next IS NOT FALSE) AS sorted
FROM (SELECT held, lead(held) OVER () AS next FROM goarena_top) t;

--
-- The heap profile
--
SELECT count(*) FROM goarena_profile();
SET goarena.profile_rate = 1;
CREATE TEMP TABLE profiled AS SELECT * FROM goarena_profile();
CREATE TEMP TABLE profiled_again AS SELECT * FROM goarena_profile();
RESET goarena.profile_rate;
-- with a rate of one byte every object is a sample
SELECT count(*) > 50 AS sites, bool_and(inuse_samples <= alloc_samples AND alloc_objects = alloc_samples
	AND alloc_bytes > alloc_objects AND inuse_objects = inuse_samples) AS exact,
	bool_and(stack LIKE '%main+0x%') AS whole, bool_and(function <> 'palloc') AS callers
FROM profiled_again;
SELECT (SELECT sum(alloc_samples) FROM profiled_again) > (SELECT sum(alloc_samples) FROM profiled) AS grows;
SELECT rate, samples > 0 AS samples, lost, sites > 50 AS sites, server_rows_max FROM goarena_profile_info();
-- collapsed stacks add up to the same
SELECT sum(substring(line from '[0-9]+$')::bigint) = (SELECT sum(alloc_objects) FROM goarena_profile()) AS same,
	bool_and(line ~ '^TopMemoryContext;.*;main;.* [0-9]+$') AS whole
FROM regexp_split_to_table(rtrim(goarena_profile_folded(value => 'alloc_objects'), E'\n'), E'\n') AS line;
-- what pprof reads is gzipped
SELECT substring(goarena_profile_pprof() FROM 1 FOR 3) AS gzip, goarena_profile_pprof(1) IS NULL AS nothing;
DROP TABLE profiled, profiled_again;
-- what cannot be
\set VERBOSITY sqlstate
SET goarena.profile_rate = -1;
\set VERBOSITY terse
SELECT goarena_profile_folded(value => 'bytes');
SELECT goarena_profile_folded(value => NULL);
SELECT goarena_profile_folded(timeout => NULL);
SELECT * FROM goarena_profile(pg_backend_pid(), -1);
SELECT count(*) FROM goarena_profile(1);
