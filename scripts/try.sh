#!/bin/bash
# try.sh - see goarena at work
#
# Builds and installs goarena, starts a scratch server with it, puts load on that
# server and shows what goarena says about it.  The server and its data are
# removed at the end; goarena stays installed.
#
#   TRY_SECONDS  length of each pgbench run (default 10)

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"

seconds=${TRY_SECONDS:-10}
step=0

announce()
{
	step=$((step + 1))
	printf '\n[%d/7] %s\n' "$step" "$*"
}

# Run a client of the scratch server.
client()
{
	run_job run_as "$@"
	if [ "$JOB_STATUS" -ne 0 ]; then
		tail -n 20 "$SCRATCH/server.log" >&2
		die "failed: $*"
	fi
}

announce "packages"
"$TOP/scripts/setup.sh" run
find_postgres
make_scratch

announce "build and install for PostgreSQL $PG_VERSION"
quietly pgxs_make -C "$TOP" -j "$(nproc)"
quietly pgxs_make -C "$TOP" install

announce "scratch server in $SCRATCH"
# Every arena is quarantined here, so that there is something to see.
start_server "shared_preload_libraries = 'goarena'" 'goarena.quarantine_sample_rate = 1.0'
client psql -Xq -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION goarena'
client psql -XAt -v ON_ERROR_STOP=1 \
	-c "SELECT name || ' = ' || current_setting(name) FROM pg_settings WHERE name LIKE 'goarena.%' ORDER BY 1"

announce "pgbench tables, scale 10"
client pgbench -i -q -s 10

announce "pgbench -S, 4 clients, $seconds s"
client pgbench -S -n -c 4 -j 2 -T "$seconds" -P 2

announce "pgbench TPC-B, 4 clients, $seconds s"
client pgbench -n -c 4 -j 2 -T "$seconds" -P 2

announce "analytic queries in one session, and what goarena says afterwards"
cat >"$SCRATCH/queries.sql" <<'SQL'
-- no parallel workers: the memory shall be this session's
SET max_parallel_workers_per_gather = 0;
SET work_mem = '128MB';
SET client_min_messages = warning;
CREATE TEMP TABLE t AS
	SELECT g AS id, g % 5000 AS k, md5(g::text) AS s FROM generate_series(1, 400000) g;
ANALYZE t;
\pset footer off
\timing on
\echo '-- sort'
SELECT count(*) FROM (SELECT s FROM t ORDER BY s, id OFFSET 0) q;
\echo '-- hash aggregate'
SELECT count(*), max(n) FROM (SELECT s, count(*) AS n FROM t GROUP BY s) q;
\echo '-- hash join'
SELECT count(*) FROM t a JOIN t b ON a.s = b.s;
\echo '-- string_agg and array_agg'
SELECT sum(length(x)), sum(cardinality(y))
	FROM (SELECT string_agg(s, ',') AS x, array_agg(id) AS y FROM t GROUP BY k) q;
\echo '-- window'
SELECT max(r) FROM (SELECT rank() OVER (PARTITION BY k ORDER BY s) AS r FROM t) q;
\echo '-- 20,000 subtransactions'
DO $$
DECLARE
	n int;
BEGIN
	FOR i IN 1..20000 LOOP
		BEGIN
			SELECT length(repeat(s, 20)) INTO n FROM t LIMIT 1;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
END $$;
\timing off
\x on
\echo
\echo '-- goarena_stats(), this session'
SELECT * FROM goarena_stats() WHERE pid = pg_backend_pid();
\echo '-- goarena_sweep()'
SELECT * FROM goarena_sweep();
\echo '-- goarena_stats() after the sweep'
SELECT * FROM goarena_stats() WHERE pid = pg_backend_pid();
\x off
\echo '-- goarena_stats(), all processes'
SELECT pid, backend_type, arenas, allocs, resets, sweeps, held FROM goarena_stats() ORDER BY allocs DESC;
\echo '-- goarena_arenas(), the largest'
SELECT id, name, left(ident, 20) AS ident, parent, level, type, chunks, held_bytes, used_bytes, free_bytes,
	dead_bytes, allocs, resets, quarantine
	FROM goarena_arenas() ORDER BY held_bytes DESC LIMIT 15;
\echo '-- goarena_size_classes(), the busiest'
SELECT * FROM goarena_size_classes() ORDER BY allocs DESC LIMIT 10;
\echo '-- goarena_sweeps(), the latest'
SELECT * FROM goarena_sweeps() LIMIT 10;
SQL
client psql -Xq -v ON_ERROR_STOP=1 -f "$SCRATCH/queries.sql"

stop_server || die "the server did not stop in order"
problems=$(server_log_problems "$SCRATCH/server.log")
[ -z "$problems" ] || die "$problems"
printf '\nThe server is stopped and removed; goarena stays installed (%s).\n' "$PKGLIBDIR/goarena.so"
