#!/usr/bin/env bash
# Format the data volume if it is blank, mount it with project quotas, export the homes over NFSv4.
# A volume that holds anything but XFS stops everything: nothing here erases data.
# usage: ensure-storage.sh VOLUME_ID MOUNT_POINT
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: ensure-storage.sh VOLUME_ID MOUNT_POINT" >&2; exit 2; }
volume=$1 mount_point=$2

find_device() {
  local link
  # Clouds give the volume's id as serial: virtio keeps 20 characters of it, SCSI all.
  for link in "/dev/disk/by-id/virtio-${volume:0:20}" /dev/disk/by-id/scsi-*"$volume"*; do
    if [[ -b $link ]]; then
      readlink -f "$link"
      return
    fi
  done
  return 1
}

deadline=$((SECONDS + 120))
until device=$(find_device); do
  if ((SECONDS > deadline)); then
    echo "storage: the volume $volume did not appear as a disk within 120 s. Look at: lsblk -o NAME,SERIAL" >&2
    exit 1
  fi
  sleep 1
done

holds=$(blkid -p -o value -s TYPE -s PTTYPE "$device" || [[ $? -eq 2 ]])
case $holds in
  xfs) ;;
  "")
    # blkid knows signatures only: a volume whose first bytes are not zero is not blank either.
    if ! cmp -s -n 4194304 "$device" /dev/zero; then
      echo "storage: the volume $volume holds data of an unknown kind. Only a blank or an XFS volume is used. Give another volume, or empty this one by hand" >&2
      exit 1
    fi
    mkfs.xfs -q "$device"
    ;;
  *)
    echo "storage: the volume $volume holds ${holds//$'\n'/ }. Only a blank or an XFS volume is used. Give another volume, or empty this one by hand" >&2
    exit 1
    ;;
esac

uuid=$(blkid -p -o value -s UUID "$device")
entry="UUID=$uuid $mount_point xfs defaults,pquota,noatime,nofail,x-systemd.before=docker.service 0 0"
if ! grep -qxF "$entry" /etc/fstab; then
  sed -i "\\# $mount_point xfs #d" /etc/fstab
  echo "$entry" >>/etc/fstab
  systemctl daemon-reload
fi
mkdir -p "$mount_point"
mountpoint -q "$mount_point" || mount "$mount_point"
findmnt -n -o OPTIONS "$mount_point" | grep -qw prjquota || {
  echo "storage: $mount_point is mounted without project quotas. Unmount it and run this again" >&2
  exit 1
}

# Homes are entered by name only; nobody but the hub lists them.
install -d -m 0711 "$mount_point/homes"
install -d -m 0700 "$mount_point/hub" "$mount_point/front-door"

systemctl enable --quiet nfs-server.service
if [[ -n $CHANGED_FILES ]] || ! systemctl is-active --quiet nfs-server.service; then
  systemctl restart nfs-server.service
fi
exportfs -ra
