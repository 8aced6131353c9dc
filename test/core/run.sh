#!/bin/bash
# run.sh MODE... - PostgreSQL's own regression tests, with goarena and without
#
#   plain   the server as it is
#   on      every context in an arena, every arena quarantined as Go does it
#   strict  the same, all chunks set to fault at once
#
# A mode with -jit appended (plain-jit) has every expression compiled, optimised, and
# functions of the server inlined into it.
#
# goarena must be installed.  With plain among the modes it runs last, and only if a test
# has failed: one that fails there, too, is not held against goarena.  What counts is a
# test that fails only with it, does not run, a server that crashes or does not stop in
# order, or a report of an access to freed memory.
# Those make the exit status 1.
#
#   OUTDIR         where logs and 'summary' are kept (default $TMPDIR/goarena-core);
#                  summary has a line for each mode: mode, passed, failed, counted
#                  as failures of goarena
#   GOARENA_CACHE  where the tests of a packaged server are kept once fetched
#   TIMEOUT        seconds for one mode (default 1800)
#
# A server that scripts/build-postgres.sh built has its tests with it.  For others
# they are those of PostgreSQL's Debian source package of the same version.  A
# mirror may only have another minor version: then psql is built from that source,
# since the tests show its behaviour too, and known changes in the output between two
# versions are applied to the expected files.  If it has no source of that major, the
# tests are those of the nearest major that it has: what the plain server makes of
# them is recorded first, and is what counts as expected.  The exit status is 77, and
# the last line says why, if there are no tests to be had at all.

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../../scripts/common.sh"
# shellcheck source=test/core/tests.sh
source "$TOP/test/core/tests.sh"

usage="usage: run.sh (plain|on|strict)[-jit]..."
OUTDIR=${OUTDIR:-${TMPDIR:-/tmp}/goarena-core}
TIMEOUT=${TIMEOUT:-1800}

# Compile the libraries that the tests load into $1.  Those of another major may not
# be for this server; then the tests do without, as expected.
build_libraries()
{
	local source cc cflags

	read -r -a cc < <("$PG_CONFIG" --cc)
	read -r -a cflags < <(
		say "$("$PG_CONFIG" --cflags) $("$PG_CONFIG" --cflags_sl)" \
			"-I$("$PG_CONFIG" --includedir-server) $("$PG_CONFIG" --cppflags) -DREFINT_VERBOSE" \
			"-shared $("$PG_CONFIG" --ldflags)")
	for source in "$TESTS"/regress/regress.c "$TESTS"/contrib/spi/{refint,autoinc}.c; do
		[ -e "$source" ] || continue
		"${cc[@]}" "${cflags[@]}" -o "$1/$(basename "$source" .c).so" "$source" 2>"$SCRATCH/cc.log" || {
			[ "$(major_of "$(cat "$TESTS/version")")" != "$PG_MAJOR" ] || {
				cat "$SCRATCH/cc.log"
				return 1
			}
			say "core: without $(basename "$source")"
		}
	done
}

