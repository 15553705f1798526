#!/usr/bin/env bash
# Keep the homes' quotas from now on, and have the shared folder or no longer export it; safe to run twice.
# The quotas wanted are in /etc/swarmhub/quota.json, the shared folder's export in /etc/exports.d.
# usage: ensure-homes.sh MOUNT_POINT OWNER_ID SHARED_DIRECTORY (empty for none)
set -euo pipefail
[[ $# -eq 3 ]] || { echo "usage: ensure-homes.sh MOUNT_POINT OWNER_ID SHARED_DIRECTORY" >&2; exit 2; }
mount_point=$1 owner=$2 shared=$3

install -d -m 0700 "$mount_point/quota"
systemctl enable --no-reload --quiet swarmhub-quota.service
# Changed settings are taken up as they are; another program or unit is not.
if grep -qvxF /etc/swarmhub/quota.json <<<"${CHANGED_FILES:-/etc/swarmhub/quota.json}"; then
  systemctl restart swarmhub-quota.service
else
  systemctl start swarmhub-quota.service
fi

if [[ -n $shared ]]; then
  # Every server runs as this account; who may not write mounts the folder read-only.
  install -d -m 0755 -o "$owner" -g "$owner" "$shared"
fi
exportfs -ra
# One home that fails is no reason to stop a deployment; what it is stands in the journal as well.
python3 -B /opt/swarmhub/quota.py once || [[ $? -eq 3 ]]
