# source.sh - get the source of a PostgreSQL major from Debian
# To be sourced by bash, after common.sh.
#
# shellcheck shell=bash

KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# Print the suites of Debian that may have PostgreSQL $1.
suites_of()
{
	case "$1" in
		15) say bookworm ;;
		17) say trixie ;;
		18) say forky ;;
		19) say experimental sid ;;		# moves to sid when it is near release
		*) die "which suite has the source of PostgreSQL $1?" ;;
	esac
}

# Print apt's source lines for the given suites, and their security updates, at the
# mirrors that the system uses for its own.
source_lines()
{
	# shellcheck disable=SC2016		# apt expands these
	apt-get indextargets --format '$(COMPONENT) $(RELEASE) $(REPO_URI)' 'Created-By: Packages' |
		awk -v suites="$*" -v keyring="$KEYRING" '
			BEGIN { n = split(suites, suite, " ") }
			$1 == "main" && $2 !~ /-(updates|backports|proposed)/ {
				security = $2 ~ /-security$/ ? "-security" : ""
				for (i = 1; i <= n; i++)
					if (security == "" || suite[i] !~ /^(experimental|sid)$/)
						print "deb-src [signed-by=" keyring "]", $3, suite[i] security, $1
			}' | sort -u
}

# Unpack the source package of PostgreSQL $1, without Debian's patches, into the
# new directory $2: of the version that is installed, else the newest that can be
# had.  Fails if none can be.  apt gets lists and a cache of its own; the system's are
# left alone.
fetch_source()
{
	local package=postgresql-$1 target=$2 work=$SCRATCH/apt
	local suites options version archive=

	read -r -a suites < <(suites_of "$1")
	rm -rf -- "$work"
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$target"
	source_lines "${suites[@]}" >"$work/sources.list"
	[ -s "$work/sources.list" ] || die "apt knows no mirror of Debian"
	options=(-q -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
		-o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
		-o APT::Sandbox::User= -o Acquire::Languages=none)
	apt-get "${options[@]}" update >>"$work/log" 2>&1 || true	# one suite is enough

	# A mirror may list a version that it does not have.
	while read -r version && [ -z "$archive" ]; do
		if (cd "$work" && apt-get "${options[@]}" source --download-only --only-source \
				"$package=$version") >>"$work/log" 2>&1; then
			archive=$(find "$work" -maxdepth 1 -name "${package}_*.orig.tar.*" ! -name '*.asc')
		fi
	done < <(
		dpkg-query -W -f='${source:Version}\n' "$package" 2>/dev/null || true
		apt-cache "${options[@]}" showsrc "$package" | sed -n 's/^Version: //p' | sort -Vru
	)
	[ -n "$archive" ] || {
		tail -n 10 "$work/log" >&2
		say "cannot fetch the source of $package" >&2
		return 1
	}
	tar -xf "$archive" -C "$target" --strip-components=1 --no-same-owner || return
	rm -rf -- "$work"
}

# Print the version of source tree $1.
source_version()
{
	sed -n "s/^PACKAGE_VERSION='\(.*\)'/\1/p" "$1/configure"
}
