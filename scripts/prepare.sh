# Sourced by the other scripts: installs and builds what is missing or out of date, and nothing else.
# Expects $root, the repository. Says nothing when there is nothing to do; stdout is never written.
# shellcheck shell=sh
: "${root:?}"

say() { printf 'sessionfs: %s\n' "$*" >&2; }
die() {
  say "$@"
  exit 1
}

# require_node MAJOR MINOR
require_node() {
  command -v node >/dev/null 2>&1 ||
    die "Node.js is not installed (or not in PATH); version $1.$2 or newer is needed: https://nodejs.org/en/download"
  version=$(node --version) || die 'node does not run on this machine'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number);
    process.exit(a > +process.argv[1] || (a === +process.argv[1] && b >= +process.argv[2]) ? 0 : 1)' "$1" "$2" ||
    die "Node.js $version is too old; version $1.$2 or newer is needed: https://nodejs.org/en/download"
}

# require_commands NAME...: all of util-linux.
require_commands() {
  missing=
  for name in "$@"; do command -v "$name" >/dev/null 2>&1 || missing="$missing $name"; done
  [ -z "$missing" ] ||
    die "missing:$missing. Install util-linux (Debian, Ubuntu: apt-get install mount util-linux;" \
      "Alpine: apk add util-linux mount umount flock; Fedora: dnf install util-linux)"
}

# lock_checkout [NAME]: one of two scripts started together waits for the other, or for the one that makes NAME in .cache/.
# The lock ends with descriptor 9.
lock_checkout() {
  if [ $# -gt 0 ]; then
    mkdir -p "$root/.cache"
    exec 9>"$root/.cache/$1.lock"
  else
    exec 9<"$root/package-lock.json"
  fi
  if command -v flock >/dev/null 2>&1; then flock 9; fi
}
unlock_checkout() { exec 9>&-; }

# quietly MESSAGE COMMAND...: shows the command's output only when it fails.
quietly() {
  say "$1"
  shift
  output=$(cd "$root" && "$@" 2>&1 9<&- </dev/null) || {
    printf '%s\n' "$output" >&2
    return 1
  }
}

# install_from_pypi FOLDER PACKAGE...: a virtual environment with just these, unless it is there. The caller has the lock.
install_from_pypi() {
  pypi_folder=$1
  shift
  [ "$(cat "$pypi_folder/complete" 2>/dev/null)" != "$*" ] || return 0
  command -v python3 >/dev/null 2>&1 ||
    die "$* comes from PyPI: install Python 3 with venv (Debian, Ubuntu: apt-get install python3-venv)"
  rm -rf "$pypi_folder"
  quietly "installing $* (pip)" sh -c 'folder=$1 && shift && python3 -m venv "$folder" &&
    "$folder/bin/pip" install --quiet --no-compile "$@" && printf "%s\\n" "$*" >"$folder/complete"' sh "$pypi_folder" "$@" ||
    die 'that failed, see above. It needs PyPI and venv (Debian, Ubuntu: apt-get install python3-venv)'
}

# npm writes .package-lock.json last: an install that was cut short has none and is done again.
install_dependencies() {
  stamp="$root/node_modules/.package-lock.json"
  if [ -e "$stamp" ] && [ -z "$(find "$root/package-lock.json" -newer "$stamp")" ]; then return; fi
  command -v npm >/dev/null 2>&1 || die 'npm is not installed (or not in PATH); it comes with Node.js'
  # The compiler is a development dependency: NODE_ENV=production must not leave it out.
  quietly 'installing dependencies (npm ci)' npm ci --ignore-scripts --include=dev ||
    die "npm ci failed, see above. It needs the npm registry: check the network, the proxy and" \
      "\`npm config get registry\`, then try again"
  touch "$stamp"
}

# tsc deletes nothing: what it made of a source that is gone would still be found by a path that is wrong.
remove_orphans() {
  for folder in "$root/dist/src" "$root/dist/test"; do
    [ -d "$folder" ] || continue
    find "$folder" -type f | while IFS= read -r output; do
      source=$root/${output#"$root/dist/"}
      source=${source%.map}
      [ -e "${source%.js}.ts" ] || rm -f "$output"
    done
    find "$folder" -mindepth 1 -type d -empty -delete
  done
}

# Folders count too, not only files: that is how a deleted file shows. The stamp bears the time at which the build began.
# The bundle goes first: after a build that fails there is no program, not the one of the sources before.
build() {
  stamp="$root/dist/.built"
  program="$root/dist/bundle/cli/main.js"
  remove_orphans
  if [ -e "$stamp" ] && [ -e "$program" ]; then
    changed=$(find "$root/src" "$root/test" "$root/tsconfig.json" "$root/package-lock.json" "$root/scripts/bundle" -newer "$stamp" | head -n 1)
    # tsc was run alone.
    [ -n "$changed" ] || changed=$(find "$root/dist/src" -newer "$program" | head -n 1)
    [ -n "$changed" ] || return 0
  fi
  rm -rf "$root/dist/bundle"
  mkdir -p "$root/dist" && : >"$stamp.new"
  quietly 'building (tsc, esbuild)' sh -c 'node_modules/.bin/tsc -p tsconfig.json && scripts/bundle' || die 'the build failed, see above'
  mv "$stamp.new" "$stamp"
}

prepare() {
  lock_checkout
  install_dependencies
  build
  unlock_checkout
}
