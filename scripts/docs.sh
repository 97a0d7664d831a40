#!/usr/bin/env bash
# Builds the documentation into site/. Needs no network; a broken link fails the build.
set -euo pipefail
cd "$(dirname "$0")/.."

.venv/bin/python -m scripts.dialect_docs
.venv/bin/python -m scripts.modeling_docs
.venv/bin/python -m scripts.permissions_docs
.venv/bin/python -m scripts.question_docs
# mkdocs-material prints a notice about its own future on each build; it says nothing about ours.
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet --site-dir site
if grep -rlE '(src|href)="(https?:)?//[^"]+\.(js|css|woff2?)"' site --include '*.html'; then
    echo "docs: a page loads a script, style or font from another host" >&2
    exit 1
fi
echo "docs: site/index.html"
