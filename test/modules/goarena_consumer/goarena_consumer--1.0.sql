/* test/modules/goarena_consumer/goarena_consumer--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION goarena_consumer" to load this file. \quit

-- parse.c

CREATE FUNCTION consumer_parse(expression text) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_parse(text) IS
'parses sums and products into a tree in an arena, copies that out, and shows it with all parentheses';

-- typed.c

CREATE FUNCTION consumer_version() RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_version() IS 'version of the interface that is loaded, 0 for none';

CREATE FUNCTION consumer_types() RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_types() IS 'makes types in each way; ok, or what is wrong';

CREATE FUNCTION consumer_type(size bigint, alignment bigint, pointer_at bigint) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_type(bigint, bigint, bigint) IS
'makes one type, with a pointer at an offset unless that is negative';

CREATE FUNCTION consumer_many_types(count integer) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_many_types(integer) IS 'makes so many different types';

CREATE FUNCTION consumer_alloc(arena boolean) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_alloc(boolean) IS
'allocates in each way in an arena, or in a Generation context; ok, or what is wrong';

CREATE FUNCTION consumer_alloc_array(size bigint, count bigint) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_alloc_array(bigint, bigint) IS 'allocates an array without pointers';

CREATE FUNCTION consumer_resize(arena boolean) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_resize(boolean) IS 'lets arrays grow and shrink; ok, or what is wrong';

CREATE FUNCTION consumer_free(how text, size bigint) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_free(text, bigint) IS
'lets pfree, repalloc or GoarenaFree have an object without pointers';

CREATE FUNCTION consumer_zero(how text) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_zero(text) IS
'lets the same have an array of no objects; are two of these at one address?';

CREATE FUNCTION consumer_clone(nodes integer, arena boolean) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_clone(integer, boolean) IS
'copies a ring of nodes that share parts to an arena, or a Generation context; ok, or what is wrong';

CREATE FUNCTION consumer_keep(place text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_keep(text) IS
'leaves a dangling pointer in a typed object (pointer or number), an untyped one, or memory without pointers';

CREATE FUNCTION consumer_accounting(bytes bigint) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_accounting(bigint) IS
'does mem_allocated follow so many bytes without pointers, and a reset?';

CREATE FUNCTION consumer_hold(kilobytes integer, typed boolean) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_hold(integer, boolean) IS
'holds so many kilobytes, as memory without pointers or as objects without a type';

CREATE FUNCTION consumer_node(large boolean) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_node(boolean) IS 'the address of a typed object, or of a large array';

CREATE FUNCTION consumer_overrun(count integer, pointers boolean) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION consumer_overrun(integer, boolean) IS
'writes one byte behind a typed array';
