#!/bin/bash
# machine.sh - what kind of machine this is, and what memory costs on it
#
# Prints a line "NAME<tab>VALUE" for each fact, in less than a second on most machines.
# Every part of the benchmark notes them with its measurements; by itself the command shows
# them for this machine.  bench/machine.c says what is timed.

# shellcheck source=scripts/common.sh
source "$(dirname "$0")/../scripts/common.sh"

put()
{
	printf '%s\t%s\n' "$@"
}

# The choice in brackets in a file of the kernel's, or nothing
chosen_in()
{
	sed -n 's/.*\[\(.*\)\].*/\1/p' "$1" 2>/dev/null || true
}

[ -n "${MACHINE:-}" ] || {
	make_scratch
	MACHINE=$SCRATCH/machine
	"${CC:-gcc}" -O2 -Wall -Wextra -Werror -o "$MACHINE" "$TOP/bench/machine.c"
}
processor=$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1)
put processor "${processor:-$(uname -m)}, $(nproc) cores"
put memory "$(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1024 / 1024 }' /proc/meminfo)"
put kernel "$(uname -sr)"
put 'huge pages' "$(chosen_in /sys/kernel/mm/transparent_hugepage/enabled)"
"$MACHINE"
