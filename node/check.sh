#!/usr/bin/env bash
# Tell as JSON how the manager does: certificate, its renewal, services, nodes, disks. Changes nothing.
# usage: check.sh STATE_DIRECTORY MOUNT_POINT
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: check.sh STATE_DIRECTORY MOUNT_POINT" >&2; exit 2; }
certificate=$1/certificate/fullchain.pem mount_point=$2

expires=$(openssl x509 -noout -enddate -in "$certificate" 2>/dev/null | cut -d= -f2) || true
seconds=0
[[ -z $expires ]] || seconds=$(($(date -d "$expires" +%s) - $(date +%s)))
issuer=$(openssl x509 -noout -issuer -in "$certificate" 2>/dev/null | cut -d= -f2-) || true
subject=$(openssl x509 -noout -subject -in "$certificate" 2>/dev/null | cut -d= -f2-) || true
seconds_in_all=0
if [[ -n $expires ]]; then
  begins=$(openssl x509 -noout -startdate -in "$certificate" | cut -d= -f2)
  seconds_in_all=$(($(date -d "$expires" +%s) - $(date -d "$begins" +%s)))
fi
# Where it comes from: an order, files of the operator's, or nowhere.
certificate_from=files
[[ ! -e /etc/swarmhub/front-door/certificate.env ]] || certificate_from=order
grep -q ssl_certificate /etc/swarmhub/front-door/nginx.conf 2>/dev/null || certificate_from=nowhere
self_signed=false
[[ -z $issuer || $issuer != "$subject" ]] || self_signed=true

front_door=$(docker container inspect --format '{{.State.Status}}' front-door 2>/dev/null) || front_door=missing
unit() { systemctl show --property "$2" --value "$1"; }
renewal_result=$(unit swarmhub-certificate.service Result)
if [[ $renewal_result != success ]]; then
  # A deployment may have ordered since: that mends what the timer's last look could not.
  ended=$(unit swarmhub-certificate.service ExecMainExitTimestamp)
  [[ -z $ended || ! -e $certificate || $(stat --format %Y "$certificate") -le $(date -d "$ended" +%s) ]] || renewal_result=success
fi
python3 - "$seconds" "$seconds_in_all" "$certificate_from" "$self_signed" \
  "$renewal_result" \
  "$(unit swarmhub-certificate.timer ActiveState)" \
  "$(journalctl --unit swarmhub-certificate --lines 1 --output cat --no-pager 2>/dev/null)" \
  "$(unit swarmhub-firewall.service ActiveState)" \
  "$(unit swarmhub-overlay-filter.service ActiveState)" \
  "$(docker service ls --format '{{.Name}} {{.Replicas}}')" \
  "$(docker node ls --format '{{.Hostname}} {{.Status}} {{.Availability}}')" \
  "$front_door" \
  "$(df --output=target,pcent / "$mount_point" | tail -n +2)" <<'PYTHON'
import json, sys
names = "certificate_seconds certificate_seconds_in_all certificate_from self_signed renewal_result renewal_timer renewal_log firewall overlay_filter services nodes front_door disks"
print(json.dumps(dict(zip(names.split(), sys.argv[1:]))))
PYTHON
