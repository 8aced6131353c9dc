#!/bin/bash
# setup.sh [--list] [run|bench|server|test] - get what is missing on Debian
#
#   run     what it takes to build and run goarena
#   bench   what it takes to run the benchmarks as well
#   server  what the tests with a server take as well
#   test    what all tests take (default)
#
# The server is that of PG_MAJOR (default: of this system's own packages) and PG_KIND,
# see common.sh.  With PG_CONFIG set, it is there.  The exit status is 77, and the last
# line says why, if the server is not to be had.
#
# With --list nothing is done but to say what would be got, a line for each thing.

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"

usage="usage: setup.sh [--list] [run|bench|server|test]"
list=false
if [ "${1:-}" = --list ]; then
	list=true
	shift
fi
what=${1:-test}
[[ $what =~ ^(run|bench|server|test)$ && $# -le 1 ]] || die "$usage"

CLANG_FORMAT=clang-format-14	# other versions format otherwise
packages=()						# of the server
tools=(gcc make libc6-dev libprotobuf-c-dev protobuf-c-compiler zlib1g-dev)
optional=()						# done without if they cannot be had
# PostgreSQL's source, for a build or for the regression tests
source=(bison flex perl bzip2 xz-utils)
if is_in_root; then
	tools=(mmdebstrap)			# the rest is in the root directory
elif is_built; then
	tools+=("${source[@]}" pkg-config libicu-dev liblz4-dev libipc-run-perl)
elif [ -z "${PG_CONFIG:-}" ]; then
	packages=("postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR")
fi
if ! is_in_root; then
	# Probes.  Root directories do without, as everybody may.
	[ -n "${GOARENA_IN_ROOT:-}" ] || optional+=(systemtap-sdt-dev)
	case "$what" in
		bench) tools+=(perl strace valgrind) ;;
		server|test)
			tools+=(libipc-run-perl perl patch procps)
			[ -n "${PG_CONFIG:-}" ] || tools+=("${source[@]}") ;;&
		test)
			tools+=(g++ git libcmocka-dev unzip)
			optional+=("$CLANG_FORMAT") ;;
	esac
fi

command -v dpkg-query >/dev/null ||
	die "this script knows Debian only; wanted are: ${packages[*]} ${tools[*]}"

# The version of an installed package, else nothing
version()
{
	{ dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null || true; } |
		sed -n 's/^installed //p'
}

# Set missing, the packages that are not installed, and missing_optional.
find_missing()
{
	local package headers

	missing=() missing_optional=()
	if [ ${#packages[@]} -gt 0 ]; then
		# The headers must be those of the server: update both when they differ.
		headers=$(version "${packages[1]}")
		if [ -z "$headers" ] || [ "$(version "${packages[0]}")" != "$headers" ]; then
			missing=("${packages[@]}")
		fi
	fi
	for package in "${tools[@]}"; do
		[ -n "$(version "$package")" ] || missing+=("$package")
	done
	for package in "${optional[@]}"; do
		[ -n "$(version "$package")" ] || missing_optional+=("$package")
	done
}

# Install packages.  Leaves what apt said in OUTPUT.
install()
{
	OUTPUT=$(apt-get install -y -q --no-install-recommends "$@" 2>&1)
}

install_missing()
{
	local createcluster=/etc/postgresql-common/createcluster.conf package

	if [ "$EUID" -ne 0 ]; then
		[ ${#missing[@]} -gt 0 ] || return 0
		! is_in_root || skip "only root can make a root directory for PostgreSQL $PG_MAJOR"
		die "packages are missing; as root run: apt-get update && apt-get install ${missing[*]}"
	fi
	# Without this the package starts a cluster of its own.
	if [ -z "$(version postgresql-common)" ] && [ ! -e "$createcluster" ]; then
		mkdir -p "$(dirname "$createcluster")"
		say 'create_main_cluster = false' >"$createcluster"
	fi
	say "installing ${missing[*]} ${missing_optional[*]}"
	export DEBIAN_FRONTEND=noninteractive
	OUTPUT=$(apt-get update -q 2>&1) || say "$OUTPUT"	# some other repository may be out of order
	if [ ${#missing[@]} -gt 0 ]; then
		install "${missing[@]}" || die "$OUTPUT"
	fi
	for package in "${missing_optional[@]}"; do
		install "$package" || say "$package cannot be had"
	done
}

if "$list"; then
	find_missing
	printf '%s\n' "${missing[@]}" "${missing_optional[@]}" | sed '/^$/d'
	find_cache
	if is_in_root && [ ! -e "$(server_directory)" ]; then
		say "Debian's PostgreSQL $PG_MAJOR$([ "$PG_KIND" = plain ] || say " and other extensions") in $(server_directory)"
	elif is_built && [ ! -e "$(server_directory)" ]; then
		say "a build of PostgreSQL $PG_MAJOR with assertions in $(server_directory)"
	fi
	exit 0
fi

# Tests of several servers may get here at a time.
if [ "$EUID" -eq 0 ]; then
	mkdir -p /run/lock
	exec 9>/run/lock/goarena-setup
	flock 9
fi
find_missing
if [ $((${#missing[@]} + ${#missing_optional[@]})) -gt 0 ]; then
	install_missing
fi
exec 9>&-

if is_in_root; then
	exec "$TOP/scripts/debian-root.sh" "$PG_MAJOR" "$PG_KIND"
elif is_built; then
	exec "$TOP/scripts/build-postgres.sh" "$PG_MAJOR" "$PG_KIND"
fi
