#!/bin/bash
# debian-root.sh MAJOR - Debian's own packages of a PostgreSQL, in a root directory
#
# For a major whose source cannot be fetched: makes a root directory of the release of
# Debian that the packages are for, and keeps it in the cache.  Servers in it are
# Debian's production builds; common.sh runs the scripts inside.  The packages have no
# regression tests, so those of the major before come with it, see test/core/run.sh.
#
#   FORCE=1        make it anyway
#   GOARENA_CACHE  where it is kept, see common.sh

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=scripts/source.sh
source "$TOP/scripts/source.sh"

# The release that the packages of experimental are for
RELEASE=forky

make_root()
{
	local root=$1 packages sources options

	packages=("postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR" gcc make libc6-dev
		libipc-run-perl perl procps patch)
	mapfile -t sources < <(source_lines "$RELEASE" experimental | sed -n 's/^deb-src/deb/p' | grep -v security)
	# apt's own preferences would leave these at the version of the release
	packages+=(libpq5/experimental libpq-dev/experimental)
	mapfile -t options < <(apt-config dump Acquire::Check-Valid-Until | sed 's/^/--aptopt=/')
	mmdebstrap --mode=root --variant=apt --keyring="$KEYRING" "${options[@]}" \
		--include="$(IFS=, && say "${packages[*]}")" "$RELEASE" "$root" "${sources[@]}"
}

# Put the regression tests of major $1 where run.sh looks for those of the server.
borrow_tests()
{
	local source=$SCRATCH/source target=$2/usr/lib/postgresql/$PG_MAJOR/lib/regress

	fetch_source "$1" "$source" || die "no tests for PostgreSQL $PG_MAJOR"
	mkdir "$target"
	cp -R "$source"/src/test/regress/{sql,expected,data,parallel_schedule,resultmap} "$target"
	# 19 makes a plan for one of 18's queries that starts parallel workers 20,000 times.
	sed -i 's/ join_hash\>//' "$target/parallel_schedule"
	source_version "$source" >"$target/borrowed"
}

[[ $# -eq 1 && $1 =~ ^[0-9]+$ ]] || die "usage: debian-root.sh MAJOR"
[ "$EUID" -eq 0 ] || die "only root can make a root directory"
PG_MAJOR=$1
unset PG_CONFIG
find_cache
root=$(root_of_server)
exec 9>"$root.lock"
flock 9
if [ -n "${FORCE:-}" ] || [ ! -e "$root" ]; then
	start=$SECONDS
	make_scratch
	say "making a root directory with Debian's PostgreSQL $PG_MAJOR"
	rm -rf -- "$root" "$root.new"
	quietly make_root "$root.new"
	borrow_tests $((PG_MAJOR - 1)) "$root.new"
	mv -T "$root.new" "$root"
	say "made in $((SECONDS - start)) s"
fi
say "$root"
