#!/usr/bin/env bash
# Makes the image $1 with a real MySQL server. It takes the same variables as the official image. Needs root and a Docker engine; an
# image that is there stays.
set -euo pipefail
. "$(dirname "$0")/debian-image.sh"

if is_there "$1"; then exit 0; fi

# MySQL itself is in Debian's unstable suite alone.
unpack sid mysql-server-core,mysql-client-core

chroot "$root" useradd --system --home-dir /var/lib/mysql --shell /usr/sbin/nologin mysql
chroot "$root" install -d -o mysql -g mysql /var/lib/mysql /var/lib/mysql-files /var/run/mysqld
install -m 755 "$folder/mysql-entrypoint.sh" "$root/entrypoint.sh"

import "$1" --change 'ENTRYPOINT ["/entrypoint.sh"]' --change 'EXPOSE 3306'
