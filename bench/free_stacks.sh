#!/bin/bash
# free_stacks.sh - what goarena.free_stacks costs where contexts are freed all the time
#
# One session runs a loop of subtransactions, each of which creates and deletes
# contexts, with stacks kept and not kept in turn.  Prints for quarantine on and
# strict, every arena quarantined, the median of the ratios of neighbouring runs.
# The installed goarena is measured.
#
#   BENCH_ROUNDS  rounds (default 9)

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../scripts/common.sh"

rounds=${BENCH_ROUNDS:-9}

find_postgres
make_scratch
start_server "shared_preload_libraries = 'goarena'" 'goarena.quarantine_sample_rate = 1.0' \
	'goarena.retain = 64MB'
printf '| quarantine | time with stacks / without |\n| --- | --- |\n'
for mode in on strict; do
	{
		echo "SET goarena.quarantine = $mode;"
		echo '\timing on'
		for ((i = 0; i <= rounds; i++)); do
			for setting in on off; do
				echo "SET goarena.free_stacks = $setting;"
				echo '\echo run '"$i $setting"
				cat <<-'SQL'
					DO $$ BEGIN FOR i IN 1..30000 LOOP BEGIN PERFORM i; EXCEPTION WHEN others THEN NULL; END; END LOOP; END $$;
				SQL
			done
		done
	} >"$SCRATCH/loop.sql"
	# round 0 warms up
	run_as psql -Xq -f "$SCRATCH/loop.sql" |
		awk '$1 == "run" { i = $2; s = $3 } /^Time/ && s { t[i, s] = $2; s = "" }
			END { for (i = 1; (i, "off") in t; i++) print t[i, "on"] / t[i, "off"] }' |
		sort -n |
		awk -v mode="$mode" '{ v[NR] = $1 } END { printf "| %s | %.3f |\n", mode, v[int((NR + 1) / 2)] }'
done
