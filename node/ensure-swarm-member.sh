#!/usr/bin/env bash
# On the manager: a worker, which has that id in the swarm, is ready, takes servers, and is there once under its name.
# usage: ensure-swarm-member.sh NAME ID
set -euo pipefail
[[ $# -eq 2 && $2 =~ ^[a-z0-9]+$ ]] || { echo "usage: ensure-swarm-member.sh NAME ID" >&2; exit 2; }
name=$1 id=$2
wait_seconds=${SWARMHUB_WAIT_SECONDS:-120}

deadline=$((SECONDS + wait_seconds))
until state=$(docker node inspect --format '{{.Status.State}} {{.Spec.Availability}}' "$id" 2>/dev/null) && [[ $state == ready* ]]; do
  if ((SECONDS >= deadline)); then
    echo "swarm: $name is not ready after $wait_seconds s. Look at: docker node ls, and at its log: journalctl -u docker" >&2
    exit 1
  fi
  sleep 1
done
[[ $state == *active ]] || docker node update --availability active "$id" >/dev/null

# What a machine of that name that is gone has left; the filter takes names that only begin so.
mapfile -t others < <(docker node ls --quiet --filter "name=$name")
for other in "${others[@]}"; do
  [[ $other != "$id" ]] || continue
  described=$(docker node inspect --format '{{.Status.State}} {{.Description.Hostname}}' "$other")
  [[ $described != "down $name" ]] || docker node rm --force "$other" >/dev/null
done
