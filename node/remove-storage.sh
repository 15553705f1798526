#!/usr/bin/env bash
# Homes are on no disk of this machine any more: stop serving them and keeping their quotas. Safe to run twice.
# usage: remove-storage.sh
set -euo pipefail
[[ $# -eq 0 ]] || { echo "usage: remove-storage.sh" >&2; exit 2; }

if systemctl is-enabled --quiet swarmhub-quota.service 2>/dev/null; then
  systemctl disable --quiet --now swarmhub-quota.service
fi
rm -f /etc/exports.d/swarmhub.exports /etc/exports.d/swarmhub-shared.exports
exportfs -ra
# A machine that was there before may serve more than homes.
if [[ -z $(exportfs) ]]; then
  systemctl disable --quiet --now nfs-server.service
fi
