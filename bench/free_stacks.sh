#!/bin/bash
# free_stacks.sh - part of run.sh: what it costs to keep the stacks of frees
#
# One session runs a loop of subtransactions, each of which creates and deletes contexts,
# with goarena.free_stacks on and off in turn, every arena quarantined.

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

loops=$(size 300 30000)
declare -A value=([with]=on [without]=off [again]=off)

begin_part
table time time without ms time 'subtransactions with and without the stacks of frees'

settings[kept]="goarena.quarantine_sample_rate = 1.0
goarena.retain = 64MB"
start_server 'autovacuum = off'
stop_server
start_config kept
for mode in on strict; do
	progress "quarantine $mode"
	{
		say "SET goarena.quarantine = $mode;" '\timing on'
		# round 0 warms up
		for ((round = 0; round <= rounds; round++)); do
			for stacks in $(in_turn "$round" without again with); do
				say "SET goarena.free_stacks = ${value[$stacks]};"
				say "\\echo run $round $stacks"
				say "DO \$\$ BEGIN FOR i IN 1..$loops LOOP"
				say "BEGIN PERFORM i; EXCEPTION WHEN others THEN NULL; END; END LOOP; END \$\$;"
			done
		done
	} >"$SCRATCH/loop.sql"
	sql kept -f "$SCRATCH/loop.sql"
	while read -r round stacks time; do
		record time "quarantine $mode" "$stacks" "$round" "$time"
	done < <(awk '$1 == "run" { round = $2; stacks = $3 }
		/^Time/ && stacks != "" { if (round > 0) print round, stacks, $2; stacks = "" }' "$SCRATCH/output")
done
end_part
