#!/usr/bin/env bash
# Makes .venv from the locks. Safe to run again: it changes only what differs from the locks.
set -euo pipefail
cd "$(dirname "$0")/.."

python="${PYTHON:-python3}"
venv=.venv

fail() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

# Debian ships python3 without the module that seeds a virtual environment with pip.
ensure_venv_module() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null && return
    if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    else
        fail "Python's venv module is missing. On Debian: sudo apt-get install python3-venv"
    fi
}

make_venv() {
    [[ -x $venv/bin/python ]] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 && return
    ensure_venv_module
    "$python" -m venv --clear "$venv"
}

main() {
    command -v "$python" >/dev/null || fail "$python is not installed. Dragoman needs Python 3.11 or newer."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or newer is needed; $("$python" --version) was found. Set PYTHON=/path/to/python3."
    make_venv
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
    local uv="$venv/bin/uv"
    # uv brings authorities of its own; behind a company's proxy the machine's are needed.
    [[ -s /etc/ssl/certs/ca-certificates.crt ]] && export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS-1}"
    "$uv" pip sync --quiet --python "$venv/bin/python" --require-hashes requirements/dev.txt
    "$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation --offline --editable .
    touch "$venv/.ready"
}

# Two makes at once would write the same .venv: the second waits for the first.
if command -v flock >/dev/null; then
    mkdir -p build
    exec 9>build/.setup.lock
    flock 9
fi
main
