#!/bin/bash
# bugs.sh [--docs] [BUG...] - which planted bugs goarena reports
#
# Builds and installs goarena and test/modules/goarena_bugs, and runs each bug, or
# those named, in sessions of their own: on a plain server, and with goarena in
# six configurations.  Prints a Markdown table; progress goes to stderr.  Every
# context is an arena, and a fault ends only the session it happens in.
#
#   plain       without goarena
#   on          goarena.quarantine = on, every arena quarantined
#   on-later    the same, and 32 MB of other work pass before the pointer is used, also
#               after each statement
#   strict      goarena.quarantine = strict, likewise
#   debug       strict with goarena.debug = clobber, efence
#   on-0.1      the same as on and strict with one arena in ten quarantined
#   strict-0.1
#
# Two more, which are to be asked for, show what is found without goarena:
#
#   valgrind    the server runs under valgrind's memcheck.  It knows what palloc and pfree do
#               if the server was built for it (USE_VALGRIND, see scripts/build-postgres.sh), else
#               what malloc and free do.  A run counts as reported, and as right, if it
#               had any invalid access or free to tell of.
#   asan        the server is built with AddressSanitizer (PG_KIND=asan), which knows what malloc
#               and free do.  Likewise; the first that it finds ends the backend.
#
# From 16 on the server itself refuses some of what is no pointer to an object, before
# goarena gets to see it: such a run is told as refused.
#
# A run counts as reported if goarena_faults() gained a report or goarena sent an
# error or a warning, and as right if what was said names the context that the
# memory belonged to, the access, and in the stack of the free the function that
# freed it.
#
# With --docs the table, with when, at which commit and where it was made, also takes the
# place of the one in docs/bugs.md, between the two lines that say so.
#
# The exit status is 1 if, in strict, a bug that goarena is to find (all but the kinds
# small and overrun), or in debug any bug, was not reported rightly or refused in every run.
#
#   BUGS_RUNS       runs of each bug in on-0.1 and strict-0.1 (default 100)
#   BUGS_FULL_RUNS  runs of each bug in on and strict (default 20)
#   BUGS_CONFIGS    configurations to run (default "plain on on-later strict debug
#                   on-0.1 strict-0.1")
#   BUGS_COST       also show how much CPU time a select takes in each configuration, of so many
#   BUGS_LOG        file to keep: a line for each run with configuration, bug,
#                   kind, outcome, what else there is to say; separated by |.
#                   Runs that it already has are not done again.

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"

sampled_runs=${BUGS_RUNS:-100}
full_runs=${BUGS_FULL_RUNS:-20}
read -r -a configs <<<"${BUGS_CONFIGS:-plain on on-later strict debug on-0.1 strict-0.1}"
document=$TOP/docs/bugs.md
table_begin='<!-- written by scripts/bugs.sh --docs -->'
table_end='<!-- end of what scripts/bugs.sh wrote -->'
write_document=false
if [ "${1:-}" = --docs ]; then
	write_document=true
	shift
fi
chosen=("$@")
cost_selects=${BUGS_COST:-0}
crashes=0
last_report=0

progress()
{
	printf 'bugs: %s\n' "$*" >&2
}

# Is goarena at work in configuration $1?
uses_goarena()
{
	[[ $1 != plain ]] && ! uses_tool "$1"
}

# Does the server run with another tool in configuration $1?
uses_tool()
{
	[[ $1 =~ ^(valgrind|asan)$ ]]
}

# Set SERVER_PROGRAM to what runs the server in configuration $1, with logs in $SCRATCH/tool.
choose_program()
{
	local log=$SCRATCH/tool/log command='' suppressions=()

	SERVER_PROGRAM=
	case "$1" in
		valgrind)
			command -v valgrind >/dev/null || die "valgrind is not installed"
			[ ! -e "$PKGLIBDIR/valgrind.supp" ] || suppressions=("--suppressions=$PKGLIBDIR/valgrind.supp")
			command="valgrind --quiet --leak-check=no --undef-value-errors=no --error-limit=no"
			command+=" --log-file=$log.%p ${suppressions[*]}" ;;
		asan)
			readelf -dW "$BINDIR/postgres" | grep -q 'NEEDED.*libasan' ||
				die "$BINDIR/postgres is not built with AddressSanitizer (PG_KIND=asan)"
			command="env ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$log" ;;
		*) return 0 ;;
	esac
	rm -rf -- "$SCRATCH/tool"
	mkdir "$SCRATCH/tool"
	give_to_user "$SCRATCH/tool"
	SERVER_PROGRAM=$SCRATCH/server
	cat >"$SERVER_PROGRAM" <<-EOF
		#!/bin/sh
		exec $command "$BINDIR/postgres" "\$@"
	EOF
	chmod 755 "$SERVER_PROGRAM"
}

