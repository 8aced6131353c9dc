#!/bin/bash
# servers.sh - test how root directories with servers are made, and what is skipped
#
# With programs of its own in the place of apt, mmdebstrap, chroot and unshare: nothing is
# fetched, and nothing is mounted.

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../../scripts/common.sh"
# shellcheck source=test/release/tap.sh
source "$TOP/test/release/tap.sh"

[ "$EUID" -eq 0 ] || skip "only root can make a root directory"
make_scratch
bin=$SCRATCH/bin
export GOARENA_CACHE=$SCRATCH/cache STUBS=$SCRATCH/stubs
unset PG_CONFIG PG_MAJOR PG_KIND FORCE
mkdir "$bin" "$GOARENA_CACHE" "$STUBS"

# Make program $1, which does what standard input says.
program()
{
	{ say '#!/bin/bash' && cat; } >"$bin/$1"
	chmod +x "$bin/$1"
}

program apt-get <<'END'
case "$*" in
	indextargets*)
		echo "Debian main bookworm http://mirror.invalid/debian/"
		echo "Debian main bookworm-security http://mirror.invalid/security/"
		echo "Other main stable http://other.invalid/" ;;
esac
END
program apt-config <<'END'
echo 'Acquire::Check-Valid-Until "false";'
echo 'Acquire::IndexTargets::deb::Packages::Optional "0";'
END
program unshare <<'END'
[ ! -e "$STUBS/no-mounts" ] || exit 1
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
END
program chroot <<'END'
echo "$*" >>"$STUBS/chroots"
[ -e "$1/made" ] && [ ! -e "$STUBS/no-packages" ]
END
# Fails for releases, and with lines, that $STUBS/fail has a pattern for.
program mmdebstrap <<'END'
while [[ $1 = -* ]]; do options+="$1 "; shift; done
echo "$*" >>"$STUBS/calls"
echo "$options" >>"$STUBS/options"
sleep "$(cat "$STUBS/sleep" 2>/dev/null || echo 0)"
mkdir -p "$2/usr"
if [ -e "$STUBS/fail" ] && grep -qE -f "$STUBS/fail" <<<"$*"; then
	echo "E: no such suite" >&2
	exit 25
fi
touch "$2/made"
END

debian_root()
{
	PATH=$bin:$PATH "$TOP/scripts/debian-root.sh" "$@"
}

# Forget what was made and called.
start_anew()
{
	rm -rf -- "${GOARENA_CACHE:?}" "${STUBS:?}"
	mkdir "$GOARENA_CACHE" "$STUBS"
}

# Is the last line of debian-root.sh for major $1 the directory, which is there whole?
makes()
{
	local root=$GOARENA_CACHE/debian-$1

	[ "$(debian_root "$1" | tail -n 1)" = "$root" ] && [ -e "$root/made" ] && [ ! -e "$root.new" ]
}

asked_debian_alone()
{
	grep mirror.invalid "$STUBS/calls" && ! grep other.invalid "$STUBS/calls"
}

# Is there a call for release $1 with security updates, if $2 is yes, or without?
called()
{
	local lines

	lines=$(grep "^$1 " "$STUBS/calls") || return 1
	case "$2" in
		yes) grep -q -- -security <<<"$lines" ;;
		no) grep -qv -- -security <<<"$lines" ;;
	esac
}

calls_are()
{
	[ "$(wc -l <"$STUBS/calls")" -eq "$1" ]
}

# Does debian-root.sh $1 end with the status of what is skipped, say $2, and leave nothing?
skips()
{
	local status=0 output

	output=$(debian_root "$1" 2>&1) || status=$?
	say "$output"
	[ "$status" -eq "$SKIPPED" ] && tail -n 1 <<<"$output" | grep -q -- "$2" &&
		[ ! -e "$GOARENA_CACHE/debian-$1" ] && [ ! -e "$GOARENA_CACHE/debian-$1.new" ]
}

two_at_once()
{
	local first

	say 1 >"$STUBS/sleep"
	debian_root 18 &
	first=$!
	debian_root 18 && wait "$first"
}

# Does test.sh say what it skips, count it, and succeed?
tells_what_is_skipped()
{
	local output

	output=$(LOGDIR=$SCRATCH/logs PATH=$bin:$PATH PG_MAJORS=19 "$TOP/scripts/test.sh" build sql) || return 1
	say "$output"
	grep -q '^19  *sql  *skipped: no mounts' <<<"$output" &&
		[ "$(tail -n 1 <<<"$output")" = '0 passed, 0 failed, 2 skipped' ]
}

ok 'a root directory is made' makes 17
ok 'it is of the release that has the server, with security updates' called trixie yes
ok 'only mirrors of Debian are asked' asked_debian_alone
ok 'what apt was told about mirrors is passed on' grep -q 'aptopt=Acquire::Check-Valid-Until "false"' "$STUBS/options"
ok 'it is made once' makes 17
ok 'it was made once' calls_are 1

start_anew
say "[-]security" >"$STUBS/fail"
ok 'without a mirror of security updates it is made from the others' makes 17
ok 'they were tried first' calls_are 2

start_anew
say '^forky' >"$STUBS/fail"
ok 'from the next suite if the first does not have the server' makes 18
ok 'which is sid' called sid no

start_anew
say . >"$STUBS/fail"
ok 'a server that no suite has is skipped, with what apt says' skips 18 'PostgreSQL 18: E: no such suite'

start_anew
touch "$STUBS/no-mounts"
ok 'where nothing can be mounted, it is skipped' skips 17 'no mounts'
ok 'test.sh names what it skips, counts it, and succeeds' tells_what_is_skipped

start_anew
mkdir -p "$GOARENA_CACHE/debian-17.new/half"
ok 'what was left half made is made again' makes 17
ok 'nothing of it is left' test ! -e "$GOARENA_CACHE/debian-17/half"

start_anew
mkdir -p "$GOARENA_CACHE/debian-19/of-an-earlier-layout"
ok 'a root directory of an earlier layout is made again' makes 19
ok 'nothing of the earlier one is left' test ! -e "$GOARENA_CACHE/debian-19/of-an-earlier-layout"

start_anew
ok 'a root directory that was made' makes 17
sed -i 's/ protobuf-c-compiler//' "$GOARENA_CACHE/debian-17/goarena-root"
ok 'without a package that is wanted now' makes 17
ok 'gets it' grep -q 'debian-17 apt-get install .*protobuf-c-compiler' "$STUBS/chroots"
ok 'and is not made again' calls_are 1
sed -i 's/ protobuf-c-compiler/ one-that-is-not-wanted/' "$GOARENA_CACHE/debian-17/goarena-root"
ok 'one with other packages' makes 17
ok 'is made again' calls_are 2

start_anew
ok 'two that want it at the same time both get it' two_at_once
ok 'but it is made once' calls_are 1
done_testing
