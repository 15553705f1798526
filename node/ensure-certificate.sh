#!/usr/bin/env bash
# Order the hub's certificate, or renew it when it is due, and let nginx take it up. Run at deployment and by a timer.
# Settings come from /etc/swarmhub/front-door/certificate.env.
# usage: ensure-certificate.sh [--force]   (--force: renew although it is not due)
# Ends with 3 when the issuer looked in vain, which it does not do often, and with 1 when it did not come to that.
set -euo pipefail
# shellcheck source=/dev/null
source /etc/swarmhub/front-door/certificate.env
[[ $# -eq 0 || ($# -eq 1 && $1 == --force) ]] || { echo "usage: ensure-certificate.sh [--force]" >&2; exit 2; }

: "${DOMAIN:?}" "${EMAIL:?}" "${DIRECTORY_URL:?}" "${STATE_DIRECTORY:?}" "${CHALLENGE_DIRECTORY:?}" "${IMAGE:?}" "${CONTAINER:?}"

# One directory per issuer: a change of issuer orders from the new one, and a change back finds the old certificate.
issuer=${DIRECTORY_URL#https://}
acme=$STATE_DIRECTORY/acme/${issuer//[^a-zA-Z0-9.]/-}
live=$acme/live/$DOMAIN
install -d -m 0700 "$STATE_DIRECTORY/acme" "$acme"

arguments=(certonly --non-interactive --agree-tos --email "$EMAIL" --no-eff-email --server "$DIRECTORY_URL"
  --config-dir "$acme" --work-dir "$acme/work" --logs-dir "$acme/logs" --max-log-backups 20
  --webroot --webroot-path "$CHALLENGE_DIRECTORY" --cert-name "$DOMAIN" --key-type ecdsa)
if [[ $DOMAIN =~ ^[0-9.]+$ ]]; then
  # Issuers certify addresses for days only.
  arguments+=(--ip-address "$DOMAIN" --preferred-profile shortlived)
else
  arguments+=(--domain "$DOMAIN")
fi
if [[ $# -eq 1 ]]; then
  arguments+=(--force-renewal)
else
  arguments+=(--keep-until-expiring)
fi
container=(docker run --rm --network host --volume "$acme:$acme" --volume "$CHALLENGE_DIRECTORY:$CHALLENGE_DIRECTORY")
if [[ -n ${DIRECTORY_CA:-} ]]; then
  container+=(--volume "$DIRECTORY_CA:$DIRECTORY_CA:ro" --env "REQUESTS_CA_BUNDLE=$DIRECTORY_CA")
fi

# One order at a time: the timer and a deployment share the account and the challenge directory.
exec 9>"$acme/lock"
flock --timeout 300 9 || { echo "certificate: another order has been running for 300 s. Look at: journalctl -u swarmhub-certificate" >&2; exit 1; }

if ! said=$(timeout 300 "${container[@]}" "$IMAGE" "${arguments[@]}" 2>&1); then
  echo "$said" >&2
  reason=$(sed -n 's/^ *Detail: //p; s/^An unexpected error occurred: *//p' <<<"$said" | tail -n 1)
  [[ -n $reason ]] || reason=$(grep -v -e '^Ask for help' -e '^See the logfile' <<<"$said" | grep . | tail -n 1)
  echo "certificate: $DIRECTORY_URL gave none for $DOMAIN: ${reason:-no answer within 300 s}" >&2
  [[ $said != *"failed to authenticate"* && $said != *"too many"* ]] || exit 3
  exit 1
fi

installed=$STATE_DIRECTORY/certificate
if ! cmp -s "$live/fullchain.pem" "$installed/fullchain.pem"; then
  install -m 0600 "$live/privkey.pem" "$installed/privkey.pem.new"
  install -m 0644 "$live/fullchain.pem" "$installed/fullchain.pem.new"
  mv "$installed/privkey.pem.new" "$installed/privkey.pem"
  mv "$installed/fullchain.pem.new" "$installed/fullchain.pem"
  docker exec "$CONTAINER" nginx -s reload -c /etc/swarmhub/front-door/nginx.conf
  # The signal returns at once; the workers that serve the new certificate come later.
  wanted=$(openssl x509 -in "$installed/fullchain.pem" -noout -fingerprint -sha256)
  for ((second = 0; ; second++)); do
    served=$(timeout 10 openssl s_client -connect 127.0.0.1:443 -servername "$DOMAIN" </dev/null 2>/dev/null |
      openssl x509 -noout -fingerprint -sha256 2>/dev/null) || true
    [[ $served != "$wanted" ]] || break
    ((second < 30)) || { echo "certificate: nginx has not taken up the new one within 30 s. Look at: docker logs $CONTAINER" >&2; exit 1; }
    sleep 1
  done
fi
openssl x509 -in "$installed/fullchain.pem" -noout -issuer -enddate
