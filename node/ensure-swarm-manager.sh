#!/usr/bin/env bash
# Make this machine the swarm's manager; prints the token that workers join with.
# usage: ensure-swarm-manager.sh ADDRESS
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: ensure-swarm-manager.sh ADDRESS" >&2; exit 2; }
address=$1

if [[ $(docker info --format '{{.Swarm.LocalNodeState}}') != active ]]; then
  docker swarm init --advertise-addr "$address" --listen-addr "$address" --data-path-addr "$address" >/dev/null
fi
docker swarm join-token --quiet worker
