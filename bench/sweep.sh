#!/bin/bash
# sweep.sh - part of run.sh: bandwidth and pauses of sweeps
#
# bandwidth    bytes scanned a second, against a plain read of the live memory by the same
#              process, one after the other
# pauses       of sweeps that free a megabyte, with some memory live
# arenas       time of a sweep as the same live memory is spread over more arenas
# quarantine   as more waits in quarantine
# fresh        the first sweep of a new backend

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

MB=$((1024 * 1024))
read -ra bandwidth_mb <<<"$(size 10 '100 300 1000')"
read -ra pause_mb <<<"$(size '1 10' '10 100 1000')"
read -ra arenas <<<"$(size '10 100' '10 100 1000 10000')"
read -ra quarantine_mb <<<"$(size '1 10' '1 10 100 1000')"
spread_mb=$(size 10 100)
sweeps=$(size 5 100)					# of which a round's quantiles are taken

settings[sweep]="goarena.quarantine_sample_rate = 1.0
goarena.sweep_percent = -1"

# Run the SQL in $SCRATCH/script in one session, whose output has lines of
# "CONFIGURATION ROUND VALUE", and record these as data $1, case $2.
record_script()
{
	local config round value

	sql sweep -f "$SCRATCH/script"
	while IFS=$'\t' read -r config round value; do
		[ -z "$value" ] || record "$1" "$2" "$config" "$round" "$value"
	done <"$SCRATCH/output"
}

# Print SQL that sweeps and says how long it took, as configuration $1, round $2.
timed_sweep()
{
	say "SELECT '$1', $2, duration_ms FROM goarena_sweep();"
}

# Times are for a megabyte.  Round 0 warms up.
measure_bandwidth()
{
	local round

	progress "bandwidth with $1 MB live"
	{
		say "SELECT bench_live($1::bigint * $MB);" 'SELECT FROM bench_read();' 'SELECT FROM goarena_sweep();'
		for ((round = 1; round <= rounds; round++)); do
			for what in $(in_turn "$round" read again sweep); do
				if [ "$what" != sweep ]; then
					say "SELECT '$what', $round, ms * 1000 * $MB / bytes FROM bench_read();"
				else
					say "SELECT 'sweep', $round, duration_ms * 1000 * $MB / bytes_scanned FROM goarena_sweep();"
				fi
			done
		done
	} >"$SCRATCH/script"
	record_script bandwidth "$1 MB live"
}

measure_pauses()
{
	local round quantile

	progress "pauses with $1 MB live"
	{
		say 'CREATE TEMP TABLE pause(ms float8);' "SELECT bench_live($1::bigint * $MB);"
		for ((round = 1; round <= rounds; round++)); do
			say 'TRUNCATE pause;'
			for ((i = 0; i < sweeps; i++)); do
				say "SELECT bench_retire($MB);"
				say 'INSERT INTO pause SELECT duration_ms FROM goarena_sweep();'
			done
			for quantile in 0.5 0.99 1; do
				say "SELECT CASE $quantile WHEN 1 THEN 'max' ELSE 'p' || ($quantile * 100)::int END, $round,"
				say "percentile_disc($quantile) WITHIN GROUP (ORDER BY ms) FROM pause;"
			done
		done
	} >"$SCRATCH/script"
	record_script pauses "$1 MB live"
}

measure_arenas()
{
	local round count

	progress "$spread_mb MB live in ${arenas[*]} arenas"
	for ((round = 1; round <= rounds; round++)); do
		for count in $(in_turn "$round" "${arenas[@]}"); do
			say "SELECT bench_live($spread_mb::bigint * $MB, $count);" 'SELECT FROM goarena_sweep();'
			timed_sweep "$count arenas" "$round"
		done
	done >"$SCRATCH/script"
	record_script arenas "$spread_mb MB live"
}

measure_quarantine()
{
	local round waiting

	progress "${quarantine_mb[*]} MB in quarantine"
	{
		say "SELECT bench_live(10 * $MB);" 'SELECT FROM goarena_sweep();'
		for ((round = 1; round <= rounds; round++)); do
			for waiting in $(in_turn "$round" "${quarantine_mb[@]}"); do
				say "SELECT bench_retire($waiting::bigint * $MB);"
				timed_sweep "$waiting MB" "$round"
			done
		done
	} >"$SCRATCH/script"
	record_script quarantine '10 MB live'
}

measure_fresh()
{
	local round

	progress 'fresh backends'
	for ((round = 1; round <= rounds * 3; round++)); do
		timed_sweep 'first sweep' "$round" >"$SCRATCH/script"
		record_script fresh 'fresh backend'
	done
}

begin_part
table bandwidth bandwidth read 'µs a MB' speed 'bandwidth of a sweep against a plain read'
table pauses pauses '' ms value "pauses of sweeps: median, 99th percentile and longest of $sweeps"
table arenas arenas "${arenas[0]} arenas" ms time 'time of a sweep as arenas grow in number'
table quarantine quarantine "${quarantine_mb[0]} MB" ms time 'time of a sweep as quarantine grows'
table fresh fresh '' ms value 'first sweep of a fresh backend'
target bandwidth sweep least '>=' 0.8 'bandwidth from 100 MB live'
target fresh 'first sweep' most '<=' 0.3 'milliseconds in a fresh backend'

start_server 'autovacuum = off'
stop_server
start_config sweep
sql sweep -c 'CREATE EXTENSION goarena' -c 'CREATE EXTENSION goarena_bench'
measure_fresh
for mb in "${bandwidth_mb[@]}"; do
	measure_bandwidth "$mb"
done
for mb in "${pause_mb[@]}"; do
	measure_pauses "$mb"
done
measure_arenas
measure_quarantine
end_part
