#!/usr/bin/env bash
# Let this machine's Docker use the swarm's own registry: it shows the certificate that it has as a member of the swarm.
# Settings come from /etc/swarmhub/registry.env; safe to run again.
set -euo pipefail
# shellcheck source=/dev/null
source "${REGISTRY_ENV:-/etc/swarmhub/registry.env}"
: "${REGISTRY:?}"

member=$(docker info --format '{{.DockerRootDir}}')/swarm/certificates
access=/etc/docker/certs.d/$REGISTRY
[[ -s $member/swarm-node.key ]] || { echo "registry: this machine is not a member of the swarm" >&2; exit 1; }
[[ -s $access/ca.crt ]] || { echo "registry: its certificate is not in $access" >&2; exit 1; }
# Links, for Docker renews its certificate every few months.
ln -sfn "$member/swarm-node.crt" "$access/client.cert"
ln -sfn "$member/swarm-node.key" "$access/client.key"
