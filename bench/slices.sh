# slices.sh - workloads of pgbench in slices of some milliseconds on each server in turn
#
# To be sourced by parts after common.sh.  They set configs, of which the first is what
# the others are compared with.  See bench/paired.c.
#
#   BENCH_SLICES  slices on each server (default 1000)
#   BENCH_STARTS  how often the servers are started for them (default 10): of two equal
#                 servers one can be faster for as long as both run
#
# shellcheck shell=bash disable=SC2034,SC2154

slices=${BENCH_SLICES:-$(size 3 1000)}
starts=${BENCH_STARTS:-$(size 1 10)}
scale=$(size 1 10)

# arguments of pgbench, and transactions of a client in a slice when it is alone: some 10 ms
declare -A arguments=(
	[select]="-S"
	[select-prepared]="-S -M prepared"
	[tpcb]="-b tpcb-like"
)
declare -A transactions=([select]=320 [select-prepared]=480 [tpcb]=48)

# Print what workload $1 with $2 clients is called.
name_case()
{
	if [ "$2" -eq 1 ]; then say "$1, 1 client"; else say "$1, $2 clients"; fi
}

# Measure workload $1 with $2 clients in slices, which is case $3, after start $4.
measure_slices()
{
	local each=$(((${transactions[$1]:-1} + $2 - 1) / $2)) servers=() name round time cpu
	local count=$(((slices + starts - 1) / starts))

	progress "start $4 of $starts, $3: $count slices of $each transactions"
	! "$short" || each=5
	for name in $(in_turn "$4" "${configs[@]}"); do
		servers+=("$name=host=$SCRATCH port=${port_of[$name]} dbname=postgres user=$TEST_USER")
	done
	capture "$SCRATCH/paired" -c "$2" -r "$1" "$scale" "$count" "$each" "${servers[@]}"
	while read -r name round time cpu _; do
		round=$((($4 - 1) * count + round))
		record slices "$3" "$name" "$round" "$time"
		record cpu "$3" "$name" "$round" "$cpu"
	done <"$SCRATCH/output"
}

# Start a server of each configuration on copies of one cluster with pgbench's tables.
start_slices()
{
	local name

	compile paired
	start_server 'shared_buffers = 512MB' 'max_wal_size = 4GB' 'autovacuum = off'
	capture pgbench -i -q -s "$scale"
	stop_server
	for name in "${configs[@]}"; do
		start_config "$name"
	done
}

# Measure workloads $2... with each number of clients in $1, on servers that are started again and
# again, in another order.
measure_workloads()
{
	local counts start count workload

	read -ra counts <<<"$1"
	shift
	for ((start = 1; start <= starts; start++)); do
		[ "$start" -eq 1 ] || restart_configs "$start"
		for count in "${counts[@]}"; do
			for workload; do
				measure_slices "$workload" "$count" "$(name_case "$workload" "$count")" "$start"
			done
		done
	done
}
