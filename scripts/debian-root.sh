#!/bin/bash
# debian-root.sh MAJOR [plain|others] - Debian's own packages of a PostgreSQL, in a root
# directory
#
# For the majors that this system has no packages of: makes a root directory of the
# release of Debian that has them, with all that the tests need, and keeps it in the
# cache.  Servers in it are Debian's production builds; common.sh runs the scripts
# inside.  With others there are also other extensions, see test/others.
# The last line of the output is where it is.
#
# The exit status is 77, and the last line says why, if there is no such root directory
# to be had: no mirror has the packages, or this machine cannot make one.
#
# A root directory in the cache is used as it is, without a look at what Debian has by
# now, as long as it was made with the same packages.  If only some are missing, they are
# added, else it is made again.
#
#   FORCE=1        make it anyway
#   GOARENA_CACHE  where it is kept, see common.sh

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=scripts/source.sh
source "$TOP/scripts/source.sh"

ATTEMPT_TIME=1200				# seconds

# Remove directories of the cache.  Whatever should be mounted there stays.
remove()
{
	rm -rf --one-file-system -- "$@"
}

# Make root directory $1 of release $2 from apt's lines in the other arguments.
make_root()
{
	local root=$1 release=$2 options pin hooks=()

	shift 2
	if [ "$PG_KIND" = others ]; then
		hooks=(--customize-hook="'$TOP/test/others/install.sh' \"\$1\" $PG_MAJOR")
	fi
	# What the system's apt was told about mirrors holds for this one, too.
	mapfile -t options < <(
		apt-config dump Acquire | grep -E '^Acquire::(Check-Valid-Until|Check-Date|Retries|https?)\b.* "[^"]+";$' |
			sed 's/^/--aptopt=/')
	# apt takes nothing from experimental by itself.
	pin="Package: libpq* postgresql-*\nPin: release a=experimental\nPin-Priority: 500\n"
	unshare --mount -- timeout -k 10 "$ATTEMPT_TIME" \
		mmdebstrap --mode=root --variant=apt --keyring="$KEYRING" "${options[@]}" \
		--setup-hook="printf '$pin' >\"\$1/etc/apt/preferences.d/goarena\"" "${hooks[@]}" \
		--include="$(IFS=, && say "${PACKAGES[*]}")" "$release" "$root" "$@"
	chroot "$root" "/usr/lib/postgresql/$PG_MAJOR/bin/pg_config" --version
}

# Make root directory $1 from the first place that has the packages.  If the mirror of
# security updates is what fails, without it.
make_from_any_place()
{
	local root=$1 release rest lines without

	while read -r -a place <&3; do
		release=${place[0]}
		mapfile -t lines < <(find_source_lines deb "${place[@]}")
		[ ${#lines[@]} -gt 0 ] || skip "no root directory for PostgreSQL $PG_MAJOR: apt knows no mirror of Debian"
		mapfile -t without < <(printf '%s\n' "${lines[@]}" | grep -v -- '-security main$')
		say "making a root directory of ${place[*]} with Debian's PostgreSQL $PG_MAJOR"
		remove "$root"
		run_job make_root "$root" "$release" "${lines[@]}" >"$SCRATCH/log" 2>&1
		if [ "$JOB_STATUS" -ne 0 ] && [ ${#without[@]} -lt ${#lines[@]} ]; then
			remove "$root"
			run_job make_root "$root" "$release" "${without[@]}" >"$SCRATCH/log" 2>&1
		fi
		[ "$JOB_STATUS" -ne 0 ] || return 0
		tail -n 20 "$SCRATCH/log"
	done 3< <(places_of "$PG_MAJOR")
	remove "$root"
	skip "no root directory for PostgreSQL $PG_MAJOR: $( { grep -a '^E: ' "$SCRATCH/log" || tail -n 1 "$SCRATCH/log"; } | tail -n 1)"
}

# Add to root directory $1 what it was made without.
add_packages()
{
	cp -L /etc/resolv.conf "$1/etc/resolv.conf" 2>/dev/null || true
	timeout -k 10 "$ATTEMPT_TIME" chroot "$1" apt-get -q update &&
		DEBIAN_FRONTEND=noninteractive timeout -k 10 "$ATTEMPT_TIME" \
			chroot "$1" apt-get install -y -q --no-install-recommends "${PACKAGES[@]}"
}

# Was root directory $1 made with nothing but what is wanted now?
lacks_packages()
{
	local word

	[ -z "${FORCE:-}" ] && [ -s "$1/goarena-root" ] || return 1
	for word in $(cat "$1/goarena-root"); do
		[[ " $STAMP " = *" $word "* ]] || return 1
	done
}

# Bring root directory $1 up to date.  Fails if it must be made again.
update_root()
{
	lacks_packages "$1" || return 1
	say "adding packages to the root directory of PostgreSQL $PG_MAJOR"
	run_job add_packages "$1" >"$SCRATCH/log" 2>&1
	if [ "$JOB_STATUS" -ne 0 ]; then
		tail -n 20 "$SCRATCH/log"
		return 1
	fi
	say "$STAMP" >"$1/goarena-root"
}

PG_MAJOR=${1:-}
PG_KIND=${2:-plain}
[[ " ${ALL_MAJORS[*]} " = *" $PG_MAJOR "* && $PG_KIND =~ ^(plain|others)$ && $# -le 2 ]] ||
	die "usage: debian-root.sh MAJOR [plain|others] (${ALL_MAJORS[*]})"
unset PG_CONFIG
PACKAGES=("postgresql-$PG_MAJOR" "postgresql-server-dev-$PG_MAJOR" gcc make libc6-dev
	bison bzip2 flex libcmocka-dev libipc-run-perl libprotobuf-c-dev patch perl procps
	protobuf-c-compiler xz-utils zlib1g-dev)
STAMP=${PACKAGES[*]}
if [ "$PG_KIND" = others ]; then
	STAMP+=" $(cat "$TOP/test/others/extensions" "$TOP/test/others/install.sh" | cksum)"
fi

find_cache
root=$(server_directory)
is_ready()
{
	[ -z "${FORCE:-}" ] && [ "$(cat "$root/goarena-root" 2>/dev/null)" = "$STAMP" ]
}

if ! is_ready; then
	[ "$EUID" -eq 0 ] || skip "only root can make a root directory for PostgreSQL $PG_MAJOR"
	command -v mmdebstrap >/dev/null || skip "no mmdebstrap to make a root directory for PostgreSQL $PG_MAJOR"
	unshare --mount -- true 2>/dev/null ||
		skip "no mounts of one's own here, as the tests with PostgreSQL $PG_MAJOR need"

	# one at a time, and not while somebody uses it
	exec 9>"$root.lock"
	flock 9
	if ! is_ready; then
		start=$SECONDS
		make_scratch
		if update_root "$root"; then
			say "added in $((SECONDS - start)) s"
		else
			make_from_any_place "$root.new"
			say "$STAMP" >"$root.new/goarena-root"
			remove "$root"
			mv -T "$root.new" "$root"
			say "made in $((SECONDS - start)) s"
		fi
	fi
fi
say "$root"
