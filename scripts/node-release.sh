# Sourced after prepare.sh: a release of Node.js other than the one in PATH, as a package of npm's registry.
# shellcheck shell=bash

# fetch_node RELEASE FOLDER: installs the newest 24 for `24`, once, and sets $fetched_node to the executable.
fetch_node() {
  local package
  package=node-linux-$(node -p process.arch)
  fetched_node=$2/node_modules/$package/bin/node
  if [ -x "$fetched_node" ]; then return; fi
  quietly "fetching Node.js $1 (npm)" npm install --prefix "$2" --no-save --no-audit --ignore-scripts "$package@$1" ||
    die "there is no Node.js $1 to be had, see above"
}
