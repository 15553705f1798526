#!/usr/bin/env bash
# Install exactly what package-lock.json says, with the npm that package.json names.
# The building machine's npm settings and certificate authorities come as optional build secrets.
# usage: install-node-modules.sh DIRECTORY
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: install-node-modules.sh DIRECTORY" >&2; exit 2; }
directory=$1
secrets=/run/secrets

if [[ -s $secrets/npmrc ]]; then
  export NPM_CONFIG_USERCONFIG=$secrets/npmrc
  registry=$(sed -n 's/^registry *= *//p' "$secrets/npmrc" | tail -n 1)
  export COREPACK_NPM_REGISTRY=${registry%/}
fi
if [[ -s $secrets/ca-bundle.crt ]]; then
  export NODE_EXTRA_CA_CERTS=$secrets/ca-bundle.crt
fi

cd "$directory"
corepack npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier
find node_modules \( -name '*.map' -o -name '*.md' -o -name '*.d.ts' -o -name '*.ts' \) -type f -delete
