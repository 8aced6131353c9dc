/* goarena--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION goarena" to load this file. \quit

CREATE FUNCTION goarena_version() RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION goarena_version() IS 'version of the loaded library';

CREATE FUNCTION goarena_stats(
    OUT pid integer,
    OUT backend_type text,
    OUT published timestamp with time zone,
    OUT held bigint,
    OUT in_use bigint,
    OUT others bigint,
    OUT touched bigint,
    OUT metadata bigint,
    OUT retained bigint,
    OUT quarantined bigint,
    OUT resident bigint,
    OUT rss_anon bigint,
    OUT rss_shmem bigint,
    OUT statement_peak bigint,
    OUT transaction_peak bigint,
    OUT process_peak bigint,
    OUT arenas bigint,
    OUT allocs bigint,
    OUT total_allocated bigint,
    OUT resets bigint,
    OUT sweeps bigint,
    OUT sweep_time_ms double precision,
    OUT max_sweep_ms double precision,
    OUT last_sweep timestamp with time zone,
    OUT limit_hits bigint,
    OUT cancels bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_stats() IS
'what each process of the server holds, and how it used memory, a row for each process
pid: process ID
backend_type: type of the process
published: when the process published these figures
held: bytes of memory that the process holds as far as goarena knows: touched, metadata and others
in_use: bytes that arenas use
others: bytes of memory contexts that are no arenas, as last looked at
touched: bytes of chunks in any state that may have physical pages
metadata: bytes of the engine''s own data
retained: bytes of chunks not in use that may hold physical memory
quarantined: bytes of address space in quarantine
resident: bytes of chunks and metadata that have physical pages, as last looked at
rss_anon: bytes of private memory that is resident as the kernel says, whoever took it; at most a second old
rss_shmem: bytes of shared memory that the process has touched, buffers and memory of parallel queries; at most a second old
statement_peak: the most bytes that the process held while the present statement ran, or the last one
transaction_peak: the same for the present transaction, or the last one
process_peak: the same since the process started
arenas: contexts that are arenas now
allocs: objects ever allocated
total_allocated: bytes ever allocated, rounded up to size classes, and by which objects grew
resets: resets of arenas
sweeps: number of sweeps
sweep_time_ms: time spent in them
max_sweep_ms: time of the longest
last_sweep: when the last sweep ended
limit_hits: its allocations that a limit refused
cancels: its statements that were cancelled because of the total limit';

CREATE FUNCTION goarena_heap(
    OUT pid integer,
    OUT backend_type text,
    OUT published timestamp with time zone,
    OUT in_use bigint,
    OUT owned bigint,
    OUT fresh bigint,
    OUT retained bigint,
    OUT released bigint,
    OUT reserved bigint,
    OUT mapped bigint,
    OUT touched bigint,
    OUT metadata bigint,
    OUT quarantined bigint,
    OUT since_sweep bigint,
    OUT next_sweep_bytes bigint,
    OUT mappings bigint,
    OUT chunks_active bigint,
    OUT chunks_reuse bigint,
    OUT chunks_fault bigint,
    OUT chunks_quarantined bigint,
    OUT chunks_ready bigint,
    OUT chunks_freed bigint,
    OUT chunks_pinned bigint,
    OUT allocs bigint,
    OUT frees bigint,
    OUT large_allocs bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_heap() IS
'the arenas of each process in detail, a row for each process
pid: process ID
backend_type: type of the process
published: when the process published these figures
in_use: bytes that arenas use
owned: bytes of address space of chunks in use and of slots that they keep
fresh: bytes of address space that is free and without access
retained: bytes of chunks not in use that may hold physical memory
released: bytes of chunks not in use, and of slots in quarantine, that hold none
reserved: bytes of address space
mapped: bytes of it that can be read and written
touched: bytes of chunks in any state that may have physical pages
metadata: bytes of the engine''s own data
quarantined: bytes of address space in quarantine
since_sweep: bytes of address space that came into quarantine since the last sweep
next_sweep_bytes: value of since_sweep at which the next sweep is due, null for never
mappings: mappings that the kernel needs for freed memory that faults, an estimate
chunks_active: chunks and spans that arenas own
chunks_reuse: partly used chunks whose arena is gone
chunks_fault: freed chunks in slots of 2 MB where something else lives
chunks_quarantined: slots that fault and wait for a sweep
chunks_ready: chunks that are free
chunks_freed: slots that sweeps made free
chunks_pinned: slots that sweeps found a pointer into, counted at each sweep
allocs: objects ever allocated
frees: objects freed one by one
large_allocs: objects that got a span of their own';

CREATE FUNCTION goarena_totals(
    OUT limit_hits bigint,
    OUT cancels bigint,
    OUT terminations bigint,
    OUT faults bigint)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_totals() IS
'what happened since the server was started, also in processes that ended
limit_hits: allocations that a limit refused
cancels: statements that were cancelled because of the total limit
terminations: sessions that were ended because of the total limit
faults: accesses to freed memory, and wrong frees, that were reported';

CREATE FUNCTION goarena_total_held() RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_total_held() IS
'sum of held over all processes as published, null if the server did not preload goarena';

CREATE FUNCTION goarena_total_limit(
    OUT limit_bytes bigint,
    OUT setting text,
    OUT source text,
    OUT memory bigint,
    OUT shared_memory bigint,
    OUT share double precision)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_total_limit() IS
'what goarena.total_memory_limit comes to
limit_bytes: bytes that all processes together may hold, null for no limit
setting: what is set
source: setting if that is a size; cgroup or host if it is a share, for whose memory it is a share of; null for no limit
memory: bytes of memory that the cgroup or the host has, null unless a share is set
shared_memory: bytes of the shared memory of the server, which are taken off, null unless a share is set
share: the share in percent, null unless one is set';

CREATE FUNCTION goarena_machine(
    OUT cgroup_limit bigint,
    OUT cgroup_used bigint,
    OUT host_total bigint,
    OUT host_available bigint,
    OUT pressure_some double precision,
    OUT pressure_full double precision)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_machine() IS
'memory of the machine that the server runs on, as the kernel says now
cgroup_limit: bytes that the cgroup of the server may use, by the least limit of it and those above it, null for no limit
cgroup_used: bytes that the cgroup with that limit uses, or without one that of the server, files in the page cache included
host_total: bytes that the host has
host_available: bytes of that which can be had without swapping
pressure_some: percent of the last 10 seconds in which some process of the cgroup, or else of the host, waited for memory
pressure_full: percent of it in which all waited';

CREATE FUNCTION goarena_owners(
    OUT kind text,
    OUT id oid,
    OUT processes integer,
    OUT held bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_owners() IS
'what the processes of each user hold together, and those of each database
kind: user or database
id: OID of the user who logged in, or of the database
processes: how many processes there are
held: bytes that they hold together, which limits of users and databases are compared with';

CREATE VIEW goarena_users AS
SELECT o.id AS usesysid, r.rolname AS usename, o.processes, o.held
FROM goarena_owners() o LEFT JOIN pg_catalog.pg_roles r ON r.oid = o.id WHERE o.kind = 'user';
COMMENT ON VIEW goarena_users IS
'memory that the processes of each user hold together';
COMMENT ON COLUMN goarena_users.usesysid IS
'OID of the user who logged in, whatever role was set later';
COMMENT ON COLUMN goarena_users.usename IS
'its name';
COMMENT ON COLUMN goarena_users.processes IS
'number of its processes, with parallel workers';
COMMENT ON COLUMN goarena_users.held IS
'bytes that they hold, which goarena.user_memory_limit is compared with';
GRANT SELECT ON goarena_users TO PUBLIC;

CREATE VIEW goarena_databases AS
SELECT o.id AS datid, d.datname, o.processes, o.held
FROM goarena_owners() o LEFT JOIN pg_catalog.pg_database d ON d.oid = o.id WHERE o.kind = 'database';
COMMENT ON VIEW goarena_databases IS
'memory that the processes connected to each database hold together';
COMMENT ON COLUMN goarena_databases.datid IS
'OID of the database';
COMMENT ON COLUMN goarena_databases.datname IS
'its name';
COMMENT ON COLUMN goarena_databases.processes IS
'number of processes that are connected to it, with parallel and autovacuum workers';
COMMENT ON COLUMN goarena_databases.held IS
'bytes that they hold, which goarena.database_memory_limit is compared with';
GRANT SELECT ON goarena_databases TO PUBLIC;

CREATE FUNCTION goarena_reset_stats() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_reset_stats() IS 'zeroes the cumulative counters of this process';

CREATE FUNCTION goarena_check() RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_check() IS
'null if all lists and sums of this process agree, else the first condition that does not hold';

CREATE FUNCTION goarena_arenas(
    OUT id bigint,
    OUT name text,
    OUT ident text,
    OUT parent text,
    OUT level integer,
    OUT chunks bigint,
    OUT used_bytes bigint,
    OUT free_bytes bigint,
    OUT dead_bytes bigint,
    OUT allocs bigint,
    OUT resets bigint,
    OUT quarantine text,
    OUT type text,
    OUT contexts bigint,
    OUT held_bytes bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_arenas() IS
'memory contexts of this process
id: number of the arena in this process, 0 if the context is none
name: name of the context
ident: its identifier, for superusers and pg_read_all_stats
parent: name of its parent
level: distance from the top
chunks: chunks and spans of an arena, blocks of another context
used_bytes: bytes of objects in use with their headers
free_bytes: bytes in which objects can be allocated without asking the system for more
dead_bytes: bytes that cannot be used before the next reset, or later
allocs: objects ever allocated in an arena
resets: resets of an arena so far
quarantine: off, on or strict, as drawn for the present life of an arena
type: arena, or AllocSet, Generation, Slab or Bump
contexts: how many contexts the row is for
held_bytes: bytes of memory that it holds, the sum of used, free and dead';

CREATE FUNCTION goarena_arenas(
    pid integer,
    timeout double precision DEFAULT 5.0,
    OUT id bigint,
    OUT name text,
    OUT ident text,
    OUT parent text,
    OUT level integer,
    OUT chunks bigint,
    OUT used_bytes bigint,
    OUT free_bytes bigint,
    OUT dead_bytes bigint,
    OUT allocs bigint,
    OUT resets bigint,
    OUT quarantine text,
    OUT type text,
    OUT contexts bigint,
    OUT held_bytes bigint,
    OUT age interval)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'goarena_arenas_of' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_arenas(integer, double precision) IS
'memory contexts of another process, the largest with a row each, the others with one for each name
pid: process ID
timeout: seconds to wait for its answer
id: number of the arena in that process, 0 if the context is none or the row a sum, null for the sum of what is left
age: how long ago the process left this, if it is idle or did not answer in time; null if it answered at work
other columns as those of goarena_arenas()';

CREATE FUNCTION goarena_tree(
    pid integer DEFAULT pg_catalog.pg_backend_pid(),
    timeout double precision DEFAULT 5.0,
    OUT context text,
    OUT subtree_bytes bigint,
    OUT held_bytes bigint,
    OUT used_bytes bigint,
    OUT contexts bigint,
    OUT level integer,
    OUT type text,
    OUT ident text,
    OUT age interval)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_tree(integer, double precision) IS
'memory contexts of a process as a tree: each with those below it, which are indented, the largest first
pid: process ID, by default of this session
timeout: seconds to wait for the answer of another process
context: name of the context, indented; "and N more" are contexts below it for which there was no room, none of them large
subtree_bytes: bytes of memory that it and all contexts below it hold
held_bytes: bytes that it holds itself
used_bytes: bytes of its objects in use with their headers
contexts: how many contexts it and those below it are
level: distance from the top in the process
type: arena, or AllocSet, Generation, Slab or Bump
ident: its identifier, for superusers and pg_read_all_stats
age: how long ago the process left this, if it is idle or did not answer in time; null if it answered at work';

CREATE FUNCTION goarena_chunks(
    OUT address text,
    OUT size bigint,
    OUT state text,
    OUT arena_id bigint,
    OUT used bigint,
    OUT pinned_by text,
    OUT resident bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_chunks() IS
'chunks of this process in order of address
address: of the first byte
size: bytes of address space
state: fresh, active, full, reuse, nursery, fault, quarantined or ready
arena_id: the arena that owns it or owned it last
used: bytes up to the end of its objects
pinned_by: address of a pointer into it that the last sweep found
resident: bytes that may hold physical memory, 0 once it was released';

CREATE FUNCTION goarena_pointer(
    address text,
    OUT state text,
    OUT context text,
    OUT arena_id bigint,
    OUT object text,
    OUT size bigint,
    OUT object_offset bigint,
    OUT freed_by text,
    OUT freed_at timestamptz,
    OUT freed_query text,
    OUT freed_stack text,
    OUT type text)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_pointer(text) IS
'what an address of this process points to
address: such as 0x2ac000012345
state: live, freed, unused (in memory of arenas where no object is) or elsewhere
context: name of the memory context, also of one that is gone
arena_id: its arena
object: address of the object that the pointer points to or into
size: bytes that were asked for it
object_offset: bytes from its beginning to the address
freed_by: reset, delete, pfree or repalloc
freed_at: when it was freed
freed_query: the query that ran then, cut off
freed_stack: the functions that freed it, a line each
type: of a live object, the name of its type, if it is known';

CREATE FUNCTION goarena_dump() RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_dump() IS
'writes a heap dump of this process to a file in goarena_dumps below the data directory, and returns its name';

CREATE FUNCTION goarena_dump(pid integer, timeout double precision DEFAULT 60) RETURNS text
AS 'MODULE_PATHNAME', 'goarena_dump_process' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_dump(integer, double precision) IS
'has another process write a heap dump, for which it has so many seconds, and returns the name of the file
pid: of the process, which does so at the end of a statement or when its allocation is slow anyway
timeout: in seconds, 0 to 86400';

CREATE FUNCTION goarena_dump_objects(
    file text,
    OUT address text,
    OUT size bigint,
    OUT state text,
    OUT context text,
    OUT arena_id bigint,
    OUT type text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_dump_objects(text) IS
'objects of a heap dump in order of address
file: what goarena_dump() returned
address: of the object
size: bytes that were asked for; as rounded up if it is freed or has no header
state: live, free (to be used again) or delayed (freed, in quarantine)
context: name of its memory context
arena_id: its arena
type: name of its type, if it was allocated with one that has pointers';

CREATE FUNCTION goarena_dump_pins(
    file text,
    OUT address text,
    OUT size bigint,
    OUT state text,
    OUT context text,
    OUT arena_id bigint,
    OUT type text,
    OUT depth bigint,
    OUT pointer text,
    OUT holder text,
    OUT root text,
    OUT chain text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_dump_pins(text) IS
'what keeps the live objects of a heap dump alive, and memory in quarantine from being used again
file: what goarena_dump() returned
address, size, context, arena_id, type: as goarena_dump_objects()
state: live; or quarantined, then address and size are those of memory that was freed
depth: pointers from a root to it, as few as there are; null if no chain of pointers leads to it
pointer: address of the last of them
holder: address of the object that this lies in; null if it lies in a root
root: where the first of them lies: a mapping of the process by its name, or [finalizers]
chain: all of them, or the last ones: the root, and addresses of objects';

CREATE FUNCTION goarena_size_classes(
    OUT class integer,
    OUT size bigint,
    OUT allocs bigint,
    OUT frees bigint,
    OUT free_list_length bigint,
    OUT waste double precision)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_size_classes() IS
'size classes that this process has used
class: number of the class
size: bytes of its objects
allocs: objects allocated
frees: objects freed one by one
free_list_length: objects on free lists now
waste: the largest share of an object that rounding up can waste';

CREATE FUNCTION goarena_sweep(
    OUT chunks_freed bigint,
    OUT chunks_pinned bigint,
    OUT bytes_scanned bigint,
    OUT duration_ms double precision)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_sweep() IS
'sweeps this process now
chunks_freed: slots of 2 MB made free
chunks_pinned: slots that something points into
bytes_scanned: bytes read
duration_ms: time it took';

CREATE FUNCTION goarena_sweeps(
    OUT at timestamp with time zone,
    OUT reason text,
    OUT bytes_scanned bigint,
    OUT chunks_freed bigint,
    OUT chunks_pinned bigint,
    OUT duration_ms double precision,
    OUT check_differences bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_sweeps() IS
'the last 256 sweeps of this process, the newest first
at: when it ended
reason: volume, transaction end, sql, release, out of memory, limit or request
bytes_scanned, chunks_freed, chunks_pinned, duration_ms: as goarena_sweep()
check_differences: slots that the two readings of goarena.debug = checkmark disagree about, null if it was read once';

CREATE FUNCTION goarena_release() RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_release() IS
'sweeps this process and gives all memory not in use back to the operating system: bytes released';

CREATE FUNCTION goarena_sweep(pid integer) RETURNS boolean
AS 'MODULE_PATHNAME', 'goarena_sweep_process' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_sweep(integer) IS
'asks a process to sweep at its next safe point: true if it was asked';

CREATE FUNCTION goarena_release(pid integer) RETURNS boolean
AS 'MODULE_PATHNAME', 'goarena_release_process' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_release(integer) IS
'asks a process to give all memory not in use back at its next safe point: true if it was asked';

CREATE FUNCTION goarena_faults(
    OUT id bigint,
    OUT at timestamp with time zone,
    OUT pid bigint,
    OUT backend_type text,
    OUT user_name text,
    OUT database text,
    OUT kind text,
    OUT access text,
    OUT address text,
    OUT context text,
    OUT parents text,
    OUT ident text,
    OUT arena_id bigint,
    OUT freed_by text,
    OUT freed_at timestamp with time zone,
    OUT sweeps_since bigint,
    OUT transactions_since bigint,
    OUT object_size bigint,
    OUT object_offset bigint,
    OUT outcome text,
    OUT query text,
    OUT free_query text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_faults() IS
'reports of accesses to freed memory, kept over restarts
id: number of the report
at: when it happened
pid, backend_type, user_name, database: who did it
kind: access, write after free, double pfree, wrong pfree (of what is no object), pointer from freed memory (it was followed), or pointer to freed memory (at hand in a crash)
access: read, write, execute or free
address: of the access, for superusers
context: memory context that the memory belonged to
parents: its parents, from below
ident: its identifier
arena_id: number of its arena in that process
freed_by: reset, delete, pfree or repalloc
freed_at: when it was freed
sweeps_since, transactions_since: between the free and the access
object_size: bytes of the object, where it could still be known
object_offset: of the access in it
outcome: crash, terminate, error or warning
query: at the access
free_query: at the free';

CREATE FUNCTION goarena_faults_text(id bigint) RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_faults_text(bigint) IS
'one report of goarena_faults() with its stacks, null if it is no longer kept';

CREATE VIEW goarena_activity AS
SELECT a.datid, a.datname, s.pid, a.leader_pid, a.usesysid, a.usename, a.application_name,
    a.client_addr, coalesce(a.backend_type, s.backend_type) AS backend_type,
    a.backend_start, a.xact_start, a.query_start, a.state_change, a.wait_event_type, a.wait_event,
    a.state, a.query_id, a.query,
    s.arenas, s.in_use, s.held, s.retained, s.quarantined, s.metadata,
    s.statement_peak, s.transaction_peak, s.process_peak,
    s.allocs, s.resets, s.sweeps, s.last_sweep, s.published, s.rss_anon, s.rss_shmem
FROM goarena_stats() s LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = s.pid;
COMMENT ON VIEW goarena_activity IS
'pg_stat_activity with the memory that each process holds';
COMMENT ON COLUMN goarena_activity.datid IS
'OID of the database that the process is connected to';
COMMENT ON COLUMN goarena_activity.datname IS
'its name';
COMMENT ON COLUMN goarena_activity.pid IS
'process ID';
COMMENT ON COLUMN goarena_activity.leader_pid IS
'process ID of the leader, if this is a parallel worker';
COMMENT ON COLUMN goarena_activity.usesysid IS
'OID of the user who is logged in';
COMMENT ON COLUMN goarena_activity.usename IS
'its name';
COMMENT ON COLUMN goarena_activity.application_name IS
'name that the client gave itself';
COMMENT ON COLUMN goarena_activity.client_addr IS
'IP address of the client, null for a Unix socket';
COMMENT ON COLUMN goarena_activity.backend_type IS
'type of the process';
COMMENT ON COLUMN goarena_activity.backend_start IS
'when the process started';
COMMENT ON COLUMN goarena_activity.xact_start IS
'when its transaction started, null if there is none';
COMMENT ON COLUMN goarena_activity.query_start IS
'when its statement started, or the last one if it is idle';
COMMENT ON COLUMN goarena_activity.state_change IS
'when state changed last';
COMMENT ON COLUMN goarena_activity.wait_event_type IS
'type of what it waits for';
COMMENT ON COLUMN goarena_activity.wait_event IS
'what it waits for';
COMMENT ON COLUMN goarena_activity.state IS
'active, idle, idle in transaction, and so on, as in pg_stat_activity';
COMMENT ON COLUMN goarena_activity.query_id IS
'identifier of its statement, or the last one, if identifiers are computed';
COMMENT ON COLUMN goarena_activity.query IS
'text of its statement, or of the last one';
COMMENT ON COLUMN goarena_activity.arenas IS
'memory contexts that are arenas now';
COMMENT ON COLUMN goarena_activity.in_use IS
'bytes that arenas use, a part of held';
COMMENT ON COLUMN goarena_activity.held IS
'bytes of memory that the process holds, used or not, as far as goarena knows';
COMMENT ON COLUMN goarena_activity.retained IS
'bytes of it that are not used and kept for later, at most goarena.retain after a statement';
COMMENT ON COLUMN goarena_activity.quarantined IS
'bytes of address space that fault and wait for a sweep';
COMMENT ON COLUMN goarena_activity.metadata IS
'bytes of held that goarena needs for itself';
COMMENT ON COLUMN goarena_activity.statement_peak IS
'the most that held was while the present statement ran, or the last one';
COMMENT ON COLUMN goarena_activity.transaction_peak IS
'the most that held was in the present transaction, or the last one';
COMMENT ON COLUMN goarena_activity.process_peak IS
'the most that held was since the process started';
COMMENT ON COLUMN goarena_activity.allocs IS
'objects that were ever allocated in arenas';
COMMENT ON COLUMN goarena_activity.resets IS
'resets of arenas';
COMMENT ON COLUMN goarena_activity.sweeps IS
'searches for pointers to memory in quarantine';
COMMENT ON COLUMN goarena_activity.last_sweep IS
'when the last of them ended, null if there was none';
COMMENT ON COLUMN goarena_activity.published IS
'when the process published these figures';
COMMENT ON COLUMN goarena_activity.rss_anon IS
'bytes of private memory that are resident, by the kernel (RssAnon), at most a second old';
COMMENT ON COLUMN goarena_activity.rss_shmem IS
'bytes of shared memory that the process has touched, by the kernel (RssShmem), at most a second old';
GRANT SELECT ON goarena_activity TO PUBLIC;

CREATE FUNCTION goarena_top(
    OUT pid integer,
    OUT backend_type text,
    OUT held bigint,
    OUT growth bigint,
    OUT elapsed interval)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_top() IS
'what each process holds whose figures the user may see, and how that grew since this session last looked
pid: process ID
backend_type: type of the process
held: bytes of memory that the process holds as far as goarena knows
growth: bytes that it holds more than when the last statement of this session looked before this one, null if it was not there then
elapsed: how long ago that was';

CREATE VIEW goarena_top AS
SELECT t.pid, a.usename, a.datname, coalesce(a.backend_type, t.backend_type) AS backend_type, a.state,
    t.held, t.growth, t.elapsed,
    pg_catalog.left(pg_catalog.regexp_replace(a.query, '\s+', ' ', 'g'), 80) AS query
FROM goarena_top() t LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = t.pid
ORDER BY t.held DESC, t.pid;
COMMENT ON VIEW goarena_top IS
'what each process holds and how that grew since this session last looked, the largest first, for \watch';
COMMENT ON COLUMN goarena_top.pid IS
'process ID';
COMMENT ON COLUMN goarena_top.usename IS
'name of the user who is logged in';
COMMENT ON COLUMN goarena_top.datname IS
'name of the database that the process is connected to';
COMMENT ON COLUMN goarena_top.backend_type IS
'type of the process';
COMMENT ON COLUMN goarena_top.state IS
'active, idle, idle in transaction, and so on, as in pg_stat_activity';
COMMENT ON COLUMN goarena_top.held IS
'bytes of memory that the process holds, used or not, as far as goarena knows';
COMMENT ON COLUMN goarena_top.growth IS
'bytes that it holds more than when the last statement of this session looked, null if it was not there then';
COMMENT ON COLUMN goarena_top.elapsed IS
'how long ago that was';
COMMENT ON COLUMN goarena_top.query IS
'beginning of the text of its statement, or of the last one, in one line';
GRANT SELECT ON goarena_top TO PUBLIC;

CREATE FUNCTION goarena_statements(
    OUT userid oid,
    OUT dbid oid,
    OUT toplevel boolean,
    OUT calls bigint,
    OUT queryid bigint,
    OUT peak_max bigint,
    OUT peak_mean double precision,
    OUT peak_stddev double precision,
    OUT bytes bigint,
    OUT allocs bigint,
    OUT large_allocs bigint,
    OUT limit_hits bigint,
    OUT stats_since timestamp with time zone)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_statements() IS
'memory that statements used, a row for each userid, dbid, queryid and toplevel
userid: OID of the user
dbid: OID of the database
toplevel: sent by a client, not run in a function
calls: executions, also those that failed
queryid: identifier of the query, as in pg_stat_statements
peak_max, peak_mean, peak_stddev: bytes that contexts held beyond those at the beginning, at the peak of an execution, with parallel workers
bytes: allocated in arenas by all executions, rounded up to size classes
allocs: objects allocated in arenas
large_allocs: those that got a span of their own
limit_hits: allocations that failed because of a limit
stats_since: when the row was begun';

CREATE VIEW goarena_statements AS SELECT * FROM goarena_statements();
GRANT SELECT ON goarena_statements TO PUBLIC;
COMMENT ON VIEW goarena_statements IS
'memory that statements used, a row for each userid, dbid, queryid and toplevel';
COMMENT ON COLUMN goarena_statements.userid IS
'OID of the user who ran the statement';
COMMENT ON COLUMN goarena_statements.dbid IS
'OID of the database that it ran in';
COMMENT ON COLUMN goarena_statements.toplevel IS
'true if a client sent it, false if it ran in a function';
COMMENT ON COLUMN goarena_statements.calls IS
'executions, also those that failed';
COMMENT ON COLUMN goarena_statements.queryid IS
'identifier of the statement, as in pg_stat_statements';
COMMENT ON COLUMN goarena_statements.peak_max IS
'the highest peak of an execution: bytes that memory contexts held beyond what they held when it began, with parallel workers';
COMMENT ON COLUMN goarena_statements.peak_mean IS
'mean of the peaks of all executions, in bytes';
COMMENT ON COLUMN goarena_statements.peak_stddev IS
'standard deviation of these peaks, in bytes';
COMMENT ON COLUMN goarena_statements.bytes IS
'bytes that all executions allocated in arenas';
COMMENT ON COLUMN goarena_statements.allocs IS
'objects that they allocated in arenas';
COMMENT ON COLUMN goarena_statements.large_allocs IS
'those of the objects that were so large that they got a chunk of their own';
COMMENT ON COLUMN goarena_statements.limit_hits IS
'allocations that a memory limit refused';
COMMENT ON COLUMN goarena_statements.stats_since IS
'when goarena began to count this statement';

CREATE FUNCTION goarena_statements_info(
    OUT dropped bigint,
    OUT stats_reset timestamp with time zone)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_statements_info() IS
'about goarena_statements
dropped: how often the rows used least were dropped
stats_reset: when all rows were last dropped';

CREATE FUNCTION goarena_statements_reset() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_statements_reset() IS 'drops all rows of goarena_statements';

CREATE FUNCTION goarena_profile(
    OUT function text,
    OUT context text,
    OUT parents text,
    OUT queryid bigint,
    OUT dbid oid,
    OUT userid oid,
    OUT inuse_objects bigint,
    OUT inuse_bytes bigint,
    OUT alloc_objects bigint,
    OUT alloc_bytes bigint,
    OUT inuse_samples bigint,
    OUT alloc_samples bigint,
    OUT stack text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_profile() IS
'heap profile of this process, a row for each place in the code and what it allocated for; see goarena.profile_rate
function: innermost function of the stack that does not only allocate for its caller; null for what there was no room for
context: name of the memory context
parents: names of its parents, from the inner to the outer
queryid: identifier of the query, 0 if there was none
dbid: database
userid: user whose rights were in force
inuse_objects: objects that are not freed yet, an estimate as the next three
inuse_bytes: bytes that these take
alloc_objects: objects ever allocated since the profile was switched on
alloc_bytes: bytes that these took
inuse_samples: samples that are not freed yet; estimates rest on these
alloc_samples: samples ever taken
stack: functions with offsets, the innermost first, a line each';

CREATE FUNCTION goarena_profile(
    pid integer,
    timeout double precision DEFAULT 5.0,
    OUT function text,
    OUT context text,
    OUT parents text,
    OUT queryid bigint,
    OUT dbid oid,
    OUT userid oid,
    OUT inuse_objects bigint,
    OUT inuse_bytes bigint,
    OUT alloc_objects bigint,
    OUT alloc_bytes bigint,
    OUT inuse_samples bigint,
    OUT alloc_samples bigint,
    OUT stack text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'goarena_profile_of' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_profile(integer, double precision) IS
'heap profile of another process, the places that hold the most with a row each
pid: process ID
timeout: seconds to wait for its answer
function: innermost function of the stack that does not only allocate for its caller; null for what there was no room for
context: name of the memory context
parents: names of its parents, from the inner to the outer
queryid: identifier of the query, 0 if there was none
dbid: database
userid: user whose rights were in force
inuse_objects: objects that are not freed yet, an estimate as the next three
inuse_bytes: bytes that these take
alloc_objects: objects ever allocated since the profile was switched on
alloc_bytes: bytes that these took
inuse_samples: samples that are not freed yet; estimates rest on these
alloc_samples: samples ever taken
stack: functions with offsets, the innermost first, a line each';

CREATE FUNCTION goarena_profile_all(
    OUT function text,
    OUT context text,
    OUT parents text,
    OUT queryid bigint,
    OUT dbid oid,
    OUT userid oid,
    OUT inuse_objects bigint,
    OUT inuse_bytes bigint,
    OUT alloc_objects bigint,
    OUT alloc_bytes bigint,
    OUT inuse_samples bigint,
    OUT alloc_samples bigint,
    OUT stack text)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_profile_all() IS
'heap profile of all processes of the server, also those that have ended
function: innermost function of the stack that does not only allocate for its caller; null for what there was no room for
context: name of the memory context
parents: names of its parents, from the inner to the outer
queryid: identifier of the query, 0 if there was none
dbid: database
userid: user whose rights were in force
inuse_objects: objects that are not freed yet, an estimate as the next three
inuse_bytes: bytes that these take
alloc_objects: objects ever allocated since the profile was switched on
alloc_bytes: bytes that these took
inuse_samples: samples that are not freed yet; estimates rest on these
alloc_samples: samples ever taken
stack: functions with offsets, the innermost first, a line each';

CREATE FUNCTION goarena_profile_folded(
    pid integer DEFAULT pg_backend_pid(),
    value text DEFAULT 'inuse_space',
    timeout double precision DEFAULT 5.0)
RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_profile_folded(integer, text, double precision) IS
'heap profile as collapsed stacks for flame graphs: contexts and functions, the outermost of each first, and a value
pid: process ID, null for all processes of the server
value: inuse_space, inuse_objects, alloc_space or alloc_objects
timeout: seconds to wait for the answer of another process';

CREATE FUNCTION goarena_profile_pprof(
    pid integer DEFAULT pg_backend_pid(),
    timeout double precision DEFAULT 5.0)
RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_profile_pprof(integer, double precision) IS
'heap profile in the format of the pprof tool, gzipped profile.proto
pid: process ID, null for all processes of the server
timeout: seconds to wait for the answer of another process';

CREATE FUNCTION goarena_profile_info(
    OUT rate bigint,
    OUT samples bigint,
    OUT lost bigint,
    OUT sites bigint,
    OUT server_rows bigint,
    OUT server_rows_max bigint,
    OUT server_dropped bigint,
    OUT stats_reset timestamp with time zone)
RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_profile_info() IS
'what the heap profiles of this process and of the server leave out
rate: bytes from one sample to the next in the mean, 0 if the profile is off
samples: live samples of this process
lost: samples of this process for which there was no memory
sites: rows that goarena_profile() has
server_rows: rows that goarena_profile_all() has
server_rows_max: rows that it can have, goarena.profile_max
server_dropped: rows for which there was no room; their sum is the row without a function
stats_reset: since when rows are added up';

CREATE FUNCTION goarena_profile_reset() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_profile_reset() IS
'forgets the rows of goarena_profile_all() but for what is in use';

CREATE FUNCTION goarena_history(
    OUT at timestamp with time zone,
    OUT pid integer,
    OUT backend_type text,
    OUT user_name text,
    OUT database text,
    OUT state text,
    OUT held bigint,
    OUT statement_peak bigint,
    OUT process_peak bigint,
    OUT contexts text,
    OUT query_id bigint,
    OUT query_start timestamp with time zone,
    OUT query text,
    OUT published timestamp with time zone,
    OUT backend_start timestamp with time zone)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_history() IS
'what each process held, as the recorder noted it every goarena.history_interval, also before a restart
at: when the recorder noted it
pid: process ID
backend_type: type of the process
user_name: name of its user, null if there is none or the user is gone
database: name of its database, likewise
state: of the process, as in pg_stat_activity
held: bytes of memory that it held
statement_peak: the most bytes that it held while the present statement ran, or the last one
process_peak: the same since it started
contexts: its largest memory contexts, those of one name together
query_id: identifier of its statement, or of the last one, if identifiers are computed
query_start: when that began
query: its text, as far as 479 bytes go
published: when the process published these figures
backend_start: when the process started';

CREATE FUNCTION goarena_history_machine(
    OUT at timestamp with time zone,
    OUT processes bigint,
    OUT total_held bigint,
    OUT cgroup_limit bigint,
    OUT cgroup_used bigint,
    OUT host_total bigint,
    OUT host_available bigint,
    OUT pressure_some double precision,
    OUT pressure_full double precision,
    OUT pressure_some_us bigint,
    OUT pressure_full_us bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_history_machine() IS
'what the kernel said of memory, as the recorder noted it together with goarena_history()
at: when the recorder noted it
processes: that there were, also those for which a sample has no room
total_held: bytes of memory that all of them held
cgroup_limit: bytes that the control group may use, by its own limit or one above it; null if there is none
cgroup_used: bytes that the group with this limit used, pages of files included
host_total: bytes of memory that the host has
host_available: bytes that it could give without swapping
pressure_some: percent of ten seconds in which some task waited for memory, of the control group if that is told, else of the host
pressure_full: the same for all tasks at a time
pressure_some_us, pressure_full_us: microseconds of that ever since';

CREATE FUNCTION goarena_last_crash(
    OUT pid integer,
    OUT backend_type text,
    OUT user_name text,
    OUT database text,
    OUT state text,
    OUT held bigint,
    OUT grown bigint,
    OUT context text,
    OUT context_grown bigint,
    OUT statement_peak bigint,
    OUT process_peak bigint,
    OUT contexts text,
    OUT query_id bigint,
    OUT query_start timestamp with time zone,
    OUT query text,
    OUT seen timestamp with time zone,
    OUT ended timestamp with time zone,
    OUT ending text,
    OUT cgroup_limit bigint,
    OUT cgroup_used bigint,
    OUT host_available bigint,
    OUT pressure_some double precision,
    OUT pressure_full double precision)
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION goarena_last_crash() IS
'the processes in the minute before the server last did not end in order, the largest first
pid, backend_type, user_name, database, state, held, statement_peak, process_peak, contexts, query_id, query_start, query: as in goarena_history(), as the process was last seen
grown: bytes that it held more than when it was first seen in that minute; all if it was seen once
context: name of the memory contexts that grew most
context_grown: bytes by which they grew
seen: when the process was last seen
ended: when the last sample was taken
ending: process crashed, immediate shutdown, server killed (its main process alone), or killed without notice
cgroup_limit, cgroup_used, host_available, pressure_some, pressure_full: as in goarena_history_machine(), in the last sample, for pg_read_all_stats';

-- Identifiers of contexts can be texts of queries, also of other users'
-- functions; addresses help who wants to exploit a bug.
REVOKE ALL ON FUNCTION goarena_total_held() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION goarena_total_held() TO pg_read_all_stats;
REVOKE ALL ON FUNCTION goarena_machine() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION goarena_machine() TO pg_monitor;
REVOKE ALL ON FUNCTION goarena_pointer(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION goarena_chunks() FROM PUBLIC;
REVOKE ALL ON FUNCTION goarena_dump() FROM PUBLIC;
REVOKE ALL ON FUNCTION goarena_dump(integer, double precision) FROM PUBLIC;
REVOKE ALL ON FUNCTION goarena_dump_objects(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION goarena_dump_pins(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION goarena_check() FROM PUBLIC;
REVOKE ALL ON FUNCTION goarena_profile_reset() FROM PUBLIC;
REVOKE ALL ON FUNCTION goarena_profile_all() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION goarena_profile_all() TO pg_read_all_stats;
REVOKE ALL ON FUNCTION goarena_faults() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION goarena_faults() TO pg_monitor;
REVOKE ALL ON FUNCTION goarena_faults_text(bigint) FROM PUBLIC;
REVOKE ALL ON FUNCTION goarena_statements_reset() FROM PUBLIC;
REVOKE ALL ON FUNCTION goarena_history_machine() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION goarena_history_machine() TO pg_read_all_stats;
