#!/bin/bash
# test_server.sh LEVEL... - run levels of tests with one server
#
#   format    clang-format has nothing to change
#   unit      the engine alone, with cmocka
#   sanitize  the same under AddressSanitizer and UBSan
#   dist      META.json, and the archive for PGXN
#   servers   how servers in root directories are made, and what is skipped
#   package   the Debian package: build, install, use, remove
#   build     from clean, warnings are errors; what needs what in src
#   sql       pg_regress, in a server with goarena preloaded
#   tap       test/t: crashes, restarts, several backends
#   core      PostgreSQL's own regression tests with goarena on and strict
#   jit       the same with on, and every expression compiled and inlined
#   bugs      every planted bug is reported rightly in strict
#   others    PostGIS and other extensions, in default, on and strict
#   bench     each part of the benchmarks works, with tiny sizes
#   monitoring  queries and alert rules for Prometheus, with its own programs
#   pprof     the real pprof reads heap profiles, and finds a planted leak
#
# The server is that of PG_CONFIG, else of PG_MAJOR and PG_KIND.  Levels from sql on
# run against the installed extension, so it is installed first.  A level that fails
# does not stop the ones after it.  What cannot be had on this machine is skipped by
# name: a level, or all that need the server.  The last line is "N passed, N failed",
# with ", N skipped" if any level was; the exit status is 1 if anything failed.
#
#   LOGDIR     where logs are kept, and 'results' with a line for each level: its
#              name, seconds, passed, failed, skipped, a note (default
#              $TMPDIR/goarena-test); 'running' has the name of the level that runs,
#              'unsteady' the files of level tap that failed, and passed when they ran
#              once more by themselves
#   CORE_MODES in which modes to run core, see test/core/run.sh (default plain on strict)
#   TAP_TESTS  which files of test/t to run, a pattern without .pl (default *)
#   TAP_JOBS   how many of them run at a time (default: processors)
#   GOARENA_*  passed on to the tests of level tap
#   PLAN       a file that says what else is tested at the time, see test.sh: levels of
#              LESS_TELLING are left out, and counted as skipped, if the time is short

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"

LEVELS=" format unit sanitize dist servers package build sql tap core jit bugs others bench monitoring pprof "
LOGDIR=${LOGDIR:-${TMPDIR:-/tmp}/goarena-test}
TAP_JOBS=${TAP_JOBS:-$(nproc)}
TAP_ALONE='018|021'						# files of test/t that keep processors busy, or measure their time
TAP_LONG='004|006|009|010|013|014|015|034|050|070'	# those that take longest
TAP_LIMIT=1200							# seconds after which a file hangs
TAP_AGAIN=3								# so many files that failed run once more

# ---- levels: each runs as a job of its own, and fails by its exit status ----

level_setup()
{
	local what=server

	[[ " ${levels[*]} " =~ " "(format|unit|sanitize|dist)" " ]] && what="test"
	exec "$TOP/scripts/setup.sh" "$what"
}

level_format()
{
	local program=${CLANG_FORMAT:-clang-format-14}		# other versions format otherwise

	command -v "$program" >/dev/null || skip "no $program"
	cd "$TOP"
	find src test bench -name '*.[ch]' ! -name '*.pb-c.[ch]' -print0 -o -name '*.[ch]pp' -print0 |
		xargs -0 -r "$program" --dry-run -Werror
}

level_build()
{
	pgxs_make -s -C "$TOP" clean
	pgxs_make -s -C "$TOP" -j "$(nproc)" COPT=-Werror
	"$TOP/scripts/check_structure.sh"
}

level_dist()
{
	exec "$TOP/test/release/dist.sh"
}

level_servers()
{
	exec "$TOP/test/release/servers.sh"
}

level_package()
{
	exec "$TOP/test/release/package.sh"
}

level_unit()
{
	pgxs_make -s -C "$TOP/test/unit" -j "$(nproc)" check
}

