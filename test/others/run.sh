#!/bin/bash
# run.sh [MODE...] - other extensions in a server with goarena
#
#   default  goarena as it is when nothing is set
#   on       every context in an arena, every arena quarantined as Go does it
#   strict   the same, all chunks set to fault at once
#   check    scripts under goarena-check, which makes its own server: those of CHECKED find
#            nothing, and each in bugs/ finds what it says at its head
#   sources  extensions are built from the archives of their authors in Debian's source packages,
#            and pass their own tests under goarena-check, as its users run it.  Only if asked
#            for: it installs them for the server.  What cannot be had or built is left out.
#
# goarena must be installed.  What runs in each mode, and first in a server without
# goarena, is
#
#   contrib  PostgreSQL's contrib modules, with their own regression tests
#   sql      other extensions as Debian ships them, with the scripts in sql/
#   loop     one statement of PostGIS's, LOOPS times: its code has no frame pointers
#
# In mode default it is loop alone.  A test that fails on the plain server is left out, by
# name; the output of a script there is what is expected of it.  The exit status is 1
# if a test fails only with goarena, if a process of the server crashes, or if there is a
# report of an access to freed memory.  It is 77, and the last line says why, if
# nothing could run.
#
#   OUTDIR         where logs and 'summary' are kept (default $TMPDIR/goarena-others);
#                  summary has a line for each test: mode, name, ok or failed or out
#   LOOPS          default 3000
#   TIMEOUT        seconds for one suite or script (default 900)
#   GOARENA_CACHE  where the tests of contrib modules are kept once fetched

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../../scripts/common.sh"
# shellcheck source=test/core/tests.sh
source "$TOP/test/core/tests.sh"

OUTDIR=${OUTDIR:-${TMPDIR:-/tmp}/goarena-others}
LOOPS=${LOOPS:-3000}
TIMEOUT=${TIMEOUT:-900}
CHECKED=(hll ip4r semver)
SOURCES=(ip4r postgresql-semver prefix jsquery postgresql-numeral pgtap postgresql-periods)
SUITES=(bookworm trixie sid)
CONTRIB=(amcheck bloom btree_gin btree_gist citext cube dict_int dict_xsyn earthdistance
	fuzzystrmatch hstore intarray isn lo ltree pageinspect pg_trgm pg_visibility pgcrypto
	pgrowlocks pgstattuple postgres_fdw seg tablefunc tcn tsm_system_rows tsm_system_time
	unaccent uuid-ossp xml2)

# Print the settings of mode $1, a line each.
settings_of()
{
	[ "$1" != plain ] || return 0
	say "shared_preload_libraries = 'goarena'"
	[ "$1" != default ] || return 0
	say "goarena.contexts = '*'"
	say "goarena.quarantine = $1"
	say 'goarena.quarantine_sample_rate = 1.0'
}

# Put a result into the summary: test $2 in mode $1 was $3, ok or failed.  What fails
# without goarena is out.
put()
{
	local result=$3

	if [ "$1" = plain ]; then
		[ "$result" = ok ] || say "$2" >>"$OUTDIR/left-out"
		return 0
	fi
	! grep -qxF -- "$2" "$OUTDIR/left-out" || result=out
	say "$1 $2 $result" >>"$OUTDIR/summary"
	[ "$result" != failed ] || say "others $1: $2 failed"
}

# Set CONTRIB_DIR and PSQL_DIR to directories that the unprivileged user can read, with
# the tests of contrib modules, if there are any, and their psql.
prepare_contrib()
{
	CONTRIB_DIR=$SCRATCH/contrib
	PSQL_DIR=$BINDIR
	if (fetch_tests); then
		find_tests
		[ "$(major_of "$(cat "$TESTS/version")")" = "$PG_MAJOR" ] || return 0
		cp -R "$TESTS/contrib" "$CONTRIB_DIR"
		chmod -R a+rX "$CONTRIB_DIR"
		if [ -e "$TESTS/psql" ]; then
			PSQL_DIR=$SCRATCH/bin
			install -D -m 755 "$TESTS/psql" "$PSQL_DIR/psql"
		fi
	fi
}

# Print variable $2 of the Makefile of contrib module $1.
contrib_variable()
{
	make -s --no-print-directory -C "$CONTRIB_DIR/$1" USE_PGXS=1 PG_CONFIG="$PG_CONFIG" \
		-f Makefile -f - print-variable <<<"print-variable: ; @echo \$($2)"
}

