"""The same commands with the store on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def elsewhere(empty_store_url: str, home: object, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DRAGOMAN_DATABASE_URL", empty_store_url)
    return empty_store_url


@pytest.mark.usefixtures("elsewhere")
def test_a_day_of_an_operator(run: Run, answer: Callable[..., Any], shop: str) -> None:
    assert answer("migrate")["before"] is None
    made = answer("token", "create", "--kind", "personal", "--user", "ann@example.com")
    options = ("--dialect", "duckdb", "--set", "name=Shop", "--set", f"database={shop}")
    connection_id = answer("connect", *options, "--set", "baseRole=VIEWER")["id"]
    sealed = ("--dialect", "postgres", "--set", "name=W", "--set", "host=db.example.com")
    login = ("--set", "database=app", "--set", "username=u", "--secret", "passwordUnencrypted=-")
    run("connect", *sealed, *login, "--no-test", typed="sealed")
    run("user", "grant", "ann@example.com", "Shop", "QUERIER")
    assert "10" in run("query", connection_id, "SELECT count(*) AS n FROM orders").stdout
    assert answer("keys", "rotate")["changed"] == 1
    assert len(answer("keys", "drop-retired")["dropped"]) == 1
    run("connections", "export")
    run("token", "revoke", made["id"])
    checks = {check["check"]: check["status"] for check in answer("doctor")}
    assert (checks["store"], checks["keys"], checks["clock"]) == ("ok", "ok", "ok")
