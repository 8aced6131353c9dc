#!/bin/bash
# memory.sh - part of run.sh: private memory of connections
#
# pgbench works on each server in turn, and its connections then idle or do a little, or one
# session runs something large.  What counts is the anonymous memory of the backends
# (Pss_Anon of /proc/PID/smaps_rollup), in which pages that are still shared with the
# postmaster count in part; for peaks it is what bench/peak.pl sees.
#
#   BENCH_CONFIGS  configurations besides plain (default "again default off on")

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

connections=$(size 3 50)
mixed=$(size 2 20)						# times that each connection does the mixed work
transactions=$(size 500 100000)
sessions=$(size 2 24)					# that idle after a large query
query_mb=$(size 5 30)					# what that uses
statements=$(size 500 20000)			# of a DO block
functions=$(size 3 60)					# of 100 statements each
idle=$(size 0 25)						# seconds that they idle, or are active; goarena.idle_release and more
read -ra configs <<<"plain ${BENCH_CONFIGS:-$(size default 'again default off on')}"

# Print a script for pgbench that does what is on stdin n times, and then what the argument
# says: idle, or active, which is one select after the other.
then_be()
{
	local last="SELECT 'bench is idle';
\\sleep 100000 s"

	[ "$1" = idle ] || last="\\set aid random(1, 100000)
SELECT 'bench is active', abalance FROM pgbench_accounts WHERE aid = :aid;"
	cat <<-EOF
		\\if :done >= :times
		$last
		\\else
		\\set done :done + 1
	EOF
	cat
	say '\endif'
}

# Wait until $2 connections to server $1 have done their work and are $3 for $4 seconds, and
# leave their pids in $SCRATCH/output.
wait_for()
{
	local deadline=$((SECONDS + statement_limit)) old="state_change < clock_timestamp() - interval '$4 s'"

	# those that are active have a new statement all the time
	[ "$3" = idle ] || old=true
	while :; do
		sql "$1" -c "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT ''bench is $3''%'
			AND pid <> pg_backend_pid() AND $old"
		if [ "$(wc -l <"$SCRATCH/output")" -ge "$2" ]; then
			[ "$3" = idle ] || sleep "$4"
			return 0
		fi
		kill -0 "$BACKGROUND" 2>/dev/null || die "pgbench ended: $(tail -n 3 "$SCRATCH/client.log")"
		[ "$SECONDS" -lt "$deadline" ] || die "pgbench does not come to an end"
		sleep 0.2
	done
}

# Wait until server $1 has no backends of clients.
wait_for_end()
{
	for _ in {1..3000}; do
		sql "$1" -c "SELECT FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
		[ -s "$SCRATCH/output" ] || return 0
		sleep 0.1
	done
	die "connections are left over"
}

# A figure of case $1, server $2, round $3: kB a connection
note()
{
	record memory "$1" "$2" "$3" "$4"
	record beyond "$1" "$2" "$3" "$4"
}

# Let $2 connections to server $1 do what is in script $3 $4 times, and record their memory
# when they have been $5 for $6 seconds, as case $7 of round $8.
measure()
{
	local pid

	progress "$7: round $8 of $rounds, $1"
	start_background run_as pgbench -n -p "${port_of[$1]}" -c "$2" -j 1 -D done=0 \
		-D "times=$4" -t 1000000000 -f "$SCRATCH/$3" >"$SCRATCH/client.log" 2>&1
	wait_for "$1" "$2" "$5" "$6"
	note "$7" "$1" "$8" "$(while read -r pid; do
		awk '/^Pss_Anon/ { print $2 }' "/proc/$pid/smaps_rollup"
	done <"$SCRATCH/output" | awk -v "n=$2" '{ sum += $1 } END { print sum / n }')"
	end_background
	wait_for_end "$1"
}

# Record the peak of a session on server $1 that runs script $2, as case $3 of round $4.
measure_peak()
{
	progress "$3: round $4 of $rounds, $1"
	watch_peak "$1"
	sql "$1" -f "$SCRATCH/$2"
	end_watch
	note "$3" "$1" "$4" "$PEAK"
	wait_for_end "$1"
}

