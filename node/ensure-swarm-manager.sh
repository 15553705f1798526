#!/usr/bin/env bash
# Make this machine the swarm's manager; prints the token that workers join with.
# usage: ensure-swarm-manager.sh ADDRESS
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: ensure-swarm-manager.sh ADDRESS" >&2; exit 2; }
address=$1

# The daemon's answer to a new swarm holds the token as well.
if ! token=$(docker swarm join-token --quiet worker 2>/dev/null); then
  token=$(docker swarm init --advertise-addr "$address" --listen-addr "$address" --data-path-addr "$address" |
    sed -n 's/.*\(SWMTKN-[A-Za-z0-9-]*\).*/\1/p')
  # Nothing is published through the routing mesh, and what is would be open on every machine. Its network is
  # set up on each for nothing, and takes 10.0.0.0/24, which clouds like to use as well. A swarm that was there
  # before keeps it. Docker makes it a moment after the swarm, and asks before it removes it.
  for ((attempt = 0; attempt < 30; attempt++)); do
    ! docker network rm ingress <<<y >/dev/null 2>&1 || break
    sleep 0.5
  done
fi
echo "$token"
