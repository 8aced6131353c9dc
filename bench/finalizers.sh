#!/bin/bash
# finalizers.sh - part of run.sh: what finalizers cost
#
# CPU time of making so many objects in a context and deleting it: with a finalizer each, with none,
# and with a reset callback of the server each in an AllocSet

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

read -ra objects <<<"$(size '10000' '10000 100000 1000000')"

settings[finalizers]="goarena.quarantine = off
goarena.retain = 2GB"

measure_finalizers()
{
	local type round ns

	progress "$1 finalizers"
	sql finalizers -c "SELECT type, round, ns / 1e6 FROM bench_finalizers($1, $rounds)"
	while IFS=$'\t' read -r type round ns; do
		record finalizers "$1 objects" "$type" "$round" "$ns"
	done <"$SCRATCH/output"
}

begin_part
table finalizers finalizers 'no finalizers' ms time 'objects are made and their context goes: time against no finalizers'
table finalizers-ms finalizers '' ms value 'milliseconds of CPU time'
target finalizers-ms finalizers most '<=' 1000 'milliseconds of a million finalizers' '1000000*'
start_server 'autovacuum = off'
stop_server
start_config finalizers
sql finalizers -c 'CREATE EXTENSION goarena_bench'
for count in "${objects[@]}"; do
	measure_finalizers "$count"
done
end_part
