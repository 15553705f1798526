#!/usr/bin/env bash
# Make the bridge through which containers of the overlay leave the machine, with the MTU of the machine's network.
# Docker makes it with 1500 bytes when a swarm is joined, whatever the cloud's network carries.
set -euo pipefail

device=$(ip -4 route show default | awk 'NR == 1 {print $5}')
mtu=$(cat "/sys/class/net/$device/mtu")
said=$(docker network create \
  --opt com.docker.network.bridge.name=docker_gwbridge \
  --opt com.docker.network.bridge.enable_icc=false \
  --opt com.docker.network.bridge.enable_ip_masquerade=true \
  --opt "com.docker.network.driver.mtu=$mtu" \
  docker_gwbridge 2>&1) || [[ $said == *"already exists"* ]] || { echo "swarm: $said" >&2; exit 1; }
