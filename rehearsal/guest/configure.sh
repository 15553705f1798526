#!/usr/bin/env bash
# Make a fresh root file system into a guest's: what starts, what does not, and nothing of any one machine.
# Run inside it, by chroot, after guest/files has been laid over it; safe to run twice.
# usage: configure.sh
set -euo pipefail
[[ $# -eq 0 ]] || { echo "usage: configure.sh" >&2; exit 2; }

systemctl --quiet enable systemd-networkd.service systemd-resolved.service ssh.service docker.service
# A swarm's storage server starts NFS itself; the clock of a virtual machine is its host's.
systemctl --quiet disable nfs-server.service nfs-blkmap.service rpcbind.service rpcbind.socket chrony.service

# Each unit costs a process or more, and a process costs tenths of a second under emulation.
systemctl --quiet mask \
  apt-daily.service apt-daily.timer apt-daily-upgrade.service apt-daily-upgrade.timer dpkg-db-backup.timer \
  e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer \
  cloud-config.service cloud-init-hotplugd.service cloud-init-hotplugd.socket \
  systemd-networkd-wait-online.service systemd-network-generator.service systemd-fsck-root.service \
  systemd-pstore.service systemd-random-seed.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
  systemd-journal-flush.service systemd-hwdb-update.service systemd-machine-id-commit.service ldconfig.service \
  systemd-binfmt.service systemd-sysusers.service systemd-boot-system-token.service systemd-rfkill.socket \
  modprobe@drm.service modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service modprobe@dm_mod.service \
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
  rpc-statd.service rpc-statd-notify.service rpcbind.service rpcbind.socket nfs-blkmap.service \
  getty@tty1.service serial-getty@ttyS0.service

# Nobody reads it, and it costs each session half a dozen processes.
sed -i '/pam_motd/d' /etc/pam.d/sshd

passwd --quiet --lock root
mkdir -p /etc/exports.d
rm -f /etc/ssh/ssh_host_* /etc/hostname /etc/docker/key.json /var/lib/systemd/random-seed /var/lib/dbus/machine-id
: >/etc/machine-id
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
printf '127.0.0.1 localhost\n' >/etc/hosts
rm -rf /var/lib/cloud /var/lib/docker /var/lib/containerd /var/log/journal /var/cache/debconf/*-old /boot/*
find /var/log -type f -delete
