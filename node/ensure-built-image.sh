#!/usr/bin/env bash
# On the manager: build an image and keep it, or push it to the swarm's own registry. Its tag names its content: one that
# is here is not built again. The context, a gzipped tar in base64, comes on standard input. Prints the id of one that is
# kept, for who starts it: an image of the same name in a public registry is then nobody's business.
# usage: ensure-built-image.sh keep|push IMAGE LIMIT_SECONDS [PROXY NO_PROXY]
set -euo pipefail
[[ ($# -eq 3 || $# -eq 5) && ($1 == keep || $1 == push) && $2 == */*:* && $3 =~ ^[0-9]+$ ]] ||
  { echo "usage: ensure-built-image.sh keep|push IMAGE LIMIT_SECONDS [PROXY NO_PROXY]" >&2; exit 2; }
afterwards=$1 image=$2 limit_seconds=$3 proxy=${4:-} no_proxy=${5:-}
name=${image##*/}
log=${BUILD_LOGS:-/var/log}/swarmhub-build-${name%:*}.log
# A machine's image may bring what packages are fetched with: pip.conf, npmrc, sources.list, apt.conf, ca-bundle.crt.
secrets=${BUILD_SECRETS:-/etc/swarmhub-build-secrets}
attempts=10

# Docker's client builds by itself up to 20.10, and by a plugin since, which distributions have as a package apart.
ensure_builder() {
  ! docker buildx version >/dev/null 2>&1 || return 0
  [[ $(docker --version) != "Docker version 20.10."* ]] || return 0
  if [[ -e /etc/swarmhub/proxy.env ]]; then
    set -a
    # shellcheck source=/dev/null
    source /etc/swarmhub/proxy.env
    set +a
  fi
  if ! command -v apt-get >/dev/null; then
    dnf install -y -q docker-buildx-plugin
  else
    # A new machine may be upgrading itself: an option has apt wait for dpkg's lock, and none for that of its lists.
    local attempt=1 plugin=docker-buildx
    until apt-get update -q || ((attempt++ == attempts)); do sleep "${RETRY_SECONDS:-10}"; done
    [[ ! $(dpkg-query --show --showformat='${db:Status-Status}' docker-ce 2>/dev/null) == installed ]] ||
      plugin=docker-buildx-plugin
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q -o DPkg::Lock::Timeout=300 --no-install-recommends "$plugin"
  fi
}

# A build runs what others wrote: it gets the internet, and neither the metadata service nor the machines
# nor the server of homes.
close_builds() {
  local each
  # shellcheck source=/dev/null
  source "${FIREWALL_ENV:-/etc/swarmhub/firewall.env}"
  ensure_rule INPUT -i docker0 -p tcp -m conntrack --ctstate NEW -j REJECT
  for each in 169.254.0.0/16 "${MACHINES_NETWORK:?}" ${FILE_SERVER:-}; do
    ensure_rule DOCKER-USER -i docker0 -d "$each" -p tcp -j REJECT
  done
}

ensure_rule() {
  local chain=$1
  shift
  iptables -w -C "$chain" "$@" 2>/dev/null || iptables -w -I "$chain" 1 "$@"
}

build() {
  local options=(--tag "$image") each
  if [[ -n $proxy ]]; then
    for each in http_proxy https_proxy HTTP_PROXY HTTPS_PROXY; do options+=(--build-arg "$each=$proxy"); done
    for each in no_proxy NO_PROXY; do options+=(--build-arg "$each=$no_proxy"); done
  fi
  for each in "$secrets"/*; do
    [[ ! -f $each ]] || options+=(--secret "id=${each##*/},src=$each")
  done
  base64 --decode | DOCKER_BUILDKIT=1 timeout "$limit_seconds" docker build "${options[@]}" - >"$log" 2>&1
}

begin=$SECONDS
if docker image inspect "$image" >/dev/null 2>&1; then
  built="here already"
else
  close_builds
  # Several images are built at once, and packages are installed by one at a time.
  if ! (flock 9 && ensure_builder) 9>"${BUILD_LOCK:-/run/swarmhub-builder.lock}" >"$log" 2>&1; then
    echo "image $name: Docker's build plugin cannot be installed. The log is $log on the manager; its end:" >&2
    tail -n 15 "$log" >&2
    exit 1
  fi
  code=0
  build || code=$?
  if ((code == 124)); then
    echo "image $name: not built after $limit_seconds s. The log is $log on the manager" >&2
    exit 1
  elif ((code)); then
    echo "image $name: the build failed. The log is $log on the manager; its end:" >&2
    tail -n 15 "$log" >&2
    exit 1
  fi
  built="built in $((SECONDS - begin)) s"
fi

if [[ $afterwards == keep ]]; then
  echo "image $name: $built"
  echo "id $image $(docker image inspect --format '{{.ID}}' "$image")"
  exit 0
fi
# The registry may just be starting.
for ((attempt = 1; ; attempt++)); do
  said=$(docker push "$image" 2>&1) && break
  if ((attempt == attempts)); then
    echo "image $name: the registry does not take it: ${said##*$'\n'}. Its log: docker logs registry, on the manager" >&2
    exit 1
  fi
  sleep "${RETRY_SECONDS:-3}"
done
echo "image $name: $built, handed to the registry"
