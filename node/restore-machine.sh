#!/usr/bin/env bash
# Make a machine again what it was before prepare-machine.sh: services, containers, networks, rules, units and files of
# the workshop go. Packages and images stay. Safe to run again.
# usage: restore-machine.sh keep|erase MOUNT_POINT
# With keep, homes and the hub's state stay where they are.
set -euo pipefail
[[ $# -eq 2 && ($1 == keep || $1 == erase) && $2 == /* ]] ||
  { echo "usage: restore-machine.sh keep|erase MOUNT_POINT" >&2; exit 2; }
data=$1 mount_point=$2
before=/etc/swarmhub/before state=/var/lib/swarmhub/state
[[ -e $before/noted ]] || { echo "restore: nothing of a workshop is here"; exit 0; }

was_active() {
  grep -qxF "$1" "$before/active-units"
}

# Disabled and forgotten before they are stopped: Docker requires some of them, and would be stopped with them.
mapfile -t units < <(cd /etc/systemd/system && compgen -G 'swarmhub-*')
if ((${#units[@]})); then
  systemctl disable --quiet "${units[@]}" 2>/dev/null || true
fi
sed -i -e "\\# $mount_point #d" -e "\\# $mount_point/homes #d" /etc/fstab
systemctl daemon-reload
if ((${#units[@]})); then
  systemctl stop "${units[@]}" 2>/dev/null || true
fi

if command -v docker >/dev/null && systemctl is-active --quiet docker.service; then
  docker rm --force --volumes front-door >/dev/null 2>&1 || true
  if [[ $(docker info --format '{{.Swarm.LocalNodeState}}') != inactive ]]; then
    timeout 120 docker swarm leave --force >/dev/null
  fi
  # Docker removes some of them itself meanwhile, and refuses what is under way.
  for ((second = 0; ; second++)); do
    mapfile -t tasks < <(docker ps --all --quiet --filter label=com.docker.swarm.task.id)
    ((${#tasks[@]})) || break
    ((second < 60)) || { echo "machine: containers of the swarm cannot be removed. Look at: docker ps --all" >&2; exit 1; }
    docker rm --force "${tasks[@]}" >/dev/null 2>&1 || sleep 1
  done
  docker volume ls --quiet | grep -E '^(home|shared)-' | while read -r volume; do
    # Mounts of homes over NFS: they hold nothing themselves.
    [[ $(docker volume inspect --format '{{index .Options "type"}}' "$volume") == nfs* ]] || continue
    docker volume rm "$volume" >/dev/null
  done || true
  [[ -e $before/gateway-bridge ]] || docker network rm docker_gwbridge >/dev/null 2>&1 || true
fi

if command -v iptables >/dev/null; then
  iptables -w -D INPUT -j SWARMHUB-IN 2>/dev/null || true
  iptables -w -D DOCKER-USER -i docker_gwbridge -j SWARMHUB-OUT 2>/dev/null || true
  for chain in SWARMHUB-IN SWARMHUB-OUT; do
    iptables -w -F "$chain" 2>/dev/null && iptables -w -X "$chain" || true
  done
fi
nft delete table inet swarmhub 2>/dev/null || true

rm -f /etc/exports.d/swarmhub.exports /etc/exports.d/swarmhub-shared.exports /etc/nfs.conf.d/swarmhub.conf
if systemctl is-active --quiet nfs-server.service; then
  exportfs -ra
fi
# What another machine serves goes first, so that nothing below erases it.
for ((attempt = 0; attempt < 5; attempt++)); do
  findmnt -n -l -o TARGET,FSTYPE | awk -v below="$mount_point/" 'index($1, below) == 1 && $2 ~ /^nfs/ {print $1}' |
    xargs --no-run-if-empty --max-args=1 umount --lazy
  mountpoint -q "$mount_point/homes" || break
  sleep 1
done
if mountpoint -q "$mount_point/homes"; then
  echo "restore: $mount_point/homes is still mounted. Unmount it: umount $mount_point/homes" >&2
  exit 1
fi
if mountpoint -q "$mount_point"; then
  if [[ $data == erase ]]; then
    rm -rf --one-file-system "$mount_point/homes" "$mount_point/shared" "$mount_point/quota"
  else
    echo "kept: homes on $(findmnt -n -o SOURCE "$mount_point")"
  fi
  umount "$mount_point"
fi
rmdir --ignore-fail-on-non-empty "$mount_point/homes" "$mount_point" 2>/dev/null || true

for unit in nfs-server.service rpcbind.socket rpcbind.service; do
  if ! was_active "$unit" && systemctl is-active --quiet "$unit"; then
    systemctl disable --now --quiet "$unit"
  fi
done

# Puts back what a file was before ours was merged into it.
restore_file() {
  if [[ -e $before/$1 ]]; then cp -p "$before/$1" "$2"; else rm -f "$2"; fi
}

registries=0
if [[ -e /etc/swarmhub/docker.json ]]; then
  restore_file daemon.json /etc/docker/daemon.json
  registries=1
fi
if [[ -e /etc/swarmhub/docker-client.json ]]; then
  restore_file docker-client.json /root/.docker/config.json
fi
if [[ -e /etc/systemd/system/docker.service.d/10-swarmhub-proxy.conf ]]; then
  rm -f /etc/systemd/system/docker.service.d/10-swarmhub-proxy.conf
  rmdir --ignore-fail-on-non-empty /etc/systemd/system/docker.service.d
  registries=1
fi
rm -f /etc/apt/apt.conf.d/90swarmhub-proxy
if [[ -e $before/dnf.conf ]]; then cp -p "$before/dnf.conf" /etc/dnf/dnf.conf; fi
if command -v apt-mark >/dev/null; then
  { apt-mark showhold | grep -E '^(docker\.io|docker-ce|containerd|containerd\.io|runc)$' |
    grep -vxF -f "$before/held-packages" || true; } | xargs --no-run-if-empty apt-mark unhold >/dev/null
fi
if [[ ! -e $before/in-docker-group ]] && getent group docker >/dev/null; then
  gpasswd --delete "$(<"$before/ssh-user")" docker >/dev/null 2>&1 || true
fi

((${#units[@]} == 0)) || (cd /etc/systemd/system && rm -f -- "${units[@]}")
systemctl daemon-reload
if was_active docker.service; then
  ((registries == 0)) || systemctl restart docker.service
elif systemctl cat docker.service >/dev/null 2>&1; then
  for unit in docker.socket docker.service containerd.service; do
    was_active "$unit" || systemctl disable --now --quiet "$unit" 2>/dev/null || true
  done
fi

if [[ $data == keep && -d $state ]]; then
  cp /etc/swarmhub/stack /var/lib/swarmhub/state-of
  find /var/lib/swarmhub -mindepth 1 -maxdepth 1 ! -name state ! -name state-of -exec rm -rf {} +
  echo "kept: the hub's state in $state"
else
  rm -rf /var/lib/swarmhub
fi
rm -f /etc/ssh/sshd_config.d/10-swarmhub.conf
rm -rf /opt/swarmhub /etc/swarmhub
for unit in ssh.service sshd.service; do
  if systemctl cat "$unit" >/dev/null 2>&1; then
    systemctl try-reload-or-restart "$unit"
    break
  fi
done
