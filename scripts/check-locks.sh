#!/usr/bin/env bash
# The locks name versions and hashes only: no index address, no local path, nothing unpinned.
set -euo pipefail
cd "$(dirname "$0")/.."

status=0
if grep -nE '://|^(-i|-f|--(index|extra-index|find-links))|file:' requirements/*.txt; then
    echo "locks: an address must not be in a lock" >&2
    status=1
fi
# A lock that drags pandas or numpy in would slow every install for a few call sites.
if grep -nE '^(pandas|numpy)==' requirements/runtime.txt requirements/dev.txt; then
    echo "locks: pandas and numpy stay out of the default and the development environment" >&2
    status=1
fi
exit $status
