"""`dragoman conformance` on a DuckDB file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import Run


def test_a_report_as_table_json_and_file(
    run: Run, answer: Callable[..., Any], connected: str, tmp_path: Path
) -> None:
    file = tmp_path / "report.json"
    asked = ("conformance", "Shop", "--only", "text", "--only", "dropped_between")
    done = run(*asked, "--report", str(file))
    assert "text" in done.stdout
    assert "Nothing is dialled." in done.stdout
    found = json.loads(file.read_text())
    assert (found["dialect"], found["good"]) == ("duckdb", True)
    assert [r["status"] for r in found["results"]] == ["passed", "skipped"]
    assert str(tmp_path) not in file.read_text()
    again = answer(*asked)
    assert [r["check"] for r in again["results"]] == [r["check"] for r in found["results"]]


def test_a_broken_promise_ends_it_with_one(run: Run, shop: str) -> None:
    options = ("--set", "name=Poor", "--set", f"database={shop}", "--set", "includeSchemas=nope")
    run("connect", "--dialect", "duckdb", "--no-test", *options)
    done = run("conformance", "Poor", "--only", "diagnosis", code=1)
    assert "failed" in done.stdout
    assert "no schema nope" in done.stdout


def test_writing_is_tried_only_where_it_is_allowed(run: Run, connected: str) -> None:
    assert "--write SCHEMA" in run("conformance", "Shop", "--only", "read_only").stdout
    done = run("conformance", "Shop", "--only", "read_only", "--write", "main")
    assert "passed" in done.stdout


def test_unknown_checks_and_connections(run: Run, connected: str) -> None:
    assert "time_limit" in run("conformance", "Shop", "--only", "nothing", code=2).stderr
    run("conformance", "Nobody", code=4)
