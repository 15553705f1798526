#!/usr/bin/env bash
# Put the rules in force that close machines and users' containers to each other, now and at each start.
set -euo pipefail

overlay_filter=(swarmhub-overlay-filter.path swarmhub-overlay-filter.timer)
systemctl enable --no-reload --quiet swarmhub-firewall.service "${overlay_filter[@]}"
# Started, never restarted: Docker requires it and would be restarted with it.
if systemctl is-active --quiet swarmhub-firewall.service; then
  /opt/swarmhub/firewall.sh
else
  systemctl start swarmhub-firewall.service
fi
systemctl start "${overlay_filter[@]}" swarmhub-overlay-filter.service
