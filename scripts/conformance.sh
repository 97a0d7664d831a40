#!/usr/bin/env bash
# Runs the conformance suite against every engine and stand-in of the tests, records what it found
# in docs/dialects/conformance.json, and writes the documentation that is made of it.
set -euo pipefail
cd "$(dirname "$0")/.."

record=docs/dialects/conformance.json
suite=(-m pytest -q -p no:cacheprovider tests/engines/test_conformance.py --record "$record")

.venv/bin/python "${suite[@]}" -k test_the_suite
# The driver of Databricks has an environment of its own.
PYTHONPATH=src .engines/databricks/bin/python "${suite[@]}" -k "test_the_suite and databricks"
.venv/bin/python scripts/dialect_docs.py
