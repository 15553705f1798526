#!/bin/sh
# enter-machine.sh ROOT STATE NAME CGROUP USER
# Starts a whole machine, systemd and all, from a root file system that it only reads, in namespaces of its own: mount,
# process, network, host name, cgroup. STATE has docker/ (Docker's data) and authorized_keys (of USER, who may use sudo).
set -eu
[ $# -eq 5 ] || { echo "usage: enter-machine.sh ROOT STATE NAME CGROUP USER" >&2; exit 64; }
root=$1 state=$2 name=$3 cgroup=$4 user=$5

if [ "${INSIDE:-}" != yes ]; then
  # Its cgroups are below this one: in a cgroup namespace, they are all there is.
  for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*/; do
    [ -e "$hierarchy/cgroup.procs" ] || continue
    place=${hierarchy%/}/$cgroup/$name
    mkdir -p "$place"
    for setting in cpuset.cpus cpuset.mems; do
      [ -e "${hierarchy%/}/$setting" ] || continue
      cat "${hierarchy%/}/$setting" >"${place%/*}/$setting"
      cat "${hierarchy%/}/$setting" >"$place/$setting"
    done
    echo $$ >"$place/cgroup.procs"
  done
  INSIDE=yes exec unshare --net --mount --pid --uts --ipc --cgroup --propagation private --fork --kill-child \
    sh "$0" "$@"
fi

# Process 1 goes on only when its network has been made.
read -r _
tree=$state/tree
mkdir -p "$tree"
mount -t tmpfs -o mode=755 tmpfs "$tree"
mkdir "$tree/upper" "$tree/work" "$tree/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$tree/upper,workdir=$tree/work" "$tree/root"
root=$tree/root

mount -t proc proc "$root/proc"
# Read-only, so that systemd leaves this machine's devices alone.
mount -t sysfs -o ro sysfs "$root/sys"
if [ -e /sys/fs/cgroup/cgroup.procs ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  for hierarchy in /sys/fs/cgroup/*/; do
    controller=$(basename "$hierarchy")
    mkdir "$root/sys/fs/cgroup/$controller"
    case $controller in
      unified) mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/$controller" ;;
      systemd) mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/$controller" ;;
      *) mount -t cgroup -o "$controller" cgroup "$root/sys/fs/cgroup/$controller" ;;
    esac
  done
fi
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir -p "$root/var/lib/docker" "$root/srv/node"
mount --bind "$state/docker" "$root/var/lib/docker"
mount --bind "$state" "$root/srv/node"

# What would change the clock, the kernel's settings or the network of the machine that this runs on.
for unit in chrony systemd-sysctl systemd-modules-load systemd-binfmt systemd-udevd systemd-udev-trigger \
  systemd-networkd systemd-resolved systemd-remount-fs systemd-random-seed cloud-init-local cloud-init cloud-config \
  cloud-final getty@tty1 console-getty nfs-blkmap; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
done
rm -f "$root/etc/resolv.conf"
: >"$root/etc/resolv.conf"
echo "$name" >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >"$root/etc/hosts"
hostname "$name"
rm -f "$root"/etc/ssh/ssh_host_*
chroot "$root" ssh-keygen -q -A
chroot "$root" useradd --create-home --shell /bin/bash "$user"
install -d -m 0700 "$root/home/$user/.ssh"
install -m 0600 "$state/authorized_keys" "$root/home/$user/.ssh/authorized_keys"
chroot "$root" chown -R "$user:" "/home/$user/.ssh"
echo "$user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/$user"
cat "$root"/etc/ssh/ssh_host_ed25519_key.pub >"$state/host-key.pub"

mkdir -p "$root/.machine"
cd "$root"
pivot_root . .machine
umount -l /.machine
rmdir /.machine
cd /
exec env -i container=swarmhub PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --log-target=console </dev/null
