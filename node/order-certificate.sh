#!/usr/bin/env bash
# Order the certificate now, and see to its renewal.
# usage: order-certificate.sh DOMAIN DIRECTORY_URL
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: order-certificate.sh DOMAIN DIRECTORY_URL" >&2; exit 2; }

attempts=3
for ((attempt = 1; ; attempt++)); do
  code=0
  /opt/swarmhub/ensure-certificate.sh || code=$?
  ((code != 0)) || break
  # Let's Encrypt looks in vain for a name five times an hour, then no more: another `up` has to fit in.
  ((code != 3)) || attempts=2
  if ((attempt >= attempts)); then
    echo "certificate: $2 gave none for $1 in $attempt attempts. What it answered is above; nginx's log: docker logs front-door" >&2
    exit 1
  fi
  sleep $((attempt * 5))
done
systemctl enable --no-reload --now --quiet swarmhub-certificate.timer
