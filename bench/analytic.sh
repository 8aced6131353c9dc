#!/bin/bash
# analytic.sh - part of run.sh: queries over a generated data set, time and memory
#
# Each query runs in a session of its own, on each server in turn, round after round,
# without and (where the server may use them) with parallel workers.  The servers are started
# again for each round.  Besides the time of
# the query there are the CPU time of the session and its workers as a whole, which noise
# touches less, and the peak of their anonymous memory.
#
#   BENCH_MB       size of the large table (default 1000)
#   BENCH_QUERIES  names of queries to run, a pattern (default *)
#   BENCH_CONFIGS  configurations besides plain (default "again default off on")

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

mb=${BENCH_MB:-$(size 5 1000)}
rows=$((mb * 6300))			# of about 165 bytes
read -ra configs <<<"plain ${BENCH_CONFIGS:-$(size default 'again default off on')}"
pattern=${BENCH_QUERIES:-*}

serial=() parallel=()
declare -A queries=() setup=()

# A query: name, "both" or "serial", SQL, and SQL to run before it that is not timed.
query()
{
	# shellcheck disable=SC2053
	[[ $1 = $pattern ]] || return 0
	serial+=("$1")
	[ "$2" = serial ] || parallel+=("$1")
	queries[$1]=$3
	setup[$1]=${4:-}
}

define_queries()
{
	query 'sort' both "SELECT count(*) FROM (SELECT s, id FROM facts ORDER BY s, id OFFSET 0) q"
	query 'top 1000' both "SELECT count(*) FROM (SELECT s, v FROM facts ORDER BY v, s LIMIT 1000) q"
	query 'hash aggregate' both \
		"SELECT count(*), max(n) FROM (SELECT k, count(*) AS n, sum(v) FROM facts GROUP BY k) q" \
		"SET enable_sort = off"
	query 'hash aggregate, spilling' both \
		"SELECT count(*), max(n) FROM (SELECT s, count(*) AS n FROM facts WHERE id <= $rows / 3 GROUP BY s) q" \
		"SET enable_sort = off; SET work_mem = '4MB'"
	query 'numeric aggregate' both \
		"SELECT count(*) FROM (SELECT g, sum(v::numeric), avg(k::numeric) FROM facts GROUP BY g) q"
	query 'hash join' both \
		"SELECT count(*), sum(length(d.name)) FROM facts f JOIN dims d ON f.k = d.id" \
		"SET enable_mergejoin = off; SET enable_nestloop = off"
	query 'hash join, batches' both \
		"SELECT count(*) FROM facts a JOIN facts b ON a.s = b.s WHERE a.id <= $rows / 3 AND b.id <= $rows / 3" \
		"SET enable_mergejoin = off; SET enable_nestloop = off; SET work_mem = '8MB'"
	query 'window' both \
		"SELECT max(r), max(t) FROM (SELECT rank() OVER w AS r, sum(v) OVER w AS t FROM facts
		WHERE id <= $rows / 2 WINDOW w AS (PARTITION BY g ORDER BY id)) q"
	query 'DISTINCT' both "SELECT count(*) FROM (SELECT DISTINCT k, g FROM facts) q"
	query 'string_agg' both \
		"SELECT sum(length(x)) FROM (SELECT g, string_agg(s, ',') AS x FROM facts GROUP BY g) q"
	query 'array_agg' both \
		"SELECT sum(cardinality(x)) FROM (SELECT k, array_agg(id) AS x FROM facts GROUP BY k) q"
	query 'jsonb fields' both \
		"SELECT sum((j->>'n')::int), count(DISTINCT j->'tags'->>0) FROM facts WHERE id <= $rows / 4"
	query 'jsonb_agg' both \
		"SELECT count(*) FROM (SELECT g, jsonb_agg(j || jsonb_build_object('v', v)) FROM facts
		WHERE id <= $rows / 8 GROUP BY g OFFSET 0) q"
	query 'regular expressions' both \
		"SELECT count(*) FROM facts WHERE id <= $rows / 8 AND
		(s ~ '(ab|cd)[0-9]+.*[ef]\$' OR regexp_replace(s, '[0-9]+', '-', 'g') LIKE '%-a-b-%')"
	query 'recursive CTE' serial \
		"WITH RECURSIVE up(id, parent, depth) AS (
			SELECT id, parent, 0 FROM dims WHERE id % 8 = 0
			UNION ALL
			SELECT d.id, d.parent, up.depth + 1 FROM up JOIN dims d ON d.id = up.parent)
		SELECT count(*), max(depth) FROM up"
	query 'PL/pgSQL loop' serial \
		"DO \$\$
		DECLARE r record; words text[] := '{}';
		BEGIN
			FOR r IN SELECT id, s, v FROM facts WHERE id <= $rows / 16 LOOP
				words := (words || (upper(r.s) || r.id))[greatest(1, cardinality(words) - 4):];
				IF r.id % 16 = 0 THEN
					BEGIN
						PERFORM array_to_string(words, ',');
					EXCEPTION WHEN division_by_zero THEN NULL;
					END;
				END IF;
			END LOOP;
		END \$\$"
	query 'index build' both "CREATE INDEX ON facts (s)" "BEGIN"
	query 'ANALYZE' serial "ANALYZE facts" "SET default_statistics_target = 1000; BEGIN"
	query 'COPY out' serial "COPY (SELECT * FROM facts WHERE id <= $rows / 2) TO '/dev/null'"
	query 'COPY in' serial "COPY copied FROM '$SCRATCH/rows'" "BEGIN"
}

