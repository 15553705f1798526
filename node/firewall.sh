#!/usr/bin/env bash
# Keep containers away from the metadata service and from the machines themselves; safe to run again.
# Containers of the overlay leave their machine through docker_gwbridge. They need the internet, never the machines'
# own addresses: name resolution and the overlay do not pass here.
# usage: firewall.sh MACHINES_NETWORK
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: firewall.sh MACHINES_NETWORK" >&2; exit 2; }
machines=$1
bridge=docker_gwbridge

ensure() {
  local chain=$1
  shift
  iptables -w -C "$chain" "$@" 2>/dev/null || iptables -w -I "$chain" 1 "$@"
}

# Docker empties no chain of this name, and makes it only if it is missing.
iptables -w -n -L DOCKER-USER >/dev/null 2>&1 || iptables -w -N DOCKER-USER
for destination in 169.254.0.0/16 "$machines"; do
  ensure DOCKER-USER -i "$bridge" -d "$destination" -m conntrack --ctstate NEW -j REJECT
done
ensure INPUT -i "$bridge" -m conntrack --ctstate NEW -j REJECT
