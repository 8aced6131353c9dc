#!/bin/bash
# test.sh [LEVEL[:SERVER]...] - run the tests: all of them, or those named
# test.sh quick - run the most telling ones with the installed server, in some minutes
#
# Once:
#   format    clang-format has nothing to change
#   unit      the engine alone, with cmocka
#   sanitize  the same under AddressSanitizer and UBSan
#   dist      META.json, and the archive for PGXN
#   servers   how servers in root directories are made, and what is skipped
# With each server:
#   build     from clean, warnings are errors
#   sql       pg_regress, in a server with goarena preloaded
#   tap       test/t: crashes, restarts, several backends
#   core      PostgreSQL's own regression tests with goarena on, with some servers also
#             strict; on the plain server if one has failed
#   bugs      every planted bug is reported rightly in strict
# With the system's own server alone, which is 15 on Debian 12 and 17 on Debian 13:
#   jit       core with goarena on, every expression compiled and inlined
#   bench     each part of the benchmarks works, with tiny sizes
#   monitoring  queries and alert rules for Prometheus, with its own programs
#   pprof     the real pprof reads heap profiles, and finds a planted leak
# With Debian 12's 15 and other extensions of it, which is server 15-others:
#   others    they do in default, on and strict what they do without goarena
# With servers in root directories, 15-others and 17:
#   package   the Debian package: build, install, use, remove
#
# Servers are 15, 17, 18, 19 and 18-cassert, or those of PG_MAJORS; a level without
# one runs with each.  With PG_CONFIG or PG_MAJOR set there is this one only, and
# what it does is seen as it happens.  With several, as many as there are processors
# run at a time, each on a copy of the checkout, and what they print is in the logs.
#
# What will be installed and how long it takes is said first.  A server or tool that
# cannot be had here is skipped by name.  So are jit, bench, others, package, monitoring
# and pprof if all would take longer than MINUTES, at the pace of what was done so far.
# What still runs two minutes after that is ended, and has failed.  Up to three files of
# test/t that failed run once more by themselves when the others have ended; those that
# pass then are named as unsteady, with what they said at first.  At the end comes a
# table of the results; the last line is "N passed, N failed", with ", N skipped" if
# something was, and the exit status is 1 if anything failed.
#
#   PG_MAJORS  the servers (default "18-cassert 15 17 18 19 15-others", longest first)
#   LANES      how many run at a time (default: processors)
#   MINUTES    how long all may take (default 54; 0: as long as it takes)
#   LOGDIR     where logs are kept (default $TMPDIR/goarena-test)
#   TAP_TESTS  which files of test/t to run, a pattern without .pl (default *)
#   TAP_JOBS   how many of them run at a time with each server (default: processors)
#   GOARENA_*  passed on to the tests of level tap

one_server=${PG_CONFIG:-}${PG_MAJOR:-}
# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"

ONCE=(format unit sanitize dist servers)
EACH=(build sql tap core bugs)
INSTALLED=(jit bench monitoring pprof)
OTHERS=15-others
STRICT_SERVERS=" $PACKAGED_MAJOR 18-cassert "	# core in strict, too
QUICK=(format unit build sql tap)
QUICK_TAP='00[1367]*'
LANES=${LANES:-$(nproc)}
MINUTES=${MINUTES:-54}
GRACE=120								# seconds
LOGDIR=${LOGDIR:-${TMPDIR:-/tmp}/goarena-test}
declare -A plan=()						# server -> levels; "once" is a server here
declare -A setup_of=()					# server -> seconds that it takes to get it

# How many seconds a level takes, more or less, when as many run as there are processors
declare -A seconds_of=([format]=5 [unit]=80 [sanitize]=80 [build]=30 [sql]=25 [tap]=450
	[core]=140 [core-strict]=140 [bugs]=25 [jit]=590 [bench]=210 [others]=210 [dist]=10 [servers]=5 [package]=40 [monitoring]=40
	[pprof]=60
	[install]=60 [root]=150 [cassert]=600)

# Add server $1 to those that are tested.
add_server()
{
	[[ " ${ALL_MAJORS[*]} $OTHERS " = *" ${1%-cassert} "* ]] ||
		die "no such server: $1 (${ALL_MAJORS[*]}, with -cassert those that are built, and $OTHERS)"
	[[ " ${servers[*]} " = *" $1 "* ]] || servers+=("$1")
}