generate()
{
	capture psql -XAtq -v ON_ERROR_STOP=1 -c "SELECT setseed(0.5)" -c "
		CREATE TABLE facts AS SELECT g AS id, (g * 7919::bigint % ($rows / 10 + 1))::int AS k,
			g % 1000 AS g, random() AS v, md5(g::text) AS s,
			jsonb_build_object('n', g % 100, 'name', left(md5(g::text), 8), 'tags',
				jsonb_build_array('a' || g % 7, 'b' || g % 11)) AS j
		FROM generate_series(1, $rows) g" -c "
		CREATE TABLE dims AS SELECT g AS id, nullif(g / 3, g) AS parent, 'dimension ' || g AS name
		FROM generate_series(0, $rows / 10) g" -c "
		CREATE TABLE copied (LIKE facts)" -c "
		COPY (SELECT * FROM facts WHERE id <= $rows / 8) TO '$SCRATCH/rows'" -c 'VACUUM (FREEZE, ANALYZE)'
	capture psql -XAtq -c "SELECT pg_size_pretty(pg_table_size('facts'))"
	progress "$rows rows, $(<"$SCRATCH/output")"
	fact 'large table' "$rows rows, $(<"$SCRATCH/output")"
}

# Run query $1 on server $2 with $3 parallel workers, and record time, CPU time and peak
# memory as data time-$4, cpu-$4 and memory-$4 of round $5.
measure()
{
	cat >"$SCRATCH/script" <<-SQL
		SET max_parallel_workers_per_gather = $3;
		SET max_parallel_maintenance_workers = $3;
		${setup[$1]};
		\\timing on
		${queries[$1]};
	SQL
	watch_peak "$2"
	sql "$2" -f "$SCRATCH/script"
	end_watch
	record "time-$4" "$1" "$2" "$5" "$(awk '/^Time: / { ms = $2 } END { print ms }' "$SCRATCH/output")"
	record "memory-$4" "$1" "$2" "$5" "$PEAK"
	record "cpu-$4" "$1" "$2" "$5" "$CPU"
}

begin_part
for kind in serial parallel; do
	what="without parallel workers"
	[ "$kind" = serial ] || what="with parallel workers"
	table "time-$kind" "time-$kind" plain ms time "time $what"
	table "cpu-$kind" "cpu-$kind" plain ms time "CPU time $what"
	table "memory-$kind" "memory-$kind" plain kB time "peak private memory $what"
	target "time-$kind" default mean '<=' 0.97 "time $what, mean"
	target "time-$kind" default most '<=' 1.03 "time $what, slowest query"
	target "time-$kind" on mean '<=' 1.03 "time $what, mean"
	target "time-$kind" on most '<=' 1.10 "time $what, slowest query"
	target "memory-$kind" default most '<=' 1.05 "peak memory $what, largest ratio"
	target "memory-$kind" on most '<=' 1.10 "peak memory $what, largest ratio"
done

progress "generating $mb MB"
define_queries
start_server 'shared_buffers = 512MB' 'max_wal_size = 8GB' 'wal_level = minimal' 'max_wal_senders = 0' \
	'autovacuum = off' 'jit = off' "work_mem = '256MB'" "maintenance_work_mem = '256MB'" \
	'checkpoint_timeout = 1h' 'min_parallel_table_scan_size = 0' 'parallel_setup_cost = 0' \
	'parallel_tuple_cost = 0.01'
generate
stop_server
for name in "${configs[@]}"; do
	start_config "$name"
done
rm -rf "${SCRATCH:?}/data"
for ((round = 1; round <= rounds; round++)); do
	[ "$round" -eq 1 ] || restart_configs "$round"
	for name in "${configs[@]}"; do
		sql "$name" -c 'SELECT count(*) FROM facts' -c 'SELECT count(*) FROM dims'
	done
	for query in "${serial[@]}"; do
		progress "round $round of $rounds: $query"
		for name in $(in_turn "$round" "${configs[@]}"); do
			measure "$query" "$name" 0 serial "$round"
		done
		[[ " ${parallel[*]/%/;} " = *" $query; "* ]] || continue
		for name in $(in_turn "$round" "${configs[@]}"); do
			measure "$query" "$name" 2 parallel "$round"
		done
	done
done
end_part
