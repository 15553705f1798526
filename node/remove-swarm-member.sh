#!/usr/bin/env bash
# On the manager: a worker that is about to be deleted gets no more servers, ends those it has, and leaves the swarm.
# usage: remove-swarm-member.sh NAME
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: remove-swarm-member.sh NAME" >&2; exit 2; }
name=$1
wait_seconds=${SWARMHUB_WAIT_SECONDS:-60}

mapfile -t ids < <(docker node ls --quiet --filter "name=$name")
for id in "${ids[@]}"; do
  # The filter takes names that only begin so.
  [[ $(docker node inspect --format '{{.Description.Hostname}}' "$id") == "$name" ]] || continue
  servers=$(docker node ps --filter desired-state=running --format '{{.Name}}' "$id" | sed -n 's/^\(user-.*\)\.[^.]*$/\1/p' | sort -u)
  [[ -z $servers ]] || echo "swarm: $name leaves. These servers end, and start again on another worker when their people do:" $servers
  docker node update --availability drain "$id" >/dev/null
  deadline=$((SECONDS + wait_seconds))
  while [[ $(docker node ps --format '{{.CurrentState}}' "$id") == *Running* ]]; do
    if ((SECONDS >= deadline)); then
      echo "swarm: $name still runs servers after $wait_seconds s; they end with the machine" >&2
      break
    fi
    sleep 1
  done
  docker node rm --force "$id" >/dev/null
done
