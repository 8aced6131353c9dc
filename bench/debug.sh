#!/bin/bash
# debug.sh - part of run.sh: what the settings of goarena.debug cost
#
# select   CPU time of a select, with every context an arena; without goarena.debug (nothing), with
#          each of its words for all contexts, and with two of them for no context (-none)
# sweep    CPU time of a sweep, which checkmark does twice

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

MB=$((1024 * 1024))
selects=$(size 5 500)
live_mb=$(size 10 100)

settings[debug]="goarena.contexts = '*'
goarena.quarantine = off
goarena.on_fault = terminate"
declare -A words=(
	[without]="''"
	[again]="''"
	[clobber]="'clobber'"
	[efence]="'efence'"
	[efence-none]="'efence'"
	[checkmark]="'checkmark'"
	[alloctrace]="'alloctrace'"
	[alloctrace-none]="'alloctrace'"
)

# Print the settings of configuration $1, for a new session.
options_of()
{
	local contexts='*'

	[[ $1 != *-none ]] || contexts='no such context'
	say "SET goarena.debug_contexts = '$contexts';"
	say "SET goarena.debug = ${words[$1]};"
}

# Record the CPU time of a select in a session of configuration $1, round $2.
measure_select()
{
	local config=$1 round=$2 i ms

	{
		options_of "$config"
		for ((i = -5; i < selects; i++)); do
			[ "$i" -ne 0 ] || say 'SELECT bench_cpu() AS before \gset'
			say "SELECT FROM pg_class WHERE oid = $((1200 + i % 100));"
		done
		say "SELECT (bench_cpu() - :before) / $selects;"
	} >"$SCRATCH/script"
	sql debug -f "$SCRATCH/script"
	ms=$(tail -n 1 "$SCRATCH/output")
	record select select "$config" "$round" "$ms"
}

# The same for a sweep.
measure_sweep()
{
	local config=$1 round=$2

	{
		options_of "$config"
		say "SELECT bench_live($live_mb::bigint * $MB);"
		say 'SELECT FROM goarena_sweep();' 'SELECT bench_cpu() AS before \gset'
		say 'SELECT FROM goarena_sweep();' 'SELECT bench_cpu() - :before;'
	} >"$SCRATCH/script"
	sql debug -f "$SCRATCH/script"
	record sweep "$live_mb MB" "$config" "$round" "$(tail -n 1 "$SCRATCH/output")"
}

begin_part
table select select without ms time 'CPU time of a select, against that without goarena.debug'
table select-ms select '' ms value 'CPU time of a select'
table sweep sweep without ms time 'CPU time of a sweep, against that without goarena.debug'
table sweep-ms sweep '' ms value 'CPU time of a sweep'
start_server 'autovacuum = off'
stop_server
start_config debug
sql debug -c 'CREATE EXTENSION goarena' -c 'CREATE EXTENSION goarena_bench'
for ((round = 1; round <= rounds; round++)); do
	progress "round $round"
	for config in $(in_turn "$round" without again clobber efence efence-none alloctrace alloctrace-none); do
		measure_select "$config" "$round"
	done
	for config in $(in_turn "$round" without again checkmark); do
		measure_sweep "$config" "$round"
	done
done
end_part
