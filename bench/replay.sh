#!/bin/bash
# replay.sh - part of run.sh: what the server does with its contexts, over and over
#
# Records the operations of some work on a server without goarena, and replays them over
# contexts of several types; see test/modules/goarena_bench/recorder.c and replay.c.  Each
# replay has a session of its own: once malloc has freed a block of some megabytes, it keeps
# up to twice that at the end of its heap, for all that comes after it.  Recording needs
# PostgreSQL 15; with others this part has nothing to do.

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

rows=$(size 2000 200000)
loops=$(size 500 50000)
transactions=$(size 20 3000)

types=('AllocSet' 'again' 'Generation' 'arena, off' 'arena, on' 'arena, strict')
settings[record]="shared_preload_libraries = 'goarena_bench'"
works=('pgbench' 'hash join' 'sort' 'aggregate' 'PL/pgSQL loop' 'JSON')
declare -A queries=(
	['hash join']="SELECT count(*) FROM t a JOIN t b ON a.s = b.s AND a.id <= b.id"
	['sort']="SELECT count(*) FROM (SELECT s FROM t ORDER BY s, id OFFSET 0) q;
		SELECT count(*) FROM (SELECT s FROM t ORDER BY s DESC LIMIT 1000) q"
	['aggregate']="SELECT sum(length(x)), sum(cardinality(y))
		FROM (SELECT k, string_agg(s, ',') AS x, array_agg(id) AS y FROM t GROUP BY k) q"
	['PL/pgSQL loop']="DO \$\$
		DECLARE words text[] := '{}'; line text;
		BEGIN
			FOR i IN 1..$loops LOOP
				line := upper(md5(i::text)) || repeat('x', i % 100);
				words := (words || line)[greatest(1, cardinality(words) - 10):];
				IF i % 10 = 0 THEN
					BEGIN
						PERFORM count(*) FROM unnest(words) w WHERE w LIKE '%A%';
					EXCEPTION WHEN division_by_zero THEN NULL;
					END;
				END IF;
			END LOOP;
		END \$\$"
	['JSON']="SELECT count(*) FROM (SELECT k, jsonb_object_agg(key, value) FROM t, jsonb_each(j)
		WHERE id <= $rows / 10 GROUP BY k OFFSET 0) q;
		SELECT sum(length((j || jsonb_build_object('s', s))::text)) FROM t WHERE id <= $rows / 5"
)

# Record work $1 in the directory $2.
record_work()
{
	local to=goarena_bench.record_to=$2/r

	if [ "$1" = pgbench ]; then
		capture env PGOPTIONS="-c $to" pgbench -n -p "${port_of[record]}" -t "$transactions"
	else
		# the first time fills the caches of the session
		sql record -c 'SET max_parallel_workers_per_gather = 0' -c "SET work_mem = '64MB'" \
			-c 'SET hash_mem_multiplier = 4' \
			-c "${queries[$1]}" -c "SET ${to/=/ = \'}'" -c "${queries[$1]}"
	fi
}

# Record work $1 and replay it.
measure()
{
	local dir=$SCRATCH/recordings/${1//[ \/]/_} file type round

	progress "$1: recording"
	mkdir -p "$dir"
	give_to_user "$SCRATCH/recordings"
	record_work "$1" "$dir"
	# pgbench has a short connection besides the one that works
	file=$(find "$dir" -type f -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
	sql default -c "SELECT operations, bytes FROM bench_recording('$file')"
	progress "$1: replaying $(cut -f 1 "$SCRATCH/output") operations, $(cut -f 2 "$SCRATCH/output") bytes"
	for ((round = 1; round <= rounds; round++)); do
		while read -r type; do
			sql default -c "SELECT bench_replay('$file', '$type')"
			record replay "$1" "$type" "$round" "$(cat "$SCRATCH/output")"
		done < <(in_turn "$round" "${types[@]}")
	done
	rm -rf -- "$dir"
}

begin_part
if [ "$PG_MAJOR" -gt 15 ]; then
	progress "nothing to do: recording needs PostgreSQL 15"
	end_part
	exit
fi
table replay replay AllocSet 'ns an operation' speed 'recorded operations: speed against AllocSet'
target replay 'arena, off' mean '>=' 1.1 'recorded operations'

start_server 'autovacuum = off' 'fsync = off'
capture pgbench -i -q -s 1
capture psql -XAtq -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION goarena_bench' -c "
	CREATE TABLE t AS SELECT g AS id, g % 1000 AS k, md5(g::text) AS s,
		jsonb_build_object('id', g, 'name', md5(g::text), 'tags', array[g, g + 1, g + 2]) AS j
	FROM generate_series(1, $rows) g" -c 'VACUUM ANALYZE t'
stop_server
start_config record
start_config default
for work in "${works[@]}"; do
	measure "$work"
done
end_part
