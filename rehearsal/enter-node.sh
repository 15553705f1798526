#!/bin/sh
# enter-node.sh ROOT STATE NAME -- COMMAND...
# Makes a writable view of a root file system in memory, with STATE at /srv/node, and runs the command in it as
# process 1 of a machine named NAME. Meant to run in mount, process, network and host-name namespaces of its own.
set -eu
[ $# -ge 5 ] && [ "$4" = -- ] || { echo "usage: enter-node.sh ROOT STATE NAME -- COMMAND..." >&2; exit 64; }
root=$1 state=$2 name=$3
shift 4
# Process 1 goes on only when its network has been made.
read -r _
tree=$state/tree
mkdir -p "$tree"
mount -t tmpfs -o mode=755 tmpfs "$tree"
mkdir "$tree/upper" "$tree/work" "$tree/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$tree/upper,workdir=$tree/work" "$tree/root"
root=$tree/root
mount -t proc proc "$root/proc"
# This network namespace's own, and in it the cgroups that the machine has mounted.
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/srv/node"
mount --bind "$state" "$root/srv/node"
rm -f "$root/etc/resolv.conf"
: >"$root/etc/resolv.conf"
hostname "$name"
mkdir -p "$root/.machine"
cd "$root"
# A mere chroot is not enough: what enters a container's mount namespace would start at that namespace's root.
pivot_root . .machine
umount -l /.machine
cd /
exec tini -s -g -- "$@" </dev/null
