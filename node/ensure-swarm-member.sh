#!/usr/bin/env bash
# On the manager: a worker is ready in the swarm, takes servers, and is there once under its name.
# usage: ensure-swarm-member.sh NAME ADDRESS
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: ensure-swarm-member.sh NAME ADDRESS" >&2; exit 2; }
name=$1 address=$2
wait_seconds=${SWARMHUB_WAIT_SECONDS:-120}

# Prints "ID STATE AVAILABILITY ADDRESS" of every node with that name.
list_nodes() {
  local ids
  mapfile -t ids < <(docker node ls --quiet --filter "name=$name")
  ((${#ids[@]})) || return 0
  docker node inspect \
    --format '{{if eq .Description.Hostname "'"$name"'"}}{{.ID}} {{.Status.State}} {{.Spec.Availability}} {{.Status.Addr}}{{end}}' \
    "${ids[@]}" | sed '/^$/d'
}

deadline=$((SECONDS + wait_seconds))
until nodes=$(list_nodes) &&
  node=$(awk -v address="$address" '$2 == "ready" && $4 == address && !found++ {print $1}' <<<"$nodes") && [[ -n $node ]]; do
  if ((SECONDS > deadline)); then
    echo "swarm: $name at $address is not ready after $wait_seconds s. Look at: docker node ls, and at its log: journalctl -u docker" >&2
    exit 1
  fi
  sleep 1
done

while read -r id state availability _; do
  if [[ $id == "$node" ]]; then
    [[ $availability == active ]] || docker node update --availability active "$id" >/dev/null
  elif [[ $state == down ]]; then
    # What a machine of that name that is gone has left.
    docker node rm --force "$id" >/dev/null
  fi
done <<<"$nodes"
