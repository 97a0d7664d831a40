#!/usr/bin/env bash
# Installs the database servers that the engine tests start for themselves (Debian packages).
# Leaves no service running. Where it cannot install, it says what is missing and succeeds:
# the tests that need it skip, and the closing lines of the test run name the engine.
set -euo pipefail

PATH="$PATH:/usr/sbin:/sbin"

bash "$(dirname "$0")/engines-trino.sh"
bash "$(dirname "$0")/engines-keycloak.sh"
bash "$(dirname "$0")/engines-venvs.sh"

missing_packages() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
    command -v mariadbd >/dev/null || echo mariadb-server
    command -v redis-server >/dev/null || echo redis-server
    # The driver of SQL Server loads it.
    ldconfig -p | grep -F libltdl.so.7 >/dev/null || echo libltdl7
}

# Debian starts a service as soon as its package is set up, unless this file says no.
policy=/usr/sbin/policy-rc.d
forbid_service_start() {
    [[ -e $policy ]] && return
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

# The package lists may be absent or stale: one try with what is there, one after an update.
install_packages() {
    apt install -y --no-install-recommends "$@" >"$log" 2>&1 && return
    apt update >>"$log" 2>&1 || true
    apt install -y --no-install-recommends "$@" >>"$log" 2>&1
}

mapfile -t missing < <(missing_packages)
((${#missing[@]} == 0)) && exit 0
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    echo "engines: not installed here: ${missing[*]} (as root on Debian: apt-get install ${missing[*]})"
    exit 0
fi
log=$(mktemp)
echo "engines: installing ${missing[*]}"
forbid_service_start
if ! install_packages "${missing[@]}"; then
    tail -n 5 "$log" >&2
    echo "engines: could not install ${missing[*]}; the tests that need them will be skipped"
fi
rm -f "$log"
