#!/usr/bin/env bash
# Let go of homes that another machine serves, now and at boot; that machine may be gone. Safe to run twice.
# usage: remove-homes-mount.sh DIRECTORY
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: remove-homes-mount.sh DIRECTORY" >&2; exit 2; }
directory=$1

# Steps run at the same time, and each writes the whole file anew.
exec {fstab_lock}>/run/swarmhub-fstab.lock
flock "$fstab_lock"
sed -i "\\# $directory nfs4 #d" /etc/fstab
exec {fstab_lock}>&-
systemctl daemon-reload
# A look at the directory itself would wait for its server.
mounts=$(findmnt -n -l -o TARGET,FSTYPE)
if grep -qE "^$directory +nfs4$" <<<"$mounts"; then
  umount --lazy "$directory"
fi
