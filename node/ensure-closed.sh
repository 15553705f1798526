#!/usr/bin/env bash
# Put the rules in force that close machines and users' containers to each other, now and at each start.
set -euo pipefail

if [[ -n $CHANGED_FILES ]]; then
  systemctl daemon-reload
fi
# Started, never restarted: Docker requires it and would be restarted with it.
systemctl enable --quiet --now swarmhub-firewall.service
/opt/swarmhub/firewall.sh
systemctl enable --quiet --now swarmhub-overlay-filter.path swarmhub-overlay-filter.timer
systemctl start swarmhub-overlay-filter.service
