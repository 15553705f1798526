#!/usr/bin/env bash
# Have container images on this machine before anything runs from them; one that is here already is not asked for again.
# usage: ensure-images.sh LIMIT_SECONDS IMAGE...
set -euo pipefail
[[ $# -ge 2 && $1 =~ ^[0-9]+$ ]] || { echo "usage: ensure-images.sh LIMIT_SECONDS IMAGE..." >&2; exit 2; }
limit_seconds=$1
shift
attempts=3

# Mostly all are: one question instead of many.
if docker image inspect "$@" >/dev/null 2>&1; then
  printf 'image %s: here already\n' "$@"
  exit 0
fi
for image; do
  if docker image inspect "$image" >/dev/null 2>&1; then
    echo "image $image: here already"
    continue
  fi
  begin=$SECONDS
  for ((attempt = 1; ; attempt++)); do
    left=$((limit_seconds - SECONDS))
    code=0
    if ((left > 0)); then
      said=$(timeout "$left" docker pull --quiet "$image" 2>&1) || code=$?
    fi
    if ((left <= 0 || code == 124)); then
      echo "image $image: not here after $limit_seconds s. Check how fast this machine reaches its registry, then run pulumi up again" >&2
      exit 1
    fi
    ((code)) || break
    if ((attempt == attempts)); then
      echo "image $image: cannot be pulled: ${said##*$'\n'}. Check the name in the stack file, the registry and the free disk space (df -h /var/lib/docker)" >&2
      exit 1
    fi
    sleep "${RETRY_SECONDS:-5}"
  done
  echo "image $image: pulled in $((SECONDS - begin)) s"
done
