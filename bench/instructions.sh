#!/bin/bash
# instructions.sh - instructions of a select, counted by valgrind
#
# A count does not depend on what else the machine does, and shows what a change
# to the hot paths is worth.  It leaves out what the kernel does.  Misses of the first
# caches, for code and for data, are those of valgrind's model of them, with 32 kB for
# each.  Selects of pgbench's kind run in single-user mode, once a few and once
# many; the difference is what one costs.  Prints a line for each configuration.
# The installed goarena is measured; valgrind must be installed.  In single-user mode
# nothing is published for other processes: in a backend that costs some 700
# instructions, but only once in 10 ms.
#
#   BENCH_CONFIGS  configurations besides plain (default "off default identifiers
#                  everything on strict"); everything is all of bench/everything.sh, and
#                  identifiers what of that is the server's own, both with quarantine off
#   BENCH_QUERIES  queries in the longer run (default 1300)

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../scripts/common.sh"

read -ra configs <<<"plain ${BENCH_CONFIGS:-off default identifiers everything on strict}"
many=${BENCH_QUERIES:-1300}
few=300

declare -A settings=(
	[plain]=""
	[off]="-c goarena.quarantine=off"
	[default]=""
	[identifiers]="-c goarena.quarantine=off -c compute_query_id=on"
	[everything]="-c goarena.quarantine=off -c compute_query_id=on -c goarena.track_statements=top \
		-c goarena.log_peak=100MB -c goarena.memory_limit=1GB -c goarena.total_memory_limit=8GB"
	[on]="-c goarena.quarantine_sample_rate=1.0"
	[strict]="-c goarena.quarantine_sample_rate=1.0 -c goarena.quarantine=strict"
)

# Instructions of so many queries in a configuration, and misses of code and of data
count()
{
	local name=$1 queries=$2 options=()

	read -ra options <<<"${settings[$name]}"
	[ "$name" = plain ] || options+=(-c shared_preload_libraries=goarena)
	for ((i = 1; i <= queries; i++)); do
		echo "SELECT abalance FROM pgbench_accounts WHERE aid = $((i * 37 % 1000 + 1));"
	done | run_as valgrind --tool=callgrind --callgrind-out-file=/dev/null --cache-sim=yes \
		--I1=32768,8,64 --D1=32768,8,64 --LL=1048576,16,64 \
		"$BINDIR/postgres" --single -D "$SCRATCH/data" "${options[@]}" postgres 2>&1 >/dev/null |
		sed -n 's/.*Collected : //p' | awk '{ print $1, $4, $5 + $6 }'
}

find_postgres
command -v valgrind >/dev/null || die "valgrind is not installed"
make_scratch
start_server 'autovacuum = off'
run_as pgbench -i -q >/dev/null 2>&1
run_as psql -Xqc 'VACUUM FREEZE ANALYZE'
stop_server
for name in "${configs[@]}"; do
	read -r instructions code data <<<"$(count "$name" "$few")"
	read -r more_instructions more_code more_data <<<"$(count "$name" "$many")"
	printf '%s: %d instructions a query, %d misses of code, %d of data\n' "$name" \
		$(((more_instructions - instructions) / (many - few))) \
		$(((more_code - code) / (many - few))) $(((more_data - data) / (many - few)))
done
