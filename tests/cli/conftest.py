"""A home of its own for each test, and the command line run against it in this process."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from typer.testing import CliRunner, Result

from dragoman.cli.main import app
from tests.support import stores

Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, the only one that the environment names."""
    for name in [name for name in os.environ if name.startswith("DRAGOMAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRAGOMAN_DUCKDB_ROOT", str(tmp_path))
    return tmp_path / "home"


@pytest.fixture
def nothing_yet() -> None:
    """For tests of what a first call does: it finds no home."""


@pytest.fixture
def run(home: Path, request: pytest.FixtureRequest) -> Run:
    """Runs `dragoman ARGUMENTS`; `code` is the exit code that is expected."""
    if "nothing_yet" not in request.fixturenames:
        stores.lay(home / "dragoman.db")

    def invoke(*arguments: str, code: int = 0, typed: str | None = None) -> Result:
        result = CliRunner().invoke(app, list(arguments), input=typed)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return invoke


@pytest.fixture
def answer(run: Run) -> Callable[..., Any]:
    """Runs `dragoman ARGUMENTS --json`; what it printed on stdout, parsed."""

    def invoke(*arguments: str, code: int = 0, typed: str | None = None) -> Any:
        return json.loads(run(*arguments, "--json", code=code, typed=typed).stdout)

    return invoke


@pytest.fixture
def shop(home: Path) -> str:
    """A DuckDB file with ten orders, in the directory that may be connected."""
    file = home.parent / "shop.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE orders AS SELECT range AS id, 'x' AS note FROM range(10)")
    return file.name


@pytest.fixture
def connected(run: Run, shop: str) -> str:
    """The id of a saved connection, named Shop."""
    options = ("--dialect", "duckdb", "--set", "name=Shop", "--set", f"database={shop}")
    return run("connect", *options).stdout.strip().splitlines()[-1]
