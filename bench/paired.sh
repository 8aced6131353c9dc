#!/bin/bash
# paired.sh - what goarena costs a transaction, measured on a machine that others use
#
# As pgbench.sh, but one client (paired.c) goes round the servers in slices of a
# few milliseconds, so that noise meets all alike.  Prints a Markdown table: time
# of a transaction and CPU time of the backend, with the medians and quartiles of
# the ratios to the plain server.  The installed goarena is measured.
#
#   BENCH_ROUNDS     slices for each server (default 200)
#   BENCH_CONFIGS    configurations besides plain (default "off default on strict")
#   BENCH_WORKLOADS  of select, select-prepared, tpcb, @FILE (default the first three)

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../scripts/common.sh"

rounds=${BENCH_ROUNDS:-200}
read -ra configs <<<"plain ${BENCH_CONFIGS:-off default on strict}"
read -ra workloads <<<"${BENCH_WORKLOADS:-select select-prepared tpcb}"
scale=10

declare -A settings=(
	[plain]=""
	[off]="goarena.quarantine = off"
	[default]=""
	[on]="goarena.quarantine_sample_rate = 1.0"
	[strict]="goarena.quarantine_sample_rate = 1.0
goarena.quarantine = strict"
)

start_config()
{
	local name=$1 data=$SCRATCH/$1

	cp -a "$SCRATCH/data" "$data"
	{
		printf '%s\n' "port = $2" "${settings[$name]}"
		[ "$name" = plain ] || echo "shared_preload_libraries = 'goarena'"
	} >>"$data/postgresql.conf"
	run_as pg_ctl -D "$data" -l "$SCRATCH/$name.log" -w start >/dev/null ||
		die "the server of configuration $name did not start"
}

find_postgres
make_scratch
gcc -O2 -I"$("$PG_CONFIG" --includedir)" -I/usr/include/postgresql "$TOP/bench/paired.c" \
	-o "$SCRATCH/paired" -L"$("$PG_CONFIG" --libdir)" -lpq
chmod 755 "$SCRATCH/paired"
start_server 'shared_buffers = 512MB' 'max_wal_size = 4GB' 'autovacuum = off'
run_as pgbench -i -q -s "$scale" >/dev/null 2>&1
stop_server
servers=()
for i in "${!configs[@]}"; do
	start_config "${configs[$i]}" $((5500 + i))
	servers+=("${configs[$i]}=host=$SCRATCH port=$((5500 + i)) dbname=postgres")
done
printf 'PostgreSQL %s, %d slices, %d cores\n\n' "$PG_VERSION" "$rounds" "$(nproc)"
printf '| workload | configuration | us | ratio | quartiles | CPU us | ratio | quartiles |\n'
printf '| --- | --- | --- | --- | --- | --- | --- | --- |\n'
for workload in "${workloads[@]}"; do
	case "$workload" in
		tpcb) transactions=15 ;;
		@*) transactions=1 ;;
		*) transactions=100 ;;
	esac
	run_job run_as "$SCRATCH/paired" "$workload" "$scale" "$rounds" "$transactions" "${servers[@]}"
	[ "$JOB_STATUS" -eq 0 ] || exit 1
done
