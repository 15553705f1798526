#!/usr/bin/env bash
# Make a virtual environment from frozen requirements, trimmed of what no server reads and compiled to byte code.
# The building machine's pip settings and certificate authorities come as optional build secrets.
# usage: make-venv.sh DIRECTORY REQUIREMENTS
set -euo pipefail
[[ $# -eq 2 ]] || { echo "usage: make-venv.sh DIRECTORY REQUIREMENTS" >&2; exit 2; }
directory=$1 requirements=$2
secrets=/run/secrets

if [[ -s $secrets/pip.conf ]]; then
  export PIP_CONFIG_FILE=$secrets/pip.conf
fi
if [[ -s $secrets/ca-bundle.crt ]]; then
  export PIP_CERT=$secrets/ca-bundle.crt
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

python3 -m venv "$directory"
"$directory/bin/pip" install --quiet --no-compile --no-deps --only-binary :all: --requirement "$requirements"

find "$directory" -name tests -type d -prune -exec rm -rf {} +
find "$directory" \( -name '*.map' -o -name '*.pyi' -o -name '*.pyx' -o -name '*.c' \) -type f -delete
# Unchecked: an import then never looks at the source, which the image never changes.
find "$directory" -name __pycache__ -type d -prune -exec rm -rf {} +
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash "$directory" || [[ $? -eq 1 ]]
