#!/bin/bash
# memory.sh - part of run.sh: private memory of connections
#
# pgbench works on each server in turn and stops in the middle, with its connections
# idle.  What counts then is the anonymous memory of their backends (Pss_Anon of
# /proc/PID/smaps_rollup), in which pages that are still shared with the postmaster count
# in part.
#
#   BENCH_CONFIGS  configurations besides plain (default "default off on")

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

connections=$(size 5 50)
mixed=$(size 2 20)						# times that each connection does the mixed work
transactions=$(size 1000 100000)
read -ra configs <<<"plain ${BENCH_CONFIGS:-default off on}"

# Print a script for pgbench that does what is on stdin n times and then idles.
then_idle()
{
	cat <<-'EOF'
		\if :done >= :times
		SELECT 'bench is idle';
		\sleep 100000 s
		\endif
		\set done :done + 1
	EOF
	cat
}

# Wait until $2 connections to server $1 are idle, and leave their pids in $SCRATCH/output.
wait_for_idle()
{
	local deadline=$((SECONDS + statement_limit))

	while :; do
		sql "$1" -c "SELECT pid FROM pg_stat_activity
			WHERE state = 'idle' AND query LIKE 'SELECT ''bench is idle''%'"
		[ "$(wc -l <"$SCRATCH/output")" -lt "$2" ] || return 0
		kill -0 "$BACKGROUND" 2>/dev/null || die "pgbench ended: $(tail -n 3 "$SCRATCH/client.log")"
		[ "$SECONDS" -lt "$deadline" ] || die "pgbench does not come to an end"
		sleep 0.2
	done
}

# Wait until server $1 has no backends of clients.
wait_for_end()
{
	for _ in {1..300}; do
		sql "$1" -c "SELECT FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
		[ -s "$SCRATCH/output" ] || return 0
		sleep 0.1
	done
	die "connections are left over"
}

# Let $2 connections to server $1 do $3 $4 times, and record their memory in kB as case $5
# of round $6.
measure()
{
	local pid sum

	progress "$5: round $6 of $rounds, $1"
	start_background run_as pgbench -n -p "${port_of[$1]}" -c "$2" -j 1 -D done=0 \
		-D "times=$4" -t 1000000000 -f "$SCRATCH/$3" >"$SCRATCH/client.log" 2>&1
	wait_for_idle "$1" "$2"
	sum=$(while read -r pid; do
		awk '/^Pss_Anon/ { print $2 }' "/proc/$pid/smaps_rollup"
	done <"$SCRATCH/output" | awk '{ sum += $1 } END { print sum }')
	end_background
	wait_for_end "$1"
	record memory "$5" "$1" "$6" "$sum"
}

begin_part
table memory memory plain kB time 'private memory against plain'
target memory off most '<=' 1.05 'private memory, largest ratio'
target memory default most '<=' 1.10 'private memory, largest ratio'
target memory on most '<=' 1.10 'private memory, largest ratio'

start_server 'shared_buffers = 128MB' 'max_wal_size = 4GB' 'autovacuum = off' 'synchronous_commit = off'
capture pgbench -i -q -s "$(size 1 10)"
capture psql -XAtq -v ON_ERROR_STOP=1 -c "
	CREATE TABLE t AS SELECT g AS id, g % 500 AS k, md5(g::text) AS s,
		jsonb_build_object('id', g, 'name', md5(g::text)) AS j
	FROM generate_series(1, 20000) g" -c 'VACUUM ANALYZE t'
stop_server
for name in "${configs[@]}"; do
	start_config "$name"
done

then_idle </dev/null >"$SCRATCH/fresh"
then_idle >"$SCRATCH/mixed" <<'EOF'
\set aid random(1, 100000)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
SELECT count(*) FROM (SELECT s FROM t ORDER BY s OFFSET 0) q;
SELECT count(*) FROM t a JOIN t b ON a.s = b.s;
SELECT sum(length(x)) FROM (SELECT string_agg(s, ',') AS x FROM t GROUP BY k) q;
SELECT count(*) FROM (SELECT k, jsonb_agg(j) FROM t WHERE id <= 2000 GROUP BY k) q;
DO $$ BEGIN FOR i IN 1..100 LOOP BEGIN PERFORM repeat('x', i); EXCEPTION WHEN others THEN NULL; END; END LOOP; END $$;
EOF
then_idle >"$SCRATCH/transactions" <<'EOF'
\set aid random(1, 100000)
BEGIN;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
END;
EOF
for ((round = 1; round <= rounds; round++)); do
	for name in $(in_turn "$round" "${configs[@]}"); do
		measure "$name" "$connections" fresh 0 "$connections fresh connections" "$round"
		measure "$name" "$connections" mixed "$mixed" "$connections connections after mixed work" "$round"
		measure "$name" 1 transactions "$transactions" "one connection after $transactions transactions" "$round"
	done
done
end_part
