#!/usr/bin/env bash
# Have directories for root alone.
# usage: ensure-directories.sh DIRECTORY...
set -euo pipefail
(($# >= 1)) || { echo "usage: ensure-directories.sh DIRECTORY..." >&2; exit 2; }

for directory; do
  install -d -m 0700 "$directory"
done
