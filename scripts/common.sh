# common.sh - what the scripts share: messages, an unprivileged user, a scratch
# directory with a server in it, and the way all of that goes away again.
# To be sourced by bash.
#
# shellcheck shell=bash disable=SC2034

set -euo pipefail
umask 022
export LC_ALL=C					# the scripts read what tools print
unset MAKEFLAGS MFLAGS MAKELEVEL

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

ALL_MAJORS=(15 17 18 19)		# that goarena supports
SKIPPED=77						# exit status of what cannot be done here
LESS_TELLING=" jit bench others package monitoring pprof "	# levels that are left out if time is short

# Print the major that this system has packages of.
packaged_major()
{
	local codename major newest=15

	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release 2>/dev/null || true)
	case "$codename" in
		bookworm) say 15 ;;
		trixie) say 17 ;;
		forky) say 18 ;;
		*)
			for major in "${ALL_MAJORS[@]}"; do
				[ ! -x "/usr/lib/postgresql/$major/bin/pg_config" ] || newest=$major
			done
			say "$newest" ;;
	esac
}

say()
{
	printf '%s\n' "$*"
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# End because something cannot be had or done on this machine, which is no failure.
skip()
{
	say "$*"
	exit "$SKIPPED"
}

[[ -e /dev/fd/0 && -c /dev/null ]] || die "/proc and /dev must be mounted"

PACKAGED_MAJOR=$(packaged_major)

# Which server: the one of PG_CONFIG if that is set, else PostgreSQL PG_MAJOR.  If
# PG_KIND is plain, it is Debian's: installed, or in a root directory of the release of
# Debian that has it, see debian-root.sh.  If it is others, it is such a root directory,
# with other extensions.  If it is cassert, valgrind or asan, we build it.
if [ -n "${PG_CONFIG:-}" ]; then
	PG_MAJOR=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
fi
PG_MAJOR=${PG_MAJOR:-$PACKAGED_MAJOR}
PG_KIND=${PG_KIND:-plain}
export PG_MAJOR PG_KIND

# Programs that are built with AddressSanitizer, also those that the build runs, are not to
# fail at exit because of memory that they did not free.  A backend is to end like one that crashed.
set_asan_options()
{
	[ "$PG_KIND" != asan ] ||
		export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0:handle_segv=0:abort_on_error=1
}
set_asan_options

# The server refuses to run as root.
if [ "$EUID" -eq 0 ]; then
	TEST_USER=${TEST_USER:-goarena-test}
else
	TEST_USER=$(id -un)
fi

ARGUMENTS=("$@")				# of the script
SCRATCH=
JOB=
BACKGROUND=
JOB_STATUS=0

# Set GOARENA_CACHE, the directory that keeps what takes long to get or to build.
# Servers run from it as an unprivileged user; a directory that cannot be used is
# replaced by one in /tmp.
find_cache()
{
	local default=${XDG_CACHE_HOME:-/var/cache}

	[ "$EUID" -eq 0 ] || default=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}
	GOARENA_CACHE=${GOARENA_CACHE:-$default/goarena}
	if ! mkdir -p -- "$GOARENA_CACHE" 2>/dev/null || ! [ -w "$GOARENA_CACHE" ] ||
		! as_nobody test -x "$GOARENA_CACHE"; then
		GOARENA_CACHE=/tmp/goarena-cache-$EUID
		make_output_dir "$GOARENA_CACHE"
	fi
}

