/* test/modules/goarena_bench/goarena_bench--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION goarena_bench" to load this file. \quit

-- allocator.c

CREATE FUNCTION bench_allocator(
    pattern text,
    size integer,
    count integer,
    rounds integer,
    sample_ms double precision DEFAULT 10,
    OUT type text,
    OUT round integer,
    OUT ns double precision)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION bench_allocator(text, integer, integer, integer, double precision) IS
'CPU time of an operation on contexts of all types that can do it, in turn: '
'pattern: bulk (allocate count objects, reset), fifo (count objects live, the oldest is freed), '
'grow (count objects doubled from size to 16 MB together) or create (a context, count objects, delete); '
'sample_ms: least time of a sample';

-- replay.c

CREATE FUNCTION bench_replay(file text, type text)
RETURNS double precision
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION bench_replay(text, text) IS
'CPU time of an operation, in nanoseconds, when a recording is replayed over contexts of a type';

CREATE FUNCTION bench_recording(
    file text,
    OUT operations bigint,
    OUT contexts bigint,
    OUT creates bigint,
    OUT allocs bigint,
    OUT frees bigint,
    OUT reallocs bigint,
    OUT resets bigint,
    OUT deletes bigint,
    OUT bytes bigint)
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION bench_recording(text) IS 'what a recording holds';

-- live.c

CREATE FUNCTION bench_live(bytes bigint, arenas integer DEFAULT 1) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION bench_live(bigint, integer) IS
'keeps this much in that many arenas, instead of what was kept before';

CREATE FUNCTION bench_read(OUT bytes bigint, OUT ms double precision)
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION bench_read() IS 'reads every word of what bench_live() keeps';

CREATE FUNCTION bench_retire(bytes bigint) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION bench_retire(bigint) IS 'allocates this much in an arena and deletes it';

-- scan.c

CREATE FUNCTION bench_scan(value text) RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION bench_scan(text) IS
'number of words; allocates as the input function of a type with a scanner does';

-- typed.c

CREATE FUNCTION bench_tree(
    nodes integer,
    rounds integer,
    OUT type text,
    OUT round integer,
    OUT ns double precision)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION bench_tree(integer, integer) IS
'CPU time of building a tree of so many nodes and dropping it, in contexts of several types in turn';

CREATE FUNCTION bench_live_typed(bytes bigint, kind text, size integer) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION bench_live_typed(bigint, text, integer) IS
'keeps this much in an arena, instead of what was kept before: untyped, typed or pointer-free, '
'in blocks of a size, with four pointers at the head of each';

CREATE FUNCTION bench_cpu() RETURNS double precision
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION bench_cpu() IS 'CPU time of this process in milliseconds';

-- finalizer.c

CREATE FUNCTION bench_finalizers(
    objects integer,
    rounds integer,
    OUT type text,
    OUT round integer,
    OUT ns double precision)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION bench_finalizers(integer, integer) IS
'CPU time of making so many objects and deleting their context: with a finalizer each, with none, '
'and with a reset callback each in an AllocSet';