level_sanitize()
{
	pgxs_make -s -C "$TOP/test/unit" -j "$(nproc)" check-sanitize
}

# The test modules come after goarena: one of them uses its installed header.
level_install()
{
	local module

	pgxs_make -s -C "$TOP" COPT=-Werror install
	for module in "$TOP"/test/modules/*/Makefile; do
		[ -e "$module" ] || continue
		pgxs_make -s -C "$(dirname "$module")" clean
		pgxs_make -s -C "$(dirname "$module")" COPT=-Werror install
	done
}

# What make installcheck would do, but as the unprivileged user, who may be unable
# to write to the checkout or even to read it.
level_sql()
{
	local dir=$SCRATCH/sql tests options problems status=0

	read -r -a tests < <(make_variable REGRESS)
	read -r -a options < <(make_variable REGRESS_OPTS)
	mkdir "$dir"
	cp -R "$TOP/sql" "$TOP/expected" "$dir"
	give_to_user "$dir"

	start_server "shared_preload_libraries = 'goarena'"
	run_as "$PG_REGRESS" "${options[@]}" --inputdir="$dir" --outputdir="$dir" \
		--bindir="$BINDIR" --host="$SCRATCH" --port=5432 "${tests[@]}" || status=$?
	stop_server || true					# its log tells
	cp "$SCRATCH/server.log" "$LOGDIR/sql-server.log"
	if [ -e "$dir/regression.diffs" ]; then
		cp "$dir/regression.diffs" "$LOGDIR"
		cp -R "$dir/results" "$LOGDIR/results-sql"
		head -n 300 "$dir/regression.diffs"
	fi
	problems=$(server_log_problems "$SCRATCH/server.log")
	if [ -n "$problems" ]; then
		say "$problems"
		status=1
	fi
	return "$status"
}

# What prove_installcheck of PGXS does with one file of test/t, in the same way.  What it
# says goes to a log of its own, so that files that run at a time do not mix.
run_tap_file()
{
	local file=$1 dir=$SCRATCH/tap log=$LOGDIR/tap/$1.log status=0

	say "$(date +%T) t/$file starts"
	if [[ $file == *cgroup2* && -n $GOARENA_CGROUP2 ]]; then
		echo "$BASHPID" >"$GOARENA_CGROUP2/tests/cgroup.procs" || true
	fi
	# TMPDIR: what an interrupted test leaves behind goes with the scratch directory.
	run_as env -C "$dir" -u PGHOST -u PGDATABASE PGPORT=65432 TESTDIR="$dir" \
		TESTDATADIR="$dir/tmp_check" TESTLOGDIR="$dir/tmp_check/log" \
		TMPDIR="$SCRATCH/tmp" PG_REGRESS="$PG_REGRESS" PG_TEST_PORT_DIR="$dir" \
		PG_TEST_TIMEOUT_DEFAULT=600 PGCTLTIMEOUT=600 \
		"${TAP_SETTINGS[@]}" \
		prove -v --timer --exec "timeout --foreground -k 60 $TAP_LIMIT perl -I $PKGLIBDIR/pgxs/src/test/perl -I $dir" \
		"t/$file" >"$log" 2>&1 || status=1
	[ "$status" -eq 0 ] || say "$file" >>"$SCRATCH/tap-failed"
	! grep -aq 'Dubious, test returned 124' "$log" || say "t/$file was ended, since it ran for $TAP_LIMIT s"
}

# Print the log of one file, which is when its tests are counted; of one that failed later.
print_tap_file()
{
	grep -qsxF "$1" "$SCRATCH/tap-failed" || flock "$SCRATCH/tap.lock" cat "$LOGDIR/tap/$1.log"
}

# Run the files that failed once more, one by one, as long as they are few: a machine that has
# much else to do upsets tests that depend on time.  Those that pass now are listed as unsteady.
repeat_failed_tap_files()
{
	local file files

	[ -e "$SCRATCH/tap-failed" ] || return 0
	mapfile -t files < <(sort "$SCRATCH/tap-failed")
	if [ "${#files[@]}" -le "$TAP_AGAIN" ]; then
		rm "$SCRATCH/tap-failed"
		for file in "${files[@]}"; do
			mv "$LOGDIR/tap/$file.log" "$LOGDIR/tap/$file.first.log"
			say "t/$file failed, and runs once more by itself; it said:"
			grep -a -A 5 '^not ok' "$LOGDIR/tap/$file.first.log" | sed 's/^/  /' || true
			rm -rf -- "$SCRATCH/tap/tmp_check/t_${file%.pl}"_* "$SCRATCH/tap/tmp_check/log/${file%.pl}"_*
			run_tap_file "$file"
			grep -qsxF "$file" "$SCRATCH/tap-failed" || say "t/$file" >>"$LOGDIR/unsteady"
		done
	fi
	for file in "${files[@]}"; do
		cat "$LOGDIR/tap/$file.log"
	done
}

# Print the directory of a new control group that limits memory, below our own, which tests
# may put servers in.  Nothing where only the system's administrator could make one, or not even he.
make_cgroup()
{
	local version parent group

	for version in "memory:memory.limit_in_bytes" ":memory.max"; do
		parent=$(awk -F : -v want="${version%%:*}" '
			want == "" ? $1 == "0" : ("," $2 ",") ~ ",memory," { sub(/^[^:]*:[^:]*:/, ""); print; exit }' /proc/self/cgroup)
		group=/sys/fs/cgroup/${version%%:*}$parent/goarena_test_$$
		mkdir "$group" 2>/dev/null || continue
		if [ -e "$group/${version##*:}" ] && give_to_user "$group" 2>/dev/null; then
			echo "$group"
			return
		fi
		rmdir "$group"
	done
}

# The same in version 2, with a group for the test itself and one for its server: a user moves
# processes only below a group of the user's own.
make_cgroup2()
{
	local mount group

	mount=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	group=$mount/goarena_test_$$
	[ -n "$mount" ] && mkdir "$group" "$group/tests" "$group/server" 2>/dev/null || return 0
	echo +memory 2>/dev/null >"$group/cgroup.subtree_control" || true	# if it can be had
	give_to_user "$group" 2>/dev/null || true
	echo "$group"
}

# Several files run at a time, the longest first, since most of them wait most of the
# time; those that take the machine for themselves run one by one.
level_tap()
{
	local dir=$SCRATCH/tap file together=() alone=() cgroup= cgroup2=

	[ -n "${GOARENA_CGROUP:-}" ] || cgroup=$(make_cgroup)
	export GOARENA_CGROUP=${GOARENA_CGROUP:-$cgroup}
	[ -n "${GOARENA_CGROUP2:-}" ] || cgroup2=$(make_cgroup2)
	export GOARENA_CGROUP2=${GOARENA_CGROUP2:-$cgroup2}
	# what the tests themselves may be told, such as how long to run
	mapfile -t TAP_SETTINGS < <(env | grep '^GOARENA_' || true)
	mkdir -p "$dir/tmp_check" "$SCRATCH/tmp" "$LOGDIR/tap"
	cp -R "$TOP/test/t" "$TOP/docs" "$TOP"/*.md "$TOP/LICENSE" "$dir"
	mkdir "$dir/modules"
	cp "$TOP"/test/modules/goarena_consumer/*.c "$dir/modules"		# the examples of a document
	give_to_user "$dir" "$SCRATCH/tmp"
	for file in "$dir"/t/${TAP_TESTS:-*}.pl; do
		file=$(basename "$file")
		[ -e "$dir/t/$file" ] || die "no such file: $file"
		if [[ $file =~ ^($TAP_ALONE)_ ]]; then
			alone+=("$file")
		elif [[ $file =~ ^($TAP_LONG)_ ]]; then
			together=("$file" "${together[@]}")
		else
			together+=("$file")
		fi
	done
	for file in "${together[@]}"; do
		while [ "$(jobs -pr | wc -l)" -ge "$TAP_JOBS" ]; do
			wait -n || true
		done
		{ run_tap_file "$file"; print_tap_file "$file"; } &
	done
	wait
	for file in "${alone[@]}"; do
		run_tap_file "$file"
		print_tap_file "$file"
	done
	repeat_failed_tap_files
	[ -z "$cgroup" ] || rmdir "$cgroup" || true
	[ -z "$cgroup2" ] || rmdir "$cgroup2/tests" "$cgroup2/server" "$cgroup2" || true
	[ -e "$SCRATCH/tap-failed" ] || return 0
	# indented, so that it is not counted again
	while read -r file; do
		printf '\nt/%s failed:\n' "$file"
		# first what it said to stderr, which is not buffered
		sed '/^\[[0-9:]*\] t\//q' "$LOGDIR/tap/$file.log" | tail -n 30
		grep -a -B 25 -A 5 '^not ok' "$LOGDIR/tap/$file.log" || true
		tail -n 15 "$LOGDIR/tap/$file.log"
	done < <(sort "$SCRATCH/tap-failed") | sed 's/^/  /' | tail -n 200
	say "failed: $(sort "$SCRATCH/tap-failed" | paste -s -d ' ')"
	cp -R "$dir/tmp_check/log" "$LOGDIR/tap-log" || true
	return 1
}

level_core()
{
	local modes

	read -r -a modes <<<"${CORE_MODES:-plain on strict}"
	OUTDIR=$LOGDIR/core exec "$TOP/test/core/run.sh" "${modes[@]}"
}

level_jit()
{
	OUTDIR=$LOGDIR/jit exec "$TOP/test/core/run.sh" on-jit
}

level_bugs()
{
	BUGS_CONFIGS=strict BUGS_FULL_RUNS=2 BUGS_LOG=$LOGDIR/bugs "$TOP/scripts/bugs.sh"

	# those that are found in no other way
	local names=(overrun small_stringinfo cleared_slot)

	# 19rc1 writes past the slot that MakeTupleTableSlot() makes for one column when it
	# reads that column, which is reported first.
	[ "$PG_MAJOR" != 19 ] || names=(overrun small_stringinfo)
	BUGS_CONFIGS=debug BUGS_FULL_RUNS=1 BUGS_LOG=$LOGDIR/bugs "$TOP/scripts/bugs.sh" "${names[@]}"
}

level_others()
{
	OUTDIR=$LOGDIR/others exec "$TOP/test/others/run.sh"
}

level_monitoring()
{
	exec "$TOP/test/monitoring/run.sh"
}

level_bench()
{
	BENCH_REPORT=$LOGDIR/bench "$TOP/bench/run.sh" --short
}

level_pprof()
{
	OUTDIR=$LOGDIR/pprof exec "$TOP/test/pprof/run.sh"
}

# ---- counting: print 'PASSED FAILED' from the log of a level ----

# One test: the level itself.
count_status()
{
	if [ "$JOB_STATUS" -eq 0 ]; then
		say "1 0"
	else
		say "0 1"
	fi
}

# setup and install only count when they fail.
count_failure()
{
	if [ "$JOB_STATUS" -eq 0 ]; then
		say "0 0"
	else
		say "0 1"
	fi
}

count_cmocka()
{
	awk '
		/^\[  PASSED  \].* [0-9]+ test\(s\)/ { passed += number() }
		/^\[  FAILED  \].* [0-9]+ test\(s\)/ { failed += number() }
		function number() {
			match($0, / [0-9]+ test\(s\)/)
			return substr($0, RSTART + 1) + 0
		}
		END { print passed + 0, failed + 0 }' "$1"
}

count_regress()
{
	regress_results "$1" | awk '
		{ count[$1]++ }
		END { print count["ok"] + 0, count["failed"] + 0 }'
}

# The tests of prove -v, without subtests, which are indented, and the files that
# fail although none of their tests does.
count_tap()
{
	awk '
		/^ok [0-9]+/ && tolower($0) !~ /# skip/ { passed++ }
		/^not ok [0-9]+/ && tolower($0) !~ /# todo/ { failed++ }
		/^(All [0-9]+ subtests passed|No subtests run)/ { failed++ }
		END { print passed + 0, failed + 0 }' "$1"
}

# The tests with goarena, the plain server's being what they are compared with.
count_core()
{
	[ -e "$LOGDIR/$level/summary" ] || return 0
	awk '
		$1 !~ /^plain/ { passed += $2 }
		{ failed += $4 }
		END { print passed + 0, failed + 0 }' "$LOGDIR/$level/summary"
}

# Each bug that must be reported, and that is reported wrongly or not at all.
count_bugs()
{
	[ -e "$LOGDIR/bugs" ] || return 0
	awk -F '|' '
		$1 == "debug" || $3 != "small" && $3 != "overrun" {
			if ($4 == "right" || $4 == "refused")
				right[$2]
			else
				wrong[$2]
		}
		END {
			for (bug in wrong)
				delete right[bug]
			print length(right), length(wrong)
		}' "$LOGDIR/bugs"
}

# Each test in each mode with goarena.
count_others()
{
	[ -e "$LOGDIR/others/summary" ] || return 0
	awk '{ n[$3]++ } END { print n["ok"] + 0, n["failed"] + 0 }' "$LOGDIR/others/summary"
}

# Each part.
count_bench()
{
	awk '/^[0-9]+ passed, [0-9]+ failed$/ { passed = $1; failed = $3 }
		END { print passed + 0, failed + 0 }' "$1"
}

# ---- running ----

# Print a variable of the Makefile.
make_variable()
{
	pgxs_make -s -C "$TOP" --no-print-directory -f Makefile -f - print-variable \
		<<<"print-variable: ; @echo \$($1)"
}

logged()
{
	(set -e; "$1") 2>&1 | tee "$2"
}

# Put level $1 into the results: seconds, passed, failed, skipped, a note.
put_result()
{
	say "$*" >>"$LOGDIR/results"
	say "== $1: $3 passed, $4 failed$([ "$5" -eq 0 ] || say ", $5 skipped"), $2 s${6:+ ($6)}"
}

# Would the whole take longer than it may with level $1?  That is how long all that is planned takes
# at the pace of what was done so far.  PLAN begins with the time of the start, how many seconds
# the whole may take and how many servers run at a time, and then has a line for each level:
# server, level, seconds.
time_is_short()
{
	local logs now=$EPOCHSECONDS server level seconds began

	[ -n "${PLAN:-}" ] && [ -e "$PLAN" ] || return 1
	logs=$(dirname "$PLAN")
	{
		head -n 1 "$PLAN"
		sed 1d "$PLAN" | while read -r server level seconds; do
			if grep -qs "^$level [0-9]* 0 0 1 " "$logs/$server/results"; then
				continue
			elif grep -qs "^$level " "$logs/$server/results"; then
				say "$server $level $seconds $seconds"
			elif [ "$level" = "$(cat "$logs/$server/running" 2>/dev/null)" ]; then
				began=$(stat -c %Y "$logs/$server/running" 2>/dev/null || say "$now")
				say "$server $level $seconds $((now - began < seconds ? now - began : seconds))"
			else
				say "$server $level $seconds 0"
			fi
		done
	} | awk -v now="$now" -v own="$(basename "$LOGDIR")" -v level="$1" '
		NR == 1 { taken = now - $1; may_take = $2; lanes = $3; next }
		{
			done += $4
			left += $3 - $4
			if ($1 == own && $2 == level)
				this = $3
		}
		END {
			# at first nothing is known of the pace
			pace = done < 300 || taken < 300 ? 1 : taken * lanes / done
			rest = left / lanes > this ? left / lanes : this
			exit !(may_take > 0 && taken + rest * pace > may_take)
		}'
}

# Run level $1 and count with function $2.
run_level()
{
	local level=$1 count=$2 log=$LOGDIR/$1.log start=$SECONDS
	local passed=0 failed=0 skipped=0 note=

	printf '\n== %s\n' "$level"
	say "$level" >"$LOGDIR/running"
	run_job logged "level_$level" "$log"
	if [ "$JOB_STATUS" -eq "$SKIPPED" ]; then
		skipped=1 note=$(tail -n 1 "$log")
	else
		read -r passed failed < <("$count" "$log") || true
		passed=${passed:-0} failed=${failed:-0}
		if [ "$failed" -eq 0 ] && [ "$JOB_STATUS" -ne 0 ]; then
			failed=1 note="exit status $JOB_STATUS"
		elif [ $((passed + failed)) -eq 0 ] && [ "$count" != count_failure ]; then
			failed=1 note="no test ran"
		fi
	fi
	put_result "$level" $((SECONDS - start)) "$passed" "$failed" "$skipped" "$note"
	stop_server || true					# a level that failed may have left it
}

# Print the sum of the results; fails if a level failed.
print_sum()
{
	awk '{ passed += $3; failed += $4; skipped += $5 }
		END {
			print passed + 0 " passed, " failed + 0 " failed" (skipped > 0 ? ", " skipped " skipped" : "")
			exit failed > 0
		}' "$LOGDIR/results"
}

levels=("$@")
for level; do
	[[ $LEVELS = *" $level "* ]] || die "no such level: $level ($LEVELS)"
done

make_output_dir "$LOGDIR"
rm -rf -- "$LOGDIR"/*.log "$LOGDIR"/{results,running,bugs,unsteady,regression.diffs,results-sql,tap,tap-log,core,jit,others,bench,pprof}
make_scratch
run_level setup count_failure
if grep -q '^setup [0-9]* 0 0 1 ' "$LOGDIR/results"; then
	reason=$(sed 's/^setup [0-9]* 0 0 1 //' "$LOGDIR/results")
	: >"$LOGDIR/results"
	for level; do
		put_result "$level" 0 0 0 1 "$reason"
	done
	print_sum
	exit
fi
find_postgres

installed=false
for level; do
	if [[ $LESS_TELLING = *" $level "* ]] && time_is_short "$level"; then
		put_result "$level" 0 0 0 1 "no time left"
		continue
	fi
	case "$level" in
		sql|tap|core|jit|bugs|others|bench|monitoring|pprof)
			"$installed" || run_level install count_failure
			installed=true ;;
	esac
	case "$level" in
		format|build) run_level "$level" count_status ;;
		unit|sanitize) run_level "$level" count_cmocka ;;
		sql) run_level "$level" count_regress ;;
		dist|servers|package|monitoring|pprof) run_level "$level" count_tap ;;
		core|jit) run_level "$level" count_core ;;
		*) run_level "$level" "count_$level" ;;
	esac
done

rm -f -- "$LOGDIR/running"
printf '\nPostgreSQL %s\n%-10s %7s %7s %7s %7s\n' "$PG_VERSION" level seconds passed failed skipped
awk '{
	printf "%-10s %7d %7d %7d %7d  ", $1, $2, $3, $4, $5
	print substr($0, length($1 $2 $3 $4 $5) + 6)
}' "$LOGDIR/results"
say "logs: $LOGDIR"
[ ! -e "$LOGDIR/unsteady" ] || say "unsteady, passed when run once more: $(paste -s -d ' ' "$LOGDIR/unsteady")"
print_sum
