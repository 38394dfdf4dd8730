# Sourced by scripts/test, after prepare.sh: what single test files run beside Node.js, from Debian's packages.
# shellcheck shell=bash
grafana_schema_release=1769699379!11.6.0
# Its parser refuses what is no OpenMetrics.
prometheus_client_release=0.26.0

# Headless, for the status page.
install_browser() {
  ! command -v chromium >/dev/null || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die 'CANNOT TEST HERE: the browser chromium is missing. As root on Debian it would be installed now'
  fi
  quietly 'installing chromium (apt-get), 124 MB' sh -c "$(debian_install) chromium || { apt-get update && $(debian_install) chromium; }" ||
    die 'no browser, see above'
}

debian_install() {
  printf '%s' 'DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends'
}

# Of Prometheus only its tool, which checks rules and metrics: the package itself would start a server.
install_promtool() {
  promtool_folder=$root/.cache/promtool
  ! command -v promtool >/dev/null || return 0
  lock_checkout promtool
  if [ ! -x "$promtool_folder/promtool" ]; then
    command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
      die 'CANNOT TEST HERE: promtool is missing (https://prometheus.io/download). On Debian it would be fetched now'
    rm -rf "$promtool_folder.new"
    mkdir -p "$promtool_folder.new" "$promtool_folder"
    quietly 'fetching promtool (apt-get download prometheus), 19 MB' sh -c "cd '$promtool_folder.new' &&
      { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; } && dpkg -x prometheus_*.deb ." ||
      die 'no promtool, see above'
    mv "$promtool_folder.new/usr/bin/promtool" "$promtool_folder/promtool"
    rm -rf "$promtool_folder.new"
  fi
  unlock_checkout
}

# What Grafana makes of its schema: it reads a dashboard, and leaves out what a dashboard has not. A whole Grafana is no package of Debian.
install_monitoring_checks() {
  lock_checkout monitoring
  install_from_pypi "$root/.cache/monitoring" \
    "grafana-foundation-sdk==$grafana_schema_release" "prometheus-client==$prometheus_client_release"
  unlock_checkout
}

# install_tools FILE...: what these test files need.
install_tools() {
  local monitoring=
  case $* in *dist/test/deploy/*)
    install_monitoring_checks &
    monitoring=$!
    install_promtool
    ;; esac
  case $* in *dist/test/observe/status-page/*) install_browser ;; esac
  [ -z "$monitoring" ] || wait "$monitoring" || exit 1
}
