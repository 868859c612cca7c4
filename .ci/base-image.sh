#!/usr/bin/env bash
# Makes the image $1 that the Dockerfile builds on, in the place of Docker's official node image: Debian's packages, npm from its
# registry, and the Node of this repository, after `npm ci`. Needs root and a Docker engine; an image that is there stays.
set -euo pipefail
. "$(dirname "$0")/debian-image.sh"

if is_there "$1"; then exit 0; fi

# What Node needs; what the tests of units and of TLS run.
unpack "$(release)" binutils,libatomic1,libstdc++6,ca-certificates,systemd,systemd-sysv,dbus,dbus-user-session,caddy

npm install --silent --global --prefix "$root/usr/local" npm
cp "$folder/../node_modules/node/bin/node" "$root/usr/local/bin/node"

# How this machine reaches the npm registry.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
npm config get registry | sed 's/^/registry=/' >"$root/root/.npmrc"
echo cafile=/etc/ssl/certs/ca-certificates.crt >>"$root/root/.npmrc"

import "$1"
