#!/usr/bin/env bash
# Close the ports of swarm and NFS to all but the stack's machines, now and at each start: no cloud does it here.
set -euo pipefail

systemctl enable --no-reload --quiet swarmhub-members.service
nft --file /etc/swarmhub/members.nft
