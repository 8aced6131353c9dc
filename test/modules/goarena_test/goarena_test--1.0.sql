/* test/modules/goarena_test/goarena_test--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION goarena_test" to load this file. \quit

-- context.c: a memory context of our own, created through goarena.h

CREATE FUNCTION test_create(quarantined boolean DEFAULT NULL) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION test_create(boolean) IS
'creates the context "goarena test" and says whether it is an arena';

CREATE FUNCTION test_reset() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_reset() IS 'resets the context';

CREATE FUNCTION test_delete() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_delete() IS 'deletes the context';

CREATE FUNCTION test_fill(bytes bigint, object_size integer DEFAULT 1000) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_fill(bigint, integer) IS
'allocates this much in the context and returns the number of objects';

CREATE FUNCTION test_free_all(count integer) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_free_all(integer) IS
'allocates this many objects of 1000 bytes in the context and frees them';

CREATE FUNCTION test_alloc(size bigint, flags text DEFAULT '') RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_alloc(bigint, text) IS
'allocates with flags out of "no_oom huge zero critical held_off", frees, and says what came: ok, null or not zero';

CREATE FUNCTION test_accounting(
    OUT allocated bigint,
    OUT total bigint,
    OUT used bigint,
    OUT free bigint,
    OUT blocks bigint)
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_accounting() IS
'what the context is charged for, and what its stats method says';

CREATE FUNCTION test_chunk_space(size bigint) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_chunk_space(bigint) IS
'GetMemoryChunkSpace() of an object of that size in the context';

CREATE FUNCTION test_print_stats() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_print_stats() IS 'MemoryContextStats() of the context, to stderr';

CREATE FUNCTION test_scatter(contexts integer) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_scatter(integer) IS
'creates that many contexts, deletes every second of them, and those that were left of the last call';

-- nested.c: contexts below one another

CREATE FUNCTION test_nest(depth integer, allocate boolean) RETURNS double precision
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_nest(integer, boolean) IS
'creates contexts to this depth, perhaps with an object each; the time of the last tenth in times of the first';

CREATE FUNCTION test_unnest() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_unnest() IS 'deletes them';

-- stress.c

CREATE FUNCTION test_stress(
    seed integer,
    operations integer,
    OUT allocs bigint,
    OUT reallocs bigint,
    OUT frees bigint,
    OUT resets bigint,
    OUT bytes bigint)
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_stress(integer, integer) IS
'random operations on a context and its child; an error if an object does not hold what was written';

CREATE FUNCTION test_churn(bytes bigint, held boolean DEFAULT false) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_churn(bigint, boolean) IS
'allocates this much and resets now and then, if wanted with interrupts held off';

-- kernel.c

CREATE FUNCTION test_refuse_mremap() RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION test_refuse_mremap() IS
'from now on mremap fails in this process; false if that cannot be';

CREATE FUNCTION test_refuse_peek(missing boolean) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_refuse_peek(boolean) IS
'from now on process_vm_readv fails in this process, or finds nothing there; false if that cannot be';

-- misuse.c: what no correct program does

CREATE FUNCTION test_keep(size integer DEFAULT 1000) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_keep(integer) IS
'allocates an object in the context, keeps a static pointer to it, and returns its address';

CREATE FUNCTION test_keeper() RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_keeper() IS 'address of the static pointer';

CREATE FUNCTION test_clear() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_clear() IS 'clears the static pointer';

CREATE FUNCTION test_read_kept() RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_read_kept() IS 'reads through the static pointer';

CREATE FUNCTION test_write_kept() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_write_kept() IS 'writes through the static pointer';

CREATE FUNCTION test_free_kept() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_free_kept() IS 'frees what the static pointer points to, and keeps the pointer';

CREATE FUNCTION test_grow_kept(size integer) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_grow_kept(integer) IS
'reallocates what the static pointer points to, and keeps the old pointer';

CREATE FUNCTION test_free_wrong(what text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_free_wrong(text) IS
'frees what must not be freed: twice, interior, foreign or other (an object of another arena)';

CREATE FUNCTION test_realloc_wrong(what text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_realloc_wrong(text) IS 'the same with repalloc';

-- worker.c

CREATE FUNCTION test_in_arena() RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STRICT PARALLEL SAFE;
COMMENT ON FUNCTION test_in_arena() IS 'is the context in which expressions are evaluated an arena?';

CREATE FUNCTION test_in_worker() RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STRICT PARALLEL SAFE;
COMMENT ON FUNCTION test_in_worker() IS 'is this a parallel worker?';

CREATE FUNCTION test_launch_worker(sql text) RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_launch_worker(text) IS
'starts a background worker that runs the statement in this database, and returns its pid';

-- newer.c: for 16 and later

CREATE FUNCTION test_aligned(seed integer, operations integer) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_aligned(integer, integer) IS
'random operations on aligned objects in the context: ok, or what is wrong';

CREATE FUNCTION test_other_types() RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_other_types() IS 'are contexts of other types left as they are?';

-- plain_contexts.c: contexts that are no arenas

CREATE FUNCTION test_linger(ms integer) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_linger(integer) IS 'has the exit of this process last so many milliseconds, after it has given up its place';

CREATE FUNCTION test_hooks() RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_hooks() IS 'the hooks of planner, executor and object access that are installed';

CREATE FUNCTION test_leak(context text, size bigint, count bigint) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_leak(text, bigint, bigint) IS
'allocates in a context that outlives the statement: top, cache or transaction; or small: so many contexts are left';

CREATE FUNCTION test_others(type text, size bigint, bytes bigint, flags text DEFAULT '') RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_others(text, bigint, bigint, text) IS
'fills a context of this type with objects of this size, or has one object grow in such steps: ok, or null';

CREATE FUNCTION test_malloc(bytes bigint) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_malloc(bigint) IS 'takes so many bytes from malloc, writes to them, and keeps them';

-- finalizers.c: finalizers that note when they are called

CREATE FUNCTION test_finalizers(scenario text) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_finalizers(text) IS 'plays a scenario and says what happened, in order';

CREATE FUNCTION test_finalized() RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_finalized() IS 'says what happened since the last scenario began';

CREATE FUNCTION test_finalize_many(objects bigint) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_finalize_many(bigint) IS
'sets so many finalizers in a context, deletes it, and says how many were called';

-- profile.c: what a heap profile should find

CREATE FUNCTION test_plant(count integer) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_plant(integer) IS
'leaks 1,000 bytes as often in one function, and allocates and frees as much in another';

CREATE FUNCTION test_plant_small(contexts integer, growth bigint) RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_plant_small(integer, bigint) IS
'allocates 1,000 bytes in each of so many small contexts, says how many of these were arenas in the end, and leaks an
object that grew to so many bytes in another one';

-- pointers.c: what goarena.h says of pointers

CREATE FUNCTION test_chain(length integer) RETURNS text[]
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_chain(integer) IS
'allocates so many objects in the context that point to the next one each, keeps a static pointer to the first, and
returns the addresses of all';

CREATE FUNCTION test_describe(address text) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_describe(text) IS 'says what a pointer points to';

CREATE FUNCTION test_describe_briefly(address text) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION test_describe_briefly(text) IS
'asks for a pointer with structs of all lengths, and says whether nothing else is written';
