#!/usr/bin/env bash
# Start configurable-http-proxy with its token taken from a file: its arguments can be read by anyone on the machine.
# usage: start-proxy.sh OPTION...   (PROXY_TOKEN_FILE, by default the Docker secret proxy-token; PROXY_BY_HOST: route by host names)
set -euo pipefail
[[ $# -ge 1 ]] || { echo "usage: start-proxy.sh OPTION..." >&2; exit 2; }
token_file=${PROXY_TOKEN_FILE:-/run/secrets/proxy-token}

if [[ ! -s $token_file ]]; then
  echo "proxy: $token_file is missing or empty. The proxy takes orders from nobody without a token. Give the service the secret proxy-token" >&2
  exit 1
fi
CONFIGPROXY_AUTH_TOKEN=$(<"$token_file")
export CONFIGPROXY_AUTH_TOKEN
exec configurable-http-proxy ${PROXY_BY_HOST:+--host-routing} "$@"
