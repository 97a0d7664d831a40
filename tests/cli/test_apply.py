"""Connections as code: apply, dry run, prune, export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Run

Write = Callable[..., str]

SHOP = {"name": "Shop", "dialect": "duckdb", "database": "shop.duckdb"}
WAREHOUSE = {
    "name": "Warehouse",
    "dialect": "postgres",
    "host": "db.example.com",
    "database": "app",
    "username": "reader",
    "passwordUnencrypted": {"$secret": "env:DRAGOMAN_SECRET_DB"},
    "baseRole": "RESTRICTED_QUERIER",
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(*bodies: dict[str, Any]) -> str:
        (tmp_path / "connections.yaml").write_text(yaml.safe_dump(list(bodies)))
        return "connections.yaml"

    return to_file


def test_a_dry_run_says_what_would_change_and_changes_nothing(run: Run, write: Write) -> None:
    told = run("connections", "apply", write(SHOP, WAREHOUSE), "--dry-run", code=3)
    assert "+ Shop (duckdb)" in told.stdout
    assert "passwordUnencrypted: env:DRAGOMAN_SECRET_DB" in told.stdout
    assert run("connections", "list").stdout == ""


def test_apply_is_idempotent(run: Run, write: Write, answer: Callable[..., Any]) -> None:
    file = write(SHOP, WAREHOUSE)
    run("connections", "apply", file)
    before = answer("connections", "list")
    assert [row["name"] for row in before] == ["Shop", "Warehouse"]
    again = run("connections", "apply", file)
    assert again.stdout == ""
    assert "Nothing to change" in again.stderr
    run("connections", "apply", file, "--dry-run", code=0)
    assert answer("connections", "list") == before


def test_a_change_and_only_it(run: Run, write: Write, answer: Callable[..., Any]) -> None:
    run("connections", "apply", write(SHOP, WAREHOUSE))
    file = write(SHOP, {**WAREHOUSE, "queryTimeoutSeconds": 60})
    told = run("connections", "apply", file, "--dry-run", code=3)
    assert told.stdout == "~ Warehouse (postgres)\n    queryTimeoutSeconds: 900 -> 60\n"
    (change,) = answer("connections", "apply", file)
    assert change["changes"] == {"queryTimeoutSeconds": [900, 60]}


def test_a_change_of_destination_sends_the_reference_again(run: Run, write: Write) -> None:
    run("connections", "apply", write(WAREHOUSE))
    file = write({**WAREHOUSE, "host": "other.example.com"})
    assert "other.example.com" in run("connections", "apply", file).stdout
    run("connections", "apply", file, "--dry-run", code=0)


def test_another_reference_is_a_change(run: Run, write: Write) -> None:
    run("connections", "apply", write(WAREHOUSE))
    moved = {**WAREHOUSE, "passwordUnencrypted": {"$secret": "env:DRAGOMAN_SECRET_NEW"}}
    told = run("connections", "apply", write(moved)).stdout
    assert "env:DRAGOMAN_SECRET_DB -> env:DRAGOMAN_SECRET_NEW" in told


def test_a_sealed_secret_stays_but_never_moves(run: Run, write: Write, home: Path) -> None:
    body = {name: value for name, value in WAREHOUSE.items() if name != "passwordUnencrypted"}
    options = [part for name in body for part in ("--set", f"{name}={body[name]}")]
    sealed = ("--secret", "passwordUnencrypted=-", "--no-test")
    run("connect", "--dialect", "postgres", *options, *sealed, typed="sealed-mark")
    run("connections", "apply", write(body), "--dry-run", code=0)
    refused = run("connections", "apply", write({**body, "host": "evil.example.com"}), code=5)
    assert "Must be sent again" in refused.stderr


def test_a_plain_secret_is_refused_with_the_fix(run: Run, write: Write) -> None:
    file = write({**WAREHOUSE, "passwordUnencrypted": "plain-mark"})
    refused = run("connections", "apply", file, code=5)
    assert "$secret" in refused.stderr
    assert "plain-mark" not in refused.output


def test_null_means_absent(run: Run, write: Write) -> None:
    run("connections", "apply", write(WAREHOUSE))
    file = write({**WAREHOUSE, "warehouse": None, "passwordUnencrypted": None})
    run("connections", "apply", file, "--dry-run", code=0)


def test_all_or_nothing(run: Run, write: Write) -> None:
    refused = run("connections", "apply", write(SHOP, {**WAREHOUSE, "port": 0}), code=5)
    assert "port" in refused.stderr
    assert "Warehouse" in refused.stderr
    assert run("connections", "list").stdout == ""


def test_prune(run: Run, write: Write, answer: Callable[..., Any]) -> None:
    run("connections", "apply", write(SHOP, WAREHOUSE))
    file = write(SHOP)
    run("connections", "apply", file)
    assert len(answer("connections", "list")) == 2
    run("connections", "apply", file, "--prune", "--dry-run", code=3)
    assert run("connections", "apply", file, "--prune").stdout == "- Warehouse (postgres)\n"
    assert [row["name"] for row in answer("connections", "list")] == ["Shop"]
    assert len(answer("connections", "list", "--deleted")) == 2


def test_export_and_apply_come_round(run: Run, write: Write, tmp_path: Path) -> None:
    run("connections", "apply", write(SHOP, WAREHOUSE))
    exported = run("connections", "export").stdout
    (tmp_path / "again.yaml").write_text(exported)
    assert yaml.safe_load(exported)[1]["passwordUnencrypted"] == WAREHOUSE["passwordUnencrypted"]
    run("connections", "apply", "again.yaml", "--dry-run", "--prune", code=0)


def test_the_attribute_that_picks_an_environment_comes_along(
    run: Run, write: Write, tmp_path: Path, answer: Callable[..., Any]
) -> None:
    attribute = {"attributeName": "stage", "defaultValues": ["prod"]}
    file = write(SHOP, {**WAREHOUSE, "environmentUserAttribute": attribute})
    run("connections", "apply", file)
    names = [
        row["userAttributeNameForConnectionEnvironments"] for row in answer("connections", "list")
    ]
    assert names == [None, "stage"]
    run("connections", "apply", file, "--dry-run", code=0)
    exported = run("connections", "export").stdout
    assert yaml.safe_load(exported)[1]["environmentUserAttribute"] == attribute
    (change,) = answer("connections", "apply", write(SHOP, WAREHOUSE))
    assert change["changes"] == {"environmentUserAttribute": [attribute, None]}
    assert answer("connections", "list")[1]["userAttributeNameForConnectionEnvironments"] is None


@pytest.mark.parametrize(
    ("text", "code"),
    [("a: [", 5), ("just text", 5), ("- 1", 5), ("- {dialect: duckdb}", 5), (None, 4)],
)
def test_files_that_cannot_be_applied(
    run: Run, tmp_path: Path, text: str | None, code: int
) -> None:
    if text is not None:
        (tmp_path / "bad.yaml").write_text(text)
    run("connections", "apply", "bad.yaml", code=code)


def test_a_name_twice(run: Run, write: Write) -> None:
    assert "twice" in run("connections", "apply", write(SHOP, SHOP), code=5).stderr