# Print the settings of configuration $1, a line each.
settings_of()
{
	local mode=${1%%-*} rate=1.0

	say 'max_worker_processes = 16'
	say 'client_min_messages = warning'
	uses_goarena "$1" || return 0
	[[ $1 != *-0.1 ]] || rate=0.1
	if [ "$1" = debug ]; then
		mode=strict
		say "goarena.debug = 'clobber, efence'"
	fi
	[[ $1 != *-later ]] || say "goarena_bugs.meanwhile = '32MB'"
	say "shared_preload_libraries = 'goarena'"
	say "goarena.contexts = '*'"
	say "goarena.on_fault = 'terminate'"
	say "goarena.quarantine = '$mode'"
	say "goarena.quarantine_sample_rate = $rate"
}

runs_of()
{
	case "$1" in
		plain) say 1 ;;
		*-0.1) say "$sampled_runs" ;;
		*) say "$full_runs" ;;
	esac
}

# Run psql with the remaining arguments and leave its output in $1 and $1.err, and
# its exit status in JOB_STATUS.
psql_to()
{
	local output=$1

	shift
	run_job run_as timeout -k 10 600 psql -XAtq "$@" >"$output" 2>"$output.err"
}

# The same for what must work, if need be when the server has recovered.
query_to()
{
	local output=$1

	for _ in {1..300}; do
		psql_to "$@" -v ON_ERROR_STOP=1
		[ "$JOB_STATUS" -eq 2 ] || break
		sleep 0.1
	done
	if [ "$JOB_STATUS" -ne 0 ]; then
		cat "$output.err" >&2
		tail -n 20 "$SCRATCH/server.log" >&2
		die "the server does not answer"
	fi
}

