#!/usr/bin/env bash
# Export the homes on the data volume over NFSv4.
# usage: ensure-storage.sh MOUNT_POINT
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: ensure-storage.sh MOUNT_POINT" >&2; exit 2; }
mount_point=$1

mountpoint -q "$mount_point" || { echo "storage: nothing is mounted at $mount_point. Look at: systemctl status $mount_point" >&2; exit 1; }
# Homes are entered by name only; nobody but the hub lists them.
install -d -m 0711 "$mount_point/homes"

systemctl enable --no-reload --quiet nfs-server.service
if [[ -n $CHANGED_FILES ]] || ! systemctl is-active --quiet nfs-server.service; then
  systemctl restart nfs-server.service
fi
exportfs -ra
