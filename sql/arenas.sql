--
-- Which contexts become arenas
--
-- Each query has a portal with a PortalContext; below it are, for this one,
-- ExecutorState, and below that ExprContext and Table function arguments.
-- "?*" takes in what "*" does, but contexts are arenas while they are small, too.
--
SELECT current_database() AS db \gset
-- (No context is an arena by chance, because it is in the sample.)
ALTER DATABASE :"db" SET goarena.quarantine_sample_rate = 0;
SET goarena.quarantine_sample_rate = 0;
\set contexts 'SELECT name, parent FROM goarena_arenas() WHERE type = ''arena'' AND parent IN (''TopPortalContext'', ''PortalContext'', ''ExecutorState'') ORDER BY level, name;'
SET goarena.contexts = '!CacheMemoryContext/, ?*';
:contexts

-- a name
SET goarena.contexts = 'ExecutorState';
:contexts
-- no pattern matches
SET goarena.contexts = 'executorstate, Executor, ExecutorState2';
:contexts
SET goarena.contexts = '';
:contexts
-- "*" and "?"
SET goarena.contexts = 'Ex*Context';
:contexts
SET goarena.contexts = '*t*r*t*';
:contexts
SET goarena.contexts = 'Expr*Context*, ?????????State, Table function argument?';
:contexts
SET goarena.contexts = '?ExprContext, ExprContex, ??????????State';
:contexts
SET goarena.contexts = '*function*';
:contexts
-- spaces around and within patterns
SET goarena.contexts = '	 ExprContext  ,  Table function arguments ';
:contexts
-- a trailing "/" takes in what lies below, and the context itself
SET goarena.contexts = 'ExecutorState/';
:contexts
SET goarena.contexts = 'TopPortalContext/';
:contexts
SET goarena.contexts = 'Portal*/';
:contexts
-- without it, only the context itself
SET goarena.contexts = 'PortalContext';
:contexts
-- "!" excludes, and the first match wins
SET goarena.contexts = '!ExprContext, ?*';
:contexts
SET goarena.contexts = '?*, !ExprContext';
:contexts
SET goarena.contexts = '!ExecutorState/, ?*';
:contexts
SET goarena.contexts = 'ExprContext, !ExecutorState/, ?*';
:contexts
SET goarena.contexts = '!*';
:contexts
SET goarena.contexts = '!PortalContext/, ExecutorState/';
:contexts
SET goarena.contexts = 'ExecutorState/, !PortalContext/';
:contexts
SET goarena.contexts = '!CacheMemoryContext/, ?*';

-- switched off: what is an arena stays one, nothing else becomes one
SET goarena.enabled = off;
:contexts
SELECT name FROM goarena_arenas() WHERE type = 'arena' AND name = 'MessageContext';
SET goarena.enabled = on;
:contexts

--
-- Contexts are arenas or not by what holds when they are first used
--
-- Everything but CacheMemoryContext, what lies below it, and what never is one.
-- (Contexts of before the fork are none either.)
SELECT name, level FROM goarena_arenas() WHERE type = 'arena' AND name IN ('MessageContext', 'TopPortalContext',
	'PortalContext', 'ExecutorState', 'CacheMemoryContext', 'CachedPlan', 'CachedPlanSource',
	'CachedPlanQuery', 'index info', 'TopMemoryContext', 'ErrorContext', 'PostmasterContext',
	'TransactionAbortContext')
ORDER BY level, name;
PREPARE prepared AS SELECT count(*) FROM pg_class WHERE oid = $1;
EXECUTE prepared(0);
EXECUTE prepared(0);
-- (A plan is made elsewhere before it moves there.)
SELECT name FROM goarena_arenas() WHERE type = 'arena' AND parent IN ('CacheMemoryContext', 'CachedPlanSource')
ORDER BY name COLLATE "C";
SELECT count(*) > 0 AS plain_ones FROM pg_backend_memory_contexts WHERE name = 'index info';	-- below it

-- These too, except for contexts that hold memory already or may never fail.
ALTER DATABASE :"db" SET goarena.contexts = '?*';
\c -
PREPARE prepared AS SELECT count(*) FROM pg_class WHERE oid = $1;
EXECUTE prepared(0);
SELECT name FROM goarena_arenas() WHERE type = 'arena' AND name IN ('MessageContext', 'TopPortalContext',
	'PortalContext', 'ExecutorState', 'CacheMemoryContext', 'CachedPlanSource', 'CachedPlanQuery',
	'index info', 'TopMemoryContext', 'ErrorContext', 'PostmasterContext')
GROUP BY 1 ORDER BY name COLLATE "C";
-- identifiers are those of the contexts
SELECT ident FROM goarena_arenas() WHERE type = 'arena' AND name = 'CachedPlanSource' AND ident LIKE 'PREPARE%';
SELECT count(*) > 0 AS some, bool_and(ident IN (SELECT relname FROM pg_class)) AS indexes
FROM goarena_arenas() WHERE type = 'arena' AND name = 'index info';
-- and cut if they are long
DO $$
BEGIN
	EXECUTE 'PREPARE long AS SELECT 1 WHERE ' || repeat('true AND ', 200) || 'true';
