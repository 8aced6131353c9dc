#!/bin/bash
# dist.sh - test what PGXN gets: META.json and the archive

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../../scripts/common.sh"
# shellcheck source=test/release/tap.sh
source "$TOP/test/release/tap.sh"

for program in git unzip perl; do
	command -v "$program" >/dev/null || skip "no $program"
done
find_postgres
make_scratch
copy=$SCRATCH/checkout

# Make a repository of the checkout's files, whatever it was itself, with nothing that
# was built.
make_repository()
{
	mkdir "$copy"
	tar -C "$TOP" --exclude=.git --exclude='*.o' --exclude='*.so' --exclude=./test/unit/build -cf - . |
		tar -C "$copy" -xf -
	git -C "$copy" init -q
	git -C "$copy" add -A
	tree=$(git -C "$copy" write-tree)
}

# Does check_meta.pl refuse META.json once Perl code $3 has changed it, as $meta?
refuses_meta()
{
	perl -MJSON::PP -e '
		my ($from, $to, $code) = @ARGV;
		local $/;
		open(my $in, "<", $from) or die $!;
		my $meta = decode_json(<$in>);
		eval "$code; 1" or die $@;
		open(my $out, ">", $to) or die $!;
		print $out encode_json($meta);' "$TOP/META.json" "$copy/META.json" "$3"
	refused "$1" "$2" perl "$copy/scripts/check_meta.pl"
	cp "$TOP/META.json" "$copy/META.json"
}

# Does the archive have every file of the checkout but those of .gitattributes?
has_all_files()
{
	diff <(cd "$copy" && git ls-files | grep -vE '^\.(ci/|gitattributes$|gitignore$)' | sort) \
		<(cd "$SCRATCH/goarena-$version" && find . -type f | sed 's|^\./||' | sort)
}

# Is each file there that a document names, with its path or without?
names_files()
{
	local name document missing=0 files

	files=$(git -C "$copy" ls-files)
	while IFS=: read -r document name; do
		grep -qE "(^|/)${name//./\\.}\$" <<<"$files" || {
			say "${document#"$copy"/}: there is no $name"
			missing=1
		}
	done < <(grep -oE '`[A-Za-z0-9_/.-]+\.(c|h|pl|sh)`' "$copy"/*.md "$copy"/docs/*.md | tr -d '`' | sort -u)
	[ "$missing" -eq 0 ]
}

builds()
{
	pgxs_make -C "$SCRATCH/goarena-$version" -j "$(nproc)" COPT=-Werror &&
		pgxs_make -C "$SCRATCH/goarena-$version" DESTDIR="$SCRATCH/root" install
}

installs()
{
	local files

	files=$(find "$SCRATCH/root" -type f | sed 's|.*/||' | sort | paste -s -d ' ')
	say "$files"
	[ "$files" = "goarena--${version%.*}.sql goarena-check goarena.control goarena.h goarena.hpp goarena.so" ]
}

make_repository
ok 'META.json is as PGXN wants it, and all places give its version' perl "$copy/scripts/check_meta.pl"
refuses_meta 'a missing version is refused' 'no version' 'delete $meta->{version}'
refuses_meta 'a version of two numbers is refused' 'version is not semantic' '$meta->{version} = "1.0"'
refuses_meta 'a version that other places do not have is refused' 'CHANGELOG.md begins with' \
	'$meta->{version} = "9.0.0"'
refuses_meta 'an unknown license is refused' 'license: beer' '$meta->{license} = "beer"'
refuses_meta 'an unknown key is refused' 'unknown key colour' '$meta->{colour} = "blue"'
refuses_meta 'a file that is not there is refused' 'there is no nowhere.sql' \
	'$meta->{provides}{goarena}{file} = "nowhere.sql"'
refuses_meta 'a prerequisite that is no version is refused' 'no range of versions' \
	'$meta->{prereqs}{runtime}{requires}{PostgreSQL} = "new"'

ok 'each file is there that a document names' names_files
sed 's/`slot\.c`/`slots_of_nobody.c`/' "$TOP/docs/internals.md" >"$copy/docs/internals.md"
refused 'a file that is not there is noticed' 'there is no slots_of_nobody.c' names_files
cp "$TOP/docs/internals.md" "$copy/docs/internals.md"

git -C "$copy" add -A
version=$(perl "$copy/scripts/check_meta.pl")
ok 'one command makes the archive' "$copy/scripts/dist.sh" "$tree"
refused 'an archive of changes that are not committed is refused' 'not committed\|no such tree' "$copy/scripts/dist.sh"
ok 'it can be unpacked' unzip -q "$copy/goarena-$version.zip" -d "$SCRATCH"
ok 'it has every file' has_all_files
ok 'goarena can be built and installed from it' builds
ok 'what is installed is complete' installs
done_testing