begin_part
table memory memory plain kB time 'private memory of a connection against plain'
table beyond beyond plain kB count 'private memory of a connection, kB'
target memory default mean '<=' 1.05 'private memory, mean'
target beyond default most '<=' 1024 'private memory beyond plain, kB' '*connection*'
target memory default most '<=' 1.05 'peak of a DO block' 'DO block*'
target memory default most '<=' 1.05 'cached PL/pgSQL statements' 'cached*'
target beyond default most '<=' 1024 'after a large query beyond plain, kB' '*after a query*'
target beyond on most '<=' 4096 'active connections beyond plain, kB' '*, active'
target beyond on most '<=' 1024 'idle connections beyond plain, kB' '*, idle'

start_server 'shared_buffers = 128MB' 'max_wal_size = 4GB' 'autovacuum = off' 'synchronous_commit = off'
capture pgbench -i -q -s "$(size 1 10)"
{
	say "CREATE TABLE t AS SELECT g AS id, g % 500 AS k, md5(g::text) AS s,
			jsonb_build_object('id', g, 'name', md5(g::text)) AS j
		FROM generate_series(1, 20000) g;"
	for ((i = 1; i <= functions; i++)); do
		say "CREATE FUNCTION cached_$i() RETURNS int LANGUAGE plpgsql AS \$\$ DECLARE n int; BEGIN"
		for ((j = 1; j <= 100; j++)); do
			say "SELECT count(*) INTO n FROM pg_class WHERE oid = $((i * 100 + j));"
		done
		say 'RETURN n; END $$;'
	done
	say 'VACUUM ANALYZE t;'
} >"$SCRATCH/generate.sql"
capture psql -XAtq -v ON_ERROR_STOP=1 -f "$SCRATCH/generate.sql"
stop_server
for name in "${configs[@]}"; do
	start_config "$name"
done

then_be idle </dev/null >"$SCRATCH/fresh"
cat >"$SCRATCH/mixed" <<'EOF'
\set aid random(1, 100000)
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
SELECT count(*) FROM (SELECT s FROM t ORDER BY s OFFSET 0) q;
SELECT count(*) FROM t a JOIN t b ON a.s = b.s;
SELECT sum(length(x)) FROM (SELECT string_agg(s, ',') AS x FROM t GROUP BY k) q;
SELECT count(*) FROM (SELECT k, jsonb_agg(j) FROM t WHERE id <= 2000 GROUP BY k) q;
DO $$ BEGIN FOR i IN 1..100 LOOP BEGIN PERFORM repeat('x', i); EXCEPTION WHEN others THEN NULL; END; END LOOP; END $$;
EOF
then_be active <"$SCRATCH/mixed" >"$SCRATCH/mixed_active"
then_be idle <"$SCRATCH/mixed" >"$SCRATCH/mixed_idle"
then_be idle >"$SCRATCH/transactions" <<'EOF'
\set aid random(1, 100000)
BEGIN;
SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
END;
EOF
# an object of 64 bytes for each of the values, and as many pointers
then_be idle >"$SCRATCH/large" <<EOF
SELECT cardinality(array_agg(md5(g::text) || g)) FROM generate_series(1, $query_mb * 12000) g;
EOF
for ((i = 1; i <= functions; i++)); do
	say "SELECT cached_$i();"
done | then_be idle >"$SCRATCH/cached"
{
	say 'DO $$ BEGIN'
	for ((i = 1; i <= statements; i++)); do
		say "PERFORM $i;"
	done
	say 'END $$;'
} >"$SCRATCH/block.sql"

for ((round = 1; round <= rounds; round++)); do
	for name in $(in_turn "$round" "${configs[@]}"); do
		measure "$name" "$connections" fresh 0 idle 0 "$connections fresh connections" "$round"
		measure "$name" "$connections" mixed_active "$mixed" active "$idle" \
			"$connections connections after mixed work, active" "$round"
		measure "$name" "$connections" mixed_idle "$mixed" idle "$idle" \
			"$connections connections after mixed work, idle" "$round"
		measure "$name" 1 transactions "$transactions" idle "$idle" \
			"one connection after $transactions transactions, idle" "$round"
		measure "$name" "$sessions" large 1 idle "$idle" \
			"$sessions sessions, idle for $idle s after a query of $query_mb MB" "$round"
		measure "$name" 1 cached 2 idle 0 "cached statements of PL/pgSQL, $((functions * 100))" "$round"
		measure_peak "$name" block.sql "DO block of $statements statements, peak" "$round"
	done
done
end_part
