#!/bin/bash
# package.sh - test the Debian package: build, install, use, remove
#
# For a server in a root directory of scripts/debian-root.sh alone: on the machine
# itself nothing is installed.

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../../scripts/common.sh"
# shellcheck source=test/release/tap.sh
source "$TOP/test/release/tap.sh"

TOOLS=(build-essential debhelper fakeroot libprotobuf-c-dev postgresql-server-dev-all protobuf-c-compiler
	systemtap-sdt-dev zlib1g-dev)

is_in_root || [ -n "${GOARENA_IN_ROOT:-}" ] || skip "the package is tested in a root directory"
find_postgres
make_scratch
package=postgresql-$PG_MAJOR-goarena
build=$SCRATCH/build

# Get what the build takes, in the layer above the root directory.
get_tools()
{
	export DEBIAN_FRONTEND=noninteractive
	apt-get -q update && apt-get install -y -q --no-install-recommends "${TOOLS[@]}"
}

make_copy()
{
	mkdir -p "$build/goarena"
	tar -C "$TOP" --exclude=.git --exclude='*.o' --exclude='*.so' --exclude=./test/unit/build -cf - . |
		tar -C "$build/goarena" -xf -
	give_to_user "$build"
}

is_built_by_dpkg()
{
	run_as env -C "$build/goarena" dpkg-buildpackage -us -uc &&
		ls "$build/${package}_"*.deb
}

installs()
{
	DEBIAN_FRONTEND=noninteractive dpkg -i "$build/${package}"_[0-9]*.deb
}

files_of_package()
{
	dpkg -L "$package" | while read -r file; do
		[ -d "$file" ] || say "$file"
	done
}

# Has the package what make install installs?
is_complete()
{
	local file

	for file in "$PKGLIBDIR/goarena.so" "$BINDIR/goarena-check" "$("$PG_CONFIG" --sharedir)/extension/goarena.control" \
		"$("$PG_CONFIG" --sharedir)/extension/goarena--1.0.sql"; do
		say "$file"
		grep -qxF -- "$file" "$SCRATCH/files" || return 1
	done
}

# Has the library what Debian's own builds are hardened with, and its symbols apart?
is_hardened()
{
	readelf -lW "$PKGLIBDIR/goarena.so" | grep -q GNU_RELRO &&
		readelf -dW "$PKGLIBDIR/goarena.so" | grep -qE 'BIND_NOW|FLAGS_1.* NOW' &&
		! readelf -SW "$PKGLIBDIR/goarena.so" | grep -q '\.debug_info' &&
		ls "$build/${package}-dbgsym_"*.deb
}

uses()
{
	local held

	run_as psql -Xq -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION goarena' &&
		held=$(run_as psql -XAt -c 'SELECT goarena_total_held() > 0, count(*) > 0 FROM goarena_arenas()') &&
		[ "$held" = 't|t' ]
}

# Does goarena-check work as root, whose servers run as somebody else?
checks()
{
	local scratch

	scratch=$(env -C / "$BINDIR/goarena-check" -- \
		sh -c 'psql -Xc "SELECT 1" >&2 && echo "$GOARENA_CHECK"') &&
		[ -n "$scratch" ] && [ ! -e "$scratch" ]
}

is_gone()
{
	local file

	while read -r file; do
		[ ! -e "$file" ] || {
			say "$file is left"
			return 1
		}
	done <"$SCRATCH/files"
}

get_tools >"$SCRATCH/apt.log" 2>&1 ||
	skip "the tools that build a Debian package cannot be had: $(tail -n 1 "$SCRATCH/apt.log")"
pgxs_make -s -C "$TOP" uninstall >/dev/null
make_copy
ok 'dpkg-buildpackage makes the package' is_built_by_dpkg
ok 'it can be installed' installs
files_of_package >"$SCRATCH/files" 2>&1 || true
ok 'it has what it should' is_complete
ok 'the library is hardened and stripped, with symbols in a package of their own' is_hardened
start_server "shared_preload_libraries = 'goarena'"
ok 'a server with it works' uses
ok 'the server stops in order' stop_server
ok 'goarena-check runs as root' checks
ok 'it can be removed' dpkg -r "$package"
ok 'nothing of it is left' is_gone
done_testing
