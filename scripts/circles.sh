#!/bin/bash
# circles.sh DIRECTORY... - files that need each other, directly or round about
#
# Looks at the objects that were built in each directory: a file needs another one if
# it takes a function or variable from there.  Prints the files of each circle; the
# exit status is 1 if there is one.

set -euo pipefail

# Print a line "user provider" for each pair of objects, and each object with itself.
needs()
{
	nm -A -- "$1"/*.o | awk '
		{
			file = $1
			sub(/:.*/, "", file)
			sub(/.*\//, "", file)
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

status=0
for directory; do
	if ! circle=$(needs "$directory" | tsort 2>&1 >/dev/null); then
		printf '%s: files need each other in a circle\n%s\n' "$directory" "$circle"
		status=1
	fi
done
exit "$status"
