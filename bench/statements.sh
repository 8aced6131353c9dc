#!/bin/bash
# statements.sh - part of run.sh: statements whose work is memory, each over and over
#
# Each case is SQL that one session repeats on each server in slices of some 50 ms, as bench/paired.c
# does: plans, loops, aggregates, and work that resets a context for each row or makes many
# small ones.  Nothing spills, and nothing is written that lasts.
#
#   BENCH_SLICES      slices on each server (default 24)
#   BENCH_STARTS      how often the servers are started for them (default 6)
#   BENCH_STATEMENTS  names of cases to run, a pattern (default *)
#   BENCH_CONFIGS     configurations besides plain (default "again default on strict")

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

slices=${BENCH_SLICES:-$(size 1 24)}
starts=${BENCH_STARTS:-$(size 1 6)}
pattern=${BENCH_STATEMENTS:-*}
partitions=$(size 20 1000)
rows=$(size 500 50000)
loops=$(size 100 5000)
constraint_rows=$(size 200 5600)
enums=$(size 201 20001)
inputs=$(size 50 1000)
versioned=$(size 1 5)					# tables that get a history in a transaction
read -ra configs <<<"plain ${BENCH_CONFIGS:-$(size 'default on' 'again default on strict')}"

names=()
declare -A queries=() times=()

# A case: name, how often a slice repeats it, and SQL
statement()
{
	# shellcheck disable=SC2053
	[[ $1 = $pattern ]] || return 0
	names+=("$1")
	times[$1]=$(size 1 "$2")
	queries[$1]=$3
}

define_statements()
{
	local join=j1 i

	for i in {2..10}; do
		join+=" JOIN j$i ON j$((i - 1)).id = j$i.parent"
	done
	statement 'plan a ten-way join' 40 "EXPLAIN (COSTS off) SELECT count(*) FROM $join WHERE j1.id < 5"
	statement 'plan over 1,000 partitions' 2 \
		"EXPLAIN (COSTS off) SELECT count(*) FROM parts WHERE v BETWEEN 3 AND 5"
	statement 'PL/pgSQL loop' 6 \
		"DO \$\$
		DECLARE words text[] := '{}'; line text;
		BEGIN
			FOR i IN 1..$loops LOOP
				line := upper(md5(i::text)) || repeat('x', i % 100);
				words := (words || line)[greatest(1, cardinality(words) - 10):];
			END LOOP;
		END \$\$"
	statement 'jsonb_agg' 15 \
		"SELECT count(*) FROM (SELECT k, jsonb_agg(j) FROM t WHERE id <= $rows / 5 GROUP BY k OFFSET 0) q"
	statement 'string_agg' 5 \
		"SELECT sum(length(x)) FROM (SELECT k, string_agg(s, ',') AS x FROM t GROUP BY k) q"
	statement 'array_agg' 5 \
		"SELECT sum(cardinality(x)) FROM (SELECT k, array_agg(s) AS x FROM t GROUP BY k) q"
	statement 'sort' 3 "SELECT count(*) FROM (SELECT s, id FROM t ORDER BY s, id OFFSET 0) q"
	statement 'hash join' 3 "SELECT count(*) FROM t a JOIN t b ON a.s = b.s"
	statement 'pg_get_constraintdef' 2 \
		"SELECT sum(length(pg_get_constraintdef(oid))) FROM pg_constraint, generate_series(1, $constraint_rows / 100)
		WHERE conrelid = 'checked'::regclass"
	statement 'GIN build over enums' 10 \
		"BEGIN; CREATE INDEX ON enums USING gin (es); ROLLBACK"
	statement 'scanner input' 100 \
		"SELECT sum(bench_scan(g || ' kg m / s^2')) FROM generate_series(1, $inputs) g"
	statement 'system versioning' 5 \
		"BEGIN; SELECT add_history(i) FROM generate_series(1, $versioned) i; ROLLBACK"
}

