#!/usr/bin/env bash
# Make an image of any supported distribution ready for the swarm; run once by cloud-init, safe to run again.
# usage: bootstrap.sh SSH_USER ROLE [existing]
# The role storage is outside the swarm and gets no Docker; a machine that existed before keeps what it has.
set -euo pipefail
[[ $# -eq 2 || ($# -eq 3 && $3 == existing) ]] || { echo "usage: bootstrap.sh SSH_USER ROLE [existing]" >&2; exit 2; }
ssh_user=$1 role=$2 existing=${3:-}
# The oldest Docker whose API has all that the deployment asks of it (1.41).
oldest_docker=20.10
lock_seconds=${LOCK_SECONDS:-300}
dnf_conf=${DNF_CONF:-/etc/dnf/dnf.conf} repositories=${REPOSITORIES:-/etc/yum.repos.d}

# apt has its own file; dnf and what it runs read these.
if [[ -e /etc/swarmhub/proxy.env ]]; then
  set -a
  # shellcheck source=/dev/null
  source /etc/swarmhub/proxy.env
  set +a
fi

have() {
  command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 || -x /sbin/$1 ]]
}

# A new machine upgrades itself in its first minutes. apt can be told to wait for dpkg's lock, and not for its lists'.
apt_get() {
  local until=$((SECONDS + lock_seconds)) said
  until said=$(LC_ALL=C apt-get "$@" -q -o "DPkg::Lock::Timeout=$lock_seconds" 2>&1 | tee >(cat >&2)); do
    [[ $said == *"Could not get lock"* ]] && ((SECONDS < until)) || return 1
    sleep "${RETRY_SECONDS:-3}"
  done
}

install_missing() {
  local docker=$1 nfs_server=$2 nfs_client=$3 iptables=$4 missing=()
  [[ $role == storage ]] || { have dockerd && have docker; } || missing+=("$docker")
  have exportfs || missing+=("$nfs_server")
  have mount.nfs4 || missing+=("$nfs_client")
  have mkfs.xfs || missing+=(xfsprogs)
  have curl || missing+=(curl)
  have iptables || missing+=("$iptables")
  have nft || missing+=(nftables)
  ((${#missing[@]})) || return 0
  if have apt-get; then
    export DEBIAN_FRONTEND=noninteractive
    apt_get update
    # Debian has the client apart from the daemon since 13; before, and in Ubuntu, they are one package.
    if [[ $role != storage ]] && ! have docker && apt-cache show docker-cli >/dev/null 2>&1; then
      missing+=(docker-cli)
    fi
    apt_get install -y --no-install-recommends "${missing[@]}"
  else
    dnf install -y -q "${missing[@]}"
  fi
}

# An unattended upgrade restarts the daemon, and with it every student's server.
hold_docker() {
  if have apt-mark; then
    { dpkg-query --show --showformat='${Package} ${db:Status-Status}\n' \
      docker.io docker-ce containerd containerd.io runc 2>/dev/null || true; } |
      awk '$2 == "installed" {print $1}' | xargs --no-run-if-empty apt-mark hold >/dev/null
  elif ! grep -q '^exclude=docker-ce' "$dnf_conf"; then
    echo 'exclude=docker-ce docker-ce-cli containerd.io' >>"$dnf_conf"
  fi
}

if have apt-get; then
  install_missing docker.io nfs-kernel-server nfs-common iptables
elif have dnf; then
  if [[ $role != storage && ! -e $repositories/docker-ce.repo ]] && ! have dockerd; then
    # Rocky and its kin have no Docker of their own.
    dnf install -y -q dnf-plugins-core
    dnf config-manager --add-repo https://download.docker.com/linux/rhel/docker-ce.repo
  fi
  install_missing docker-ce nfs-utils nfs-utils iptables-nft
else
  echo "bootstrap: neither apt-get nor dnf is here. Use an image of Debian, Ubuntu or Rocky Linux" >&2
  exit 1
fi

# In a cloud, security groups close the machine; the image's own firewall would close the swarm.
if [[ -z $existing ]] && systemctl is-active --quiet firewalld.service; then
  systemctl disable --now --quiet firewalld.service
fi

# The deployment opens many short ssh sessions at once; sshd's default drops connections from the tenth on.
# Where a socket starts sshd, it may not run yet, and reads its configuration when it does.
for unit in ssh.service sshd.service; do
  if systemctl cat "$unit" >/dev/null 2>&1; then
    systemctl try-reload-or-restart "$unit"
    break
  fi
done
if [[ $role == storage ]]; then
  # An image that has Docker in it need not run it here.
  if [[ -z $existing ]] && systemctl cat docker.service >/dev/null 2>&1; then
    systemctl disable --no-reload --now --quiet docker.service docker.socket
  fi
  exit 0
fi

hold_docker

version=$(dockerd --version | sed -n 's/^Docker version \([0-9]*\.[0-9]*\).*/\1/p')
if ! printf '%s\n' "$oldest_docker" "$version" | sort -V --check=silent; then
  echo "bootstrap: Docker $version is older than $oldest_docker. Use a newer image" >&2
  exit 1
fi

# Keys that a file has beside ours stay.
merge() {
  [[ -e $1 ]] || return 0
  python3 - "$1" "$2" <<'MERGE'
import json, pathlib, sys

ours, there = map(pathlib.Path, sys.argv[1:])
there.parent.mkdir(mode=0o755, exist_ok=True)
merged = (json.loads(there.read_text()) if there.exists() else {}) | json.loads(ours.read_text())
there.write_text(json.dumps(merged, indent=2) + "\n")
MERGE
}
merge /etc/swarmhub/docker.json /etc/docker/daemon.json
merge /etc/swarmhub/docker-client.json /root/.docker/config.json

usermod -aG docker "$ssh_user"
# A reload takes seconds of a first boot. systemd does not see that it needs one for a directory of drop-ins that is new.
docker_proxy=/etc/systemd/system/docker.service.d/10-swarmhub-proxy.conf
if [[ -e $docker_proxy || $(systemctl show --property=NeedDaemonReload --value docker.service) == yes ]]; then
  systemctl daemon-reload
fi
if [[ -e /etc/swarmhub/docker.json || -e $docker_proxy ]]; then
  systemctl restart docker.service
fi
systemctl is-enabled --quiet docker.service || systemctl enable docker.service
systemctl start docker.service
