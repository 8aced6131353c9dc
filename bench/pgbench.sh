#!/bin/bash
# pgbench.sh - what goarena costs pgbench, against the plain server
#
# Starts one server for each configuration on copies of one cluster and lets
# pgbench run on them in turn, round after round, so that noise meets all alike.
# Prints a Markdown table: for each workload and configuration the median of the
# rounds' ratios to plain, of throughput (with the smallest and largest), and of
# the CPU time of the server's processes for a transaction.  The installed
# goarena is measured.
#
#   BENCH_ROUNDS   rounds (default 7)
#   BENCH_SECONDS  length of each run (default 5)
#   BENCH_CLIENTS  clients (default 1)
#   BENCH_CONFIGS  configurations besides plain (default "off default on strict")

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../scripts/common.sh"

rounds=${BENCH_ROUNDS:-7}
seconds=${BENCH_SECONDS:-5}
clients=${BENCH_CLIENTS:-1}
read -ra configs <<<"plain ${BENCH_CONFIGS:-off default on strict}"
workloads=(select select-prepared tpcb)

declare -A settings=(
	[plain]=""
	[off]="goarena.quarantine = off"
	[default]=""
	[on]="goarena.quarantine_sample_rate = 1.0"
	[strict]="goarena.quarantine_sample_rate = 1.0
goarena.quarantine = strict"
)
declare -A arguments=(
	[select]="-S"
	[select-prepared]="-S -M prepared"
	[tpcb]="-b tpcb-like"
)

port_of()
{
	local i

	for i in "${!configs[@]}"; do
		[ "${configs[$i]}" = "$1" ] && echo $((5500 + i))
	done
}

start_config()
{
	local name=$1 data=$SCRATCH/$1

	cp -a "$SCRATCH/data" "$data"
	{
		printf '%s\n' "port = $(port_of "$name")" "${settings[$name]}"
		[ "$name" = plain ] || echo "shared_preload_libraries = 'goarena'"
	} >>"$data/postgresql.conf"
	run_as pg_ctl -D "$data" -l "$SCRATCH/$name.log" -w start >/dev/null || {
		cat "$SCRATCH/$name.log" >&2
		die "the server of configuration $name did not start"
	}
}

# CPU time of a postmaster's children that have ended, in clock ticks
cpu_ticks()
{
	local stat

	read -ra stat <"/proc/$(head -n 1 "$SCRATCH/$1/postmaster.pid")/stat"
	echo $((stat[15] + stat[16]))
}

# Append "workload configuration tps ticks transactions" to the results.
measure()
{
	local workload=$1 name=$2 before output

	before=$(cpu_ticks "$name")
	# shellcheck disable=SC2086
	output=$(run_as pgbench -n -p "$(port_of "$name")" -T "$seconds" -c "$clients" -j "$clients" \
		${arguments[$workload]} 2>&1) || die "pgbench failed: $output"
	sleep 0.3	# the backends end after their clients
	awk -v key="$workload $name" -v ticks=$(($(cpu_ticks "$name") - before)) '
		/^tps/ { tps = $3 }
		/actually processed/ { n = $NF }
		END { print key, tps, ticks, n }' <<<"$output" >>"$SCRATCH/results"
}

report()
{
	printf '\n| workload | configuration | throughput | lowest | highest | CPU a transaction |\n'
	printf '| --- | --- | --- | --- | --- | --- |\n'
	awk '
		function median(values, n,    i, j, t) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && values[j - 1] > values[j]; j--) {
					t = values[j]; values[j] = values[j - 1]; values[j - 1] = t
				}
			return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
		}
		{
			round[$1, $2]++
			i = round[$1, $2]
			tps[$1, $2, i] = $3
			cpu[$1, $2, i] = $4 / $5
			if (!(($1, $2) in seen)) { seen[$1, $2] = 1; order[++keys] = $1 SUBSEP $2 }
		}
		END {
			for (k = 1; k <= keys; k++) {
				split(order[k], key, SUBSEP)
				n = round[key[1], key[2]]
				low = 1e9; high = 0
				for (i = 1; i <= n; i++) {
					a[i] = tps[key[1], key[2], i] / tps[key[1], "plain", i]
					b[i] = cpu[key[1], key[2], i] / cpu[key[1], "plain", i]
					if (a[i] < low) low = a[i]
					if (a[i] > high) high = a[i]
				}
				printf "| %s | %s | %.3f | %.3f | %.3f | %.3f |\n", key[1], key[2], median(a, n), low, high, median(b, n)
			}
		}' "$SCRATCH/results"
}

find_postgres
make_scratch
start_server 'shared_buffers = 512MB' 'max_wal_size = 4GB' 'autovacuum = off'
run_as pgbench -i -q -s 10 >/dev/null 2>&1
stop_server
for name in "${configs[@]}"; do
	start_config "$name"
done
for workload in "${workloads[@]}"; do
	for ((i = 1; i <= rounds; i++)); do
		printf '%s: round %d of %d\n' "$workload" "$i" "$rounds" >&2
		for name in "${configs[@]}"; do
			run_job measure "$workload" "$name"
			[ "$JOB_STATUS" -eq 0 ] || exit 1
		done
	done
done
printf 'PostgreSQL %s, %d rounds of %d s, %d client(s), %d cores; ratios to plain, medians\n' \
	"$PG_VERSION" "$rounds" "$seconds" "$clients" "$(nproc)"
report
