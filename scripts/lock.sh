#!/usr/bin/env bash
# Freezes requirements/*.in with hashes and without the address of the index they came from. Needs uv.
set -euo pipefail
cd "$(dirname "$0")/../requirements"
command -v uv > /dev/null || { echo "uv: not on PATH. Install it (pipx install uv) and run make lock again." >&2; exit 1; }
for name in run dev; do
    uv pip compile --quiet --generate-hashes --no-emit-index-url --no-annotate --python-version 3.11 \
        --custom-compile-command "make lock" "$name.in" --output-file "$name.txt" "$@"
done
