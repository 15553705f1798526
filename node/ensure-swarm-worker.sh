#!/usr/bin/env bash
# Join the swarm as a worker and print the id that it has there; the token comes on standard input. It takes no
# servers before ensure-swarm-member.sh lets it: a student's would come before the images.
# usage: ensure-swarm-worker.sh ADDRESS MANAGER_ADDRESS
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: ensure-swarm-worker.sh ADDRESS MANAGER_ADDRESS" >&2; exit 2; }
address=$1 manager=$2
# The last line need not end in a newline, and read says so by failing.
read -r token || [[ -n $token ]]
[[ $token =~ ^SWMTKN-[A-Za-z0-9-]+$ ]] || { echo "swarm: what came on standard input is not a join token" >&2; exit 2; }

# A manager that was replaced has the address of the former one and another swarm. The token's third field tells
# one swarm from another; it is the hash of the swarm's certificate authority, and no secret.
joined=/var/lib/swarmhub/joined-swarm
swarm=$(cut -d - -f 3 <<<"$token")
state=$(docker info --format '{{.Swarm.LocalNodeState}} {{range .Swarm.RemoteManagers}}{{.Addr}}{{end}}')
print_id() { docker info --format '{{.Swarm.NodeID}}'; }
if [[ $state == "active $manager:2377" && -f $joined && $(<"$joined") == "$swarm" ]]; then
  print_id
  exit
fi
[[ $state == inactive* ]] || docker swarm leave --force >&2

# `docker swarm join` takes the token as an argument, which every user of the machine could read: ask the daemon itself.
printf '{"JoinToken":"%s","RemoteAddrs":["%s:2377"],"AdvertiseAddr":"%s","ListenAddr":"%s","DataPathAddr":"%s","Availability":"pause"}' \
  "$token" "$manager" "$address" "$address" "$address" |
  curl --silent --show-error --fail-with-body --max-time 120 --unix-socket /run/docker.sock \
    --header 'Content-Type: application/json' --data-binary @- http://docker/swarm/join
mkdir -p "${joined%/*}"
echo "$swarm" >"$joined"
print_id
