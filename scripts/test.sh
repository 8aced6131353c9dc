#!/bin/bash
# test.sh [LEVEL[:SERVER]...] - run the tests: all of them, or those named
#
# Once:
#   format    clang-format has nothing to change
#   unit      the engine alone, with cmocka
#   sanitize  the same under AddressSanitizer and UBSan
# With each server:
#   build     from clean, warnings are errors
#   sql       pg_regress, in a server with goarena preloaded
#   tap       test/t: crashes, restarts, several backends
#   core      PostgreSQL's own regression tests with goarena on and strict
#   bugs      every planted bug is reported rightly in strict
# With 15 alone:
#   bench     each part of the benchmarks works, with tiny sizes
# With servers that have LLVM:
#   jit       core with goarena on, every expression compiled and inlined
#
# Servers are 15, 17, 18, 19 and 18-cassert, or those of PG_MAJORS; a level without
# one runs with each.  With PG_CONFIG or PG_MAJOR set there is this one only, and
# what it does is seen as it happens.  With several, as many as there are processors
# run at a time, each on a copy of the checkout, and what they print is in the logs.
#
# At the end comes a table of the results; the last line is "N passed, N failed", and
# the exit status is 1 if anything failed.
#
#   PG_MAJORS  the servers (default "17 15 18-cassert 18 19", longest first)
#   LANES      how many run at a time (default: processors)
#   LOGDIR     where logs are kept (default $TMPDIR/goarena-test)
#   TAP_TESTS  which files of test/t to run, a pattern without .pl (default *)
#   GOARENA_*  passed on to the tests of level tap

one_server=${PG_CONFIG:-}${PG_MAJOR:-}
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"

ONCE=(format unit sanitize)
EACH=(build sql tap core bugs)
LANES=${LANES:-$(nproc)}
LOGDIR=${LOGDIR:-${TMPDIR:-/tmp}/goarena-test}
declare -A plan=()						# server -> levels; "once" is a server here

# Add server $1 to those that are tested.
add_server()
{
	[[ " ${ALL_MAJORS[*]} " = *" ${1%-cassert} "* && $1 != "$PACKAGED_MAJOR-cassert" ]] ||
		die "no such server: $1 (${ALL_MAJORS[*]}, and with -cassert those that are built)"
	[[ " ${servers[*]} " = *" $1 "* ]] || servers+=("$1")
}

# Add level $1 to the plan of server $2.
plan_level()
{
	[[ " ${plan[$2]:-} " = *" $1 "* ]] || plan[$2]+="${plan[$2]:+ }$1"
}

# Does server $1 have LLVM?
has_llvm()
{
	[ "$1" = "$PACKAGED_MAJOR" ] || [ "$1" = "$LLVM_MAJOR" ]
}

plan_all()
{
	local level server

	for level in "${ONCE[@]}"; do
		plan_level "$level" once
	done
	for server in "${servers[@]}"; do
		for level in "${EACH[@]}"; do
			plan_level "$level" "$server"
		done
		! has_llvm "$server" || plan_level jit "$server"
		[ "$server" != "$PACKAGED_MAJOR" ] || plan_level bench "$server"
	done
}

# Add what an argument names to the plan.
plan_argument()
{
	local level=${1%%:*} server

	if [[ " ${ONCE[*]} " = *" $1 "* ]]; then
		plan_level "$1" once
	elif [[ " ${EACH[*]} jit bench " != *" $level "* ]]; then
		die "no such level: $1 (${ONCE[*]} ${EACH[*]} jit bench)"
	elif [ "$level" != "$1" ]; then
		add_server "${1#*:}"
		plan_level "$level" "${1#*:}"
	else
		for server in "${servers[@]}"; do
			[ "$level" != jit ] || has_llvm "$server" || continue
			[ "$level" != bench ] || [ "$server" = "$PACKAGED_MAJOR" ] || continue
			plan_level "$level" "$server"
		done
	fi
}

