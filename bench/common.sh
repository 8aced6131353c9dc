# common.sh - what the parts of the benchmark share: their size, servers of several
# configurations side by side, and the file that measurements go to.
# To be sourced by bash.
#
#   BENCH_SHORT    1: tiny sizes and one round, only to see that all works
#   BENCH_ROUNDS   rounds (default 7)
#   BENCH_REPORT   directory of the measurements and the report
#                  (default $TMPDIR/goarena-bench; short: $TMPDIR/goarena-bench-short)
#   BENCH_CONFIGS  configurations besides plain, where a part has a choice
#
# A part leaves PART.tsv in the directory of the report, for report.pl, in which
# fields are separated by tabs.  A line with a measurement has
#
#   DATA  CASE  CONFIGURATION  ROUND  VALUE
#
# and those that say what becomes of them begin with # and a word; see the functions
# below that write them.
#
# shellcheck shell=bash disable=SC2034

# shellcheck source=scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/../scripts/common.sh"

BENCH=$TOP/bench
part=$(basename "$0" .sh)
short=false
[ "${BENCH_SHORT:-0}" = 0 ] || short=true
raw=
shadowed=false							# are page tables, on this machine?

# Print the first argument in a short run, else the second.
size()
{
	if "$short"; then say "$1"; else say "$2"; fi
}

rounds=${BENCH_ROUNDS:-$(size 1 7)}
report=${BENCH_REPORT:-${TMPDIR:-/tmp}/goarena-bench$(size -short '')}
statement_limit=$(size 60 1800)			# seconds that one command may take

# What configurations add to the configuration of a server.
declare -A settings=(
	[plain]=""
	[again]="shared_preload_libraries = ''"		# how far apart equal servers are
	[nothing]="goarena.contexts = '!*'"			# the floor: what is left with no arena
	[off]="goarena.quarantine = off"
	[huge]="goarena.quarantine = off
goarena.huge_pages = try"
	[default]=""
	[unsampled]="goarena.quarantine_sample_rate = 0"
	[on]="goarena.quarantine_sample_rate = 1.0"
	[strict]="goarena.quarantine_sample_rate = 1.0
goarena.quarantine = strict"
)
declare -A port_of=()

progress()
{
	printf '%(%T)T %s: %s\n' -1 "$part" "$*" >&2
}

# Put a line into the part's file.
put()
{
	local IFS=$'\t'

	printf '%s\n' "$*" >>"$raw"
}

# A measurement: DATA CASE CONFIGURATION ROUND VALUE
record()
{
	put "$@"
}

# A table of the report: NAME DATA BASE UNIT KIND TITLE.  KIND is time for ratios to the
# configuration BASE, speed for their inverse, count for what is beyond it, and value for
# figures by themselves.
table()
{
	put '#table' "$@"
}

# A target: TABLE CONFIGURATION STATISTIC RELATION LIMIT WHAT [CASE], where the statistic of
# the cases' medians is mean (geometric), least or most, and the relation <= or >=.  With CASE
# it is for cases alone that match this pattern of the shell.
target()
{
	put '#target' "$@"
}

# A fact on the run: NAME VALUE
fact()
{
	put '#fact' "$@"
}

# The settings of this run from the environment, as they would be typed.
chosen()
{
	local name

	for name in BENCH_ROUNDS BENCH_MB BENCH_SLICES BENCH_STARTS BENCH_SECONDS BENCH_CLIENTS BENCH_CONFIGS \
		BENCH_WORKLOADS; do
		[ -z "${!name:-}" ] || printf "%s='%s' " "$name" "${!name}"
	done
}