# Run the regression tests of contrib module $2 in mode $1.
run_contrib()
{
	local mode=$1 module=$2 out=$SCRATCH/out tests options name result

	read -r -a tests < <(contrib_variable "$module" REGRESS)
	read -r -a options < <(contrib_variable "$module" REGRESS_OPTS)
	rm -rf -- "$out"
	mkdir -p "$out"
	give_to_user "$out"
	# They read data/ in the directory of the module.
	run_job run_as env -C "$CONTRIB_DIR/$module" timeout --foreground "$TIMEOUT" \
		"$PG_REGRESS" "${options[@]}" --inputdir="$CONTRIB_DIR/$module" --outputdir="$out" --bindir="$PSQL_DIR" \
		--host="$SCRATCH" --port=5432 --user="$TEST_USER" --dbname="contrib_$module" "${tests[@]}" \
		>"$out/log" 2>&1
	regress_results "$out/log" >"$out/results.txt"
	for name in "${tests[@]}"; do
		result=failed
		! grep -qxF -- "ok $name" "$out/results.txt" || result=ok
		put "$mode" "$module/$name" "$result"
	done
	[ ! -e "$out/regression.diffs" ] || cp "$out/regression.diffs" "$OUTDIR/$mode/$module.diffs"
}

# Run psql with the other arguments and leave its output in $1.
psql_to()
{
	local output=$1

	shift
	run_job run_as timeout --foreground "$TIMEOUT" psql -X -a "$@" >"$output" 2>&1
}

# Run script sql/$2 in mode $1, in a database of its own.
run_sql()
{
	local mode=$1 name=$2 output=$OUTDIR/$1/$2.out result=ok

	run_job run_as psql -Xq -c "DROP DATABASE IF EXISTS \"$name\"" -c "CREATE DATABASE \"$name\"" \
		>/dev/null 2>&1
	cp "$TOP/test/others/sql/$name.sql" "$SCRATCH/script.sql"
	chmod a+r "$SCRATCH/script.sql"
	psql_to "$output" -d "$name" -f "$SCRATCH/script.sql"
	sed -i "s|$SCRATCH|SCRATCH|g" "$output"
	if [ "$mode" = plain ]; then
		! grep -q 'ERROR: .*extension "[a-z_0-9]*" is not available' "$output" || result=failed
		[ "$JOB_STATUS" -eq 0 ] || result=failed
	elif ! diff -u "$OUTDIR/plain/$name.out" "$output" >"$output.diff"; then
		result=failed
	fi
	put "$mode" "sql/$name" "$result"
}

# Have PostGIS make points in a polygon, in one session, LOOPS times.
run_loop()
{
	local mode=$1 output=$OUTDIR/$1/loop.out result=failed
	local statement="SELECT ST_AsText(ST_Points('POLYGON((35 10,45 45,15 40,10 20,35 10),(20 30,35 35,30 20,20 30))'));"

	for ((i = 0; i < LOOPS; i++)); do
		say "$statement"
	done >"$SCRATCH/script.sql"
	run_job run_as psql -Xq -c 'DROP DATABASE IF EXISTS loop' -c 'CREATE DATABASE loop' >/dev/null 2>&1
	run_job run_as psql -Xq -d loop -c 'CREATE EXTENSION postgis' >/dev/null 2>&1
	run_job run_as timeout --foreground "$TIMEOUT" psql -XAtq -d loop -f "$SCRATCH/script.sql" >"$output" 2>&1
	[ "$(grep -c '^MULTIPOINT' "$output" || true)" -ne "$LOOPS" ] || result=ok
	put "$mode" loop "$result"
}

# Run script $1 under goarena-check, which must end with status $2.  What it says goes to
# file $3.
run_goarena_check()
{
	cp "$1" "$SCRATCH/script.sql"
	chmod a+r "$SCRATCH/script.sql"
	run_job timeout --foreground "$TIMEOUT" "$BINDIR/goarena-check" --quiet --pg-config="$PG_CONFIG" \
		-- psql -Xq -f "$SCRATCH/script.sql" >"$3" 2>&1
	[ "$JOB_STATUS" -eq "$2" ]
}

# Is extension $1 installed?
is_available()
{
	[ -e "$("$PG_CONFIG" --sharedir)/extension/$1.control" ]
}

# Run goarena-check with extensions that have a bug, and with others that have none.
run_checks()
{
	local start=$SECONDS name script output result expected

	mkdir "$OUTDIR/check"
	for name in "${CHECKED[@]}"; do
		is_available "$name" || continue
		result=failed
		! run_goarena_check "$TOP/test/others/sql/$name.sql" 0 "$OUTDIR/check/$name.out" || result=ok
		put check "$name" "$result"
	done
	for script in "$TOP"/test/others/bugs/*.sql; do
		name=$(basename "$script" .sql)
		output=$OUTDIR/check/$name.out
		is_available "$name" || continue
		result=failed
		! run_goarena_check "$script" 1 "$output" || result=ok
		while IFS= read -r expected; do
			grep -qE -- "$expected" "$output" || result=failed
		done < <(sed -n 's/^-- finds: /^== 1 of 1: /p; s/^-- used in: /^  used in .*/p' "$script")
		put check "$name" "$result"
	done
	say "others check: $(counts_of check) ($((SECONDS - start)) s)"
}

