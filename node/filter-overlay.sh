#!/usr/bin/env bash
# Filter what passes between containers of one overlay network, from the first container on; safe to run again.
# Docker bridges them in a network namespace of its own, which none of the machine's own rules sees and which comes and
# goes with the containers on the machine. Docker tells of each container that is connected before it starts it: each
# time the rules are put in place. Without end, unless Docker ends; a unit starts this again then.
# usage: filter-overlay.sh NETWORK RULES [once]
set -euo pipefail
[[ $# -eq 2 || ($# -eq 3 && $3 == once) ]] || { echo "usage: filter-overlay.sh NETWORK RULES [once]" >&2; exit 2; }
network=$1 rules=$2
# An event that got lost costs this long, not more.
look_again_seconds=60

# Docker leaves the files of those that are gone for a minute.
is_namespace() {
  [[ $(stat --file-system --format %T "$1" 2>/dev/null) == nsfs ]]
}

filter() {
  local id=$1 namespace
  for namespace in /run/docker/netns/[0-9]*-"${id:0:10}"; do
    is_namespace "$namespace" || continue
    # One that went just now needs no filter.
    nsenter --net="$namespace" nft --file "$rules" || ! is_namespace "$namespace" || return 1
  done
}

look() {
  local id
  # A worker knows the network only while it runs a container of it.
  id=$(docker network inspect --format '{{.Id}}' "$network" 2>/dev/null) || return 0
  filter "$id"
}

if [[ $# -eq 3 ]]; then
  look
  exit
fi

# From before the first look: what is connected meanwhile is told of afterwards.
exec {connections}< <(exec docker events --since "$(date +%s)" --filter type=network --filter event=connect \
  --filter "network=$network" --format '{{.Actor.ID}}')
look
while true; do
  if read -r -t "$look_again_seconds" -u "$connections" id; then
    # Thirty servers that start at once are one change.
    while read -r -t 0 -u "$connections"; do read -r -u "$connections" id; done
    filter "$id"
  elif (($? > 128)); then
    look
  else
    echo "overlay filter: Docker tells of no more connections" >&2
    exit 1
  fi
done
