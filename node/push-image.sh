#!/usr/bin/env bash
# Hand an image of this machine to a registry under a name there. The password of the account comes on standard input.
# usage: push-image.sh LIMIT_SECONDS IMAGE NAME [USER]
set -euo pipefail
[[ ($# -eq 3 || $# -eq 4) && $1 =~ ^[0-9]+$ && $3 == */*:* ]] ||
  { echo "usage: push-image.sh LIMIT_SECONDS IMAGE NAME [USER]" >&2; exit 2; }
limit_seconds=$1 image=$2 name=$3 user=${4:-}
registry=${name%%/*}
attempts=3

# Docker's client writes down what it logs in with: into a directory that goes with this step.
account=$(mktemp -d)
trap 'rm -rf "$account"' EXIT
if [[ -n $user ]] && ! said=$(docker --config "$account" login --username "$user" --password-stdin "$registry" 2>&1); then
  echo "image $name: $registry does not let $user in: ${said##*$'\n'}. Check hub.images.push and its password" >&2
  exit 1
fi

docker tag "$image" "$name"
begin=$SECONDS
for ((attempt = 1; ; attempt++)); do
  code=0 left=$((limit_seconds - SECONDS))
  if ((left > 0)); then
    said=$(timeout "$left" docker --config "$account" push --quiet "$name" 2>&1) || code=$?
  fi
  if ((left <= 0 || code == 124)); then
    echo "image $name: not pushed within $limit_seconds s. Check how fast the manager reaches $registry, then run pulumi up again" >&2
    exit 1
  fi
  ((code)) || break
  if ((attempt == attempts)); then
    echo "image $name: $registry does not take it: ${said##*$'\n'}. Check hub.images.push, and what the account may do there" >&2
    exit 1
  fi
  sleep "${RETRY_SECONDS:-5}"
done
# Only this name goes; the image stays under the one that it runs by.
docker image rm --no-prune "$name" >/dev/null
echo "image $name: pushed in $((SECONDS - begin)) s"