# Find the server, make the scratch directory and begin the part's file.
begin_part()
{
	local options='' name value

	! "$short" || options='--short '
	find_postgres
	make_scratch
	mkdir -p -- "$report"
	raw=$report/$part.tsv
	: >"$raw"
	compile machine
	fact date "$(date -u '+%Y-%m-%d %H:%M UTC')"
	fact command "$(chosen)bench/run.sh $options$part"
	fact rounds "$rounds"
	fact goarena "$(git -C "$TOP" describe --always --dirty --abbrev=12 2>/dev/null || say unknown)"
	fact PostgreSQL "$("$PG_CONFIG" --version | sed 's/^PostgreSQL //')"
	fact 'load before' "$(cut -d ' ' -f 1-3 /proc/loadavg)"
	while IFS=$'\t' read -r name value; do
		put '#machine' "$name" "$value"
		[[ $name != 'page tables' || $value != shadowed* ]] || shadowed=true
	done < <(MACHINE=$SCRATCH/machine "$BENCH/machine.sh")
}

end_part()
{
	fact seconds "$SECONDS"
	fact 'load after' "$(cut -d ' ' -f 1-3 /proc/loadavg)"
	progress "done in $SECONDS s"
}

# Start a server of configuration $1 on a copy of the cluster that start_server() made
# and stop_server() stopped.
start_config()
{
	local name=$1 data=$SCRATCH/$1

	port_of[$name]=$((5500 + ${#port_of[@]}))
	cp -a "$SCRATCH/data" "$data"
	{
		say "port = ${port_of[$name]}"
		[ "$name" = plain ] || say "shared_preload_libraries = 'goarena'"
		say "${settings[$name]}"
	} >>"$data/postgresql.conf"
	run_as pg_ctl -D "$data" -l "$SCRATCH/$name.log" -w -t 600 start >/dev/null </dev/null || {
		cat "$SCRATCH/$name.log" >&2
		die "the server of configuration $name did not start"
	}
}

# Start the servers of all configurations again, for the start of this number: each time in
# another order.  Of two equal servers one can be faster for as long as both run.  The order in
# which sessions are opened should differ as well: the last of equal ones can be faster.
restart_configs()
{
	local name

	for name in $(in_turn "$1" "${configs[@]}"); do
		capture pg_ctl -D "$SCRATCH/$name" -l "$SCRATCH/$name.log" -w -t 600 -m fast restart
	done
}

# The process id of the server of configuration $1
server_pid()
{
	head -n 1 "$SCRATCH/$1/postmaster.pid"
}

# Run a command as the unprivileged user, not for ever, and leave what it prints in
# $SCRATCH/output.
capture()
{
	run_job run_as timeout -k 10 "$statement_limit" "$@" >"$SCRATCH/output" 2>"$SCRATCH/errors"
	if [ "$JOB_STATUS" -ne 0 ]; then
		tail -n 20 "$SCRATCH/errors" >&2
		die "$part: exit status $JOB_STATUS: $*"
	fi
}

# Run psql for a server, by the name of its configuration, as capture() does.
sql()
{
	local config=$1

	shift
	capture psql -XAtq -F $'\t' -p "${port_of[$config]}" -v ON_ERROR_STOP=1 "$@"
}

# Begin to watch the memory of the sessions of server $1.
watch_peak()
{
	rm -f "$SCRATCH/peak"
	start_background "$BENCH/peak.pl" "$(server_pid "$1")" "$SCRATCH/peak"
	until [ -e "$SCRATCH/peak" ]; do
		kill -0 "$BACKGROUND" || die "peak.pl ended"
		sleep 0.01
	done
}

# Stop to watch, and set PEAK to the peak of that memory in kB, CPU to the CPU time in ms.
end_watch()
{
	end_background
	read -r PEAK CPU <"$SCRATCH/peak"
}

# Print the given names in turn, each round beginning with another one: ROUND NAME...
in_turn()
{
	local round=$1 i

	shift
	for ((i = 0; i < $#; i++)); do
		say "${@:(i + round) % $# + 1:1}"
	done
}

# Compile a program of this directory into the scratch directory.
compile()
{
	"${CC:-gcc}" -O2 -Wall -Wextra -Werror -pthread -o "$SCRATCH/$1" "$BENCH/$1.c" \
		-I"$("$PG_CONFIG" --includedir)" -I/usr/include/postgresql \
		-L"$("$PG_CONFIG" --libdir)" -Wl,-rpath,"$("$PG_CONFIG" --libdir)" -lpq
}
