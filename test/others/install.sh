#!/bin/bash
# install.sh ROOT MAJOR - put other extensions into a root directory
#
# Called by scripts/debian-root.sh while it makes the root directory.  An extension that
# cannot be had is left out.

set -euo pipefail

root=$1
major=$2

install()
{
	chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
		apt-get install -y -q --no-install-recommends "$@"
}

mapfile -t packages < <(sed "/^#/d; s/^/postgresql-$major-/" "$(dirname "$0")/extensions")
install "${packages[@]}" || {
	for package in "${packages[@]}"; do
		install "$package" || echo "without $package"
	done
}
