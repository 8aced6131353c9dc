#!/bin/bash
# in_root.sh ROOT DIRECTORY... -- COMMAND... - run a command inside a root directory
#
# The directories are seen there under the same names.  Whatever else the command
# changes is gone when it ends, as is all that is mounted for it: it works on a layer
# above the root directory.  Where the kernel has no such layers it works on the root
# directory itself, and others wait until it is done.

set -euo pipefail

if [ "${IN_ROOT_MOUNTS:-}" != private ]; then
	IN_ROOT_MOUNTS=private exec unshare --mount -- "$0" "$@"
fi
unset IN_ROOT_MOUNTS

base=$1
shift
[ -d "$base" ] || {
	printf 'in_root.sh: no %s: run scripts/setup.sh\n' "$base" >&2
	exit 1
}

# Whoever makes it anew waits for us.
exec 8>>"$base.lock"
flock -s 8
layer=$base.layer
mkdir -p -- "$layer"
mount -t tmpfs -o mode=755 tmpfs "$layer"
mkdir "$layer"/{upper,work,root}
if mount -t overlay overlay \
	-o "lowerdir=$base,upperdir=$layer/upper,workdir=$layer/work" "$layer/root" 2>/dev/null; then
	root=$layer/root
else
	root=$base
	flock 8
fi

while [ "$1" != -- ]; do
	mkdir -p -- "$1" "$root$1"
	mount --bind -- "$1" "$root$1"
	shift
done
shift
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
exec chroot "$root" "$@"
