#!/bin/bash
# run.sh [--short] [PART...] - measure what goarena costs and saves, and write a report
#
#   allocator    memory contexts by themselves, by type, pattern and size
#   replay       the same with operations recorded from real work
#   pgbench      throughput and CPU time of pgbench's transactions
#   everything   what it costs to count statements and to limit memory
#   free_stacks  what it costs to keep the stacks of frees
#   analytic     queries over a generated data set: time and memory
#   sweep        bandwidth and pauses of sweeps
#   memory       private memory of connections
#
# Builds and installs goarena and runs all parts, or those named, one after the other,
# each against a plain server or context in the same run.  A part's measurements replace
# those of its last run in the directory of the report; the report is then made anew from
# all that is there.
#
# All parts are estimated to take two to three hours on two quiet cores, analytic half of it.
#
# With --short each part runs once with tiny sizes, which shows that it works and nothing
# else, and the report goes to $TMPDIR/goarena-bench.
#
# The last line is "N passed, N failed", the exit status 1 if a part failed; no part
# fails because of a time.
#
#   BENCH_ROUNDS   rounds (default 7)
#   BENCH_REPORT   directory of the report (default bench/report)
#   BENCH_LIMIT    seconds that a part may take (default 14400; short: 300)
#   BENCH_MB       size of the data set of analytic (default 1000)

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

PARTS=(allocator replay pgbench everything free_stacks analytic sweep memory)

if [ "${1:-}" = --short ]; then
	shift
	BENCH_SHORT=1 exec "$0" "$@"
fi
export BENCH_SHORT="${BENCH_SHORT:-0}"

parts=("$@")
[ $# -gt 0 ] || parts=("${PARTS[@]}")
for name in "${parts[@]}"; do
	[[ " ${PARTS[*]} " = *" $name "* ]] || die "no such part: $name (${PARTS[*]})"
done
limit=${BENCH_LIMIT:-$(size 300 14400)}

"$TOP/scripts/setup.sh" run >&2
find_postgres
make_scratch
progress "building for PostgreSQL $PG_VERSION"
quietly pgxs_make -C "$TOP" -j "$(nproc)"
quietly pgxs_make -C "$TOP" install
quietly pgxs_make -C "$TOP/test/modules/goarena_bench" clean install

passed=0
failed=0
for name in "${parts[@]}"; do
	progress "part $name"
	run_job timeout --foreground "$limit" "$BENCH/$name.sh"
	case $JOB_STATUS in
		0) passed=$((passed + 1)) ;;
		*)
			failed=$((failed + 1))
			progress "part $name FAILED (exit status $JOB_STATUS)" ;;
	esac
done
quietly "$BENCH/report.pl" "$report"
progress "the report is $report/README.md"
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
