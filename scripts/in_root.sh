#!/bin/bash
# in_root.sh ROOT DIRECTORY... -- COMMAND... - run a command inside a root directory
#
# The directories are seen there under the same names.  What is mounted for that is
# gone when the command ends.

set -euo pipefail

if [ "${IN_ROOT_MOUNTS:-}" != private ]; then
	IN_ROOT_MOUNTS=private exec unshare --mount -- "$0" "$@"
fi
unset IN_ROOT_MOUNTS

root=$1
shift
while [ "$1" != -- ]; do
	mkdir -p -- "$1" "$root$1"
	mount --bind -- "$1" "$root$1"
	shift
done
shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec chroot "$root" "$@"
