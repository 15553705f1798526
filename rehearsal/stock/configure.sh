#!/usr/bin/env bash
# Make a fresh root file system into that of no machine yet, and change nothing else. Run inside it, by chroot.
# usage: configure.sh
set -euo pipefail
[[ $# -eq 0 ]] || { echo "usage: configure.sh" >&2; exit 2; }

passwd --quiet --lock root
rm -f /etc/ssh/ssh_host_* /etc/hostname /var/lib/systemd/random-seed /var/lib/dbus/machine-id
: >/etc/machine-id
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
printf '127.0.0.1 localhost\n' >/etc/hosts
rm -rf /var/lib/cloud /var/log/journal /boot/*
find /var/log -type f -delete
