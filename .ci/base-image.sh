#!/usr/bin/env bash
# Makes the image $1 that the Dockerfile builds on, in the place of Docker's official node image: Debian's packages, npm from its
# registry, and the Node of this repository, after `npm ci`. For machines that reach those but no container registry. Needs root and
# a Docker engine; an image that is there stays.
set -euo pipefail
image=$1
folder=$(dirname "$0")

if docker image inspect "$image" >/dev/null 2>&1; then exit 0; fi

if ! command -v debootstrap >/dev/null; then
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends debootstrap >/dev/null
fi

# The mirror that apt is configured with, for the release that this machine runs.
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(SITE)' "Created-By: Packages" "Codename: $release" "Component: main" | head -n 1)

root=$(mktemp -d -t base-image.XXXXXX)
trap 'rm -rf "$root"' EXIT
# What Node needs; what the tests of units and of TLS run.
packages=binutils,libatomic1,libstdc++6,ca-certificates,systemd,systemd-sysv,dbus,dbus-user-session,caddy
debootstrap --variant=minbase --include="$packages" "$release" "$root" "$mirror" \
  >"$root.log" || { tail -n 20 "$root.log" >&2 && exit 1; }
rm -rf "$root.log" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*

npm install --silent --global --prefix "$root/usr/local" npm
cp "$folder/../node_modules/node/bin/node" "$root/usr/local/bin/node"

# How this machine reaches the npm registry.
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
npm config get registry | sed 's/^/registry=/' >"$root/root/.npmrc"
echo cafile=/etc/ssl/certs/ca-certificates.crt >>"$root/root/.npmrc"

tar -C "$root" -c . | docker import - "$image" >/dev/null
