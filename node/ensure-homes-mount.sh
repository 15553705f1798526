#!/usr/bin/env bash
# Mount the homes that another machine serves, and see that homes can be made there.
# usage: ensure-homes-mount.sh SERVER EXPORT DIRECTORY OPTIONS OWNER_ID
set -euo pipefail
[[ $# -eq 5 ]] || { echo "usage: ensure-homes-mount.sh SERVER EXPORT DIRECTORY OPTIONS OWNER_ID" >&2; exit 2; }
server=$1 export=$2 directory=$3 options=$4 owner=$5
mount_seconds=120

fail() {
  echo "storage: $1" >&2
  exit 1
}

own_address() {
  hostname -I | awk '{print $1}'
}

refused() {
  fail "$1. Export it to $(own_address) with rw,no_root_squash, or give it to the account $owner there and export it with rw,all_squash,anonuid=$owner,anongid=$owner"
}

# Docker waits for the mount, also at boot: without it the hub would make homes on this machine's own disk.
entry="$server:$export $directory nfs4 $options,_netdev,nofail,x-systemd.mount-timeout=600,x-systemd.before=docker.service,x-systemd.required-by=docker.service 0 0"
mkdir -p "$directory"
# Steps run at the same time, and each writes the whole file anew.
exec {fstab_lock}>/run/swarmhub-fstab.lock
flock "$fstab_lock"
if ! grep -qxF "$entry" /etc/fstab; then
  if mountpoint -q "$directory"; then
    umount "$directory" || fail "$directory is in use and cannot be mounted from $server:$export. Stop what uses it: fuser -vm $directory"
  fi
  former=$(grep -F " $directory nfs4 " /etc/fstab) || true
  sed -i "\\# $directory nfs4 #d" /etc/fstab
  echo "$entry" >>/etc/fstab
  # systemd would unmount at once what its unit of the former entry has another server for.
  [[ -z $former ]] || systemctl daemon-reload
fi
exec {fstab_lock}>&-
if ! mountpoint -q "$directory"; then
  said=$(timeout "$mount_seconds" mount "$directory" 2>&1) ||
    fail "$server:$export cannot be mounted (${said:-no answer within $mount_seconds s}). The server must export it over NFSv4 to this machine, $(own_address)"
fi

probe=$(mktemp -d "$directory/.swarmhub-XXXXXX" 2>&1) ||
  refused "this machine may not make directories in $server:$export (${probe##*: })"
trap 'rmdir "$probe"' EXIT
chown "$owner:$owner" "$probe" 2>/dev/null || [[ $(stat -c %u "$probe") == "$owner" ]] ||
  refused "directories made in $server:$export cannot be given to the account $owner"
