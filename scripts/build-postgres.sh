#!/bin/bash
# build-postgres.sh MAJOR [plain|cassert] - build a PostgreSQL for the tests
#
# For the majors that this Debian has no packages of: builds the source of Debian's
# package, with the flags that Debian hardens its own builds with, and keeps the
# result in the cache.  cassert adds --enable-cassert.  The last line of the output
# is where it is.
#
# If the source cannot be fetched, as may be with a release candidate that has been
# superseded, Debian's own packages take the place of a plain build, see
# scripts/debian-root.sh.
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
usage="usage: build-postgres.sh 17|18|19 [plain|cassert]"
EXTENSIONS=(amcheck auto_explain pg_buffercache pg_stat_statements spi test_decoding)

# Set FLAGS, the arguments of configure.
set_flags()
{
	# gcc makes position-independent programs by itself, see check_build()
	FLAGS=(--prefix="$PREFIX" --enable-debug --enable-tap-tests --with-icu --with-lz4
		--without-readline --without-zlib
		CFLAGS='-O2 -g -fno-omit-frame-pointer -fstack-protector-strong -Wformat -Werror=format-security'
		CPPFLAGS='-D_FORTIFY_SOURCE=2'
		LDFLAGS='-Wl,-z,relro -Wl,-z,now')
	if [ "$PG_KIND" = cassert ]; then
		FLAGS+=(--enable-cassert)
	elif [ "$PG_MAJOR" = "$LLVM_MAJOR" ]; then
		FLAGS+=(--with-llvm LLVM_CONFIG=llvm-config-14 CLANG=clang-14)
	fi
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
PG_KIND=${2:-plain}
[[ $PG_MAJOR =~ ^(17|18|19)$ && $PG_KIND =~ ^(plain|cassert)$ && $# -le 2 ]] || die "$usage"

find_cache
PREFIX=$(build_prefix)
set_flags
STAMP=$(say "gcc $(gcc -dumpfullversion)" && printf '%s\n' "${FLAGS[@]}" "${EXTENSIONS[@]}")

# one build of a kind at a time
exec 9>"$PREFIX.lock"
flock 9
if [ -z "${FORCE:-}" ] && [ "$(cat "$PREFIX/goarena-build" 2>/dev/null)" = "$STAMP" ]; then
	say "$PREFIX"
	exit 0
fi

if [ -z "${FORCE:-}" ] && [ "$PG_KIND" = plain ] && [ -e "$(root_of_server)" ]; then
	root_of_server
	exit 0
fi

start=$SECONDS
make_scratch
if ! fetch_source "$PG_MAJOR" "$SCRATCH/source"; then
	[ "$PG_KIND" = plain ] || exit 1
	run_job "$TOP/scripts/debian-root.sh" "$PG_MAJOR"
	exit "$JOB_STATUS"
fi
say "building PostgreSQL $(source_version "$SCRATCH/source") ($PG_KIND)"
quietly build "$SCRATCH/source"
quietly install_build "$SCRATCH/source"
check_build
say "$STAMP" >"$PREFIX/goarena-build"
say "built in $((SECONDS - start)) s"
say "$PREFIX"
