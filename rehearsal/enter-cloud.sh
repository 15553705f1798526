#!/bin/sh
# enter-cloud.sh ROOT DATA CODE ARTIFACTS
# Makes the cloud's root file system the root of this mount namespace and becomes the supervisor.
set -eu
[ $# -eq 4 ] || { echo "usage: enter-cloud.sh ROOT DATA CODE ARTIFACTS" >&2; exit 64; }
root=$1 data=$2 code=$3 artifacts=$4
# A mere chroot is not enough: `ip netns exec` remounts "/", which must be a mount point.
mount --rbind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/run/netns" "$root/run/lock" "$root/run/libvirt"
mkdir -p "$root/var/lib/swarmhub" "$root/opt/swarmhub" "$root/srv/artifacts" "$root/.machine"
mount --rbind "$data" "$root/var/lib/swarmhub"
mount --rbind "$code" "$root/opt/swarmhub"
mount --rbind "$artifacts" "$root/srv/artifacts"
cd "$root"
pivot_root . .machine
umount -l /.machine
cd /
export PYTHONPATH=/opt/swarmhub
exec /usr/bin/python3 -m rehearsal.supervisor
