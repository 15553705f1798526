#!/usr/bin/env bash
# Have container images on this machine before anything runs from them; one that is here already is not asked for again,
# unless NUMBER is another than the last time. Prints the digest of each that came from a registry, and the id of each other
# one, for who starts it: by either, Docker asks no registry.
# usage: ensure-images.sh LIMIT_SECONDS [--again NUMBER] IMAGE...
set -euo pipefail
usage() { echo "usage: ensure-images.sh LIMIT_SECONDS [--again NUMBER] IMAGE..." >&2; exit 2; }
[[ $# -ge 2 && $1 =~ ^[0-9]+$ ]] || usage
limit_seconds=$1
shift
attempts=3
pulled_file=${PULLED_FILE:-/var/lib/swarmhub/images-pulled} number=
if [[ $1 == --again ]]; then
  [[ $# -ge 3 && $2 =~ ^[0-9]+$ ]] || usage
  number=$2
  shift 2
fi
again=0
[[ -z $number || ( -e $pulled_file && $(<"$pulled_file") == "$number" ) ]] || again=1

# A line for each image: its id and what it was pulled as, one for each repository; fails when one is not here.
look() {
  docker image inspect --format '{{.ID}} {{join .RepoDigests " "}};' "$@" 2>/dev/null
}

pull() {
  local image=$1 begin=$SECONDS attempt left code said
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
    # What was loaded or built here may be in no registry at all: one question has to do.
    if [[ $(look "$image") == "sha256:"*" ;" ]]; then
      echo "image $image: as it is here, for it cannot be pulled: ${said##*$'\n'}"
      return
    fi
    if ((attempt == attempts)); then
      echo "image $image: cannot be pulled: ${said##*$'\n'}. Check the name in the stack file, the registry and the free disk space (df -h /var/lib/docker)" >&2
      exit 1
    fi
    sleep "${RETRY_SECONDS:-5}"
  done
  echo "image $image: pulled in $((SECONDS - begin)) s"
}

# Mostly all are here: one question instead of many.
if ((again == 0)) && here=$(look "$@"); then
  printf 'image %s: here already\n' "$@"
else
  for image; do
    if ((again == 0)) && look "$image" >/dev/null; then
      echo "image $image: here already"
    else
      pull "$image"
    fi
  done
  here=$(look "$@")
fi
if ((again)); then
  mkdir -p "${pulled_file%/*}"
  echo "$number" >"$pulled_file"
fi

for image; do
  read -r id line
  # As Docker lists it: without the tag, names of Docker Hub shortened.
  repository=${image%@*}
  [[ ${repository##*/} != *:* ]] || repository=${repository%:*}
  repository=${repository#docker.io/}
  repository=${repository#library/}
  known="id $image $id"
  for digest in ${line%;}; do
    if [[ $digest == "$repository@"* ]]; then
      known="digest $image ${digest#*@}"
      break
    fi
  done
  echo "$known"
done <<<"$here"
