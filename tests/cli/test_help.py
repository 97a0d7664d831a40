"""Help and start: nothing heavy is imported, and every command explains itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

HEAVY = {
    "adbc_driver_manager", "alembic", "cryptography", "duckdb", "msgspec", "psycopg", "pyarrow",
    "pymysql", "rich", "sqlalchemy", "sqlglot", "starlette", "structlog", "uvicorn", "yaml",
}  # fmt: skip
COMMANDS = [
    "serve", "demo", "migrate", "connect", "query", "dialects", "doctor", "config", "openapi",
    "conformance",
    "token create", "token list", "token revoke", "user add", "user list", "user suspend",
    "user resume", "user invite", "user reset-password", "user reset-second-factor",
    "user attribute", "user grant",
    "role add", "connections list",
    "connections test", "connections apply", "connections export", "keys list", "keys rotate",
    "keys drop-retired", "schema", "models validate",
]  # fmt: skip


def imported_by(*arguments: str) -> set[str]:
    """Top-level names that a run of `dragoman` imports, as the interpreter itself reports them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dragoman.cli", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().split(".")[0] for line in lines}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("token", "--help")])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    found = imported_by(*arguments)
    assert "typer" in found
    assert not found & HEAVY


def test_a_token_needs_no_web_server_and_no_driver(home: Path) -> None:
    found = imported_by("token", "list", "--json")
    assert "sqlalchemy" in found
    assert not found & {"starlette", "uvicorn", "duckdb", "pyarrow", "psycopg", "sqlglot"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(run: Run, command: str) -> None:
    text = run(*command.split(), "--help").stdout
    assert "--json" in text


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    assert "No such command" in run("conect", code=2).stderr


def test_home_comes_before_the_environment(run: Run, home: Path, tmp_path: Path) -> None:
    run("--home", str(tmp_path / "other"), "migrate")
    assert (tmp_path / "other" / "dragoman.db").exists()
    assert not home.exists()