# Add level $1 to the plan of server $2.
plan_level()
{
	[[ " ${plan[$2]:-} " = *" $1 "* ]] || plan[$2]+="${plan[$2]:+ }$1"
}

plan_all()
{
	local level server

	for level in "${ONCE[@]}"; do
		plan_level "$level" once
	done
	for server in "${servers[@]}"; do
		if [ "$server" = "$OTHERS" ]; then
			plan_level package "$server"
			plan_level others "$server"
			continue
		fi
		for level in "${EACH[@]}"; do
			plan_level "$level" "$server"
		done
		[ "$server" != 17 ] || plan_level package "$server"
		if [ "$server" = "$PACKAGED_MAJOR" ]; then
			for level in "${INSTALLED[@]}"; do
				plan_level "$level" "$server"
			done
		fi
	done
}

# Add what an argument names to the plan.
plan_argument()
{
	local level=${1%%:*} server

	if [[ " ${ONCE[*]} " = *" $1 "* ]]; then
		plan_level "$1" once
	elif [[ $level =~ ^(others|package)$ ]]; then
		server=$OTHERS
		[ -z "$one_server" ] || server=${servers[0]}
		[ "$level" = "$1" ] || server=${1#*:}
		add_server "$server"
		plan_level "$level" "$server"
	elif [[ " ${EACH[*]} ${INSTALLED[*]} " != *" $level "* ]]; then
		die "no such level: $1 (quick, or ${ONCE[*]} ${EACH[*]} ${INSTALLED[*]} others package)"
	elif [ "$level" != "$1" ]; then
		add_server "${1#*:}"
		plan_level "$level" "${1#*:}"
	else
		for server in "${servers[@]}"; do
			[ "$server" != "$OTHERS" ] || continue
			[[ " ${INSTALLED[*]} " != *" $level "* || $server = "${one_server:+$server}" ||
				$server = "$PACKAGED_MAJOR" ]] || continue
			plan_level "$level" "$server"
		done
	fi
}

# Set major and kind to those of server $1.
split_server()
{
	major=$1 kind=plain
	if [ "$1" = once ]; then
		major=$PACKAGED_MAJOR
	elif [[ $1 = *-* ]]; then
		major=${1%-*} kind=${1##*-}
	fi
}

# Print how many seconds level $1 takes; tap by the share of the files of test/t that run.
level_seconds()
{
	local all=("$TOP"/test/t/*.pl) chosen

	[ "$1" = tap ] || {
		say "${seconds_of[$1]}"
		return
	}
	# shellcheck disable=SC2206	# it is a pattern
	chosen=("$TOP"/test/t/${TAP_TESTS:-*}.pl)
	say "$((seconds_of[tap] * ${#chosen[@]} / ${#all[@]}))"
}

# Say what is planned for the servers in the arguments, how long that takes, and what is
# got before.
announce()
{
	local server level major kind what missing all_missing='' seconds=0 levels=0

	for server; do
		split_server "$server"
		what=server
		for level in ${plan[$server]}; do
			[[ " ${ONCE[*]} " != *" $level "* ]] || what="test"
			levels=$((levels + 1))
			seconds=$((seconds + $(level_seconds "$level")))
			[[ $level != core || $STRICT_SERVERS != *" $server "* ]] ||
				seconds=$((seconds + seconds_of[core-strict]))
		done
		missing=$(
			PG_MAJOR=$major PG_KIND=$kind "$TOP/scripts/setup.sh" --list "$what"
			[[ " ${plan[$server]} " != *" bench "* ]] ||
				PG_MAJOR=$major PG_KIND=$kind "$TOP/scripts/setup.sh" --list bench
		)
		case "$missing" in
			*with\ assertions*) setup_of[$server]=${seconds_of[cassert]} ;;
			*Debian*) setup_of[$server]=${seconds_of[root]} ;;
		esac
		seconds=$((seconds + ${setup_of[$server]:-0}))
		[ -z "$missing" ] || all_missing+=$missing$'\n'
	done
	seconds=$((seconds / (LANES < $# ? LANES : $#)))
	if [ -n "$all_missing" ]; then
		seconds=$((seconds + seconds_of[install]))
		say "to be got first:"
		sort -u <<<"$all_missing" | sed '/^$/d; s/^/  /'
	fi
	say "$levels levels of tests${*:+ with PostgreSQL ${*/once/}}: about $((seconds / 60 + 1)) min"
	say "logs: $LOGDIR"
	say
}

# Write down what is planned for the servers in the arguments, for test_server.sh.
write_plan()
{
	local server level seconds

	say "$EPOCHSECONDS $((MINUTES * 60)) $((LANES < $# ? LANES : $#))"
	for server; do
		say "$server setup ${setup_of[$server]:-1}"
		for level in ${plan[$server]}; do
			seconds=$(level_seconds "$level")
			[[ $level != core || $STRICT_SERVERS != *" $server "* ]] ||
				seconds=$((seconds + seconds_of[core-strict]))
			say "$server $level $seconds"
		done
	done
}

# Put the time since the start before each line.
timed()
{
	local line

	while read -r line; do
		printf '%3d:%02d  %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$line"
	done
}

# End what still runs when all should long be over.
end_in_time()
{
	local never pid

	[ "$MINUTES" -gt 0 ] || return 0
	exec {never}<> <(:)					# to wait without a process that would stay behind
	read -r -t $((MINUTES * 60 + GRACE - SECONDS)) -u "$never" || true
	: >"$SCRATCH/over"
	say "time is over: what still runs is ended"
	for pid in $(cat "$SCRATCH"/pid.* 2>/dev/null); do
		kill -TERM "$pid" 2>/dev/null || true
	done
}

# Say what runs with each server, once a minute.
say_what_runs()
{
	local server level file running never

	exec {never}<> <(:)
	while ! read -r -t 60 -u "$never"; do
		running=
		for server; do
			level=$(cat "$LOGDIR/$server/running" 2>/dev/null) || continue
			file=$(grep -aoE '\bt/[0-9]+_[a-z_]+\.pl' "$LOGDIR/$server/$level.log" 2>/dev/null | tail -n 1)
			running+="${running:+, }$server $level${file:+ ($(basename "$file"))}"
		done
		[ -z "$running" ] || say "...    $running"
	done
}

# Run the planned levels of server $1 on a copy of the checkout, and say how each
# went.
run_server()
{
	local server=$1 major kind copy=$SCRATCH/$1 levels modes="plain on"

	split_server "$server"
	[[ $STRICT_SERVERS != *" $server "* ]] || modes+=" strict"
	read -r -a levels <<<"${plan[$server]}"
	mkdir "$copy"
	tar -C "$TOP" --exclude=.git --exclude='*.o' --exclude='*.so' --exclude=./test/unit/build -cf - . |
		tar -C "$copy" -xf -
	{
		say "$BASHPID" >"$SCRATCH/pid.$server"
		[ ! -e "$SCRATCH/over" ] || exit 0
		PLAN=$LOGDIR/plan PG_MAJOR=$major PG_KIND=$kind CORE_MODES=$modes LOGDIR=$LOGDIR/$server \
			exec "$copy/scripts/test_server.sh" "${levels[@]}" 2>&1 </dev/null
	} |
		tee "$LOGDIR/$server.log" |
		sed -u -n "s/^== \([a-z]*: .*\)/$server \1/p" | timed
	rm -f -- "$SCRATCH/pid.$server"
	rm -rf -- "$copy"
}

# Run the planned levels of all servers, LANES at a time.
run_servers()
{
	local server workers=()

	set +e								# a server that fails does not stop others
	say_what_runs "$@" &
	local watchers=($!)
	end_in_time &
	watchers+=($!)
	for server; do
		while [ "$(jobs -pr | grep -cvxF "$(printf '%s\n' "${watchers[@]}")")" -ge "$LANES" ]; do
			wait -n
		done
		[ ! -e "$SCRATCH/over" ] || break
		run_server "$server" &
		workers+=($!)
	done
	[ ${#workers[@]} -eq 0 ] || wait "${workers[@]}"
	kill "${watchers[@]}" 2>/dev/null
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
	local server level failed lines

	for server; do
		if [ -n "$(not_run "$server")" ]; then
			printf '\n== %s ended early\n' "$server"
			tail -n 60 "$LOGDIR/$server.log" || true
		fi
		[ -e "$LOGDIR/$server/results" ] || continue
		while read -r level _ _ failed _; do
			[ "$failed" -gt 0 ] || continue
			printf '\n== %s %s failed\n' "$server" "$level"
			lines=60
			[ "$level" != tap ] || lines=200
			tail -n "$lines" "$LOGDIR/$server/$level.log"
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
			if [ -e "$SCRATCH/over" ] && [[ $LESS_TELLING = *" $level "* ]]; then
				say "$server $level 0 0 0 1 no time left"
			else
				say "$server $level 0 0 1 0 did not run"
			fi
		done
		for level in core jit; do
			[ ! -e "$dir/$level/summary" ] || sed "s/^/$server mode /" "$dir/$level/summary"
		done
	done | awk -v columns="setup build sql tap core-plain core-on core-strict jit-on bugs others package bench monitoring" '
		function cell(passed, failed, skipped) {
			return failed > 0 ? failed " FAILED" : skipped > 0 ? "skipped" : passed " ok"
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
			result[$1, $2] = cell($4, $5, $6)
			seconds[$1] += $3
			passed += $4; failed += $5; skipped += $6
			if ($1 == "once" && $2 != "setup" || $6 > 0 ||
				$5 > 0 && $2 !~ /^(build|sql|tap|core|jit|bugs|others|package|bench|monitoring)$/) {
				reason = substr($0, length($1 $2 $3 $4 $5 $6) + 7)
				notes = notes sprintf("%-10s %-8s %s%s\n", $1, $2, result[$1, $2],
					$6 > 0 ? ": " reason : "")
			}
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
					if (text == "" && result[server[i], level] ~ /FAILED|skipped/)
						text = result[server[i], level] ~ /FAILED/ ? "FAILED" : "skipped"
					printf " %11s", text == "" ? "-" : text
				}
				printf " %8d\n", seconds[server[i]]
			}
			printf "\n%s\n", notes
			print passed + 0 " passed, " failed + 0 " failed" (skipped > 0 ? ", " skipped " skipped" : "")
			exit failed > 0
		}'
}

# Print which level with which server took how long, the longest first.
print_times()
{
	local server

	say "seconds:"
	for server; do
		[ ! -e "$LOGDIR/$server/results" ] || awk -v server="$server" '{ print $2, server, $1 }' "$LOGDIR/$server/results"
	done | sort -rn | awk '$1 >= 10 { printf "%s%s:%s %d", sep, $3, $2, $1; sep = ", " } END { print "" }' | fold -s -w 110
	say
}

# Name the files of level tap that passed only when they ran once more by themselves.
print_unsteady()
{
	local server

	for server; do
		[ ! -e "$LOGDIR/$server/unsteady" ] ||
			say "unsteady with $server, passed when run once more: $(paste -s -d ' ' "$LOGDIR/$server/unsteady")"
	done
}

if [ "${1:-}" = quick ]; then
	[ $# -eq 1 ] || die "quick stands alone"
	one_server=${one_server:-$PG_MAJOR}
	export TAP_TESTS=${TAP_TESTS:-$QUICK_TAP}
	set -- "${QUICK[@]}"
fi
if [ -n "$one_server" ]; then
	servers=("$PG_MAJOR")
	[ "$PG_KIND" = plain ] || servers=("$PG_MAJOR-$PG_KIND")
else
	servers=()
	for server in ${PG_MAJORS:-18-cassert 15 17 18 19 $OTHERS}; do
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
	plan[${servers[0]}]="${plan[once]:-} ${plan[${servers[0]}]:-}"
	LANES=1
	announce "${servers[@]}"
	read -r -a levels <<<"${plan[${servers[0]}]}"
	exec "$TOP/scripts/test_server.sh" "${levels[@]}"
fi

make_output_dir "$LOGDIR"
make_scratch
order=()
for server in "${servers[@]}" once; do
	[ -z "${plan[$server]:-}" ] || order+=("$server")
	rm -rf -- "${LOGDIR:?}/$server" "$LOGDIR/$server.log"
done
announce "${order[@]}"
write_plan "${order[@]}" >"$LOGDIR/plan"
run_job run_servers "${order[@]}"
print_failures "${order[@]}"
printf '\nlogs: %s\n\n' "$LOGDIR"
print_times "${order[@]}"
print_unsteady "${order[@]}"
print_table "${order[@]}"
