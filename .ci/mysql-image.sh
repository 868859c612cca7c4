#!/usr/bin/env bash
# Makes the image $1 with a real MySQL server, for machines that reach Debian's packages but no container registry.
# It takes the same variables as the official image. Needs root and a Docker engine; an image that is there stays.
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

root=$(mktemp -d -t mysql-image.XXXXXX)
trap 'rm -rf "$root"' EXIT

# MySQL itself is in Debian's unstable suite alone.
debootstrap --variant=minbase --include=mysql-server-core,mysql-client-core sid "$root" "$mirror" >"$root.log" ||
  { tail -n 20 "$root.log" >&2 && exit 1; }
rm -rf "$root.log" "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*

chroot "$root" useradd --system --home-dir /var/lib/mysql --shell /usr/sbin/nologin mysql
chroot "$root" install -d -o mysql -g mysql /var/lib/mysql /var/lib/mysql-files /var/run/mysqld
install -m 755 "$folder/mysql-entrypoint.sh" "$root/entrypoint.sh"

tar -C "$root" -c . | docker import \
  --change 'ENTRYPOINT ["/entrypoint.sh"]' --change 'EXPOSE 3306' - "$image" >/dev/null
