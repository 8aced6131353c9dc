/* test/modules/goarena_fault_test/goarena_fault_test--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION goarena_fault_test" to load this file. \quit

-- memory.c: one memory context, one object, and one pointer to it

CREATE FUNCTION fault_create(ident text DEFAULT NULL) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON FUNCTION fault_create(text) IS
'creates the context "fault test" below "fault parent"';

CREATE FUNCTION fault_keep(size bigint, hidden boolean DEFAULT false) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_keep(bigint, boolean) IS
'allocates an object, not the last one of its chunk, and keeps a pointer that sweeps see, or do not see';

CREATE FUNCTION fault_reset() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_reset() IS 'resets the context';

CREATE FUNCTION fault_delete() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_delete() IS 'deletes the context';

CREATE FUNCTION fault_use_deleted(how text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_use_deleted(text) IS
'deletes a context of its own and uses it once more: alloc, reset, delete, child, callback';

CREATE FUNCTION fault_pfree() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_pfree() IS 'frees the object';

CREATE FUNCTION fault_repalloc(size bigint) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_repalloc(bigint) IS
'changes the size of the object and keeps the old pointer';

CREATE FUNCTION fault_reset_with_odd_frames() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_reset_with_odd_frames() IS
'resets the context where the chain of frame pointers leads to no return addresses';

CREATE FUNCTION fault_free_with_frame(base text, "offset" bigint) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_free_with_frame(text, bigint) IS
'resets a context of its own while the frame pointer is that far from a base: nothing, here, stack end, freed';

CREATE FUNCTION fault_read("offset" bigint DEFAULT 0) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_read(bigint) IS 'reads a word of the object';

CREATE FUNCTION fault_write("offset" bigint DEFAULT 0) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_write(bigint) IS 'writes a word of the object';

CREATE FUNCTION fault_take() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_take() IS 'keeps the pointer that the object begins with';

CREATE FUNCTION fault_follow(how text DEFAULT 'read') RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_follow(text) IS
'uses the pointer that was kept, or that the object begins with: read, write, call, pfree, far; '
'register, stack: reads while only that holds the address of the object';

CREATE FUNCTION fault_crash_knowing(known_from text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_crash_knowing(text) IS
'reads at no address while the address of the object is in a register, or on the stack';

CREATE FUNCTION fault_name_in_itself(free_twice boolean DEFAULT false) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_name_in_itself(boolean) IS
'creates contexts with a name and an identifier that are freed when the contexts are reset, and resets them; then frees an object twice, or not';

CREATE FUNCTION fault_hand_on() RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_hand_on() IS
'deletes the context, lets others use up its chunk, deletes them, and says whether they did';

CREATE FUNCTION fault_churn(contexts integer, objects integer) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_churn(integer, integer) IS
'creates and deletes that many other contexts, then allocates and frees that many objects in this one';

CREATE FUNCTION fault_vanishing_name() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_vanishing_name() IS
'creates a context, allocates, deletes it, and unmaps the memory that its name was in';

-- signals.c: faults that are not goarena's, and what can be wrong with the handler's means

CREATE FUNCTION fault_elsewhere(how text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_elsewhere(text) IS
'faults: null, write, code, bus, raise, overflow';

CREATE FUNCTION fault_probe(address bigint) RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_probe(bigint) IS
'can the address be read? asks by way of this library''s own handler';

CREATE FUNCTION fault_alternate_stack(what text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_alternate_stack(text) IS
'replaces the stack of signal handlers: none, unmapped';

CREATE FUNCTION fault_bad_query_string() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_bad_query_string() IS 'lets debug_query_string point nowhere';

CREATE FUNCTION fault_limit_files(bytes bigint) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_limit_files(bigint) IS
'lets this process write files up to that size only, as if the disk were full';

CREATE FUNCTION fault_read_on_bad_stack() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_read_on_bad_stack() IS
'reads the object while the stack pointer points nowhere';

-- situations.c

CREATE FUNCTION fault_in(situation text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_in(text) IS
'reads freed memory: plainly, critical section, lock, interrupts held, hold interrupts for good (no fault), exit callback, late exit callback, twice, pre-commit, commit, abort';

CREATE FUNCTION fault_in_worker() RETURNS boolean
AS 'MODULE_PATHNAME' LANGUAGE C STRICT PARALLEL SAFE;
COMMENT ON FUNCTION fault_in_worker() IS 'reads freed memory, but only in a parallel worker';

-- foreign.c

CREATE FUNCTION fault_in_child(how text, what text) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_in_child(text, text) IS
'how a child ended that was made by fork, clone or vfork, and did this: hold memory, fault';

CREATE FUNCTION fault_in_thread() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_in_thread() IS 'starts a thread that soon reads freed memory';

CREATE FUNCTION fault_keep_loader_locked() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_keep_loader_locked() IS
'has a thread take the dynamic linker''s lock for good';

-- states.c: the state of the process, the processor and the stack

CREATE FUNCTION fault_with(state text) RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT;
COMMENT ON FUNCTION fault_with(text) IS
'reads freed memory with this state: direction flag, alignment flag, other stack, signal handler, blocked signals, deep stack, loader, free, '
'mutex of an exit function, mutex and blocked signals, full socket';
