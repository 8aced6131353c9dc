# source.sh - where Debian has a PostgreSQL major, and how to get its source
# To be sourced by bash, after common.sh.
#
# shellcheck shell=bash

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# Print the places that may have PostgreSQL $1, the likeliest first, a line each: a
# release of Debian, and a suite that adds to it.
places_of()
{
	case "$1" in
		15) say bookworm ;;
		17) say trixie ;;
		18) printf '%s\n' forky sid ;;
		19) printf '%s\n' 'forky experimental' 'sid experimental' ;;
		*) die "which suite has PostgreSQL $1?" ;;
	esac
}

# Print apt's lines of type $1 (deb or deb-src) for the other arguments, which are
# suites, and for their security updates, at the mirrors that the system uses.
source_lines()
{
	local type=$1

	shift
	# shellcheck disable=SC2016		# apt expands these
	apt-get indextargets --format '$(ORIGIN) $(COMPONENT) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
		awk -v type="$type" -v suites="$*" -v keyring="$KEYRING" '
			BEGIN { n = split(suites, suite, " ") }
			$1 == "Debian" && $2 == "main" && $3 !~ /-(updates|backports|proposed)/ {
				security = $3 ~ /-security$/ ? "-security" : ""
				for (i = 1; i <= n; i++)
					if (security == "" || suite[i] !~ /^(experimental|sid)$/)
						print type " [signed-by=" keyring "]", $4, suite[i] security, $2
			}' | sort -u
}

# The same, with apt's lists of the mirrors got first if the system has none yet, as may
# be in a new container.
find_source_lines()
{
	if [ -z "$(source_lines "$@")" ] && [ "$EUID" -eq 0 ]; then
		apt-get -q update >&2 || true
	fi
	source_lines "$@"
}

# Unpack source package $1, without Debian's patches, into the new directory $2: of the version
# that is installed, else the newest that can be had from the suites in the other arguments.
# Fails if none can be.  apt gets lists and a cache of its own; the system's are left alone.
fetch_package()
{
	local package=$1 target=$2 work=$SCRATCH/apt
	local options version archive=

	shift 2
	rm -rf -- "$work"
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$target"
	find_source_lines deb-src "$@" >"$work/sources.list" 2>"$work/log"
	if [ ! -s "$work/sources.list" ]; then
		say "apt knows no mirror of Debian" >&2
		return 1
	fi
	options=(-q -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
		-o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=2)
	apt-get "${options[@]}" update >>"$work/log" 2>&1 || true	# one suite is enough

	# A mirror may list a version that it does not have, or has only a part of.  What Debian adds to
	# the archive of the authors is not needed.
	while read -r version && [ -z "$archive" ]; do
		(cd "$work" && apt-get "${options[@]}" source --download-only --only-source \
			"$package=$version") >>"$work/log" 2>&1 || true
		archive=$(find "$work" -maxdepth 1 -name "${package}_*.orig.tar.*" ! -name '*.asc' ! -name '*.FAILED')
		[ -z "$archive" ] || tar -tf "$archive" >/dev/null 2>&1 || archive=
	done < <(
		dpkg-query -W -f='${source:Version}\n' "$package" 2>/dev/null || true
		apt-cache "${options[@]}" showsrc "$package" 2>/dev/null | sed -n 's/^Version: //p' | sort -Vru
	)
	[ -n "$archive" ] || {
		{ grep '^E: ' "$work/log" || true; } | tail -n 3 >&2
		say "the source of $package cannot be had" >&2
		return 1
	}
	tar -xf "$archive" -C "$target" --strip-components=1 --no-same-owner || return
	rm -rf -- "$work"
}

# The same for the source package of PostgreSQL $1.
fetch_source()
{
	local suites

	read -r -d '' -a suites < <(places_of "$1" | tr ' ' '\n' | sort -u) || true
	fetch_package "postgresql-$1" "$2" "${suites[@]}"
}

# Print the version of source tree $1.
source_version()
{
	sed -n "s/^PACKAGE_VERSION='\(.*\)'/\1/p" "$1/configure"
}
