#!/usr/bin/env bash
# Make a machine that somebody else set up ready for the swarm, as a first boot does in a cloud; safe to run again.
# What it was like before is noted once, for restore-machine.sh.
# usage: prepare-machine.sh SSH_USER ROLE
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: prepare-machine.sh SSH_USER ROLE" >&2; exit 2; }
ssh_user=$1 role=$2
before=/etc/swarmhub/before

note() {
  install -d -m 0755 "$before"
  local unit
  for unit in docker.service docker.socket containerd.service nfs-server.service rpcbind.service rpcbind.socket; do
    ! systemctl is-active --quiet "$unit" || echo "$unit"
  done >"$before/active-units"
  if [[ " $(id -nG "$ssh_user") " == *" docker "* ]]; then touch "$before/in-docker-group"; fi
  echo "$ssh_user" >"$before/ssh-user"
  if command -v apt-mark >/dev/null; then apt-mark showhold; fi >"$before/held-packages"
  if [[ -e /etc/dnf/dnf.conf ]]; then cp -p /etc/dnf/dnf.conf "$before/dnf.conf"; fi
  if [[ -e /etc/docker/daemon.json ]]; then cp -p /etc/docker/daemon.json "$before/daemon.json"; fi
  if [[ -e /root/.docker/config.json ]]; then cp -p /root/.docker/config.json "$before/docker-client.json"; fi
  if command -v docker >/dev/null && docker network inspect docker_gwbridge >/dev/null 2>&1; then
    touch "$before/gateway-bridge"
  fi
  touch "$before/noted"
}

[[ -e $before/noted ]] || note
if [[ -n ${CHANGED_FILES:-} || ! -e $before/prepared ]]; then
  /opt/swarmhub/bootstrap.sh "$ssh_user" "$role" existing
fi
if [[ ! -e $before/prepared ]]; then
  # Debian starts a server that it has just installed; what serves homes is started when they are there.
  for unit in nfs-server.service rpcbind.socket rpcbind.service; do
    if ! grep -qxF "$unit" "$before/active-units" && systemctl is-active --quiet "$unit"; then
      systemctl disable --now --quiet "$unit"
    fi
  done
  touch "$before/prepared"
fi
