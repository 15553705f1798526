#!/usr/bin/env bash
# Order the hub's certificate, or renew it when it is due, and let nginx take it up. Run at deployment and by a timer.
# Settings come from /etc/swarmhub/front-door/certificate.env.
set -euo pipefail
# shellcheck source=/dev/null
source /etc/swarmhub/front-door/certificate.env

: "${DOMAIN:?}" "${EMAIL:?}" "${DIRECTORY_URL:?}" "${STATE_DIRECTORY:?}" "${CHALLENGE_DIRECTORY:?}" "${IMAGE:?}" "${CONTAINER:?}"

lego=$STATE_DIRECTORY/lego
ordered=$lego/certificates/$DOMAIN.crt
install -d -m 0700 "$lego"

arguments=(--accept-tos --email "$EMAIL" --server "$DIRECTORY_URL" --path /var/lib/lego --domains "$DOMAIN"
  --http --http.webroot "$CHALLENGE_DIRECTORY")
container=(docker run --rm --network host --volume "$lego:/var/lib/lego"
  --volume "$CHALLENGE_DIRECTORY:$CHALLENGE_DIRECTORY")
if [[ -n ${DIRECTORY_CA:-} ]]; then
  container+=(--volume "$DIRECTORY_CA:$DIRECTORY_CA:ro" --env "LEGO_CA_CERTIFICATES=$DIRECTORY_CA")
fi

# One order at a time: the timer and a deployment share the account and the challenge directory.
exec 9>"$lego/lock"
flock --timeout 300 9 || { echo "certificate: another order has been running for 300 s. Look at: journalctl -u swarmhub-certificate" >&2; exit 1; }

if [[ -s $ordered ]]; then
  action=(renew)
else
  action=(run)
fi
timeout 300 "${container[@]}" "$IMAGE" "${arguments[@]}" "${action[@]}"

installed=$STATE_DIRECTORY/certificate
if ! cmp -s "$ordered" "$installed/fullchain.pem"; then
  install -m 0600 "$lego/certificates/$DOMAIN.key" "$installed/privkey.pem.new"
  install -m 0644 "$ordered" "$installed/fullchain.pem.new"
  mv "$installed/privkey.pem.new" "$installed/privkey.pem"
  mv "$installed/fullchain.pem.new" "$installed/fullchain.pem"
  docker exec "$CONTAINER" nginx -s reload -c /etc/swarmhub/front-door/nginx.conf
fi
openssl x509 -in "$installed/fullchain.pem" -noout -issuer -enddate
