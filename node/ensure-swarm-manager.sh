#!/usr/bin/env bash
# Make this machine the swarm's manager; prints the token that workers join with.
# usage: ensure-swarm-manager.sh ADDRESS
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: ensure-swarm-manager.sh ADDRESS" >&2; exit 2; }
address=$1

# The daemon's answer to a new swarm holds the token as well.
token=$(docker swarm join-token --quiet worker 2>/dev/null) ||
  token=$(docker swarm init --advertise-addr "$address" --listen-addr "$address" --data-path-addr "$address" |
    sed -n 's/.*\(SWMTKN-[A-Za-z0-9-]*\).*/\1/p')
echo "$token"
