#!/usr/bin/env bash
# Runs each benchmarks/bench_*.py in turn. Usage: bench.sh full|smoke
set -euo pipefail
cd "$(dirname "$0")/.."

size="${1:-full}"
shopt -s nullglob
files=(benchmarks/bench_*.py)
if ((${#files[@]} == 0)); then
    echo "bench: no benchmarks yet"
    exit 0
fi
for file in "${files[@]}"; do
    echo "== $file ($size)"
    if [[ $size == smoke ]]; then
        .venv/bin/python "$file" --smoke
    else
        .venv/bin/python "$file"
    fi
done
