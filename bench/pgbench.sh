#!/bin/bash
# pgbench.sh - part of run.sh: what goarena costs pgbench, against the plain server
#
# Starts one server for each configuration on copies of one cluster and measures each
# workload in two ways: with bench/paired.c, which gives each server slices of some
# milliseconds in turn, so that noise meets all alike; and with pgbench itself, which runs for
# seconds on one server after the other, round after round.
#
#   BENCH_SLICES     slices on each server (default 1000)
#   BENCH_STARTS     starts of the servers for them (default 10)
#   BENCH_SECONDS    length of each run of pgbench (default 5; 0: none)
#   BENCH_CLIENTS    numbers of clients (default "1 8")
#   BENCH_WORKLOADS  of select, select-prepared and tpcb (default all), and @FILE with SQL,
#                    which is measured in slices only
#   BENCH_CONFIGS    configurations besides plain (default "again off default on strict")

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

seconds=${BENCH_SECONDS:-5}
read -ra length <<<"$(size '-t 20' "-T $seconds")"
read -ra clients <<<"${BENCH_CLIENTS:-$(size 2 '1 8')}"
read -ra configs <<<"plain ${BENCH_CONFIGS:-again off default on strict}"
read -ra workloads <<<"${BENCH_WORKLOADS:-select select-prepared tpcb}"

# shellcheck source=bench/slices.sh
source "$BENCH/slices.sh"

# Run pgbench with workload $1 and $2 clients on server $3, and record its time for a
# transaction as case $4 of round $5.
run_pgbench()
{
	# shellcheck disable=SC2086
	capture pgbench -n -p "${port_of[$3]}" "${length[@]}" -c "$2" -j "$(($2 < 2 ? 1 : 2))" \
		${arguments[$1]}
	record pgbench "$4" "$3" "$5" \
		"$(awk '/^tps/ { printf "%.3f", 1e6 / $3 }' "$SCRATCH/output")"
}

begin_part
table slices slices plain 'µs a transaction' speed 'slices in turn: throughput against plain'
table cpu cpu plain 'µs a transaction' time 'slices in turn: CPU time of the backends against plain'
table pgbench pgbench plain 'µs a transaction' speed 'pgbench itself: throughput against plain'
target slices default mean '>=' 0.99 'throughput, mean'
target slices on mean '>=' 0.95 'throughput, mean'
target slices strict mean '>=' "$(if "$shadowed"; then say 0.6; else say 0.8; fi)" 'throughput, mean'

start_slices
measure_workloads "${clients[*]}" "${workloads[@]}"
for ((round = 1; seconds > 0 && round <= rounds; round++)); do
	for count in "${clients[@]}"; do
		for workload in "${workloads[@]}"; do
			[[ $workload != @* ]] || continue
			case=$(name_case "$workload" "$count")
			progress "pgbench $case: round $round of $rounds"
			for name in $(in_turn "$round" "${configs[@]}"); do
				run_pgbench "$workload" "$count" "$name" "$case" "$round"
			done
		done
	done
done
end_part
