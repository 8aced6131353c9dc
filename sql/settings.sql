--
-- Settings: defaults, bad values, and who may change them
--
SELECT name, setting, unit, context, vartype, min_val, max_val, enumvals
FROM pg_settings WHERE name LIKE 'goarena.%' ORDER BY name;
SELECT name FROM pg_settings
WHERE name LIKE 'goarena.%' AND (short_desc IS NULL OR setting IS DISTINCT FROM boot_val);

-- with units
SHOW goarena.chunk_size;
SHOW goarena.sweep_min;
SHOW goarena.retain;

-- the prefix is reserved
SET goarena.no_such_setting = 1;

--
-- goarena.contexts
--
SET goarena.contexts = 'ExecutorState';
SET goarena.contexts = ' !CacheMemoryContext/ ,Exec*,E?prContext, !*' ;
SET goarena.contexts = 'PL/pgSQL function/';
SET goarena.contexts = 'Tuple!';
SET goarena.contexts = 'a,,b';
SET goarena.contexts = 'a,';
SET goarena.contexts = ',';
SET goarena.contexts = '!';
SET goarena.contexts = '/';
SET goarena.contexts = 'a, !/, b';
SET goarena.contexts = '!!a';
SET goarena.contexts = 'a//';
-- a value that is refused changes nothing
SHOW goarena.contexts;
-- no pattern at all is allowed
SET goarena.contexts = '';
SHOW goarena.contexts;
SET goarena.contexts = '  ';
-- 64 patterns are, 65 are not
SELECT length(set_config('goarena.contexts', string_agg('p' || i, ','), false))
FROM generate_series(1, 64) i;
SELECT length(set_config('goarena.contexts', string_agg('p' || i, ','), false))
FROM generate_series(1, 65) i;
SELECT length(current_setting('goarena.contexts'));
RESET goarena.contexts;
SHOW goarena.contexts;

--
-- goarena.debug and goarena.debug_contexts
--
SET goarena.debug = 'clobber';
SET goarena.debug = ' Efence, alloctrace,checkmark clobber ';
SHOW goarena.debug;
SET goarena.debug = 'clobber, fence';
SET goarena.debug = 'clobbe';
SET goarena.debug = 'clobberr';
-- a value that is refused changes nothing
SHOW goarena.debug;
SET goarena.debug = ' , ';
SET goarena.debug = '';
SET goarena.debug_contexts = 'ExecutorState, !SPI*/, *';
SET goarena.debug_contexts = 'a,,b';
SHOW goarena.debug_contexts;
RESET goarena.debug_contexts;
SET goarena.allocation_stacks = off;
SET goarena.allocation_stacks = 'all';
RESET goarena.allocation_stacks;

--
-- goarena.chunk_size
--
SET goarena.chunk_size = '64kB';
SET goarena.chunk_size = '1MB';
SHOW goarena.chunk_size;
SET goarena.chunk_size = 256;
SHOW goarena.chunk_size;
SET goarena.chunk_size = '64MB';
SET goarena.chunk_size = '100kB';
SET goarena.chunk_size = '3MB';
-- 17 and later name the unit of the limits
\set VERBOSITY sqlstate
SET goarena.chunk_size = '32kB';
SET goarena.chunk_size = '128MB';
SET goarena.chunk_size = 0;
SET goarena.chunk_size = -1;
\set VERBOSITY default
SET goarena.chunk_size = 'large';
SHOW goarena.chunk_size;
RESET goarena.chunk_size;

