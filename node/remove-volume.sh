#!/usr/bin/env bash
# Let go of a volume that its machine goes on without, now and at boot. What served it must have been stopped.
# usage: remove-volume.sh MOUNT_POINT
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: remove-volume.sh MOUNT_POINT" >&2; exit 2; }
mount_point=$1

# First of all: by this entry docker waits for the volume at every boot, and ends with it.
# Steps run at the same time, and each writes the whole file anew.
exec {fstab_lock}>/run/swarmhub-fstab.lock
flock "$fstab_lock"
sed -i "\\# $mount_point xfs #d" /etc/fstab
exec {fstab_lock}>&-
systemctl daemon-reload
if mountpoint -q "$mount_point"; then
  # Homes that another machine serves are mounted within it by now.
  umount --recursive "$mount_point" ||
    { echo "storage: $mount_point is in use and cannot be unmounted. Stop what uses it: fuser -vm $mount_point" >&2; exit 1; }
fi
awk '$3 == "nfs4" {print $2}' /etc/fstab | xargs --no-run-if-empty mkdir -p
mount --all --types nfs4
