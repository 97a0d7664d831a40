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
# What `dragoman serve` does before it listens.
START = (
    "from dragoman.cli import starting; starting.quicken();"
    "from dragoman.app import create_app; create_app()"
)
COMMANDS = [
    "serve", "demo", "migrate", "connect", "query", "dialects", "doctor", "config", "openapi",
    "conformance",
    "token create", "token list", "token revoke", "user add", "user list", "user suspend",
    "user resume", "user invite", "user reset-password", "user reset-second-factor",
    "user attribute", "user grant",
    "role add", "connections list",
    "provider apply", "provider list", "provider export", "provider secret", "provider check",
    "provider remove",
    "connections test", "connections apply", "connections export", "keys list", "keys rotate",
    "keys drop-retired", "schema", "models validate",
]  # fmt: skip


def imported_by(*arguments: str) -> set[str]:
    """Top-level names that a run of `dragoman` imports."""
    return {name.split(".")[0] for name in imports_of("-m", "dragoman.cli", *arguments)}


def imports_of(*arguments: str) -> set[str]:
    """All modules that a run of Python imports, as the interpreter itself reports them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("token", "--help")])
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    found = imported_by(*arguments)
    assert "typer" in found
    assert not found & HEAVY


def test_a_token_needs_no_web_server_and_no_driver(home: Path) -> None:
    found = imported_by("token", "list", "--json")
    assert "sqlalchemy" in found
    assert not found & {"starlette", "uvicorn", "duckdb", "pyarrow", "psycopg", "sqlglot"}


def test_a_start_imports_nothing_that_it_does_not_use(run: Run, home: Path) -> None:
    run("migrate")
    found = imports_of("-c", START)
    assert "dragoman.app" in found
    # `rich` itself is looked for and not found; what it consists of would follow it.
    assert not found & {
        "adbc_driver_manager", "alembic", "dbos", "duckdb", "psycopg", "pyarrow", "pygments",
        "redis", "rich.console", "sqlglot",
    }  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_json(run: Run, command: str) -> None:
    text = run(*command.split(), "--help").stdout
    assert "--json" in text


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    assert "No such command" in run("conect", code=2).stderr


@pytest.mark.usefixtures("nothing_yet")
def test_home_comes_before_the_environment(run: Run, home: Path, tmp_path: Path) -> None:
    run("--home", str(tmp_path / "other"), "migrate")
    assert (tmp_path / "other" / "dragoman.db").exists()
    assert not home.exists()
