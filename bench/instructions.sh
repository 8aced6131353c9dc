#!/bin/bash
# instructions.sh - instructions of a select, counted by valgrind
#
# Shows what a change to the hot paths is worth in a minute or two, see bench/callgrind.sh.
# Prints a line for each configuration; with BENCH_FUNCTIONS also the functions in which
# most of the instructions are spent that the plain server does not spend.  The installed
# goarena is measured.
#
#   BENCH_CONFIGS    configurations besides plain (default "nothing off default identifiers
#                    everything on strict"); everything is all of bench/everything.sh, and
#                    identifiers what of that is the server's own, both with quarantine off;
#                    profile and profile8 are identifiers with a heap profile at 512 kB and 8 kB;
#                    strict-bare is strict without the stacks of allocations; clobber and
#                    efence are those of goarena.debug, with quarantine off
#   BENCH_WORKLOAD   select (default), select-prepared, tpcb, plan (a ten-way join) or loop
#                    (500 turns of one in PL/pgSQL)
#   BENCH_QUERIES    transactions in the longer run (default 1300; 40 of plan and loop)
#   BENCH_FUNCTIONS  how many functions to print (default 0)
#   BENCH_KEEP       directory for callgrind's data of the longer runs, one file a configuration, for
#                    callgrind_annotate --tree=caller (default none)

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../scripts/common.sh"
# shellcheck source=bench/callgrind.sh
source "$TOP/bench/callgrind.sh"

read -ra configs <<<"plain ${BENCH_CONFIGS:-nothing off default identifiers everything on strict}"
workload=${BENCH_WORKLOAD:-select}
case "$workload" in
	plan|loop) few=10 many=${BENCH_QUERIES:-40} ;;
	*) few=300 many=${BENCH_QUERIES:-1300} ;;
esac
functions=${BENCH_FUNCTIONS:-0}

declare -A settings=(
	[plain]=""
	[nothing]="-c goarena.contexts=!*"
	[off]="-c goarena.quarantine=off"
	[default]=""
	[identifiers]="-c goarena.quarantine=off -c compute_query_id=on"
	[profile]="-c goarena.quarantine=off -c compute_query_id=on -c goarena.profile_rate=512kB"
	[profile8]="-c goarena.quarantine=off -c compute_query_id=on -c goarena.profile_rate=8kB"
	[everything]="-c goarena.quarantine=off -c compute_query_id=on -c goarena.track_statements=top \
		-c goarena.log_peak=100MB -c goarena.profile_rate=512kB -c goarena.memory_limit=1GB \
		-c goarena.session_memory_limit=2GB -c goarena.user_memory_limit=4GB \
		-c goarena.database_memory_limit=4GB -c goarena.total_memory_limit=8GB"
	[on]="-c goarena.quarantine_sample_rate=1.0 -c goarena.sweep_percent=-1"
	[strict]="-c goarena.quarantine_sample_rate=1.0 -c goarena.quarantine=strict -c goarena.sweep_percent=-1"
	[strict-bare]="-c goarena.quarantine_sample_rate=1.0 -c goarena.quarantine=strict -c goarena.sweep_percent=-1 \
		-c goarena.allocation_stacks=off"
	[clobber]="-c goarena.quarantine=off -c goarena.debug=clobber"
	[efence]="-c goarena.quarantine=off -c goarena.debug=efence"
)

# Write to file $1 "INSTRUCTIONS FUNCTION" for one transaction.
functions_to()
{
	local file

	for file in few many; do
		callgrind_annotate --threshold=100 --show=Ir --auto=no "$SCRATCH/callgrind.$file" |
			sed -n 's/^ *\([0-9,]*\) *([0-9. ]*%) *[^:]*:\([^[]*\).*/\1 \2/p' |
			tr -d , >"$SCRATCH/functions.$file"
	done
	awk -v n=$((many - few)) '
		{ count = $1; $1 = ""; sum[$0] += FILENAME ~ /few$/ ? -count : count }
		END { for (name in sum) print sum[name] / n, name }' \
		"$SCRATCH/functions.few" "$SCRATCH/functions.many" >"$1"
}

# Print what configuration $1 spends beyond plain, function by function.
print_functions()
{
	awk 'NR == FNR { name = $2; plain[name] = $1; next }
		{ if ($1 - plain[$2] >= 1) printf "%8.0f %s\n", $1 - plain[$2], $2 }' \
		"$SCRATCH/functions.plain" "$SCRATCH/functions.$1" | sort -rn | head -n "$functions"
}

find_postgres
have_valgrind
make_scratch
start_server 'autovacuum = off'
run_as pgbench -i -q >/dev/null 2>&1
run_as psql -Xqc 'VACUUM FREEZE ANALYZE'
stop_server
for name in "${configs[@]}"; do
	read -ra options <<<"${settings[$name]}"
	[ "$name" = plain ] || options+=(-c shared_preload_libraries=goarena)
	count_transaction "$SCRATCH/data" "$workload" "$few" "$many" "${options[@]}" >"$SCRATCH/counts"
	read -r instructions code data <"$SCRATCH/counts"
	printf '%s: %.0f instructions a transaction, %.0f misses of code, %.0f of data\n' "$name" \
		"$instructions" "$code" "$data"
	[ -z "${BENCH_KEEP:-}" ] || cp "$SCRATCH/callgrind.many" "$BENCH_KEEP/callgrind.$name"
	[ "$functions" -gt 0 ] || continue
	functions_to "$SCRATCH/functions.$name"
	[ "$name" = plain ] || print_functions "$name"
done