# Leave the bugs in $SCRATCH/bugs, a line each: name|kind|context|freed_in|access|what,
# and their scripts in $SCRATCH/scripts.
list_bugs()
{
	local name

	query_to "$SCRATCH/bugs" -c "
		SELECT name, kind, context, freed_in, access, what
		FROM goarena_bugs() WITH ORDINALITY ORDER BY ordinality"
	for name in "${chosen[@]}"; do
		grep -q "^$name|" "$SCRATCH/bugs" || die "no such bug: $name"
	done
	if [ ${#chosen[@]} -gt 0 ]; then
		grep -E "^($(IFS='|' && say "${chosen[*]}"))\|" "$SCRATCH/bugs" >"$SCRATCH/bugs.chosen"
		mv "$SCRATCH/bugs.chosen" "$SCRATCH/bugs"
	fi
	mkdir -p "$SCRATCH/scripts"
	while IFS='|' read -r name _; do
		query_to "$SCRATCH/scripts/$name" -c "
			SELECT script FROM goarena_bugs() WHERE name = '$name'"
	done <"$SCRATCH/bugs"
}

# Has a process of the server crashed since the last call?
server_crashed()
{
	local now

	now=$(grep -ac 'was terminated by signal' "$SCRATCH/server.log" || true)
	[ "$now" -gt "$crashes" ] || return 1
	crashes=$now
}

# Did the last session run into a crash?  The log may say so a little later than
# the session notices.
session_crashed()
{
	if [ "$JOB_STATUS" -eq 2 ] &&
		! grep -q 'FATAL: .* access \(to freed memory\|beyond an object\)' "$SCRATCH/session.err"; then
		for _ in {1..300}; do
			! server_crashed || return 0
			sleep 0.1
		done
	fi
	server_crashed
}

# Has a report been written since the last run began, or shortly before?
is_reported()
{
	[ -n "$(find "$SCRATCH/data/goarena_faults" -type f -newer "$SCRATCH/started" -print -quit \
		2>/dev/null)" ]
}

# What valgrind or AddressSanitizer has told of since the run began, or nothing.
tool_said()
{
	local told

	told=$(find "$SCRATCH/tool" -type f -newer "$SCRATCH/started" -exec \
		grep -ahoE 'Invalid (read|write|free).*|Jump to the invalid address|ERROR: AddressSanitizer: [a-z-]+' {} + |
		head -n 1)
	rm -f -- "$SCRATCH"/tool/*
	say "$told"
}

# Print how many reports are new, how many of them are right, and the latest.
# $1 is the context that they should name, $2 the function in the stack of the
# free, or nothing, $3 the access.
new_reports()
{
	query_to "$SCRATCH/reports" -c "
		SELECT count(*),
			count(*) FILTER (WHERE context = '$1'
				AND coalesce(access, '$3') = '$3'
				AND ('$2' = '' OR substring(goarena_faults_text(id) FROM '\nfree stack:(?:\n  [^\n]*)*')
					~ '\m$2\M')),
			coalesce(max(id), $last_report),
			string_agg(DISTINCT format('%s of \"%s\", freed by %s', access, context, freed_by), '; ')
		FROM goarena_faults() WHERE id > $last_report"
	cat "$SCRATCH/reports"
}

# Run a bug once and set outcome: right, wrong (a report, but not with what it should
# say), refused (by the server), crash or silent, then | and what else there is to say.
run_once()
{
	local config=$1 name=$2 context=$3 freed_in=$4 access=$5
	local count=0 right=0 details='' said seen crashed=false

	# An object that has its own pages faults when its header is read, or a member before
	# that is called or written to.
	[[ ! $config-$name =~ ^debug-(double_pfree|small_callback|small_write)$ ]] || access=read
	cp "$SCRATCH/scripts/$name" "$SCRATCH/script"
	[[ $config != *-later ]] || sed -i 's/;$/;\nSELECT goarena_bugs_meanwhile();/' "$SCRATCH/script"
	chmod a+r "$SCRATCH/script"
	touch -d '2 seconds ago' "$SCRATCH/started"		# times of files can be that coarse
	psql_to "$SCRATCH/session" -f "$SCRATCH/script"
	[ "$JOB_STATUS" -ne 124 ] || die "$name does not end in $config"
	if session_crashed; then
		crashed=true
		query_to "$SCRATCH/recovered" -c 'SELECT 1'
	fi
	if uses_goarena "$config" && is_reported; then
		IFS='|' read -r count right last_report details < <(
			new_reports "$context" "$freed_in" "$access")
	fi

	# What goarena says of a pfree that it refuses.
	said=$(sed -n -E 's/^.*(ERROR|WARNING):  (an object in .* is freed twice|a pointer is not .*)$/\2/p' \
		"$SCRATCH/session.err" | head -n 1)
	if [ -n "$said" ]; then
		count=$((count + 1))
		[[ $said != *"\"$context\""* ]] || right=$((right + 1))
		details+=${details:+; }$said
	fi

	if uses_tool "$config"; then
		said=$(tool_said)
		if [ -n "$said" ]; then
			outcome="right|$said"
			return
		fi
	fi

	seen=$(grep -a . "$SCRATCH/session" | tail -n 1 | tr -cd '[:print:]' | tr '|' ' ' || true)
	if [ "$count" -gt 0 ] && [ "$right" -eq "$count" ] && ! "$crashed"; then
		outcome="right|$details"
	elif [ "$count" -gt 0 ]; then
		! "$crashed" || details+=', and a crash'
		outcome="wrong|$details"
	elif "$crashed"; then
		outcome="crash|"
	elif grep -qE 'ERROR:  (detected double pfree|[A-Za-z]+ called with invalid pointer)' \
		"$SCRATCH/session.err"; then
		outcome="refused|the server refuses it"
	elif [ -s "$SCRATCH/session.err" ]; then
		outcome="silent|$(head -n 1 "$SCRATCH/session.err" | tr '|' ' ')"
	else
		outcome="silent|$seen"
	fi
}

# Print how many runs of bug $2 in configuration $1 there are, and of those how many
# were reported.
runs_so_far()
{
	awk -F '|' -v config="$1" -v bug="$2" '
		$1 == config && $2 == bug {
			runs++
			reported += $4 == "right" || $4 == "wrong"
		}
		END { print runs + 0, reported + 0 }' "$results"
}

# Leave in $SCRATCH/costs the CPU time of a select in configuration $1, in microseconds.
measure_cost()
{
	local ticks="SELECT split_part(s, ' ', 14)::int + split_part(s, ' ', 15)::int FROM pg_read_file('/proc/self/stat') s;"

	[ "$cost_selects" -gt 0 ] || return 0
	{
		say "$ticks"
		for ((i = 0; i < cost_selects; i++)); do
			say "SELECT relname FROM pg_class WHERE oid = $((1200 + i % 100));"
		done
		say "$ticks"
	} >"$SCRATCH/script"
	chmod a+r "$SCRATCH/script"
	query_to "$SCRATCH/ticks" -f "$SCRATCH/script"
	awk -v config="$1" -v n="$cost_selects" -v tick="$(getconf CLK_TCK)" '
		NR == 1 { first = $1 }
		END { printf "%s %.0f\n", config, ($1 - first) * 1e6 / tick / n }' "$SCRATCH/ticks" >>"$SCRATCH/costs"
	progress "$(tail -n 1 "$SCRATCH/costs") microseconds of CPU time for a select"
}

# Run every bug in configuration $1.
run_config()
{
	local config=$1 settings runs name kind context freed_in access so_far found outcome

	runs=$(runs_of "$config")
	mapfile -t settings < <(settings_of "$config")
	choose_program "$config"
	touch "$SCRATCH/started"
	start_server "${settings[@]}"
	crashes=0
	last_report=0
	query_to "$SCRATCH/created" -c 'CREATE EXTENSION goarena_bugs'
	! uses_goarena "$config" || query_to "$SCRATCH/created" -c 'CREATE EXTENSION goarena'
	list_bugs
	measure_cost "$config"
	if uses_tool "$config"; then
		outcome=$(tool_said)
		[ -z "$outcome" ] || progress "$config: without a bug: $outcome"
	fi

	while IFS='|' read -r name kind context freed_in access _ <&3; do
		outcome=
		read -r so_far found < <(runs_so_far "$config" "$name")
		for ((run = so_far; run < runs; run++)); do
			run_once "$config" "$name" "$context" "$freed_in" "$access"
			say "$config|$name|$kind|$outcome" >>"$results"
			[[ $outcome != right* && $outcome != wrong* ]] || found=$((found + 1))
		done
		if [ "$config" = plain ]; then
			progress "$config: $name: ${outcome/|/ }"
		else
			progress "$config: $name: $found of $runs"
		fi
	done 3<"$SCRATCH/bugs"
	[ "$crashes" -eq 0 ] || progress "$config: $crashes crashes"
	stop_server || true
	SERVER_PROGRAM=
}

# Print the table, from the list of bugs and the results.
print_table()
{
	awk -F '|' -v configs="${configs[*]}" -v costs="$SCRATCH/costs" '
		FNR == NR {
			bugs[++n] = $1; kind[$1] = $2; what[$1] = $6
			next
		}
		{
			key = $1 SUBSEP $2
			runs[key]++
			if ($4 == "right" || $4 == "wrong")
				found[key]++
			if ($4 == "wrong")
				wrong[key]++
			# what happened most often of what was not reported
			else if ($4 != "right") {
				text = $4 == "crash" ? "crash" : $5
				if ($4 == "crash")
					crashed[key]++
				if (++times[key, text] > most[key]) {
					most[key] = times[key, text]
					other[key] = text
				}
			}
			total_runs[$1, $3]++
			if ($4 == "right" || $4 == "wrong")
				total_found[$1, $3]++
		}
		function cell(config, bug,    key, text) {
			key = config SUBSEP bug
			if (config == "plain")
				return other[key]
			text = (found[key] + 0) " of " runs[key]
			if (wrong[key] > 0)
				text = text ", " wrong[key] " not right"
			if (config ~ /-0\.1$/)
				text = text (crashed[key] > 0 ? ", " crashed[key] " crashed" : "")
			else if (other[key] != "")
				text = found[key] > 0 ? text ", else " other[key] : other[key]
			return text
		}
		END {
			m = split(configs, config, " ")
			head = "| bug | what is used"; line = "| --- | ---"
			for (j = 1; j <= m; j++) {
				title = config[j]
				sub(/-0\.1$/, ", rate 0.1", title)
				sub(/-later$/, ", 32 MB later", title)
				head = head " | " title
				line = line " | ---"
			}
			print head " |"; print line " |"
			for (i = 1; i <= n; i++) {
				row = "| `" bugs[i] "` | " what[bugs[i]]
				for (j = 1; j <= m; j++)
					row = row " | " cell(config[j], bugs[i])
				print row " |"
				if (kind[bugs[i]] != kind[bugs[i + 1]]) {
					row = "| | **all of kind `" kind[bugs[i]] "`**"
					for (j = 1; j <= m; j++) {
						key = config[j] SUBSEP kind[bugs[i]]
						text = config[j] == "plain" ? "" : \
							sprintf("**%.0f %%**", 100 * total_found[key] / total_runs[key])
						row = row " | " text
					}
					print row " |"
				}
			}
			while ((getline line < costs) > 0) {
				split(line, word, " ")
				cost[word[1]] = word[2]
			}
			row = "| | **CPU time of a select**"
			for (j = 1; j <= m; j++)
				row = row " | **" cost[config[j]] " µs**"
			if (cost[config[1]] != "")
				print row " |"
		}' "$SCRATCH/bugs" "$results"
}

# Print when, at which commit and where the runs were made.
print_origin()
{
	local commit

	commit=$(git -c safe.directory="$TOP" -C "$TOP" rev-parse --short HEAD 2>/dev/null || say unknown)
	say "$(date -u +%Y-%m-%d), commit $commit, $("$PG_CONFIG" --version) on $(uname -m), Linux $(uname -r)."
	say
}

# Put what is in file $1 between the two lines of the document.
put_into_document()
{
	awk -v table="$1" -v begin="$table_begin" -v end="$table_end" '
		$0 == end { inside = 0 }
		!inside { print }
		$0 == begin {
			inside = 1
			while ((getline line < table) > 0)
				print line
		}' "$document" >"$SCRATCH/document.md"
	cat "$SCRATCH/document.md" >"$document"
}

# Print the runs in strict that should have been right and were not.
missed()
{
	awk -F '|' '
		$1 == "strict" && $3 != "small" && $3 != "overrun" && $4 !~ /^(right|refused)$/ ||
		$1 == "debug" && $4 !~ /^(right|refused)$/ {
		print $1 ": " $2 ": " $4 ($5 == "" ? "" : ": " $5)
	}' "$results" | sort | uniq -c
}

for config in "${configs[@]}"; do
	[[ $config =~ ^(plain|on-later|debug|valgrind|asan|(on|strict)(-0\.1)?)$ ]] || die "no such configuration: $config"
done

if "$write_document"; then
	for line in "$table_begin" "$table_end"; do
		grep -qxF -- "$line" "$document" || die "docs/bugs.md has no place for the table: no $line"
	done
fi

"$TOP/scripts/setup.sh" run >&2
find_postgres
make_scratch
results=${BUGS_LOG:-$SCRATCH/results}
: >>"$results"

progress "building for PostgreSQL $PG_VERSION"
quietly pgxs_make -C "$TOP" -j "$(nproc)"
quietly pgxs_make -C "$TOP" install

# what is left of a build for another server may lack what a tool needs
quietly pgxs_make -C "$TOP/test/modules/goarena_bugs" clean
quietly pgxs_make -C "$TOP/test/modules/goarena_bugs" install

for config in "${configs[@]}"; do
	run_config "$config"
done

print_table | tee "$SCRATCH/table"
if "$write_document"; then
	print_origin | cat - "$SCRATCH/table" >"$SCRATCH/with_origin"
	put_into_document "$SCRATCH/with_origin"
fi
failures=$(missed)
if [ -n "$failures" ]; then
	printf 'not reported rightly:\n%s\n' "$failures" >&2
	exit 1
fi
