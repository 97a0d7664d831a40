#!/usr/bin/env bash
# Rewrites the locks: every version with its hashes, and no address of any package index.
# `make lock` keeps the versions that are locked; `make lock UPGRADE=1` takes the newest.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=.venv/bin/uv
options=(
    pip compile --quiet --universal
    --generate-hashes --no-emit-index-url --no-header
)
[[ -n ${UPGRADE:-} ]] && options+=(--upgrade)
engine_options=("${options[@]}")
options+=(--python-version 3.11)

"$uv" "${options[@]}" pyproject.toml --constraint requirements/runtime.constraints \
    --output-file requirements/runtime.txt
"$uv" "${options[@]}" pyproject.toml --constraint requirements/runtime.txt \
    --extra athena --extra bigquery --extra clickhouse --extra exasol --extra mysql --extra oracle \
    --extra snowflake --extra trino --extra redis --extra demo --extra chart \
    --group test --group bench --group lint --group docs --group build \
    --output-file requirements/dev.txt
"$uv" "${options[@]}" pyproject.toml --constraint requirements/runtime.txt \
    --extra all --extra redis --output-file requirements/all.txt
"$uv" "${options[@]}" --constraint requirements/dev.txt \
    --group build --output-file requirements/build.txt
"$uv" "${options[@]}" requirements/uv.in --output-file requirements/uv.txt
# Test engines with heavy or conflicting packages: a virtual environment each (scripts/engines.sh).
# A first line `# python: 3.13` asks for another Python; a file .overrides beside it bends its pins.
for wanted in requirements/engines-*.in; do
    python=$(sed -n '1s/^# python: //p' "$wanted")
    more=(--python-version "${python:-3.11}")
    [[ -e ${wanted%.in}.overrides ]] && more+=(--override "${wanted%.in}.overrides")
    "$uv" "${engine_options[@]}" "${more[@]}" "$wanted" --output-file "${wanted%.in}.txt"
done
bash scripts/check-locks.sh
