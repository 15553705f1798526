#!/usr/bin/env bash
# Have the shared folder, exported, where homes have no quotas.
# usage: ensure-shared-folder.sh OWNER_ID SHARED_DIRECTORY (empty for none)
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: ensure-shared-folder.sh OWNER_ID SHARED_DIRECTORY" >&2; exit 2; }
owner=$1 shared=$2

if [[ -n $shared ]]; then
  install -d -m 0755 -o "$owner" -g "$owner" "$shared"
fi
exportfs -ra