--
-- The others
--
SET goarena.enabled = maybe;
SET goarena.quarantine = strict;
SET goarena.quarantine = off;
SET goarena.quarantine = loose;
SHOW goarena.quarantine;
SET goarena.quarantine_sample_rate = 0;
SET goarena.quarantine_sample_rate = 0.25;
SET goarena.quarantine_sample_rate = 1;
SET goarena.quarantine_sample_rate = 1.5;
SET goarena.quarantine_sample_rate = -0.1;
SET goarena.quarantine_sample_rate = 'often';
SHOW goarena.quarantine_sample_rate;
SET goarena.sweep_percent = -1;
SET goarena.sweep_percent = 0;
SET goarena.sweep_percent = 10000;
SET goarena.sweep_percent = -2;
SET goarena.sweep_percent = 10001;
SET goarena.sweep_min = '64kB';
SET goarena.sweep_min = '1GB';
\set VERBOSITY sqlstate
SET goarena.sweep_min = '63kB';
\set VERBOSITY default
SET goarena.retain = 0;
SET goarena.retain = '1GB';
\set VERBOSITY sqlstate
SET goarena.retain = -1;
\set VERBOSITY default
SET goarena.huge_pages = try;
SET goarena.huge_pages = on;
SET goarena.trace = sweeps;
SET goarena.trace = 'all';
SET goarena.trace = everything;
SET goarena.on_fault = terminate;
SET goarena.on_fault = 'ignore';
SET goarena.free_stacks = off;
SET goarena.free_stacks = 'few';
SET goarena.track_statements = 'all';
SET goarena.track_statements = 'some';
SET goarena.statements_max = 200;
SET goarena.log_peak = '1GB';
SHOW goarena.log_peak;
SET goarena.log_peak = -1;
\set VERBOSITY sqlstate
SET goarena.log_peak = -2;
\set VERBOSITY default
SET goarena.memory_limit = '64MB';
SET goarena.memory_limit = '15MB';
SET goarena.memory_limit = 0;
\set VERBOSITY sqlstate
SET goarena.memory_limit = -2;
\set VERBOSITY default
SET goarena.memory_limit = -1;
SET goarena.total_memory_limit = '1GB';
SET goarena.on_total_limit = cancel_largest;
SET goarena.on_total_limit = 'ask';
RESET goarena.on_total_limit;
RESET ALL;
SELECT name FROM pg_settings WHERE name LIKE 'goarena.%' AND setting <> boot_val;

--
-- Scopes
--
BEGIN;
SET LOCAL goarena.quarantine = strict;
SAVEPOINT s;
SET LOCAL goarena.quarantine = off;
SHOW goarena.quarantine;
ROLLBACK TO s;
SHOW goarena.quarantine;
COMMIT;
SHOW goarena.quarantine;

CREATE FUNCTION strictly() RETURNS text LANGUAGE sql
AS $$ SELECT current_setting('goarena.quarantine') $$ SET goarena.quarantine = strict;
SELECT strictly(), current_setting('goarena.quarantine');
DROP FUNCTION strictly();

-- a bad value does not get into the configuration either
ALTER SYSTEM SET goarena.chunk_size = '100kB';
ALTER SYSTEM SET goarena.contexts = 'a//b';
ALTER SYSTEM SET goarena.quarantine = loose;

SELECT current_database() AS db, current_user AS superuser \gset
ALTER DATABASE :"db" SET goarena.quarantine = strict;
ALTER DATABASE :"db" SET goarena.chunk_size = '1MB';
ALTER DATABASE :"db" SET goarena.chunk_size = '1025kB';
\c -
SHOW goarena.quarantine;
SHOW goarena.chunk_size;
SELECT goarena_check() IS NULL AS in_order;
ALTER DATABASE :"db" RESET ALL;

CREATE ROLE regress_goarena LOGIN;
ALTER ROLE regress_goarena SET goarena.quarantine = off;
ALTER ROLE regress_goarena SET goarena.contexts = 'a,';
\c - regress_goarena
SHOW goarena.quarantine;

--
-- Only superusers, and those who are granted it, may change them
--
SET goarena.enabled = off;
SET goarena.contexts = '*';
SET goarena.quarantine = on;
SET goarena.quarantine_sample_rate = 1;
SET goarena.chunk_size = '1MB';
SET goarena.sweep_percent = 10;
SET goarena.sweep_min = '1MB';
SET goarena.retain = '1MB';
SET goarena.huge_pages = try;
SET goarena.trace = 'all';
SET goarena.on_fault = terminate;
SET goarena.free_stacks = off;
SET goarena.allocation_stacks = off;
SET goarena.debug = 'clobber';
SET goarena.debug_contexts = 'a';
SET goarena.track_statements = 'all';
SET goarena.log_peak = 0;
SET goarena.on_total_limit = cancel_largest;
-- everybody may lower this one, and with no limit stored, lift it again
SET goarena.memory_limit = '64MB';
SET goarena.memory_limit = -1;
RESET goarena.memory_limit;
ALTER ROLE regress_goarena SET goarena.trace = 'all';
RESET goarena.quarantine;
SHOW goarena.trace;

\c - :superuser
GRANT SET ON PARAMETER goarena.trace TO regress_goarena;
\c - regress_goarena
SET goarena.trace = sweeps;
SHOW goarena.trace;
SET goarena.retain = '1MB';
\c - :superuser
REVOKE SET ON PARAMETER goarena.trace FROM regress_goarena;
DROP ROLE regress_goarena;
