#!/usr/bin/env bash
# Freeze an image's requirements.in to requirements.txt, with hashes and without addresses. Needs uv.
# usage: freeze.sh IMAGE
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: freeze.sh IMAGE" >&2; exit 2; }
cd "$(dirname "$0")/../$1"

# Without aiodns, which aiohttp prefers where it finds it: it keeps an address for the 600 s that Docker's DNS says,
# and a server started again, or an updated hub, has another one at once. Remove when c-ares' cache can be set.
# Without rfc3987-syntax, which jsonschema uses where it finds it, and whose import builds a grammar: a quarter of all
# that a server imports at its start, for a format ("iri") that no schema of Jupyter's events has.
uv pip compile --quiet --python-version 3.13 --python-platform x86_64-manylinux_2_28 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
  --no-emit-package aiodns --no-emit-package pycares \
  --no-emit-package rfc3987-syntax --no-emit-package lark requirements.in --output-file requirements.txt
sed -i '/^# The following packages were excluded/,$d' requirements.txt
