#!/usr/bin/env bash
# Makes an environment under .engines/ for each test engine whose packages are heavy or do not go
# with ours: requirements/engines-NAME.txt becomes .engines/NAME. Changes nothing that is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=.venv/bin/uv

# An interpreter of that version which really runs: what pyenv puts on the path may only say it can.
interpreter() {
    [[ -z $1 ]] && echo .venv/bin/python && return
    for candidate in "python$1" "$HOME"/.pyenv/versions/"$1"*/bin/python; do
        "$candidate" -c '' 2>/dev/null && command -v "$candidate" && return
    done
    return 1
}

for lock in requirements/engines-*.txt; do
    name=${lock#requirements/engines-}
    venv=.engines/${name%.txt}
    cmp -s "$lock" "$venv/.lock" && continue
    echo "engines: making $venv"
    mkdir -p .engines
    # Some need a newer Python than ours (scripts/lock.sh); it is used where the machine has it.
    other=$(sed -n '1s/^# python: //p' "${lock%.txt}.in")
    # The lock is complete, and where it overrides a pin the pins alone would not agree.
    if python=$(interpreter "$other") && "$uv" venv --quiet --clear --python "$python" "$venv" &&
        "$uv" pip install --quiet --python "$venv/bin/python" --no-deps --require-hashes -r "$lock"; then
        cp "$lock" "$venv/.lock"
    else
        echo "engines: could not make $venv; the tests that need it will be skipped"
        rm -rf "$venv"
    fi
done
