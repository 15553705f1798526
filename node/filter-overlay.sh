#!/usr/bin/env bash
# Filter what passes between containers of one overlay network; safe to run again.
# Docker bridges them in a network namespace of its own, which none of the machine's own rules sees and which comes and
# goes with the containers on the machine: a path unit runs this whenever Docker makes a namespace.
# usage: filter-overlay.sh NETWORK RULES
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: filter-overlay.sh NETWORK RULES" >&2; exit 2; }
network=$1 rules=$2

apply() {
  local id namespace
  # A worker knows the network only while it runs a container of it.
  id=$(docker network inspect --format '{{.Id}}' "$network" 2>/dev/null) || return 0
  for namespace in /run/docker/netns/[0-9]*-"${id:0:10}"; do
    [[ -e $namespace ]] || continue
    nsenter --net="$namespace" nft --file "$rules" || return 1
  done
}

# systemd does not look at the directory while this runs: go on until nothing in it changes any more. The file of a
# namespace is there a moment before the namespace is; then the next round enters it.
failed=0
for ((round = 0; round < 30; round++)); do
  before=$(ls /run/docker/netns 2>/dev/null) || true
  if apply; then failed=0; else failed=1; fi
  sleep 1
  after=$(ls /run/docker/netns 2>/dev/null) || true
  [[ $failed -eq 0 && $before == "$after" ]] && break
done
exit "$failed"
