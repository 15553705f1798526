#!/usr/bin/env bash
# Install Debian packages in an image under construction and leave nothing of the download behind.
# The building machine's own mirror, apt settings and certificate authorities come as optional build secrets.
# usage: install-packages.sh PACKAGE...
set -euo pipefail
[[ $# -ge 1 ]] || { echo "usage: install-packages.sh PACKAGE..." >&2; exit 2; }
secrets=/run/secrets

options=()
if [[ -s $secrets/sources.list ]]; then
  options+=(-o "Dir::Etc::SourceList=$secrets/sources.list" -o Dir::Etc::SourceParts=/dev/null)
fi
if [[ -s $secrets/ca-bundle.crt ]]; then
  options+=(-o "Acquire::https::CAInfo=$secrets/ca-bundle.crt")
fi
if [[ -s $secrets/apt.conf ]]; then
  export APT_CONFIG=$secrets/apt.conf
fi
export DEBIAN_FRONTEND=noninteractive

apt-get update -q "${options[@]}"
apt-get install --yes -q --no-install-recommends -o Dpkg::Options::=--force-unsafe-io "${options[@]}" "$@"
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/cache/ldconfig/* /var/log/*
