#!/bin/bash
# setup.sh [run|test] - install what is missing on Debian
#
#   run   what it takes to build and run goarena
#   test  what all tests take as well (default)
#
# PG_CONFIG may name a server that does not come from a package; then only the
# tools are seen to.

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"

server=("postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR")
tools=(gcc make libc6-dev)
case "${1:-test}" in
	run) ;;
	test)
		# bison and flex: PostgreSQL's source, for its regression tests, may ask for them
		tools+=(libcmocka-dev libipc-run-perl clang-format-14 bison flex perl
			bzip2 xz-utils patch git procps) ;;
	*) die "usage: setup.sh [run|test]" ;;
esac

command -v dpkg-query >/dev/null ||
	die "this script knows Debian only; wanted are: ${server[*]} ${tools[*]}"

# The version of an installed package, else nothing
version()
{
	{ dpkg-query -W -f='${db:Status-Status} ${Version}\n' "$1" 2>/dev/null || true; } |
		sed -n 's/^installed //p'
}

missing=()
if [ "$PG_CONFIG" = "$PACKAGED_PG_CONFIG" ]; then
	# The headers must be those of the server: update both when they differ.
	headers=$(version "${server[1]}")
	if [ -z "$headers" ] || [ "$(version "${server[0]}")" != "$headers" ]; then
		missing=("${server[@]}")
	fi
fi
for package in "${tools[@]}"; do
	[ -n "$(version "$package")" ] || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

install=(apt-get install -y -q --no-install-recommends "${missing[@]}")
[ "$EUID" -eq 0 ] || die "packages are missing; as root run: apt-get update && ${install[*]}"

# Without this the package starts a cluster of its own.
createcluster=/etc/postgresql-common/createcluster.conf
if [ -z "$(version postgresql-common)" ] && [ ! -e "$createcluster" ]; then
	mkdir -p "$(dirname "$createcluster")"
	say 'create_main_cluster = false' >"$createcluster"
fi

say "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
output=$(apt-get update -q 2>&1) || say "$output"	# some other repository may be out of order
output=$("${install[@]}" 2>&1) || die "$output"
