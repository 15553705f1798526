#!/usr/bin/env bash
# On the manager: what the swarm's own registry is started with; prints its certificate. Safe to run again.
# usage: ensure-registry.sh ADDRESS DIRECTORY DATA_DIRECTORY CONTAINER
set -euo pipefail
[[ $# -eq 4 ]] || { echo "usage: ensure-registry.sh ADDRESS DIRECTORY DATA_DIRECTORY CONTAINER" >&2; exit 2; }
address=$1 directory=$2 data=$3 container=$4
days=3650 renew_before_seconds=$((90 * 86400))

install -d -m 0755 "$directory"
install -d -m 0700 "$data"

# The swarm's certificate authority signs one certificate for each member, and Docker renews them: whoever shows such
# a one is a member.
docker info --format '{{.Swarm.Cluster.TLSInfo.TrustRoot}}' >"$directory/swarm-ca.pem.new"
grep -q 'BEGIN CERTIFICATE' "$directory/swarm-ca.pem.new" ||
  { echo "registry: this machine does not manage a swarm, whose members it would know" >&2; exit 1; }

changed=0
is_good() {
  local look=(openssl x509 -in "$directory/certificate.pem" -noout)
  [[ -s $directory/certificate.pem && -s $directory/key.pem ]] &&
    "${look[@]}" -checkend "$renew_before_seconds" >/dev/null &&
    [[ $("${look[@]}" -checkip "$address") == *"does match"* ]]
}
if ! is_good; then
  (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days "$days" \
    -subj "/CN=registry of the swarm" -addext "subjectAltName=IP:$address" -addext "extendedKeyUsage=serverAuth" \
    -keyout "$directory/key.pem" -out "$directory/certificate.pem" 2>/dev/null)
  changed=1
fi
cmp --silent "$directory/swarm-ca.pem.new" "$directory/swarm-ca.pem" || changed=1
mv "$directory/swarm-ca.pem.new" "$directory/swarm-ca.pem"
if ((changed)) && [[ -n $(docker ps --quiet --filter "name=^$container\$") ]]; then
  docker restart "$container" >/dev/null
fi
cat "$directory/certificate.pem"
