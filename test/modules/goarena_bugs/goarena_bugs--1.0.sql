/* test/modules/goarena_bugs/goarena_bugs--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION goarena_bugs" to load this file. \quit

-- spi.c
CREATE FUNCTION bug_spi_finish() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_spi_rows() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_spi_tuptable() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_spi_plan() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_cursor_next() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_cursor_closed() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;

-- rows.c
CREATE FUNCTION bug_static_row(integer) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_fn_extra(integer) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_srf_state() RETURNS SETOF text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_parallel_worker(integer) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C PARALLEL SAFE;
CREATE FUNCTION bug_detoasted(text) RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C STRICT;

-- contexts.c
CREATE FUNCTION bug_hash_after_error() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_error_text() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_callback_child() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_callback_own() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_own_struct() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_interior() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_nested_reset() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_pfree_after_reset() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;

-- transactions.c
CREATE FUNCTION plant_static_list() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_static_list() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION plant_subtransaction() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_subtransaction() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION plant_parse_tree() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_parse_tree() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_guc_description() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- executor.c
CREATE FUNCTION bug_cached_plan() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_executor_end() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_cleared_slot() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_expr_callback() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION plant_trigger_tuple() RETURNS trigger AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_trigger_tuple() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION plant_index_info(regclass) RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
CREATE FUNCTION bug_index_info() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_array_state() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;

-- objects.c
CREATE FUNCTION bug_large_read() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_large_write() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_large_interior() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_large_stringinfo() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_large_double_pfree() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_small_stringinfo() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_small_follow() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_small_follow_late() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_small_callback() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_small_list() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_small_write() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_list_cell() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_overrun() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_double_pfree() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_pfree_interior() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;
CREATE FUNCTION bug_pfree_foreign() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;

-- look.c
CREATE FUNCTION goarena_bugs_meanwhile() RETURNS void AS 'MODULE_PATHNAME' LANGUAGE C;

-- worker.c
CREATE FUNCTION bug_background_worker() RETURNS text AS 'MODULE_PATHNAME' LANGUAGE C;

CREATE FUNCTION goarena_bugs(
    OUT name text,
    OUT kind text,
    OUT what text,
    OUT script text,
    OUT context text,
    OUT freed_in text,
    OUT access text)
RETURNS SETOF record LANGUAGE sql IMMUTABLE AS $bugs$
VALUES
    -- memory of a context that was reset or deleted
    ('spi_finish', 'context', 'string from SPI_getvalue after SPI_finish',
     'SELECT bug_spi_finish();',
     'SPI Proc', 'SPI_finish', 'read'),
    ('spi_rows', 'context', 'row of a large result after SPI_finish',
     'SELECT bug_spi_rows();',
     'SPI TupTable', 'SPI_finish', 'read'),
    ('spi_tuptable', 'context', 'column of a row after SPI_freetuptable',
     'SELECT bug_spi_tuptable();',
     'SPI TupTable', 'ForgetRows', 'read'),
    ('spi_plan', 'context', 'plan after SPI_freeplan',
     'SELECT bug_spi_plan();',
     'SPI Plan', 'SPI_freeplan', 'read'),
    ('cursor_next', 'context', 'value of a cursor''s row after it moved on',
     'SELECT bug_cursor_next();',
     'ExprContext', 'FetchValue', 'read'),
    ('cursor_closed', 'context', 'value of a cursor''s row after it was closed',
     'SELECT bug_cursor_closed();',
     'ExprContext', 'PortalDrop', 'read'),
    ('static_row', 'context', 'value kept in a static variable, at the next row',
     'SELECT bug_static_row(i) FROM generate_series(1, 2) AS i;',
     'ExprContext', 'ExecScan', 'read'),
    ('fn_extra', 'context', 'fn_extra in a context that is too short, at the next row',
     'SELECT bug_fn_extra(i) FROM generate_series(1, 2) AS i;',
     'ExprContext', 'ExecScan', 'read'),
    ('srf_state', 'context', 'state of a set-returning function, at its next call',
     'SELECT * FROM bug_srf_state();',
     'ExprContext', 'ExecMakeTableFunctionResult', 'read'),
    ('hash_after_error', 'context', 'hash table in a context that an error handler reset',
     'SELECT bug_hash_after_error();',
     'dynahash', 'ForgetEverything', 'read'),
    ('error_text', 'context', 'text of an error that was kept in ErrorContext',
     'SELECT bug_error_text();',
     'ErrorContext', 'bug_error_text', 'read'),
    ('callback_child', 'context', 'reset callback uses a child context',
     'SELECT bug_callback_child();',
     'goarena_bugs child', 'DropTree', 'read'),
    ('callback_own', 'context', 'reset callback allocates in its own context',
     'SELECT bug_callback_own();',
     'goarena_bugs session', 'DropTree', 'read'),
    ('own_struct', 'context', 'write to a struct in the context it just deleted',
     'SELECT bug_own_struct();',
     'goarena_bugs function', 'FreeCompiled', 'write'),
    ('interior', 'context', 'pointer into the middle of an object of a deleted context',
     'SELECT bug_interior();',
     'goarena_bugs document', 'FindInDocument', 'read'),
    ('nested_reset', 'context', 'context reset by a nested call of the same hook',
     'SELECT bug_nested_reset();',
     'goarena_bugs hook', 'EnterHook', 'read'),
    ('pfree_after_reset', 'context', 'pfree after the reset of the context',
     'SELECT bug_pfree_after_reset();',
     'goarena_bugs tuple', 'NextTuple', 'read'),
    ('static_list', 'context', 'static list across the end of the transaction',
     'SELECT plant_static_list();
      SELECT bug_static_list();',
     'TopTransactionContext', 'CommitTransactionCommand', 'read'),
    ('subtransaction', 'context', 'state of a subtransaction that was rolled back',
     'BEGIN;
      SAVEPOINT s;
      SELECT plant_subtransaction();
      ROLLBACK TO s;
      SELECT bug_subtransaction();
      COMMIT;',
     'CurTransactionContext', 'CommitTransactionCommand', 'read'),
    ('parse_tree', 'context', 'node of the previous statement',
     'SELECT plant_parse_tree();
      SELECT bug_parse_tree();',
     'MessageContext', 'PostgresMain', 'read'),
    ('guc_description', 'context', 'description of a setting in a short-lived context',
     $$SELECT bug_guc_description();
      SELECT CASE WHEN short_desc LIKE 'the old value.%' THEN 'read the old value'
             ELSE 'read "' || left(short_desc, 16) || '"' END
      FROM pg_settings WHERE name = 'goarena_bugs.setting';$$,
     'ExprContext', 'standard_ExecutorRun', 'read'),
    ('cached_plan', 'context', 'statement of a plan after ReleaseCachedPlan',
     'SELECT bug_cached_plan();',
     'CachedPlan', 'ReleasePlan', 'read'),
    ('executor_end', 'context', 'measurements of a query after ExecutorEnd',
     'SELECT bug_executor_end();',
     'ExecutorState', 'EndQuery', 'read'),
    ('expr_callback', 'context', 'callback of an expression context, its state already deleted',
     'SELECT bug_expr_callback();',
     'goarena_bugs insert', 'DropInsertState', 'read'),
    ('trigger_tuple', 'context', 'row of a trigger in the next statement',
     'CREATE TEMP TABLE t (id integer, value text);
      CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION plant_trigger_tuple();
      INSERT INTO t VALUES (1, ''one'');
      SELECT bug_trigger_tuple();',
     'ExecutorState', 'standard_ExecutorEnd', 'read'),
    ('index_info', 'context', 'relation cache entry of an index that was changed',
     'CREATE TEMP TABLE t (id integer);
      CREATE INDEX i ON t (id);
      SELECT plant_index_info(''i'');
      ALTER INDEX i SET (fillfactor = 50);
      SELECT bug_index_info();',
     'index info', 'LocalExecuteInvalidationMessage', 'read'),
    ('array_state', 'context', 'state of an array after makeArrayResult',
     'SELECT bug_array_state();',
     'accumArrayResult', 'FinishArray', 'read'),

    -- the same, in another process
    ('parallel_worker', 'context-worker', 'value kept in a static variable of a parallel worker',
     'SELECT set_config(name, ''on'', false) FROM pg_settings
      WHERE name IN (''force_parallel_mode'', ''debug_parallel_query'');
      SELECT bug_parallel_worker(i) FROM generate_series(1, 2) AS i;',
     'ExprContext', 'ExecScan', 'read'),
    ('background_worker', 'context-worker', 'list across transactions of a background worker',
     'SELECT bug_background_worker();',
     'TopTransactionContext', 'CommitTransactionCommand', 'read'),

    -- a large object that was freed or moved
    ('large_read', 'large', 'large object after pfree',
     'SELECT bug_large_read();',
     'goarena_bugs images', 'FreeImage', 'read'),
    ('large_write', 'large', 'write to a large object after pfree',
     'SELECT bug_large_write();',
     'goarena_bugs images', 'FreeImage', 'write'),
    ('large_interior', 'large', 'pointer into the middle of a large object after pfree',
     'SELECT bug_large_interior();',
     'goarena_bugs images', 'FreeImage', 'read'),
    ('large_stringinfo', 'large', 'pointer into a StringInfo that grew',
     'SELECT bug_large_stringinfo();',
     'goarena_bugs message', 'AppendMore', 'read'),
    ('large_double_pfree', 'large', 'large object freed twice',
     'SELECT bug_large_double_pfree();',
     'goarena_bugs images', 'FreeImage', 'read'),
    ('detoasted', 'large', 'pointer into an argument after PG_FREE_IF_COPY',
     $$CREATE TEMP TABLE documents AS SELECT repeat('the old value.  ', 200000) AS body;
      SELECT bug_detoasted(body) FROM documents;$$,
     'ExprContext', 'LastWord', 'read'),

    -- a small object that was freed in a context that lives on
    ('small_stringinfo', 'small', 'pointer into a small StringInfo that grew',
     'SELECT bug_small_stringinfo();',
     'goarena_bugs message', 'AppendMore', 'read'),
    ('cleared_slot', 'small', 'value of a tuple after ExecClearTuple',
     'SELECT bug_cleared_slot();',
     'goarena_bugs slot', 'ClearSlot', 'read'),
    ('small_follow', 'small', 'pointer in a freed struct followed',
     'SELECT bug_small_follow();',
     'goarena_bugs entries', 'FreeEntry', 'read'),
    ('small_follow_late', 'small', 'the same after a thousand other frees',
     'SELECT bug_small_follow_late();',
     'goarena_bugs entries', NULL, 'read'),
    ('small_callback', 'small', 'function pointer in a freed struct called',
     'SELECT bug_small_callback();',
     'goarena_bugs listeners', 'RemoveListener', 'execute'),
    ('small_list', 'small', 'list walked after list_free_deep',
     'SELECT bug_small_list();',
     'goarena_bugs list', 'Forget', 'read'),
    ('small_write', 'small', 'write to a freed struct',
     'SELECT bug_small_write();',
     'goarena_bugs entries', 'FreeEntry', 'write'),
    ('list_cell', 'small', 'write to a cell of a list that grew',
     'SELECT bug_list_cell();',
     'goarena_bugs list', 'AddMembers', 'write'),

    -- pfree of what is no live object
    ('double_pfree', 'free', 'small object freed twice',
     'SELECT bug_double_pfree();',
     'goarena_bugs entries', 'FreeEntry', 'free'),
    ('pfree_interior', 'free', 'pointer into an object freed',
     'SELECT bug_pfree_interior();',
     'goarena_bugs pool', NULL, 'free'),
    ('pfree_foreign', 'free', 'pointer into an object of another context freed',
     'SELECT bug_pfree_foreign();',
     'goarena_bugs charged', NULL, 'free'),

    -- not freed, but never allocated
    ('overrun', 'overrun', 'one byte past the last object of a context',
     'SELECT bug_overrun();',
     'goarena_bugs buffer', NULL, 'read')
$bugs$;
COMMENT ON FUNCTION goarena_bugs() IS
'the planted bugs: '
'name: the function is bug_ and the name; '
'kind: context, memory of a context that was reset or deleted; '
'context-worker, the same in another process; '
'large, a large object that was freed; '
'small, a small object that was freed, in a context that lives on; '
'free, a pfree of what is no object; '
'overrun, memory that was never allocated; '
'what: in a few words; '
'script: statements to run one by one in a new session, the last value is what the bug saw; '
'context: name of the memory context; '
'freed_in: a function on the stack of the free; '
'access: read, write or free';