END $$;
SELECT name, length(ident) FROM goarena_arenas() WHERE type = 'arena' AND ident LIKE 'PREPARE long%';
SELECT goarena_check() IS NULL AS in_order;

-- Only some.  Settings of a database come too late for the very first contexts.
\set contexts 'SELECT name FROM goarena_arenas() WHERE type = ''arena'' AND name IN (''MessageContext'', ''PortalContext'', ''ExecutorState'', ''ExprContext'') ORDER BY level, name;'
ALTER DATABASE :"db" SET goarena.contexts = 'MessageContext, ExprContext';
\c -
:contexts
-- what was decided is so for the life of a context, also if it is reset
SET goarena.contexts = 'ExecutorState';
:contexts

-- None.
ALTER DATABASE :"db" RESET goarena.contexts;
ALTER DATABASE :"db" SET goarena.enabled = off;
\c -
:contexts
SELECT goarena_check() IS NULL AS in_order;
SELECT count(*) FROM goarena_sweep();
SELECT goarena_release() >= 0 AS released;
SET goarena.enabled = on;
SET goarena.contexts = '?*';
:contexts
ALTER DATABASE :"db" RESET goarena.enabled;
\c -
SET goarena.contexts = '?*';

--
-- Contexts come and go with what they serve
--
BEGIN;
DECLARE c CURSOR FOR SELECT generate_series(1, 3);
FETCH 1 FROM c;
SELECT name, ident FROM goarena_arenas() WHERE type = 'arena' AND name = 'PortalContext' AND ident = 'c';
CLOSE c;
COMMIT;
SELECT count(*) FROM goarena_arenas() WHERE type = 'arena' AND name = 'PortalContext' AND ident = 'c';

CREATE FUNCTION deep(n int) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
	IF n = 0 THEN
		RETURN (SELECT count(*) FROM goarena_arenas() WHERE type = 'arena' AND name = 'ExecutorState');
	END IF;
	RETURN deep(n - 1);
END $$;
SELECT deep(10) > deep(1) AS more_below;
SELECT max(level) > 2 AS levels FROM goarena_arenas();
DROP FUNCTION deep(int);

-- an error in the midst of it
CREATE FUNCTION fail() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	PERFORM count(md5(i::text)) FROM generate_series(1, 1000) i;
	RAISE EXCEPTION 'failed on purpose';
END $$;
SELECT fail();
DO $$
BEGIN
	FOR i IN 1..100 LOOP
		BEGIN
			PERFORM fail();
		EXCEPTION WHEN raise_exception THEN
			NULL;
		END;
	END LOOP;
END $$;
DROP FUNCTION fail();
SELECT count(*) FROM goarena_arenas() WHERE type = 'arena' AND name = 'ExecutorState';
SELECT goarena_check() IS NULL AS in_order;

--
-- Contexts stay AllocSets while they are small
--
\c -
SET goarena.quarantine = off;
SET goarena.contexts = '*';
-- unless they are about to hold a large object;
SELECT 'PREPARE text AS SELECT 1 /* ' || repeat('x', 300000) || ' */' AS prepare \gset
:prepare;
SELECT a.type, sum(c.size) > 300000 AS there FROM goarena_arenas() a LEFT JOIN goarena_chunks() c ON c.arena_id = a.id
WHERE a.ident LIKE 'PREPARE text%' GROUP BY 1;
\c -
SET goarena.quarantine = off;
\set sources 'SELECT split_part(ident, '' '', 2) AS prepared, type, quarantine, used_bytes > 0 AS used FROM goarena_arenas() WHERE name = ''CachedPlanSource'' ORDER BY 1;'
PREPARE small AS SELECT 1;
-- unless they are asked for by name,
SET goarena.contexts = 'CachedPlanSource, *';
PREPARE named AS SELECT 1;
SET goarena.contexts = '*';
-- or in the sample
SET goarena.quarantine = on;
SET goarena.quarantine_sample_rate = 1.0;
PREPARE sampled AS SELECT 1;
RESET goarena.quarantine_sample_rate;
SET goarena.quarantine = off;
PREPARE small2 AS SELECT 1;
-- one that grows is an arena from then on
SELECT 'PREPARE large AS SELECT 1 WHERE ' || repeat('true AND ', 8000) || 'true' AS prepare \gset
:prepare;
:sources
SELECT used_bytes > 65536 AS large FROM goarena_arenas() WHERE ident LIKE 'PREPARE large%';
-- and so are the next ones of its kind
PREPARE later AS SELECT 1;
SELECT type FROM goarena_arenas() WHERE ident LIKE 'PREPARE later%';
-- contexts of the session are expected to stay small, whatever their first block
SELECT count(*) > 3 AS several FROM goarena_arenas() WHERE name = 'dynahash' AND parent = 'TopMemoryContext' AND type = 'AllocSet';
-- freeing and growing what was allocated before
DEALLOCATE ALL;
SELECT goarena_check() IS NULL AS in_order;
RESET goarena.contexts;
RESET goarena.quarantine;
ALTER DATABASE :"db" RESET goarena.quarantine_sample_rate;