# Tables, and a function that gives a table a history: a second table, a view, a
# function and triggers.
generate()
{
	local i

	{
		for i in {1..10}; do
			say "CREATE TABLE j$i AS SELECT g AS id, g / 3 AS parent, 'name ' || g AS name
				FROM generate_series(1, 1000) g;
				CREATE INDEX ON j$i (id); CREATE INDEX ON j$i (parent);"
		done
		say 'CREATE TABLE parts (id int, v int, s text) PARTITION BY RANGE (id);'
		say "SELECT format('CREATE TABLE parts_%s PARTITION OF parts FOR VALUES FROM (%s) TO (%s)', g, g, g + 1)
			FROM generate_series(1, $partitions) g \\gexec"
		say "CREATE TABLE t AS SELECT g AS id, g % 500 AS k, md5(g::text) AS s,
				jsonb_build_object('id', g, 'name', md5(g::text), 'tags', array[g, g + 1]) AS j
			FROM generate_series(1, $rows) g;"
		say 'CREATE TABLE checked (a int, b text);'
		say "SELECT format('ALTER TABLE checked ADD CHECK (a <> %s AND (length(b) > %s OR b = %L))', g, g, 'b' || g)
			FROM generate_series(1, 100) g \\gexec"
		say "CREATE TYPE color AS ENUM ('red', 'orange', 'yellow', 'green', 'blue', 'indigo', 'violet');
			CREATE TABLE enums AS SELECT g AS id, ARRAY[(enum_range(NULL::color))[g % 7 + 1]] AS es
			FROM generate_series(1, $enums) g;"
		say "CREATE FUNCTION add_history(n int) RETURNS void LANGUAGE plpgsql AS \$\$
			BEGIN
				EXECUTE format('CREATE TABLE live_%s (id int PRIMARY KEY, name text NOT NULL, price numeric
					CHECK (price > 0), since timestamptz DEFAULT now(), until timestamptz)', n);
				EXECUTE format('CREATE TABLE live_%s_history (LIKE live_%s INCLUDING ALL)', n, n);
				EXECUTE format('CREATE VIEW live_%s_all AS SELECT * FROM live_%s UNION ALL
					SELECT * FROM live_%s_history', n, n, n);
				EXECUTE format('CREATE FUNCTION live_%s_at(timestamptz) RETURNS SETOF live_%s_all
					LANGUAGE sql STABLE AS ''SELECT * FROM live_%s_all WHERE since <= \$1
					AND (until IS NULL OR until > \$1)''', n, n, n);
				EXECUTE format('CREATE FUNCTION live_%s_write() RETURNS trigger LANGUAGE plpgsql AS
					''BEGIN RETURN NEW; END''', n);
				EXECUTE format('CREATE TRIGGER w BEFORE INSERT OR UPDATE ON live_%s FOR EACH ROW
					EXECUTE FUNCTION live_%s_write()', n, n);
				EXECUTE format('ALTER TABLE live_%s ADD CONSTRAINT live_%s_period CHECK (since < until)', n, n);
				EXECUTE format('COMMENT ON TABLE live_%s IS ''has a history''', n);
			END \$\$;"
		say 'CREATE EXTENSION goarena_bench;'
		say 'VACUUM (FREEZE, ANALYZE);'
	} >"$SCRATCH/generate.sql"
	capture psql -XAtq -v ON_ERROR_STOP=1 -f "$SCRATCH/generate.sql"
}

# Measure case $1 after start $2.
measure()
{
	local servers=() config round time cpu faults count=$(((slices + starts - 1) / starts))

	progress "start $2 of $starts, $1: $count slices of ${times[$1]}"
	say "${queries[$1]}" >"$SCRATCH/query.sql"
	for config in $(in_turn "$2" "${configs[@]}"); do
		servers+=("$config=host=$SCRATCH port=${port_of[$config]} dbname=postgres user=$TEST_USER")
	done
	capture "$SCRATCH/paired" -r -s "$SCRATCH/session.sql" "@$SCRATCH/query.sql" 1 "$count" "${times[$1]}" "${servers[@]}"
	while read -r config round time cpu faults; do
		round=$((($2 - 1) * count + round))
		record cpu "$1" "$config" "$round" "$cpu"
		record time "$1" "$config" "$round" "$time"
		record faults "$1" "$config" "$round" "$faults"
	done <"$SCRATCH/output"
}

# Statements that create files must not measure where the file system finds room for them.
free_kb=$(df --output=avail -k /dev/shm 2>/dev/null | tail -n 1)
if [ "${free_kb:-0}" -ge $((4 << 20)) ]; then
	SCRATCH_PARENT=/dev/shm
fi

begin_part
table cpu cpu plain 'µs' time 'statements repeated in one session: CPU time against plain'
table time time plain 'µs' time 'the same: time'
table faults faults plain '' count 'the same: page faults'
heavy='@(jsonb_agg|string_agg|array_agg|sort|hash join)'
target cpu default mean '<=' 0.80 'CPU time of memory-heavy statements, mean' "$heavy"
target cpu default most '<=' 1.02 'CPU time of memory-heavy statements, largest ratio' "$heavy"
target cpu default most '<=' 1.00 'CPU time of a PL/pgSQL loop' 'PL/pgSQL loop'
target cpu default most '<=' 0.97 'CPU time of planning' 'plan *'
ordinary='@(plan a ten-way join|PL/pgSQL loop|string_agg|jsonb_agg|hash join|pg_get_constraintdef)'
target cpu on most '<=' 1.10 'CPU time, largest ratio' "$ordinary"
target cpu on mean '<=' 0.95 'CPU time, mean' "$ordinary"
resetting='@(GIN build over enums|scanner input|PL/pgSQL loop)'
target cpu strict most '<=' "$(if "$shadowed"; then say 10; else say 2; fi)" \
	'CPU time with resets for each row, largest ratio' "$resetting"

define_statements
compile paired
say "SET work_mem = '64MB'; SET maintenance_work_mem = '64MB'; SET max_parallel_workers_per_gather = 0;
	SET max_parallel_maintenance_workers = 0; SET join_collapse_limit = 12" >"$SCRATCH/session.sql"
start_server 'shared_buffers = 256MB' 'max_wal_size = 4GB' 'autovacuum = off' 'jit = off' \
	'synchronous_commit = off'
generate
stop_server
for name in "${configs[@]}"; do
	start_config "$name"
done
for ((start = 1; start <= starts; start++)); do
	[ "$start" -eq 1 ] || restart_configs "$start"
	for name in "${names[@]}"; do
		measure "$name" "$start"
	done
done
end_part
