#!/usr/bin/env bash
# Runs the conformance suite against every engine and stand-in of the tests, records what it found
# in docs/dialects/conformance.json, and writes the documentation that is made of it.
set -euo pipefail
cd "$(dirname "$0")/.."

record=docs/dialects/conformance.json
suite=(-m pytest -q -p no:cacheprovider tests/engines/test_conformance.py --record "$record")

failed=0
.venv/bin/python "${suite[@]}" -k test_the_suite || failed=1
# The driver of Databricks has an environment of its own.
PYTHONPATH=src .engines/databricks/bin/python "${suite[@]}" -k "test_the_suite and databricks" ||
    failed=1
# The same questions on every database: which are answered, and why some are not.
.venv/bin/python -m pytest -q -p no:cacheprovider tests/engines/test_questions.py \
    -k test_engines_agree --record-questions docs/dialects/questions.json || failed=1
.venv/bin/python -m scripts.question_docs
# What failed keeps its older entry; the tests say when that is stale.
.venv/bin/python -m scripts.dialect_docs
exit "$failed"
