#!/usr/bin/env bash
# Put the rules in force that close machines and users' containers to each other, now and at each start.
set -euo pipefail

if [[ -n $CHANGED_FILES ]]; then
  systemctl daemon-reload
fi
systemctl enable --quiet swarmhub-firewall.service
systemctl enable --quiet --now swarmhub-overlay-filter.path swarmhub-overlay-filter.timer
/opt/swarmhub/firewall.sh
systemctl start swarmhub-overlay-filter.service
