/* test/modules/goarena_cxx/goarena_cxx--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION goarena_cxx" to load this file. \quit

CREATE FUNCTION cxx_containers(count integer, failure text DEFAULT '') RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION cxx_containers(integer, text) IS
'fills containers in a context and returns a sum over them, or fails';

CREATE FUNCTION cxx_make(scenario text) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION cxx_make(text) IS
'makes objects in a context and says which were destroyed, in order';

CREATE FUNCTION count_primes(below integer) RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION count_primes(integer) IS
'the example of docs/c-api.md';

CREATE FUNCTION cxx_state() RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION cxx_state() IS
'says what is wrong after calls: objects that were not destroyed, a context or interrupts not put back';
