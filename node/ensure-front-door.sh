#!/usr/bin/env bash
# Let nginx start before the hub has a certificate, and take up a changed configuration without dropping a connection.
# With no-orders the certificate comes from the operator's files, or there is none, and nothing renews it here.
# usage: ensure-front-door.sh DOMAIN STATE_DIRECTORY CHALLENGE_DIRECTORY CONTAINER orders|no-orders
set -euo pipefail
[[ $# -eq 5 ]] || { echo "usage: ensure-front-door.sh DOMAIN STATE_DIRECTORY CHALLENGE_DIRECTORY CONTAINER orders|no-orders" >&2; exit 2; }
domain=$1 state=$2 challenge=$3 container=$4 orders=$5

install -d -m 0755 "$challenge" "$challenge/.well-known" "$challenge/.well-known/acme-challenge"
install -d -m 0700 "$state/certificate"
if [[ $orders == no-orders ]]; then
  if [[ -e /etc/swarmhub/front-door/certificate.env ]]; then
    # Ordered before: a renewal would put that certificate in the place of the operator's.
    systemctl disable --now --quiet swarmhub-certificate.timer
    systemctl stop swarmhub-certificate.service
    rm /etc/swarmhub/front-door/certificate.env
  fi
elif [[ ! -s $state/certificate/fullchain.pem ]]; then
  # Self-signed for a day: it lets nginx listen on 443 until the issuer has answered.
  kind=DNS
  [[ ! $domain =~ ^[0-9.]+$ ]] || kind=IP
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj "/CN=$domain" \
    -addext "subjectAltName=$kind:$domain" -keyout "$state/certificate/privkey.pem.new" \
    -out "$state/certificate/fullchain.pem.new" 2>/dev/null
  chmod 0600 "$state/certificate/privkey.pem.new"
  mv "$state/certificate/privkey.pem.new" "$state/certificate/privkey.pem"
  mv "$state/certificate/fullchain.pem.new" "$state/certificate/fullchain.pem"
fi

running=$(docker container ls --quiet --filter "name=^${container}\$")
if [[ -n $CHANGED_FILES && -n $running ]]; then
  docker exec "$container" nginx -q -t -c /etc/swarmhub/front-door/nginx.conf
  docker exec "$container" nginx -s reload -c /etc/swarmhub/front-door/nginx.conf
fi
