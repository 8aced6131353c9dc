#!/bin/bash
# history.sh [FILE] - a leak as the flight recorder saw it, drawn, and what a sample costs
#
# Starts a scratch server with goarena installed, has a session leak until it is killed
# with SIGKILL, and draws what goarena_history() tells after the server has recovered to
# FILE (default docs/history.svg).  Before that it measures the processor time of the
# recorder with many sessions.  Prints what it measured and what goarena_last_crash() says.
#
#   HISTORY_SESSIONS  idle sessions for the measurement (default 100)
#   HISTORY_SECONDS   how long it is measured (default 20)

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../scripts/common.sh"

file=$(realpath "${1:-$TOP/docs/history.svg}")
sessions=${HISTORY_SESSIONS:-100}
seconds=${HISTORY_SECONDS:-20}

query()
{
	run_as psql -XAtq -v ON_ERROR_STOP=1 -c "$1"
}

# Nanoseconds of processor time, and how often the recorder went to sleep.
recorder_time()
{
	local pid

	pid=$(pgrep -P "$(head -n 1 "$SCRATCH/data/postmaster.pid")" -f 'goarena recorder')
	printf '%s %s\n' "$(cut -d ' ' -f 1 "/proc/$pid/schedstat")" \
		"$(sed -n 's/^voluntary_ctxt_switches:\s*//p' "/proc/$pid/status")"
}

samples()
{
	query 'SELECT count(*) FROM goarena_history_machine()'
}

find_postgres
make_scratch
quietly pgxs_make -C "$TOP" -j "$(nproc)"
quietly pgxs_make -C "$TOP" install
start_server "shared_preload_libraries = 'goarena'" "goarena.history_interval = '200ms'" \
	"goarena.history_size = '64MB'" "max_connections = $((sessions + 20))" 'restart_after_crash = on' \
	'autovacuum = off'
query 'CREATE EXTENSION goarena'

# ---- what a sample costs ----

echo 'SELECT pg_sleep(600)' >"$SCRATCH/sleep.sql"
start_background run_as pgbench -n -c "$sessions" -T 600 -f "$SCRATCH/sleep.sql"
until [ "$(query "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%'")" -gt "$sessions" ]; do
	sleep 0.2
done
before=$(samples)
read -r time_before sleeps_before < <(recorder_time)
sleep "$seconds"
read -r time_after sleeps_after < <(recorder_time)
taken=$(($(samples) - before))
printf '%d sessions, commit %s: %d samples in %d s, %.2f ms of processor time and %.1f wakeups each\n' \
	"$sessions" "$(git -C "$TOP" rev-parse --short HEAD)" "$taken" "$seconds" \
	"$(awk "BEGIN { print ($time_after - $time_before) / $taken / 1e6 }")" \
	"$(awk "BEGIN { print ($sleeps_after - $sleeps_before) / $taken }")"
end_background

# ---- the leak ----

cat >"$SCRATCH/leak.sql" <<'SQL'
DO $$
DECLARE
	kept text[] := '{}';
BEGIN
	FOR i IN 1 .. 400 LOOP
		kept := kept || repeat(md5(i::text), 16384);	-- half a MB that is never given back
		PERFORM pg_sleep(0.02);
	END LOOP;
	PERFORM pg_sleep(600);
END $$
SQL
begun=$(query 'SELECT extract(epoch FROM now())')
start_background run_as psql -Xq -f "$SCRATCH/leak.sql"
until [ "$(query "SELECT count(*) FROM goarena_activity WHERE query LIKE 'DO%' AND held > 150000000")" = 1 ]; do
	sleep 0.2
done
kill -KILL "$(query "SELECT pid FROM pg_stat_activity WHERE query LIKE 'DO%' AND pid <> pg_backend_pid()")"
end_background
until grep -q 'statements that held most' "$SCRATCH/server.log" && query 'SELECT 1' >"$SCRATCH/up" 2>&1; do
	sleep 0.2
done
sed -n '/statements that held most/,/HINT/p' "$SCRATCH/server.log"
query "SELECT pid, pg_size_pretty(held) AS held, pg_size_pretty(grown) AS grown, context, left(query, 30) FROM goarena_last_crash() LIMIT 3"
query "SELECT concat_ws(',', extract(epoch FROM at), pid, held) FROM goarena_history()
	WHERE at >= to_timestamp($begun) ORDER BY at" | "$TOP/bench/history.pl" >"$file"
say "$file"
