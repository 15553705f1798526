#!/usr/bin/env bash
# Format a volume if it is blank, mount it with project quotas, and let its file system fill it.
# A volume that holds anything but XFS stops everything: nothing here erases data.
# usage: ensure-volume.sh VOLUME_ID SIZE_GB MOUNT_POINT USER_UNIT [DIRECTORY...]
# VOLUME_ID is a cloud's id of a volume, or the path of a device.
# USER_UNIT is the unit that must not run without the file system: it would begin anew on the machine's own disk.
# Each DIRECTORY is made on the volume, for root alone.
set -euo pipefail
(($# >= 4)) || { echo "usage: ensure-volume.sh VOLUME_ID SIZE_GB MOUNT_POINT USER_UNIT [DIRECTORY...]" >&2; exit 2; }
volume=$1 size_gb=$2 mount_point=$3 user_unit=$4
shift 4
appear_seconds=120 grow_seconds=60 blank_bytes=4194304

fail() {
  echo "storage: $1" >&2
  exit 1
}

find_device() {
  local link
  if [[ $volume == /dev/* ]]; then
    [[ -b $volume ]] && readlink -f "$volume"
    return
  fi
  # Clouds give the volume's id as serial: virtio keeps 20 characters of it, SCSI all.
  for link in "/dev/disk/by-id/virtio-${volume:0:20}" /dev/disk/by-id/scsi-*"$volume"*; do
    if [[ -b $link ]]; then
      readlink -f "$link"
      return
    fi
  done
  return 1
}

is_large_enough() {
  (($(blockdev --getsize64 "$device") >= size_gb * 1024 ** 3))
}

# blkid knows signatures only: a volume with other bytes than zero where anything begins or ends is not blank.
is_blank() {
  local bytes offset
  bytes=$(blockdev --getsize64 "$device")
  for offset in 0 $((bytes / 2)) $((bytes - blank_bytes)); do
    cmp -s -n "$blank_bytes" -i "$offset:0" "$device" /dev/zero || return 1
  done
}

# mkfs.xfs sets this byte of the superblock (sb_inprogress) first and clears it last; nothing mounts what has it set.
is_half_made() {
  [[ $(od -A n -t u1 -j 126 -N 1 "$device" | tr -d ' ') == 1 ]]
}

deadline=$((SECONDS + appear_seconds))
until device=$(find_device); do
  ((SECONDS < deadline)) ||
    fail "the volume $volume did not appear as a disk within $appear_seconds s. Look at: lsblk -o NAME,SERIAL"
  sleep 1
done

deadline=$((SECONDS + grow_seconds))
until is_large_enough; do
  ((SECONDS < deadline)) ||
    fail "the machine sees the volume $volume with $(blockdev --getsize64 "$device") bytes, and not with $size_gb GB. This cloud does not enlarge a disk in use: reboot the machine (openstack server reboot --hard) and run pulumi up again"
  # A SCSI disk is looked at again only when told so.
  rescan=/sys/class/block/${device##*/}/device/rescan
  [[ ! -w $rescan ]] || echo 1 >"$rescan"
  sleep 1
done

holds=$(blkid -p -o value -s TYPE -s PTTYPE "$device" || [[ $? -eq 2 ]])
case $holds in
  xfs)
    if is_half_made; then
      mkfs.xfs -q -f "$device"
    fi
    ;;
  "")
    is_blank ||
      fail "the volume $volume holds data of an unknown kind. Only a blank or an XFS volume is used. Give another volume, or empty this one by hand"
    mkfs.xfs -q "$device"
    ;;
  *)
    fail "the volume $volume holds ${holds//$'\n'/ }. Only a blank or an XFS volume is used. Give another volume, or empty this one by hand"
    ;;
esac

uuid=$(blkid -p -o value -s UUID "$device")
entry="UUID=$uuid $mount_point xfs defaults,pquota,noatime,nofail,x-systemd.before=$user_unit,x-systemd.required-by=$user_unit 0 0"
# Steps run at the same time, and each writes the whole file anew.
exec {fstab_lock}>/run/swarmhub-fstab.lock
flock "$fstab_lock"
if ! grep -qxF "$entry" /etc/fstab; then
  former=$(grep -F " $mount_point xfs " /etc/fstab) || true
  sed -i "\\# $mount_point xfs #d" /etc/fstab
  echo "$entry" >>/etc/fstab
  # systemd would unmount at once what its unit of the former entry has another device for.
  [[ -z $former ]] || systemctl daemon-reload
fi
exec {fstab_lock}>&-
mkdir -p "$mount_point"
if ! mountpoint -q "$mount_point"; then
  # Homes that another machine has served so far: under this mount nobody could take theirs away any more.
  findmnt -n -l -o TARGET | awk -v within="$mount_point/" 'index($1, within) == 1' | sort -r |
    xargs --no-run-if-empty umount --lazy
  mount "$mount_point"
fi
[[ ,$(findmnt -n -o OPTIONS "$mount_point"), == *,prjquota,* ]] ||
  fail "$mount_point is mounted without project quotas. Unmount it and run this again"
xfs_growfs -d "$mount_point" >/dev/null

for directory in "$@"; do
  install -d -m 0700 "$mount_point/$directory"
done