as_nobody()
{
	if [ "$EUID" -eq 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"
	else
		"$@"
	fi
}

# Is the server one that scripts/build-postgres.sh makes?
is_built()
{
	[ -z "${PG_CONFIG:-}" ] && [[ $PG_KIND =~ ^(cassert|valgrind|asan)$ ]]
}

# Is it one in a root directory that scripts/debian-root.sh makes?
is_in_root()
{
	[ -z "${PG_CONFIG:-}" ] || return 1
	[ "$PG_KIND" = others ] || [[ $PG_KIND = plain && $PG_MAJOR != "$PACKAGED_MAJOR" ]]
}

# Print where such a server is or will be.
server_directory()
{
	local name=postgresql suffix=

	! is_in_root || name=debian
	[ "$PG_KIND" = plain ] || suffix=-$PG_KIND
	say "$GOARENA_CACHE/$name-$PG_MAJOR$suffix"
}

# Run this script again, in the root directory of the server, and end as it does.
run_in_root()
{
	local tests=$GOARENA_CACHE/core-tests directories=(/tmp) directory

	mkdir -p "$tests"
	for directory in "$TOP" "$tests" "${TMPDIR:-}" "${LOGDIR:-}" "${OUTDIR:-}" "${BENCH_REPORT:-}" \
		"${PLAN:+$(dirname "$PLAN")}"; do
		[[ -z $directory || $directory = /tmp/* ]] || directories+=("$directory")
	done
	run_job "$TOP/scripts/in_root.sh" "$(server_directory)" "${directories[@]}" -- \
		env GOARENA_IN_ROOT=1 PG_CONFIG="/usr/lib/postgresql/$PG_MAJOR/bin/pg_config" \
		GOARENA_CACHE="$GOARENA_CACHE" \
		"$(realpath "$0")" "${ARGUMENTS[@]}"
	exit "$JOB_STATUS"
}

# Set PG_CONFIG unless it is, and from it BINDIR, PKGLIBDIR, PG_VERSION (15.20,
# 19rc1) and PG_REGRESS.
find_postgres()
{
	if is_in_root; then
		find_cache
		run_in_root
	elif is_built; then
		find_cache
		PG_CONFIG=$(server_directory)/bin/pg_config
	fi
	PG_CONFIG=${PG_CONFIG:-/usr/lib/postgresql/$PG_MAJOR/bin/pg_config}
	[ -x "$PG_CONFIG" ] || die "no $PG_CONFIG: run scripts/setup.sh, or set PG_CONFIG"
	BINDIR=$("$PG_CONFIG" --bindir)
	PKGLIBDIR=$("$PG_CONFIG" --pkglibdir)
	PG_VERSION=$("$PG_CONFIG" --version | awk '{ print $2 }')
	PG_REGRESS=$PKGLIBDIR/pgxs/src/test/regress/pg_regress
	[ -x "$BINDIR/postgres" ] || die "no server in $BINDIR"
}

# make, for the PostgreSQL that find_postgres() found
pgxs_make()
{
	make PG_CONFIG="$PG_CONFIG" "$@"
}

# Make SCRATCH, a directory of the unprivileged user, and have it and all that
# runs in it removed at exit.  It lies in /tmp because the path of a socket is
# limited to 107 bytes.
make_scratch()
{
	if [ "$EUID" -eq 0 ] && ! id "$TEST_USER" >/dev/null 2>&1; then
		useradd --system --user-group --no-create-home --home-dir /nonexistent \
			--shell /usr/sbin/nologin "$TEST_USER"
	fi
	trap cleanup EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	SCRATCH=$(mktemp -d "${SCRATCH_PARENT:-/tmp}/goarena.XXXXXX")
	chmod 755 "$SCRATCH"
	give_to_user "$SCRATCH"
}

give_to_user()
{
	if [ "$EUID" -eq 0 ]; then
		chown -R "$TEST_USER:" "$@"
	fi
}

# End a process group, if there is one, and wait until it is gone.
end_group()
{
	[ -n "$1" ] || return 0
	kill -TERM -- "-$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
	# The rest of the group may still be clearing up behind itself.
	for _ in {1..300}; do
		kill -0 -- "-$1" 2>/dev/null || break
		sleep 0.1
	done
}

cleanup()
{
	local status=$? data

	trap - EXIT
	trap '' HUP INT TERM
	end_group "$JOB"
	end_group "$BACKGROUND"
	if [ -n "$SCRATCH" ]; then
		# ours, and those that an interrupted TAP test left behind
		while read -r data; do
			stop_server "$data" || true
		done < <(find "$SCRATCH" -name postmaster.pid -printf '%h\n')
		rm -rf -- "$SCRATCH"
	fi
	exit "$status"
}

# Run a command or function as a process group of its own, wait for it, and leave
# its exit status in JOB_STATUS.  In contrast to a command in the foreground, a
# signal gets to our traps at once, and cleanup() can end the whole group.
# It must not be part of a condition: that would switch off set -e in functions.
run_job()
{
	JOB_STATUS=0
	set -m
	(set +m; "$@") </dev/null &
	JOB=$!
	set +m
	wait "$JOB" || JOB_STATUS=$?
	JOB=
}

# Run a command or function as a process group of its own while the script goes on,
# one at a time, until end_background.
start_background()
{
	set -m
	(set +m; "$@") </dev/null &
	BACKGROUND=$!
	set +m
}

end_background()
{
	end_group "$BACKGROUND"
	BACKGROUND=
}

# Run a command of which only failure is of interest, as a job.
quietly()
{
	run_job "$@" >"$SCRATCH/command.log" 2>&1
	if [ "$JOB_STATUS" -ne 0 ]; then
		tail -n 40 "$SCRATCH/command.log" >&2
		die "failed: $*"
	fi
}

# Run a command as the unprivileged user in the scratch directory, in a clean
# environment that leads to the scratch server.
run_as()
{
	local cmd=(env -i "PATH=$BINDIR:/usr/local/bin:/usr/bin:/bin" LC_ALL=C
		"HOME=$SCRATCH" "USER=$TEST_USER" "LOGNAME=$TEST_USER"
		"PGHOST=$SCRATCH" PGPORT=5432 PGDATABASE=postgres
		${ASAN_OPTIONS:+"ASAN_OPTIONS=$ASAN_OPTIONS"} "$@")

	# setpriv becomes the command, so that signals need nobody to pass them on
	if [ "$EUID" -eq 0 ]; then
		cmd=(setpriv --reuid="$TEST_USER" --regid="$TEST_USER" --init-groups -- "${cmd[@]}")
	fi
	(cd "$SCRATCH" && exec "${cmd[@]}")
}

# Start a new cluster; each argument is a line of its postgresql.conf.  The log
# is $SCRATCH/server.log.  SERVER_PROGRAM is run in place of postgres, if it is set.
start_server()
{
	local data=$SCRATCH/data log=$SCRATCH/pg_ctl.log

	rm -rf -- "$data" "$SCRATCH/server.log"
	run_as initdb -D "$data" -A trust -E UTF8 --locale=C --no-sync >"$log" 2>&1 || {
		cat "$log" >&2
		die "initdb failed"
	}
	printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$SCRATCH'" \
		'fsync = off' "$@" >>"$data/postgresql.conf"
	run_as pg_ctl -D "$data" -l "$SCRATCH/server.log" ${SERVER_PROGRAM:+-p "$SERVER_PROGRAM"} \
		-w -t 600 start >"$log" 2>&1 || {
		cat "$log" "$SCRATCH/server.log" >&2 || true
		die "the server did not start"
	}
}

# Stop the server, or the one of data directory $1, if it runs.  Fails if it did
# not stop as it should.
stop_server()
{
	local data=${1:-$SCRATCH/data}

	[ -e "$data/postmaster.pid" ] || return 0
	run_as pg_ctl -D "$data" -m fast -w -t 180 stop </dev/null >/dev/null 2>&1 && return 0
	run_as pg_ctl -D "$data" -m immediate -w -t 60 stop </dev/null >/dev/null 2>&1 || true
	return 1
}

# Print what is wrong with the log of a server that was stopped; nothing if all
# is well.
server_log_problems()
{
	local log=$1

	grep -aE 'LOG:  .* was terminated by signal|PANIC:  |^TRAP: ' "$log" || true
	# The server says so only after it has removed the file that pg_ctl looks for.
	for _ in {1..300}; do
		if tail -n 1 "$log" | grep -aq 'database system is shut down'; then
			return 0
		fi
		sleep 0.1
	done
	say "the server was not shut down in order"
}

# Read the output of pg_regress, print 'ok NAME' or 'failed NAME' for each test.
# Up to 15 the lines are "test NAME ... ok", or "     NAME ... ok" in a group;
# from 16 on they are TAP with a + for the members of a group.
regress_results()
{
	awk '
		match($0, /^(not )?ok [0-9]+ +[-+] +/) {
			split(substr($0, RLENGTH + 1), word, " ")
			print (/^not / ? "failed" : "ok"), word[1]
			next
		}
		match($0, /^(test|    ) +[^ ]+ +\.\.\. /) {
			rest = substr($0, RLENGTH + 1)
			sub(/^test/, "")
			split($0, word, " ")
			print (rest ~ /^ok/ ? "ok" : "failed"), word[1]
		}' "$@"
}

# Make a directory to keep logs in; nobody else's, since its name is known.
make_output_dir()
{
	mkdir -p -- "$1"
	[ -O "$1" ] || die "$1 belongs to somebody else"
}
