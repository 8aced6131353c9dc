#!/bin/bash
# setup.sh [run|bench|server|test] - get what is missing on Debian
#
#   run     what it takes to build and run goarena
#   bench   what it takes to run the benchmarks as well
#   server  what the tests with a server take as well
#   test    what all tests take (default)
#
# The server comes from the package of PG_MAJOR (default 15), else
# scripts/build-postgres.sh makes it.  With PG_CONFIG set, it is there.

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"

what=${1:-test}
packages=("postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR")
tools=(gcc make libc6-dev)
# PostgreSQL's source, for a build or for the regression tests
source=(bison flex perl bzip2 xz-utils)
if is_built; then
	tools+=("${source[@]}" pkg-config libicu-dev liblz4-dev libipc-run-perl)
	[ "$PG_MAJOR" != "$LLVM_MAJOR" ] || tools+=(g++ llvm-14-dev clang-14)
	[ "$PG_MAJOR" != 19 ] || tools+=(mmdebstrap)	# see debian-root.sh
fi
case "$what" in
	run) ;;
	bench) tools+=(perl strace valgrind) ;;
	server|test)
		tools+=(libipc-run-perl perl patch procps)
		[ -n "${PG_CONFIG:-}" ] || tools+=("${source[@]}") ;;&
	test) tools+=(libcmocka-dev clang-format-14) ;;
	server) ;;
	*) die "usage: setup.sh [run|bench|server|test]" ;;
esac

command -v dpkg-query >/dev/null ||
	die "this script knows Debian only; wanted are: ${packages[*]} ${tools[*]}"

# The version of an installed package, else nothing
version()
{
	{ dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null || true; } |
		sed -n 's/^installed //p'
}

# Set missing, the packages that are not installed.
find_missing()
{
	local package headers

	missing=()
	if [ -z "${PG_CONFIG:-}" ] && ! is_built; then
		# The headers must be those of the server: update both when they differ.
		headers=$(version "${packages[1]}")
		if [ -z "$headers" ] || [ "$(version "${packages[0]}")" != "$headers" ]; then
			missing=("${packages[@]}")
		fi
	fi
	for package in "${tools[@]}"; do
		[ -n "$(version "$package")" ] || missing+=("$package")
	done
}

install_missing()
{
	local install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
	local output createcluster=/etc/postgresql-common/createcluster.conf

	[ "$EUID" -eq 0 ] ||
		die "packages are missing; as root run: apt-get update && ${install[*]}"
	# Without this the package starts a cluster of its own.
	if [ -z "$(version postgresql-common)" ] && [ ! -e "$createcluster" ]; then
		mkdir -p "$(dirname "$createcluster")"
		say 'create_main_cluster = false' >"$createcluster"
	fi
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	output=$(apt-get update -q 2>&1) || say "$output"	# some other repository may be out of order
	output=$("${install[@]}" 2>&1) || die "$output"
}

# Tests of several servers may get here at a time.
if [ "$EUID" -eq 0 ]; then
	exec 9>/run/lock/goarena-setup
	flock 9
fi
find_missing
if [ "${#missing[@]}" -gt 0 ]; then
	install_missing
fi
exec 9>&-

if is_built; then
	exec "$TOP/scripts/build-postgres.sh" "$PG_MAJOR" "$PG_KIND"
fi
