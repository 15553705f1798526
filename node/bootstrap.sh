#!/usr/bin/env bash
# Make an image of any supported distribution ready for the swarm; run once by cloud-init, safe to run again.
# usage: bootstrap.sh SSH_USER
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: bootstrap.sh SSH_USER" >&2; exit 2; }
ssh_user=$1

missing=()
command -v dockerd >/dev/null || missing+=(docker.io)
command -v exportfs >/dev/null || [[ -x /usr/sbin/exportfs ]] || missing+=(nfs-kernel-server)
command -v mount.nfs4 >/dev/null || [[ -x /sbin/mount.nfs4 ]] || missing+=(nfs-common)
command -v mkfs.xfs >/dev/null || [[ -x /sbin/mkfs.xfs ]] || missing+=(xfsprogs)
command -v curl >/dev/null || missing+=(curl)
command -v iptables >/dev/null || [[ -x /usr/sbin/iptables ]] || missing+=(iptables)
if ((${#missing[@]})); then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

usermod -aG docker "$ssh_user"
# The deployment opens many short ssh sessions at once; sshd's default drops connections from the tenth on.
systemctl reload ssh
systemctl daemon-reload
systemctl enable --now docker.service swarmhub-firewall.service
