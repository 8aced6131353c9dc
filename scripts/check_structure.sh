#!/bin/bash
# check_structure.sh - what files of src need each other, and how long they are
#
# Looks at the objects that were built, where a file needs another one if it takes a
# function or variable from there, and at what files include:
#
#   no files need each other in a circle, directly or round about
#   a folder needs only those before it in the list below
#   no file has more than 700 lines
#
# Prints what is wrong; the exit status is 1 if anything is.

set -euo pipefail
cd "$(dirname "$0")/../src"

# From the bottom to the top; "." is what lies in src itself.
FOLDERS=(
	engine
	stack
	mcxt
	backend/process
	backend/faults
	backend/usage
	backend/sweeps
	backend/profile
	backend/dump
	backend/registry
	backend/limits
	backend/maintenance
	backend/statements
	backend/recorder
	backend
	sql
	.
)
MOST_LINES=700

status=0
wrong()
{
	printf '%s\n' "$*"
	status=1
}

# Print a line "user provider" for each pair of objects, and each object with itself.
objects_need()
{
	find . -name '*.o' -printf '%P\n' | sort | xargs nm -A -- | awk '
		{
			file = $1
			sub(/:.*/, "", file)
			print file, file
			if ($(NF - 1) == "U")
				wanted[file, $NF] = $NF
			else if ($(NF - 1) ~ /^[A-Z]$/)
				provider[$NF] = file
		}
		END {
			for (key in wanted) {
				split(key, part, SUBSEP)
				symbol = wanted[key]
				if (symbol in provider && provider[symbol] != part[1])
					print part[1], provider[symbol]
			}
		}'
}

# Print the same for what files include.
files_include()
{
	grep -rH --include='*.[ch]' -E '^#include "(engine|stack|mcxt|backend|sql)/' * | awk -F '"' '
		{
			file = $1
			sub(/:.*/, "", file)
			print file, $2
		}'
}

# Read pairs, and print those that go up the list of folders.
go_up()
{
	awk -v folders="${FOLDERS[*]}" '
		function folder(file) {
			return sub(/\/[^\/]*$/, "", file) ? file : "."
		}
		BEGIN {
			count = split(folders, names, " ")
			for (i = 1; i <= count; i++)
				place[names[i]] = i
		}
		{
			from = folder($1)
			to = folder($2)
			if (!(from in place))
				print from ": not in the list of folders"
			else if (place[to] > place[from])
				print $1 " needs " $2 ", and " to " lies above " from
		}' | sort -u
}

objects=$(objects_need)
[ -n "$objects" ] || { echo "nothing was built"; exit 1; }

if ! circle=$(tsort <<<"$objects" 2>&1 >/dev/null); then
	wrong "files need each other in a circle:"$'\n'"$circle"
fi

up=$({ printf '%s\n' "$objects"; files_include; } | go_up)
[ -z "$up" ] || wrong "$up"

while read -r lines file; do
	[ "$lines" -le "$MOST_LINES" ] || wrong "$file has $lines lines, and $MOST_LINES are enough"
done < <(find . -name '*.[ch]' ! -name '*.pb-c.[ch]' -exec wc -l {} + | awk '$2 != "total"')

exit "$status"
