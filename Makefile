# Everything a developer types. Each target sets up what it needs first.
#   make setup    .venv with the locked tools            make test      tests, without the slow ones
#   make demo     server + sample data + first query     make test-all  every test
#   make lint     format, lint, types, floors            make bench     the benchmarks, full size
#   make docs     the documentation, into site/          make lock      rewrite requirements/*.txt
#   make conformance   the suite on every engine of the tests, recorded for the documentation

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# What stays together in one process, and what comes first: tests/support/scheduling.py.
PYTEST = $(BIN)/python -m pytest --numprocesses $(or $(TEST_PROCESSES),auto) --maxprocesses 4 \
	--no-loadscope-reorder
# Without compiled files each server that a test starts would compile all it imports: 2 s each time.
export PYTHONDONTWRITEBYTECODE :=
READY := $(VENV)/.ready
LOCKS := requirements/uv.txt requirements/dev.txt

.PHONY: help setup demo engines test test-all lint format bench bench-smoke docs lock conformance clean

help:
	@sed -n 's/^# \{0,1\}//p; /^$$/q' Makefile

setup: $(READY)

$(READY): $(LOCKS) pyproject.toml scripts/setup.sh
	@bash scripts/setup.sh

demo: setup
	@$(BIN)/dragoman demo $(if $(DIALECT),--dialect $(DIALECT))

engines:
	@bash scripts/engines.sh

test: setup engines
	@$(PYTEST) -m "not slow" $(ARGS)

test-all: setup engines
	@$(PYTEST) $(ARGS)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	@bash scripts/check-locks.sh

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup engines
	@bash scripts/bench.sh full

bench-smoke: setup engines
	@bash scripts/bench.sh smoke

docs: setup
	@bash scripts/docs.sh

conformance: setup engines
	@bash scripts/conformance.sh

lock: setup
	@bash scripts/lock.sh

clean:
	rm -rf $(VENV) build dist site .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
