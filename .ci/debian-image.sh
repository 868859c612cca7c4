# Read by the scripts beside it, which make images of Debian's packages, for machines that reach those but no container registry.
folder=$(dirname "${BASH_SOURCE[0]}")

# Whether the image $1 is made already.
is_there() { docker image inspect "$1" >/dev/null 2>&1; }

# That this machine runs.
release() { (. /etc/os-release && echo "$VERSION_CODENAME"); }

# The mirror that apt is configured with.
mirror() {
  apt-get indextargets --format '$(SITE)' "Created-By: Packages" "Codename: $(release)" "Component: main" | head -n 1
}

# Makes a root file system of the suite $1 with the packages $2, joined by commas, in $root until the script ends.
unpack() {
  local suite=$1 packages=$2
  if ! command -v debootstrap >/dev/null; then
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends debootstrap >/dev/null
  fi
  root=$(mktemp -d -t debian-image.XXXXXX)
  trap 'rm -rf "$root" "$root.log"' EXIT
  debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$(mirror)" >"$root.log" ||
    { tail -n 20 "$root.log" >&2 && exit 1; }
  rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/usr/share/{doc,man,locale}/*
}

# Makes the image $1 of it; what follows is for `docker import`.
import() {
  local image=$1
  shift
  tar -C "$root" -c . | docker import "$@" - "$image" >/dev/null
}