# Build the extension of source package $1 in directory $2 and install it.
build_source()
{
	fetch_package "$1" "$2" "${SUITES[@]}"
	make -C "$2" USE_PGXS=1 PG_CONFIG="$PG_CONFIG" COPT='-g -fno-optimize-sibling-calls'
	make -C "$2" USE_PGXS=1 PG_CONFIG="$PG_CONFIG" install
}

# Run the tests of extensions as their authors would, with goarena-check.
run_sources()
{
	local start=$SECONDS name source output result

	mkdir "$OUTDIR/sources"
	[ -x "$BINDIR/goarena-check" ] || skip "goarena is not installed"
	for name in "${SOURCES[@]}"; do
		source=$SCRATCH/$name
		output=$OUTDIR/sources/$name.out
		run_job build_source "$name" "$source" >"$output.build" 2>&1
		if [ "$JOB_STATUS" -ne 0 ]; then
			say "others sources: without $name: $(grep -iE 'error|cannot' "$output.build" | tail -n 1)"
			continue
		fi
		run_job timeout --foreground "$TIMEOUT" "$BINDIR/goarena-check" --baseline --pg-config="$PG_CONFIG" \
			-- make -C "$source" USE_PGXS=1 PG_CONFIG="$PG_CONFIG" installcheck >"$output" 2>&1
		if ! grep -q 'without goarena the command succeeded' "$output"; then
			say "others sources: without $name: its tests fail without goarena"
			continue
		fi
		result=ok
		[ "$JOB_STATUS" -eq 0 ] || result=failed
		put sources "$name" "$result"
	done
	say "others sources: $(counts_of sources) ($((SECONDS - start)) s)"
}

# Print how many tests passed and failed in mode $1.
counts_of()
{
	awk -v mode="$1" '$1 == mode { n[$3]++ }
		END { print n["ok"] + 0 " passed, " n["failed"] + 0 " failed" }' "$OUTDIR/summary"
}

# Run all in mode $1.
run_mode()
{
	local mode=$1 start=$SECONDS settings name problems

	mkdir "$OUTDIR/$mode"
	mapfile -t settings < <(settings_of "$mode")
	start_server "${settings[@]}"
	run_loop "$mode"
	if [ "$mode" != default ]; then
		for name in "$TOP"/test/others/sql/*.sql; do
			run_sql "$mode" "$(basename "$name" .sql)"
		done
		for name in "${CONTRIB[@]}"; do
			[ ! -e "$CONTRIB_DIR/$name/Makefile" ] || run_contrib "$mode" "$name"
		done
	fi
	stop_server || true					# its log tells
	cp "$SCRATCH/server.log" "$OUTDIR/$mode"
	problems=$(
		server_log_problems "$SCRATCH/server.log"
		grep -aE 'goarena: (access|write) to freed memory' "$SCRATCH/server.log" || true
	)
	if [ "$mode" != plain ] && [ -n "$problems" ]; then
		say "$problems"
		say "$mode server failed" >>"$OUTDIR/summary"
	fi
	say "others $mode: $(counts_of "$mode") ($((SECONDS - start)) s)"
}

[ $# -gt 0 ] || set -- default on strict check
for mode; do
	[[ $mode =~ ^(default|on|strict|check|sources)$ ]] || die "usage: run.sh [default|on|strict|check|sources]..."
done
find_postgres
make_scratch
make_output_dir "$OUTDIR"
rm -rf -- "$OUTDIR"/{summary,left-out,plain,default,on,strict,check,sources}
touch "$OUTDIR/summary" "$OUTDIR/left-out"
if [[ " $* " =~ " "(default|on|strict)" " ]]; then
	prepare_contrib
	run_mode plain
fi
for mode; do
	case "$mode" in
		check) run_checks ;;
		sources) run_sources ;;
		*) run_mode "$mode" ;;
	esac
done
[ ! -s "$OUTDIR/left-out" ] ||
	say "left out, because they fail without goarena: $(paste -s -d ' ' "$OUTDIR/left-out")"
grep -q ' ok$\| failed$' "$OUTDIR/summary" || skip "no other extension is here"
! grep -q ' failed$' "$OUTDIR/summary"
