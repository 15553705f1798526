#!/usr/bin/env bash
# Put the rules in force that close machines and users' containers to each other, now and at each start.
set -euo pipefail

for former in swarmhub-overlay-filter.path swarmhub-overlay-filter.timer; do
  if [[ -e /etc/systemd/system/$former ]]; then
    systemctl disable --quiet --now "$former"
    rm "/etc/systemd/system/$former"
  fi
done
systemctl enable --no-reload --quiet swarmhub-firewall.service swarmhub-overlay-filter.service
# Started, never restarted: Docker requires it and would be restarted with it.
if systemctl is-active --quiet swarmhub-firewall.service; then
  /opt/swarmhub/firewall.sh
else
  systemctl start swarmhub-firewall.service
fi
systemctl restart swarmhub-overlay-filter.service
