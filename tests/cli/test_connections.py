"""connect, connections list and test, query: on a real DuckDB file."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dragoman.cli import answers
from dragoman.dialects import registry
from dragoman.dialects.properties import PROPERTIES
from tests.cli.conftest import Run
from tests.jobs.waiting import until
from tests.support.patience import SLOW_MACHINE

# Of processor time: by then the command has started, and its statement runs.
STARTING_SECONDS = 4.0
POSTGRES = (
    "--dialect", "postgres", "--set", "name=Warehouse", "--set", "host=db.example.com",
    "--set", "port=5433", "--set", "database=app", "--set", "username=reader",
)  # fmt: skip


def test_connect_asks_for_what_the_dialect_needs(run: Run, shop: str) -> None:
    done = run("connect", typed=f"duckdb\nShop\n{shop}\n")
    asked = done.stderr
    assert "Dialect" in asked
    assert "host" not in asked
    assert "passwordUnencrypted" not in asked
    connection_id = done.stdout.splitlines()[-1]
    assert connection_id in run("connections", "list").stdout
    run("connections", "test", connection_id)


def test_connect_asks_again_for_what_was_refused(run: Run, shop: str) -> None:
    typed = "ducky\npostgres\nWarehouse\ndb.example.com\n99999\napp\nreader\npw-mark\n5433\n"
    done = run("connect", "--no-test", typed=typed)
    assert "ducky is none of them" in done.stderr
    assert "port:" in done.stderr
    assert "pw-mark" not in done.output
    assert "Warehouse" in run("connections", "list").stdout


def test_a_failed_test_asks_whether_to_save(run: Run, shop: str) -> None:
    typed = "duckdb\nShop\nmissing.duckdb\n"
    assert "Nothing was saved" in run("connect", typed=typed + "n\n", code=1).stderr
    assert run("connections", "list").stdout == ""
    run("connect", typed=typed + "y\n")
    run("connections", "test", "Shop", code=1)


def test_connect_without_questions_tests_first(run: Run, shop: str) -> None:
    options = ("--dialect", "duckdb", "--set", "name=Shop", "--set", "database=missing.duckdb")
    failed = run("connect", *options, code=1)
    assert "Fix:" in failed.stderr
    assert run("connections", "list").stdout == ""


def test_a_secret_comes_by_reference_from_a_file_or_from_stdin(
    run: Run, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("from-file\n")
    secret = "passwordUnencrypted"
    run("connect", *POSTGRES, "--secret", f"{secret}=env:DRAGOMAN_SECRET_DB", "--no-test")
    run("connect", *POSTGRES, "--secret", f"{secret}=@{tmp_path}/password", "--no-test")
    run("connect", *POSTGRES, "--secret", f"{secret}=-", "--no-test", typed="from-stdin\n")
    with closing(sqlite3.connect(home / "dragoman.db")) as store:
        found = store.execute("SELECT reference, value FROM connection_secrets").fetchall()
    assert [value for reference, value in found if reference] == ["env:DRAGOMAN_SECRET_DB"]
    assert len(found) == 3
    assert "from-" not in str(found)


@pytest.mark.parametrize(
    "option",
    [
        ("--set", "passwordUnencrypted=plain-mark"),
        ("--secret", "passwordUnencrypted=plain-mark"),
        ("--secret", "plain-mark"),
    ],
)
def test_a_secret_in_plain_text_is_refused_and_not_repeated(
    run: Run, option: tuple[str, str]
) -> None:
    refused = run("connect", *POSTGRES, *option, "--no-test", code=2)
    assert "plain-mark" not in refused.output


def test_refused_settings_name_every_field(run: Run) -> None:
    refused = run("connect", "--dialect", "postgres", "--set", "hots=x", "--no-test", code=5)
    assert "Did you mean host?" in refused.stderr
    assert "name: Required" in refused.stderr


def test_connect_json(answer: Callable[..., Any], shop: str) -> None:
    options = ("--dialect", "duckdb", "--set", "name=Shop", "--set", f"database={shop}")
    made = answer("connect", *options, "--set", "warehouse=W")
    assert [warning["field"] for warning in made["warnings"]] == ["warehouse"]
    (listed,) = answer("connections", "list")
    assert listed["id"] == made["id"]


def test_diagnosis_as_json(answer: Callable[..., Any], connected: str, shop: str) -> None:
    told = answer("connections", "test", connected)
    assert told["success"] is True
    assert [stage["stage"] for stage in told["stages"]][-1] == "query"
    (Path(shop)).unlink()
    failed = answer("connections", "test", "shop", code=1)
    assert failed["success"] is False


def test_an_unknown_connection(run: Run, connected: str) -> None:
    assert "connections list" in run("connections", "test", "nothing", code=4).stderr
    run("query", "00000000-0000-0000-0000-000000000000", "SELECT 1", code=4)


def test_query_prints_a_table(run: Run, connected: str) -> None:
    done = run("query", "Shop", "SELECT id, note FROM orders ORDER BY id", "--limit", "2")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["id", "note"]
    assert [line.split() for line in lines[2:]] == [["0", "x"], ["1", "x"]]


def test_query_formats(run: Run, connected: str) -> None:
    sql = "SELECT id FROM orders ORDER BY id"
    assert run("query", connected, sql, "--format", "csv").stdout.splitlines()[:2] == ['"id"', "0"]
    arrow = run("query", connected, sql, "--format", "arrow").stdout_bytes
    read = pa.ipc.open_stream(io.BytesIO(arrow)).read_all()
    assert read.column("id").to_pylist() == list(range(10))
    lines = run("query", connected, sql, "--format", "ndjson", "--limit", "3").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [0, 1, 2]
    as_json = run("query", connected, sql, "--json").stdout
    assert json.loads(as_json)
    assert as_json.endswith("\n")


def test_query_reads_stdin_and_takes_a_time_zone(run: Run, connected: str) -> None:
    done = run("query", connected, "-", "--format", "csv", typed="SELECT 42 AS answer")
    assert "42" in done.stdout
    told = run("query", connected, "SELECT 1", "--timezone", "Europe/Berlin")
    assert "does not allow user-specific time zones" in told.stderr
    run("query", connected, "SELECT 1", "--timezone", "Mars/Base", code=5)


def test_a_long_table_is_cut_and_says_so(run: Run, connected: str) -> None:
    done = run("query", connected, "SELECT range AS n FROM range(3000)")
    assert len(done.stdout.splitlines()) == 1002
    assert "first 1000 rows" in done.stderr


def test_a_query_that_fails(run: Run, connected: str) -> None:
    assert "nowhere" in run("query", connected, "SELECT * FROM nowhere", code=1).stderr
    run("query", connected, "DROP TABLE orders", code=1)
    run("query", connected, "  ", code=5)


def test_control_characters_of_values_do_not_reach_the_terminal(run: Run, connected: str) -> None:
    done = run("query", connected, "SELECT chr(27) || '[2J' AS trick")
    assert "\x1b" not in done.stdout
    assert "\\x1b[2J" in done.stdout


def _spent(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_ctrl_c_stops_the_statement(home: Path, connected: str) -> None:
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range < b.range"
    command = [sys.executable, "-m", "dragoman.cli", "query", connected, endless]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: _spent(process.pid) > STARTING_SECONDS)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=SLOW_MACHINE)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in told


@pytest.mark.parametrize("dialect", registry.names())
def test_connect_asks_for_exactly_what_is_declared(
    dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def prompt(text: str, default: Any = None, **_: Any) -> Any:
        name = text.split(" ")[0]
        asked.append(name)
        known = PROPERTIES.get(name)
        return default or (known and known.example) or "x"

    monkeypatch.setattr(answers.typer, "prompt", prompt)
    body = answers.ask(dialect)
    declared = registry.get(dialect).declaration
    required = {name for name, use in declared.properties().items() if use.required}
    assert {"dialect", "name", *required} <= set(body)
    for need in declared.authentication[0].needs:
        assert set(body) & {*([need] if isinstance(need, str) else need)}
    assert len(asked) == len(set(asked))
    assert all(declared.use(name) is not None for name in body)