# Make what the plain server makes of borrowed tests the expected output.
record_expected()
{
	local leave_out='psql_pipeline'		# a psql that does not know its commands waits for ever

	# 19 makes a plan for one of 18's queries that starts parallel workers 20,000 times, and
	# shows an OID and a place in WAL, which differ each time, where 18 did not.
	[ "$PG_MAJOR" -lt 19 ] || leave_out+='\|join_hash\|stats_import\|sequence'
	sed -i "/^test:/s/ \\($leave_out\\)\\>//g; /^test: *$/d" "$REGRESS/parallel_schedule"
	run_mode record
	[ "$JOB_STATUS" -ne 124 ] || skip "tests of $(cat "$TESTS/version") do not end with PostgreSQL $PG_VERSION"
	rm -f -- "$REGRESS"/expected/*
	cp "$SCRATCH"/out/results/*.out "$REGRESS/expected"
}

# Set REGRESS, LIBRARIES and PSQL_DIR to directories that the unprivileged user can
# read, with the tests, the libraries that they load, and their psql.
prepare_tests()
{
	local version drift

	# a server of scripts/build-postgres.sh brings its tests
	if [ -e "$PKGLIBDIR/regress/parallel_schedule" ]; then
		REGRESS=$PKGLIBDIR/regress
		LIBRARIES=$PKGLIBDIR
		PSQL_DIR=$BINDIR
		say "core: server and tests $PG_VERSION"
		return
	fi

	fetch_tests
	version=$(cat "$TESTS/version")
	REGRESS=$SCRATCH/regress
	LIBRARIES=$SCRATCH/lib
	PSQL_DIR=$SCRATCH/bin
	mkdir "$LIBRARIES" "$PSQL_DIR"
	cp -R "$TESTS/regress" "$REGRESS"
	chmod -R a+rX "$REGRESS"
	build_libraries "$LIBRARIES"
	if [ -e "$TESTS/psql" ]; then
		install -m 755 "$TESTS/psql" "$PSQL_DIR/psql"
	else
		ln -s "$BINDIR/psql" "$PSQL_DIR/psql"
	fi
	say "core: server $PG_VERSION, tests of $version"
	drift=$TOP/test/core/drift-$version-$PG_VERSION.patch
	if [ "$(major_of "$version")" != "$PG_MAJOR" ]; then
		record_expected
	elif [ -e "$drift" ]; then
		patch -s -d "$REGRESS" -p1 <"$drift"
	fi
}

# Run the tests in mode $1, with their results in $OUTDIR/$1.
run_mode()
{
	local mode=${1%-jit} jit=${1#"${1%-jit}"} dir=$OUTDIR/$1 settings start=$SECONDS

	rm -rf -- "$dir"
	mkdir "$dir"
	# as pg_regress sets them for servers of its own
	settings=('max_prepared_transactions = 2' 'log_autovacuum_min_duration = 0'
		'log_checkpoints = on' "log_line_prefix = '%m %b[%p] %q%a '"
		'log_lock_waits = on' 'log_temp_files = 128kB')
	if [ "$mode" != plain ] && [ "$mode" != record ]; then
		settings+=("shared_preload_libraries = 'goarena'" "goarena.contexts = '*'"
			"goarena.quarantine = $mode" 'goarena.quarantine_sample_rate = 1.0'
			'goarena.track_statements = all' "goarena.log_peak = '1MB'"
			# as auto, but EXPLAIN does not show what the expected files do not have
			'compute_query_id = regress')
	fi
	if [ -n "$jit" ]; then
		settings+=('jit = on' 'jit_above_cost = 0' 'jit_inline_above_cost = 0'
			'jit_optimize_above_cost = -1')
	fi
	rm -rf -- "$SCRATCH/out"
	mkdir "$SCRATCH/out"
	give_to_user "$SCRATCH/out"

	start_server "${settings[@]}"
	run_job run_as timeout --foreground "$TIMEOUT" "$PG_REGRESS" \
		--inputdir="$REGRESS" --outputdir="$SCRATCH/out" --bindir="$PSQL_DIR" \
		--dlpath="$LIBRARIES" --host="$SCRATCH" --port=5432 --user="$TEST_USER" \
		--max-concurrent-tests=20 --schedule="$REGRESS/parallel_schedule" \
		>"$dir/pg_regress.log" 2>&1
	stop_server || true					# its log tells
	cp "$SCRATCH/server.log" "$dir"
	[ ! -e "$SCRATCH/out/regression.diffs" ] || cp "$SCRATCH/out/regression.diffs" "$dir"

	regress_results "$dir/pg_regress.log" | sort -u >"$dir/results"
	sed -n 's/^failed //p' "$dir/results" | sort >"$dir/failed"
	sed -n 's/^test: *//p' "$REGRESS/parallel_schedule" | tr -s ' ' '\n' | sort -u |
		comm -23 - <(sed 's/^[a-z]* //' "$dir/results" | sort -u) >"$dir/not-run"
	server_log_problems "$dir/server.log" >"$dir/problems"
	# A report is a false alarm, or a bug of PostgreSQL's.
	grep -aE 'goarena: (access|write) to freed memory' "$dir/server.log" >>"$dir/problems" || true
	if [ "$JOB_STATUS" -eq 124 ]; then
		say "stopped after $TIMEOUT s" >>"$dir/problems"
	fi

	if [ "$mode" = record ]; then
		say "core: outputs recorded ($((SECONDS - start)) s)"
		return
	fi
	say "core $1: $(grep -c '^ok ' "$dir/results" || true) passed, $(wc -l <"$dir/failed") failed ($((SECONDS - start)) s)"
	if ! grep -q '^ok ' "$dir/results"; then
		tail -n 5 "$dir/pg_regress.log"
	fi
}

# Say of mode $1, which ran, what counts, and put it into the summary.
judge()
{
	local mode=$1 jit=${1#"${1%-jit}"} dir=$OUTDIR/$1 plain new passed failed counted

	plain=$OUTDIR/plain$jit
	# What fails on the plain server too is not for goarena to answer.
	if [ "$dir" = "$plain" ]; then
		: >"$dir/only-here"
	elif [ -e "$plain/failed" ]; then
		comm -23 "$dir/failed" "$plain/failed" >"$dir/only-here"
	else
		cp "$dir/failed" "$dir/only-here"
	fi

	passed=$(grep -c '^ok ' "$dir/results" || true)
	failed=$(wc -l <"$dir/failed")
	counted=$(cat "$dir/only-here" "$dir/not-run" "$dir/problems" | wc -l)
	say "$mode $passed $failed $counted" >>"$OUTDIR/summary"

	if [ "$failed" -gt 0 ]; then
		say "core $mode failed: $(paste -s -d ' ' "$dir/failed")"
		if [ "$dir" != "$plain" ] && [ -e "$plain/failed" ]; then
			new=$(paste -s -d ' ' "$dir/only-here")
			say "  but not in plain$jit: ${new:-none}"
		fi
	fi
	[ ! -s "$dir/not-run" ] || say "core $mode did not run: $(paste -s -d ' ' "$dir/not-run")"
	[ ! -s "$dir/problems" ] || sed 's/^/  /' "$dir/problems"
}

[ $# -gt 0 ] || die "$usage"
modes=() last=()
needed=true
for mode; do
	case "$mode" in
		plain|plain-jit) last+=("$mode") ;;
		on|strict|on-jit|strict-jit)
			modes+=("$mode")
			needed=false ;;
		*) die "$usage" ;;
	esac
done

find_postgres
make_scratch
make_output_dir "$OUTDIR"
rm -rf -- "$OUTDIR"/{summary,record,{plain,on,strict}{,-jit}}
prepare_tests
for mode in "${modes[@]}"; do
	run_mode "$mode"
done
# What the plain server makes of the tests matters only where there is something to excuse.
for mode in "${modes[@]}"; do
	[ ! -s "$OUTDIR/$mode/failed" ] || needed=true
done
if "$needed"; then
	for mode in "${last[@]}"; do
		run_mode "$mode"
	done
	modes=("${last[@]}" "${modes[@]}")
fi
for mode in "${modes[@]}"; do
	judge "$mode"
done
say "core: logs and diffs are in $OUTDIR"
awk '$4 > 0 { bad = 1 } END { exit bad }' "$OUTDIR/summary"
