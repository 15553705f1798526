#!/usr/bin/env bash
# Have a directory of this machine at the place where homes are looked for.
# usage: ensure-directory.sh DIRECTORY MOUNT_POINT USER_UNIT
# USER_UNIT is the unit that must not run without it: it would begin anew beside it.
set -euo pipefail
[[ $# -eq 3 ]] || { echo "usage: ensure-directory.sh DIRECTORY MOUNT_POINT USER_UNIT" >&2; exit 2; }
directory=$1 mount_point=$2 user_unit=$3

fail() {
  echo "storage: $1" >&2
  exit 1
}

[[ ! -e $directory || -d $directory ]] || fail "$directory is no directory. Set storage.directory to one"
install -d "$directory" "$mount_point"
entry="$directory $mount_point none bind,nofail,x-systemd.before=$user_unit,x-systemd.required-by=$user_unit 0 0"
# Steps run at the same time, and each writes the whole file anew.
exec {fstab_lock}>/run/swarmhub-fstab.lock
flock "$fstab_lock"
if ! grep -qxF "$entry" /etc/fstab; then
  if mountpoint -q "$mount_point"; then
    umount "$mount_point" || fail "$mount_point is in use and cannot become $directory. Stop what uses it: fuser -vm $mount_point"
  fi
  sed -i "\\# $mount_point #d" /etc/fstab
  echo "$entry" >>/etc/fstab
  systemctl daemon-reload
fi
exec {fstab_lock}>&-
mountpoint -q "$mount_point" || mount "$mount_point"
