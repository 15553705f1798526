#!/usr/bin/env bash
# Keep users' containers away from the metadata service and from the machines, and users of one worker away from those
# of another; safe to run again. Settings come from /etc/swarmhub/firewall.env.
#
# Containers of the overlay leave their machine through docker_gwbridge. They get the internet (or what is listed) and
# the machine's own name servers, never a machine nor the server of homes. Between machines the overlay travels as
# VXLAN: a worker takes it from the manager alone, where hub and proxy are, so that no packet of one worker's users
# reaches another worker's.
set -euo pipefail
# shellcheck source=/dev/null
source "${FIREWALL_ENV:-/etc/swarmhub/firewall.env}"
: "${ROLE:?}" "${MANAGER:?}" "${MACHINES_NETWORK:?}" "${PUBLIC_ADDRESS:?}" "${WEB_PORTS:?}"
bridge=docker_gwbridge

name_servers() {
  local file
  for file in /run/systemd/resolve/resolv.conf /etc/resolv.conf; do
    [[ -r $file ]] || continue
    awk '$1 == "nameserver" && $2 ~ /^[0-9.]+$/ && $2 !~ /^127\./ { print $2 }' "$file"
    return
  done
}

rules() {
  local each protocol
  echo "*filter"
  echo ":SWARMHUB-OUT - [0:0]"
  echo ":SWARMHUB-IN - [0:0]"
  echo "-A SWARMHUB-OUT -m conntrack --ctstate ESTABLISHED,RELATED -j RETURN"
  for each in $(name_servers | sort -u); do
    for protocol in udp tcp; do
      echo "-A SWARMHUB-OUT -d $each -p $protocol --dport 53 -j RETURN"
    done
  done
  for each in 169.254.0.0/16 "$MACHINES_NETWORK" ${FILE_SERVER:-}; do
    echo "-A SWARMHUB-OUT -d $each -j REJECT"
  done
  # By the manager's public address, users come to the hub's page as everybody does, and to nothing else.
  for each in $WEB_PORTS; do
    echo "-A SWARMHUB-OUT -d $PUBLIC_ADDRESS -p tcp --dport $each -j RETURN"
  done
  echo "-A SWARMHUB-OUT -d $PUBLIC_ADDRESS -j REJECT"
  if [[ -n ${OUTBOUND_NETWORKS:-} ]]; then
    for each in $OUTBOUND_NETWORKS; do
      echo "-A SWARMHUB-OUT -d $each -j RETURN"
    done
    echo "-A SWARMHUB-OUT -j REJECT"
  fi
  echo "-A SWARMHUB-IN -i $bridge -m conntrack --ctstate NEW -j REJECT"
  if [[ $ROLE == worker ]]; then
    echo "-A SWARMHUB-IN -p udp --dport 4789 ! -s $MANAGER -j DROP"
  fi
  echo COMMIT
}

ensure() {
  local chain=$1
  shift
  iptables -w -C "$chain" "$@" 2>/dev/null || iptables -w -I "$chain" 1 "$@"
}

# Docker empties no chain of this name, and makes it only if it is missing.
iptables -w -n -L DOCKER-USER >/dev/null 2>&1 || iptables -w -N DOCKER-USER
rules | iptables-restore -w --noflush
ensure DOCKER-USER -i "$bridge" -j SWARMHUB-OUT
ensure INPUT -j SWARMHUB-IN
