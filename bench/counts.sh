#!/bin/bash
# counts.sh - part of run.sh: what a transaction costs, counted instead of timed
#
# Counts do not depend on how fast the machine is or what else it does.  For each workload
# and configuration:
#
# system calls    for address space (mmap, munmap, mprotect, mremap, madvise, brk), by strace
# page faults     minor ones, as the kernel counts them
# sweeps          as goarena_stats() counts them
# instructions    and misses of the first caches for code and data, by valgrind's model of
#                 them, without sweeps; see bench/callgrind.sh
#
# The first three are of a backend after a warm-up, the rest of single-user mode.
#
#   BENCH_COUNTED    transactions that are counted in a backend (default 5000)
#   BENCH_CONFIGS    configurations besides plain (default "again nothing default on strict")
#   BENCH_WORKLOADS  of select, select-prepared and tpcb (default all)

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=bench/callgrind.sh
source "$BENCH/callgrind.sh"

counted=${BENCH_COUNTED:-$(size 100 5000)}
few=$(size 5 300)
many=$(size 25 1300)
read -ra configs <<<"plain ${BENCH_CONFIGS:-$(size default 'again nothing default on strict')}"
read -ra workloads <<<"${BENCH_WORKLOADS:-$(size select 'select select-prepared tpcb')}"
CALLS=mmap,munmap,mprotect,mremap,madvise,brk

# shellcheck source=bench/slices.sh
source "$BENCH/slices.sh"
scale=1									# all of it has been touched soon

# Print the sweeps of process $2, of the server of configuration $1.
sweeps_of()
{
	sql "$1" -c "SELECT coalesce(sum(sweeps), 0) FROM goarena_stats() WHERE pid = $2"
	cat "$SCRATCH/output"
}

# Wait until process $1 is traced.
await_tracer()
{
	local deadline=$((SECONDS + statement_limit))

	until grep -q '^TracerPid:[[:space:]]*[1-9]' "/proc/$1/status"; do
		kill -0 "$STRACE" 2>/dev/null || die "strace failed: $(tail -n 3 "$SCRATCH/strace.log")"
		[ "$SECONDS" -lt "$deadline" ] || die "strace does not attach"
		sleep 0.05
	done
}

# Leave a line of what paired prints in LINE.
paired_line()
{
	read -r -t "$statement_limit" -u "${PAIRED[0]}" LINE || die "bench/paired failed"
}

# Count workload $1 in a backend of server $2.  paired prints the process id and waits
# before the slice and after it.
count_backend()
{
	local connection="$2=host=$SCRATCH port=${port_of[$2]} dbname=postgres user=$TEST_USER"
	local pid before=0 after=0

	coproc PAIRED {
		run_as "$SCRATCH/paired" -r -w -s "$SCRATCH/touch.sql" "$1" "$scale" 1 "$counted" "$connection"
	}
	paired_line
	pid=$LINE
	[[ $2 = plain || $2 = again ]] || before=$(sweeps_of "$2" "$pid")
	strace -qqq -c -U calls,name -e "trace=$CALLS" -o "$SCRATCH/strace.out" -p "$pid" \
		2>"$SCRATCH/strace.log" &
	STRACE=$!
	await_tracer "$pid"
	say go >&"${PAIRED[1]}"
	paired_line
	kill -INT "$STRACE"
	wait "$STRACE" || true
	[[ $2 = plain || $2 = again ]] || after=$(sweeps_of "$2" "$pid")
	say go >&"${PAIRED[1]}"
	paired_line								# NAME ROUND TIME CPU FAULTS
	wait "$PAIRED_PID" || true
	record counts "$1: system calls for address space" "$2" 1 \
		"$(awk -v n="$counted" '$1 ~ /^[0-9]+$/ && $2 != "total" { calls += $1 }
			END { print calls / n }' "$SCRATCH/strace.out")"
	record counts "$1: page faults" "$2" 1 "${LINE##* }"
	record counts "$1: sweeps" "$2" 1 \
		"$(awk -v "n=$counted" -v "sweeps=$((after - before))" 'BEGIN { print sweeps / n }')"
}

# Count workload $1 in single-user mode on the cluster of server $2, which is stopped.
# Sweeps would read valgrind's own memory, so there are none.
count_instructions()
{
	local instructions code data options=()

	[[ $2 = plain || $2 = again ]] || options=(-c goarena.sweep_percent=-1)
	count_transaction "$SCRATCH/$2" "$1" "$few" "$many" "${options[@]}" >"$SCRATCH/counted"
	read -r instructions code data <"$SCRATCH/counted"
	record counts "$1: instructions" "$2" 1 "$instructions"
	record counts "$1: cache misses, code" "$2" 1 "$code"
	record counts "$1: cache misses, data" "$2" 1 "$data"
}

command -v strace >/dev/null || die "strace is not installed"
have_valgrind
begin_part
table counts counts plain '' count 'counts of a transaction, and what is beyond plain'
target counts nothing most '<=' 100 'instructions of a select beyond plain' 'select: instructions'
target counts default most '<=' 300 'instructions of a select beyond plain' 'select: instructions'
target counts default most '<=' 60 'cache misses of code beyond plain' 'select: cache misses, code'
target counts default most '<=' 60 'cache misses of data beyond plain' 'select: cache misses, data'
target counts on most '<=' 0.1 'system calls of a select beyond plain' 'select: system calls*'
target counts on most '<=' 0.1 'page faults of a select beyond plain' 'select: page faults'
target counts on most '<=' 0.001 'sweeps of a select' 'select: sweeps'

# the first touch of a shared buffer is a page fault, too
say 'SELECT sum(abalance) FROM pgbench_accounts; SET enable_seqscan = off;
	SELECT count(*) FROM pgbench_accounts WHERE aid > 0; RESET enable_seqscan' >"$SCRATCH/touch.sql"
start_slices
for name in "${configs[@]}"; do
	[[ $name = plain || $name = again ]] || sql "$name" -c 'CREATE EXTENSION goarena'
	sql "$name" -c 'VACUUM (FREEZE, ANALYZE)'
done
for workload in "${workloads[@]}"; do
	for name in "${configs[@]}"; do
		progress "$workload, $name: in a backend"
		count_backend "$workload" "$name"
	done
done
for name in "${configs[@]}"; do
	stop_server "$SCRATCH/$name"
	for workload in "${workloads[@]}"; do
		progress "$workload, $name: instructions"
		count_instructions "$workload" "$name"
	done
done
end_part
