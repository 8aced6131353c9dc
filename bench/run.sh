#!/bin/bash
# run.sh [--short|--docs] [PART...] - measure what goarena costs and saves, and write a report
#
#   counts       system calls, page faults, sweeps, instructions and cache misses of transactions
#   pgbench      throughput and CPU time of pgbench's transactions
#   statements   CPU time of statements whose work is memory
#   allocator    memory contexts by themselves, by type, pattern and size
#   replay       the same with operations recorded from real work
#   everything   what it costs to count statements and to limit memory
#   profile      what a heap profile costs
#   free_stacks  what it costs to keep the stacks of frees
#   analytic     queries over a generated data set: time and memory
#   sweep        bandwidth and pauses of sweeps
#   typed        trees in typed arenas, and sweeps of typed memory
#   finalizers   setting and calling finalizers
#   debug        what the settings of goarena.debug cost
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
# else.
#
# With --docs the results in docs/performance.md are replaced by those in the directory of
# the report, which should then have all parts, measured on a quiet machine.
#
# The last line is "N passed, N failed", the exit status 1 if a part failed; no part
# fails because of a time.
#
#   BENCH_ROUNDS   rounds (default 7)
#   BENCH_REPORT   directory of the measurements and the report
#                  (default $TMPDIR/goarena-bench; short: $TMPDIR/goarena-bench-short)
#   BENCH_LIMIT    seconds that a part may take (default 14400; short: 900)
#   BENCH_MB       size of the data set of analytic (default 1000)

# shellcheck source=bench/common.sh
source "$(dirname "$0")/common.sh"

PARTS=(counts pgbench statements allocator replay everything profile free_stacks analytic sweep typed finalizers debug memory)

if [ "${1:-}" = --short ]; then
	shift
	BENCH_SHORT=1 exec "$0" "$@"
fi
export BENCH_SHORT="${BENCH_SHORT:-0}"
docs=false
if [ "${1:-}" = --docs ]; then
	shift
	docs=true
fi

parts=("$@")
[ $# -gt 0 ] || parts=("${PARTS[@]}")
for name in "${parts[@]}"; do
	[[ " ${PARTS[*]} " = *" $name "* ]] || die "no such part: $name (${PARTS[*]})"
done
limit=${BENCH_LIMIT:-$(size 900 14400)}

"$TOP/scripts/setup.sh" bench >&2
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
	if [ "$JOB_STATUS" -eq 0 ] && grep -q '^#fact[[:space:]]seconds' "$report/$name.tsv"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		progress "part $name FAILED (exit status $JOB_STATUS)"
	fi
done
# a copy of the document shows in each run that the results find their place
cp -- "$TOP/docs/performance.md" "$report"
quietly "$BENCH/report.pl" "$report" "$report/performance.md"
! "$docs" || cp -- "$report/performance.md" "$TOP/docs"
progress "the report is $report/README.md"
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
