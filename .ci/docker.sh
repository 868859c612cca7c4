#!/usr/bin/env bash
# Makes sure that a Docker engine answers: where none does, Debian's is installed and started. Needs root for that.
set -euo pipefail

answers() { docker info >/dev/null 2>&1; }

wait_for_engine() {
  for _ in $(seq 60); do
    if answers; then return 0; fi
    sleep 0.5
  done
  return 1
}

if answers; then exit 0; fi

if ! command -v dockerd >/dev/null; then
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends docker.io iptables >/dev/null
fi

# Where a service manager runs, the package has started the engine by itself.
if [ ! -d /run/systemd/system ]; then
  log=$(mktemp -t dockerd.XXXXXX)
  setsid dockerd >"$log" 2>&1 </dev/null &
fi

if ! wait_for_engine; then
  echo "the Docker engine does not answer" >&2
  if [ -n "${log:-}" ]; then tail -n 20 "$log" >&2; fi
  exit 1
fi
