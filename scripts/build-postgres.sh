#!/bin/bash
# build-postgres.sh MAJOR [cassert|valgrind|asan] - build a PostgreSQL for the tests
#
# Builds the source of Debian's package with assertions, which Debian's own builds do
# not have, or so that valgrind knows what palloc and pfree do, or with AddressSanitizer, and
# else with the flags that Debian hardens those with.  Keeps the result in the cache.  The last
# line of the output is where it is.
#
# The exit status is 77, and the last line says why, if the source is not to be had.
#
# What the tests need besides the server comes with it: the extensions, Perl modules
# and pg_regress they use, and PostgreSQL's own regression tests in $pkglibdir.
#
# A build in the cache is used as it is, without a look at what Debian has by now,
# as long as it was made with the same flags.
#
#   FORCE=1        build anyway
#   GOARENA_CACHE  where builds are kept, see common.sh

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=scripts/source.sh
source "$TOP/scripts/source.sh"

unset PG_CONFIG
usage="usage: build-postgres.sh MAJOR [cassert|valgrind|asan]"
EXTENSIONS=(amcheck auto_explain pg_buffercache pg_stat_statements spi test_decoding)

# Set FLAGS, the arguments of configure.
set_flags()
{
	local macros='-D_FORTIFY_SOURCE=2' sanitize='' kind=()

	case "$PG_KIND" in
		cassert) kind=(--enable-cassert) ;;
		valgrind) macros+=' -DUSE_VALGRIND' ;;
		# it does not see what the checking functions of _FORTIFY_SOURCE do
		asan) macros='' sanitize=' -fsanitize=address' ;;
	esac
	# gcc makes position-independent programs by itself, see check_build()
	FLAGS=(--prefix="$PREFIX" --enable-debug --enable-tap-tests --with-icu --with-lz4
		--without-readline --without-zlib
		CFLAGS='-O2 -g -fno-omit-frame-pointer -fstack-protector-strong -Wformat -Werror=format-security'"$sanitize"
		CPPFLAGS="$macros"
		LDFLAGS='-Wl,-z,relro -Wl,-z,now' "${kind[@]}")
}

build()
{
	local source=$1 extension

	cd "$source"
	./configure -q "${FLAGS[@]}"
	make -s -j "$(nproc)" -C src/backend generated-headers
	make -s -j "$(nproc)" -C src all
	for extension in "${EXTENSIONS[@]}"; do
		make -s -j "$(nproc)" -C "contrib/$extension" all
	done
}

install_build()
{
	local source=$1 extension

	rm -rf -- "$PREFIX"
	cd "$source"
	make -s -C src install
	make -s -C config install
	for extension in "${EXTENSIONS[@]}"; do
		make -s -C "contrib/$extension" install
	done
	make -s -C src/test/regress install-tests
	[ "$PG_KIND" != valgrind ] || cp src/tools/valgrind.supp "$PREFIX/lib"
	chmod -R a+rX "$PREFIX"
}

# Is what was built hardened as intended?
check_build()
{
	local program=$PREFIX/bin/postgres dynamic

	dynamic=$(readelf -dW "$program")
	readelf -hW "$program" | grep -q 'Type: *DYN' || die "$program is not position-independent"
	readelf -lW "$program" | grep -q GNU_RELRO || die "$program has no RELRO"
	grep -qE 'BIND_NOW|FLAGS_1.* NOW' <<<"$dynamic" || die "$program is not bound at start"
	[ -e "$PREFIX/lib/regress/parallel_schedule" ] || die "no regression tests in $PREFIX"
}

PG_MAJOR=${1:-}
PG_KIND=${2:-cassert}
[[ " ${ALL_MAJORS[*]} " = *" $PG_MAJOR "* && $PG_KIND =~ ^(cassert|valgrind|asan)$ && $# -le 2 ]] || die "$usage"

set_asan_options
[[ $PG_KIND != valgrind || -e /usr/include/valgrind/memcheck.h ]] || die "valgrind is not installed"
find_cache
PREFIX=$(server_directory)
set_flags
STAMP=$(say "gcc $(gcc -dumpfullversion)" && printf '%s\n' "${FLAGS[@]}" "${EXTENSIONS[@]}")

# one build of a kind at a time
exec 9>"$PREFIX.lock"
flock 9
if [ -z "${FORCE:-}" ] && [ "$(cat "$PREFIX/goarena-build" 2>/dev/null)" = "$STAMP" ]; then
	say "$PREFIX"
	exit 0
fi

start=$SECONDS
make_scratch
fetch_source "$PG_MAJOR" "$SCRATCH/source" 2>&1 || exit "$SKIPPED"
say "building PostgreSQL $(source_version "$SCRATCH/source") ($PG_KIND)"
quietly build "$SCRATCH/source"
quietly install_build "$SCRATCH/source"
check_build
say "$STAMP" >"$PREFIX/goarena-build"
say "built in $((SECONDS - start)) s"
say "$PREFIX"
