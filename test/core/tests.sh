# tests.sh - get PostgreSQL's own tests for a server that came without them
# To be sourced by bash, after common.sh.
#
# shellcheck shell=bash disable=SC2034

# shellcheck source=scripts/source.sh
source "$TOP/scripts/source.sh"

# Print the major of version $1, such as 15.20 or 19rc1.
major_of()
{
	say "${1%%[!0-9]*}"
}

# Build psql from source tree $1, to be used with the libpq that is installed.
build_psql()
{
	(
		cd "$1"
		./configure -q --without-readline --without-zlib --without-icu --disable-rpath CFLAGS=-O1
		make -s -C src/backend generated-headers
		make -s -j "$(nproc)" -C src/bin/psql all
	) >"$SCRATCH/psql.log" 2>&1 || {
		tail -n 20 "$SCRATCH/psql.log" >&2
		die "cannot build psql"
	}
}

# Print the majors whose tests are of use for this server, the nearest first.
majors_by_distance()
{
	local major

	for major in "${ALL_MAJORS[@]}"; do
		say "$((major > PG_MAJOR ? major - PG_MAJOR : PG_MAJOR - major)) $major"
	done | sort -n | cut -d ' ' -f 2
}

# Unpack the source that has the tests in directory $1.
fetch_nearest_source()
{
	local major

	for major in $(majors_by_distance); do
		rm -rf -- "$1"
		! fetch_source "$major" "$1" || return 0
	done
	skip "no tests for PostgreSQL $PG_VERSION"
}

# Set TESTS, the directory of the cache that has the tests for this server.
find_tests()
{
	find_cache
	mkdir -p "$GOARENA_CACHE/core-tests"
	TESTS=$GOARENA_CACHE/core-tests/$PG_VERSION
}

# Get the tests of a server that came without them into TESTS: regress/ and contrib/
# of the source, its version, and psql if that differs.
fetch_tests()
{
	local source=$SCRATCH/source version

	find_tests
	exec 9>"$TESTS.lock"
	flock 9
	if [ ! -e "$TESTS/contrib" ]; then
		say "core: fetching the tests for PostgreSQL $PG_VERSION"
		fetch_nearest_source "$source"
		version=$(source_version "$source")
		rm -rf -- "$TESTS.new"
		mkdir "$TESTS.new"
		cp -R "$source/src/test/regress" "$source/contrib" "$TESTS.new"
		if [ "$version" != "$PG_VERSION" ] && [ "$(major_of "$version")" = "$PG_MAJOR" ]; then
			say "core: only $version is to be had, building its psql"
			build_psql "$source"
			cp "$source/src/bin/psql/psql" "$TESTS.new"
		fi
		say "$version" >"$TESTS.new/version"
		rm -rf -- "$source" "$TESTS"
		mv -T "$TESTS.new" "$TESTS"
	fi
	exec 9>&-
}
