# Sourced by scripts/test, after prepare.sh, before tests that use real containers: installs podman and what belongs to it,
# and makes the images that a registry would have, from the packages of Debian and this machine's own Node.js.
# Everything lies in .cache/containers and a folder of /run: podman's own images and containers of this machine are another's.
# shellcheck shell=bash
. "$root/scripts/node-release.sh"
containers=$(readlink -m "$root/.cache")/containers
containers_run=/run/sessionfs-containers-$(printf '%s' "$containers" | cksum | cut -d ' ' -f 1)
export CONTAINERS_CONF=$containers/containers.conf CONTAINERS_STORAGE_CONF=$containers/storage.conf
# Raise this number with every change of how an image is made here.
images_version=2
# The Node.js of the image, which is newer than the oldest that sessionfs runs on: as a package of npm's registry.
node_release=24.21.0
podman_compose_release=1.6.0
kubernetes_validate_release=1.37.0
# Helm 4.2.3, as a library: 75 MB in 3 s. `go install` of helm takes 180 s of processor time.
helm_release=0.2.2

install_container_tools() {
  local command missing=()
  for command in podman runc debootstrap catatonit; do
    command -v "$command" >/dev/null || missing+=("$command")
  done
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
  ((${#missing[@]} > 0)) || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "CANNOT TEST CONTAINERS HERE: missing: ${missing[*]}. As root on Debian they would be installed now"
  fi
  quietly 'fetching the lists of packages (apt-get update)' apt-get update || die 'apt-get update failed, see above'
  quietly "installing ${missing[*]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}" netavark || die 'that failed, see above'
}

# runc, and limits that every machine allows; the locks in files, since those in memory are shared by all that podman runs.
configure_podman() {
  mkdir -p "$containers"
  cat >"$CONTAINERS_CONF" <<CONF
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
tmp_dir = "$containers_run/libpod"
CONF
  cat >"$CONTAINERS_STORAGE_CONF" <<CONF
[storage]
driver = "overlay"
graphroot = "$containers/storage"
runroot = "$containers_run/storage"
[storage.options.overlay]
skip_mount_home = "true"
CONF
}

# The mirror of Debian that apt uses on this machine.
debian_mirror() {
  apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(RELEASE)' 'Created-By: Packages' |
    awk '$2 == "main" && $3 !~ /-(security|updates|backports)$/ && $1 ~ /\/debian\/?$/ { print $1; exit }'
}

image_is_made() {
  [ "$(podman image inspect --format '{{index .Labels "sessionfs-test"}}' "$1" 2>/dev/null)" = "$images_version" ]
}

# node:24-bookworm-slim, as far as the Dockerfile goes: Debian without more, node and npm, and the user node.
make_base_image() {
  local image=docker.io/library/node:24-bookworm-slim mirror system=$containers/base
  if image_is_made "$image"; then return; fi
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || die 'CANNOT TEST CONTAINERS HERE: apt of this machine knows no mirror of Debian'
  rm -rf "$system"
  fetch_node "$node_release" "$containers/node-$node_release" &
  local node=$!
  quietly 'making a base image (debootstrap), this takes a minute' \
    debootstrap --variant=minbase bookworm "$system" "$mirror" || die 'no base image, see above'
  rm -rf "$system"/var/cache/apt/* "$system"/var/lib/apt/lists/* "$system"/usr/share/{doc,man,locale}/*
  wait "$node" || exit 1
  # It is there now; here it sets $fetched_node.
  fetch_node "$node_release" "$containers/node-$node_release"
  install -D "$fetched_node" "$system/usr/local/bin/node"
  mkdir -p "$system/usr/local/lib/node_modules"
  cp -a "$(npm root --global)/npm" "$system/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$system/usr/local/bin/npm"
  ln -s ../lib/node_modules/npm/bin/npx-cli.js "$system/usr/local/bin/npx"
  chroot "$system" useradd --uid 1000 --user-group --create-home --shell /bin/bash node
  tar -C "$system" -c . | podman import --quiet --change "LABEL sessionfs-test=$images_version" --change 'CMD ["node"]' - "$image" \
    >/dev/null || die 'podman does not take the base image, see above'
  rm -rf "$system"
}

# The emulator that scripts/gcs-emulator builds, under the name and with the files that docker-compose.yml relies on.
make_emulator_image() {
  local release image
  release=$(sed -n 's/^release=//p' "$root/scripts/gcs-emulator")
  image=docker.io/fsouza/fake-gcs-server:$release
  if image_is_made "$image"; then return; fi
  "$root/scripts/gcs-emulator" --build-only </dev/null
  podman build --quiet --pull=never --network none --label "sessionfs-test=$images_version" --tag "$image" --file - "$root/.cache/fake-gcs-server-$release" >/dev/null <<'FILE' ||
FROM node:24-bookworm-slim
COPY fake-gcs-server /bin/fake-gcs-server
# As much of wget as the health check asks for.
RUN printf '#!/bin/sh\nexec node -e "fetch(process.argv.at(-1)).then(({ ok }) => process.exit(ok ? 0 : 1))" -- "$@"\n' \
  >/usr/local/bin/wget && chmod 755 /usr/local/bin/wget
ENTRYPOINT ["/bin/fake-gcs-server"]
FILE
    die 'no image of the emulator, see above'
}

# Debian with systemd as its process 1, for the package and the units. In a user's hands that is a machine.
make_systemd_image() {
  local image=localhost/sessionfs-test-debian:latest
  if image_is_made "$image"; then return; fi
  quietly 'making an image of Debian with systemd' sh -c 'podman build --quiet --pull=never --network host --isolation oci \
    --label "sessionfs-test=$1" --tag "$2" --file - . <<FILE
FROM node:24-bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends systemd systemd-sysv logrotate && rm -rf /var/lib/apt/lists/* && echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/tests
CMD ["/sbin/init"]
FILE' sh "$images_version" "$image" || die 'no image with systemd, see above'
}

install_python_tools() {
  install_from_pypi "$containers/venv" "podman-compose==$podman_compose_release" \
    "kubernetes-validate==$kubernetes_validate_release" "helm-python-sdk==$helm_release"
}

prepare_containers() {
  lock_checkout containers
  install_container_tools
  configure_podman
  install_python_tools &
  local python_tools=$!
  make_base_image
  make_emulator_image
  make_systemd_image
  wait "$python_tools" || exit 1
  unlock_checkout
  # Steps of builds of other days; today's make the next build fast.
  podman image prune --force --filter until=24h >/dev/null
}
