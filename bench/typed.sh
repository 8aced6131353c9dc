#!/bin/bash
# typed.sh - part of run.sh: what types are worth
#
# tree     CPU time of building a tree of a million nodes and dropping it, against AllocSet and
#          on 17 and later against Bump
# sweep    CPU time of a sweep with the same memory untyped, typed and without pointers, and
#          with none of it (roots); it is blocks of 64 kB, or 8 kB, with four pointers at their head

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

MB=$((1024 * 1024))
read -ra nodes <<<"$(size '10000' '10000 100000 1000000')"
live_mb=$(size 10 1000)

settings[typed]="goarena.quarantine = off
goarena.retain = 2GB"
settings[typed-sweep]="goarena.quarantine_sample_rate = 0
goarena.sweep_percent = -1"

measure_tree()
{
	local type round ns

	progress "a tree of $1 nodes"
	sql typed -c "SELECT type, round, ns FROM bench_tree($1, $rounds)"
	while IFS=$'\t' read -r type round ns; do
		record tree "$1 nodes" "$type" "$round" "$ns"
	done <"$SCRATCH/output"
}

block_size()
{
	if [ "$1" = 'typed, 8 kB' ]; then say 8192; else say 65536; fi
}

measure_sweep()
{
	local config round ms kind

	progress "sweeps of $live_mb MB"
	for kind in roots untyped 'typed, 8 kB' typed pointer-free; do
		[ "$kind" = roots ] ||
			say "SELECT bench_live_typed($live_mb::bigint * $MB, '${kind%%,*}', $(block_size "$kind"));"
		say "SELECT FROM goarena_sweep();"
		for ((round = 1; round <= rounds; round++)); do
			say 'SELECT bench_cpu() AS before \gset'
			say 'SELECT FROM goarena_sweep();'
			say "SELECT '$kind', $round, bench_cpu() - :before;"
		done
	done >"$SCRATCH/script"
	sql typed-sweep -f "$SCRATCH/script"
	while IFS=$'\t' read -r config round ms; do
		[ -z "$ms" ] || record sweep "$live_mb MB" "$config" "$round" "$ms"
	done <"$SCRATCH/output"
}

begin_part
table tree tree AllocSet ns speed 'a tree is built and dropped: speed against AllocSet'
target tree typed least '>=' 2 'a tree of a million nodes, against AllocSet' '1000000*'
if [ "$PG_MAJOR" -ge 17 ]; then
	table tree-bump tree Bump ns speed 'a tree is built and dropped: speed against Bump'
fi
table sweep sweep untyped ms time 'CPU time of a sweep, against memory without types'
target sweep typed most '<=' 0.1 'blocks of 64 kB with four pointers, typed against untyped'
table sweep-ms sweep '' ms value 'milliseconds of CPU time of a sweep'

start_server 'autovacuum = off'
stop_server
start_config typed
sql typed -c 'CREATE EXTENSION goarena_bench'
for count in "${nodes[@]}"; do
	measure_tree "$count"
done
start_config typed-sweep
sql typed-sweep -c 'CREATE EXTENSION IF NOT EXISTS goarena' -c 'CREATE EXTENSION IF NOT EXISTS goarena_bench'
measure_sweep
end_part
