#!/bin/bash
# dist.sh [TREE] - make the archive that PGXN takes, goarena-VERSION.zip
#
# It holds the files of TREE (default HEAD), but those that .gitattributes leaves out.
# META.json is checked against PGXN's specification, and the version against all other
# places that give it, first.  The last line of the output is the name of the archive.

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/common.sh"

tree=${1:-HEAD}
cd "$TOP"
command -v git >/dev/null || die "git is needed"
git rev-parse --verify -q "$tree^{tree}" >/dev/null || die "no such tree: $tree"
if [ "$tree" = HEAD ] && [ -n "$(git status --porcelain)" ]; then
	die "there are changes that are not committed"
fi
version=$(perl scripts/check_meta.pl)
archive=goarena-$version.zip
git archive --format=zip --prefix="goarena-$version/" -o "$archive" "$tree"
say "$archive"
