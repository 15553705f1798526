#!/usr/bin/env bash
# Stop what writes to the volumes and unmount them, before their machine is taken away.
# Clients of the NFS server wait for its successor. What cannot be unmounted is flushed and held instead.
# usage: release-volumes.sh
set -euo pipefail
[[ $# -eq 0 ]] || { echo "usage: release-volumes.sh" >&2; exit 2; }

# Unmounting stops them as well, and would not wait for them.
for unit in swarmhub-quota.service nfs-server.service docker.socket docker.service; do
  if systemctl is-active --quiet "$unit"; then
    timeout 60 systemctl stop "$unit" || echo "release: $unit did not stop within 60 s" >&2
  fi
done
sync
# The deeper mounts first: homes of another machine lie within what may be a volume's directory.
findmnt -n -l -o TARGET,FSTYPE | awk '$2 == "xfs" || $2 ~ /^nfs/ {print $1}' | sort -r | while read -r mount_point; do
  [[ $mount_point == / ]] && continue
  # What another machine serves may be down by now, and holds nothing of this one.
  lazily=()
  [[ $(findmnt -n -o FSTYPE "$mount_point") == nfs* ]] && lazily=(--lazy)
  if ! umount "${lazily[@]}" "$mount_point"; then
    echo "release: $mount_point is in use; it is flushed and held" >&2
    fsfreeze --freeze "$mount_point" || true
  fi
done