# Run the planned levels of server $1 on a copy of the checkout, and say how each
# went.
run_server()
{
	local server=$1 major=$1 kind=plain copy=$SCRATCH/$1 levels

	if [ "$server" = once ]; then
		major=$PACKAGED_MAJOR
	elif [[ $server = *-* ]]; then
		major=${server%-*} kind=${server##*-}
	fi
	read -r -a levels <<<"${plan[$server]}"
	mkdir "$copy"
	tar -C "$TOP" --exclude=.git --exclude='*.o' --exclude='*.so' --exclude=./test/unit/build -cf - . |
		tar -C "$copy" -xf -
	PG_MAJOR=$major PG_KIND=$kind LOGDIR=$LOGDIR/$server \
		"$copy/scripts/test_server.sh" "${levels[@]}" 2>&1 </dev/null |
		tee "$LOGDIR/$server.log" |
		sed -u -n "s/^== \([a-z]*: .*\)/== $server \1/p"
	rm -rf -- "$copy"
}

# Run the planned levels of all servers, LANES at a time.
run_servers()
{
	local server

	set +e								# a server that fails does not stop others
	for server; do
		while [ "$(jobs -pr | wc -l)" -ge "$LANES" ]; do
			wait -n
		done
		run_server "$server" &
	done
	wait
}

# Print the planned levels of server $1 that have no result.
not_run()
{
	local level

	for level in ${plan[$1]}; do
		grep -qs "^$level " "$LOGDIR/$1/results" || say "$level"
	done
}

# Print what is in the logs of levels that failed.
print_failures()
{
	local server level failed

	for server; do
		if [ -n "$(not_run "$server")" ]; then
			printf '\n== %s ended early\n' "$server"
			tail -n 60 "$LOGDIR/$server.log" || true
		fi
		[ -e "$LOGDIR/$server/results" ] || continue
		while read -r level _ _ failed _; do
			[ "$failed" -gt 0 ] || continue
			printf '\n== %s %s failed\n' "$server" "$level"
			tail -n 60 "$LOGDIR/$server/$level.log"
		done <"$LOGDIR/$server/results"
	done
}

# Print server x level, and the sum.
print_table()
{
	local server level dir

	for server; do
		dir=$LOGDIR/$server
		[ ! -e "$dir/results" ] || sed "s/^/$server /" "$dir/results"
		for level in $(not_run "$server"); do
			say "$server $level 0 0 1 did not run"
		done
		for level in core jit; do
			[ ! -e "$dir/$level/summary" ] || sed "s/^/$server mode /" "$dir/$level/summary"
		done
	done | awk -v columns="setup build sql tap core-plain core-on core-strict jit-on bugs bench" '
		function cell(passed, failed) {
			return failed > 0 ? failed " FAILED" : passed " ok"
		}
		!($1 in seen) {
			seen[$1]
			server[++n] = $1
		}
		# core and jit have a line for each mode as well
		$2 == "mode" {
			key = $3 ~ /-jit$/ ? "jit-" $3 : "core-" $3
			sub(/-jit$/, "", key)
			result[$1, key] = $6 > 0 ? $6 " FAILED" : $4 " ok"
			if ($5 > 0 && $6 == 0)
				result[$1, key] = $4 " of " $4 + $5
			next
		}
		{
			result[$1, $2] = cell($4, $5)
			seconds[$1] += $3
			passed += $4; failed += $5
			if ($1 == "once" || $5 > 0 && $2 !~ /^(build|sql|tap|core|jit|bugs|bench)$/)
				notes = notes sprintf("%-10s %-8s %s\n", $1, $2, cell($4, $5))
		}
		END {
			m = split(columns, column, " ")
			printf "%-10s", "server"
			for (j = 2; j <= m; j++)
				printf " %11s", column[j]
			printf " %8s\n", "seconds"
			for (i = 1; i <= n; i++) {
				if (server[i] == "once")
					continue
				printf "%-10s", server[i]
				for (j = 2; j <= m; j++) {
					text = result[server[i], column[j]]
					# a level without a line for this mode, because it did not get that far
					level = column[j]
					sub(/-.*/, "", level)
					if (text == "" && result[server[i], level] ~ /FAILED/)
						text = "FAILED"
					printf " %11s", text == "" ? "-" : text
				}
				printf " %8d\n", seconds[server[i]]
			}
			printf "\n%s\n", notes
			print passed + 0 " passed, " failed + 0 " failed"
			exit failed > 0
		}'
}

if [ -n "$one_server" ]; then
	servers=("$PG_MAJOR")
	[ "$PG_KIND" = plain ] || servers=("$PG_MAJOR-$PG_KIND")
else
	servers=()
	for server in ${PG_MAJORS:-17 15 18-cassert 18 19}; do
		add_server "$server"
	done
fi
if [ $# -eq 0 ]; then
	plan_all
fi
for argument; do
	plan_argument "$argument"
done

if [ -n "$one_server" ]; then
	[ ${#servers[@]} -eq 1 ] || die "there is only ${servers[0]}"
	read -r -a levels <<<"${plan[once]:-} ${plan[${servers[0]}]:-}"
	exec "$TOP/scripts/test_server.sh" "${levels[@]}"
fi

make_output_dir "$LOGDIR"
make_scratch
order=()
for server in "${servers[@]}" once; do
	[ -z "${plan[$server]:-}" ] || order+=("$server")
	rm -rf -- "${LOGDIR:?}/$server" "$LOGDIR/$server.log"
done
run_job run_servers "${order[@]}"
print_failures "${order[@]}"
printf '\nlogs: %s\n\n' "$LOGDIR"
print_table "${order[@]}"
