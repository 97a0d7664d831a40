"""A driver in a process of its own: it works like any other, and its worst costs a failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dragoman.dialects import registry
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, TableKind
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.isolation import WorkerSession, process
from dragoman.dialects.isolation import session as session_module
from dragoman.dialects.names import compile_patterns
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.dialects.unruly import DIALECT, OBJECT, ROWS
from tests.engines.conformance import until
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import serving

SECRET = "the-canary-of-isolation"
POLICY = EgressPolicy.build(loopback=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "GRACE_SECONDS", 1.0)


def open_session(database: str = "", policy: Any = POLICY, **options: Any) -> WorkerSession:
    settings = {"database": database, "host": "127.0.0.1", "port": options.pop("port", 1)}
    target = Target("unruly", settings, {"passwordUnencrypted": SecretStr(SECRET)})
    found = DIALECT.open_session(target, policy, SessionOptions(**options))
    assert isinstance(found, WorkerSession)
    return found


@pytest.fixture
def session() -> Iterator[WorkerSession]:
    made = open_session()
    yield made
    made.close()
    assert not alive(made.pid)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(session: WorkerSession, word: str) -> pa.Table:
    rows = session.run(f"SELECT '{word}'")
    return pa.Table.from_batches(list(rows.batches), rows.schema)


def failure(work: Callable[[], Any]) -> tuple[DatabaseFailure, float]:
    began = time.monotonic()
    with pytest.raises(DatabaseFailure) as caught:
        work()
    assert SECRET not in repr(caught.value)
    return caught.value, time.monotonic() - began


def test_rows_come_as_they_are(session: WorkerSession) -> None:
    rows = session.run("SELECT 'all'")
    assert rows.notices == ["first notice"]
    batches = list(rows.batches)
    assert [batch.num_rows for batch in batches] == [ROWS] * 3
    assert rows.notices == ["first notice", "last notice"]
    table = pa.Table.from_batches(batches, rows.schema)
    assert table["n"].to_pylist() == list(range(3 * ROWS))
    assert pa.types.is_dictionary(table["d"].type)
    assert table["d"].to_pylist()[:2] == ["a", "b"]
    session.ping()
    assert session.schemas() == ["one", "two"]
    assert session.readable_tables(["one"]) == 1
    session.reset()
    assert session.notices == ["reset 1"]


def test_a_statement_given_up_leaves_the_session_usable(session: WorkerSession) -> None:
    first = session.run("SELECT 'all'")
    next(first.batches)
    first.close()
    assert list(first.batches) == []
    second = session.run("SELECT 'all'")
    next(second.batches)
    assert run(session, "all").num_rows == 3 * ROWS
    assert list(second.batches) == []


def test_the_catalog_comes_as_it_is(session: WorkerSession) -> None:
    wanted = CatalogFilter(include=compile_patterns('"s1",nothing.*'))
    tables = list(session.catalog(wanted))
    assert len(tables) == 125
    assert {table.schema for table in tables} == {"s1"}
    assert tables[0].kind is TableKind.VIEW
    assert tables[0].columns[0].comment == "ü"
    assert tables[0].foreign_keys[0].referenced_columns == ["c"]
    half = session.catalog()
    next(half)
    assert run(session, "all").num_rows == 3 * ROWS


def test_semantic_objects_and_what_is_said_of_a_catalog_come_too(session: WorkerSession) -> None:
    list(session.catalog())
    assert session.notices == ["no keys"]
    assert session.semantic_objects() == [OBJECT]


def test_a_failure_comes_as_it_is(session: WorkerSession) -> None:
    found, _ = failure(lambda: run(session, "fail"))
    assert (found.stage, found.cause, found.message) == (
        Stage.QUERY, Cause.OTHER, "division by zero",
    )  # fmt: skip
    assert not session.broken
    assert run(session, "all").num_rows == 3 * ROWS
    found, _ = failure(lambda: session.run("DELETE FROM t"))
    assert found.cause is Cause.READ_ONLY
    found, _ = failure(lambda: open_session("refuse"))
    assert found.args == (
        Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED,
        "wrong password **********", "Type it.", "28P01",
    )  # fmt: skip


def test_no_secret_is_on_the_command_line_or_in_the_environment(
    session: WorkerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_KEYS", SECRET)
    monkeypatch.setenv("MOTHERDUCK_TOKEN", SECRET)
    other = open_session()
    known = json.loads(run(other, "told")["t"][0].as_py())
    other.close()
    assert SECRET not in known["argv"]
    assert SECRET not in json.dumps(known["environ"])
    assert not any(name.startswith("DRAGOMAN") for name in known["environ"])
    assert known["pid"] not in (os.getpid(), session.pid)


def test_the_server_dials_for_the_worker() -> None:
    def greet(client: Any) -> None:
        assert client.recv(100) == b"hello of the worker"
        client.sendall(b"hello of the database")

    policy = EgressPolicy.build(
        "list", ["127.0.0.0/8", "10.0.0.0/8"], resolver=lambda host: ["10.1.2.3"]
    )
    with serving(greet) as port:
        made = open_session("dial", policy, port=port)
    assert made.notices == ["hello of the database", "10.1.2.3"]
    made.close()
    found, _ = failure(lambda: open_session("dial", EgressPolicy.build("public")))
    assert found.cause is Cause.ADDRESS_DENIED


@pytest.mark.parametrize("word", ["segfault", "crash later"])
def test_a_driver_that_crashes_is_a_failure(word: str) -> None:
    made = open_session()
    found, seconds = failure(lambda: run(made, word))
    assert (found.stage, found.cause) == (Stage.QUERY, Cause.DRIVER_CRASHED)
    assert "SIGSEGV" in found.message
    assert seconds < 5 + SLOW_MACHINE
    assert made.broken
    found, _ = failure(made.ping)
    assert found.cause is Cause.DRIVER_CRASHED
    made.close()


def test_a_worker_that_is_killed_is_a_failure(session: WorkerSession) -> None:
    rows = session.run("SELECT 'slow'")
    threading.Timer(0.3, os.kill, (session.pid, signal.SIGKILL)).start()
    found, seconds = failure(lambda: list(rows.batches))
    assert "SIGKILL" in found.message
    assert seconds < 5 + SLOW_MACHINE
    assert session.broken


@pytest.mark.parametrize("word", ["hang", "hang later"])
def test_a_driver_that_hangs_with_the_interpreter_held_is_ended(word: str) -> None:
    made = open_session(timeout_seconds=1.0)
    found, seconds = failure(lambda: run(made, word))
    assert (found.stage, found.cause) == (Stage.QUERY, Cause.QUERY_TIMEOUT)
    assert seconds < 6 + SLOW_MACHINE
    assert made.broken
    assert until(lambda: not _runs(made.pid))
    made.close()


def _runs(pid: int) -> bool:
    """Whether it is more than a remnant that nobody has buried yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("database", "cause"), [("segfault", Cause.DRIVER_CRASHED), ("hang", Cause.TIMEOUT)]
)
def test_a_driver_that_fails_while_it_signs_in(
    database: str, cause: Cause, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "START_SECONDS", 1.0)
    found, seconds = failure(lambda: open_session(database, connect_seconds=1.0))
    assert (found.stage, found.cause) == (Stage.AUTHENTICATION, cause)
    assert seconds < 8 + SLOW_MACHINE


def test_a_driver_that_does_not_close_is_ended() -> None:
    made = open_session("clings")
    began = time.monotonic()
    made.close()
    assert time.monotonic() - began < 4 + SLOW_MACHINE
    assert not alive(made.pid)


@pytest.mark.parametrize(("word", "most"), [("slow", 2.0), ("deaf", 5.0), ("hang later", 5.0)])
def test_cancel_reaches_the_driver_or_ends_its_process(word: str, most: float) -> None:
    made = open_session()
    rows = made.run(f"SELECT '{word}'")
    next(rows.batches)
    threading.Timer(0.2, made.cancel).start()
    found, seconds = failure(lambda: list(rows.batches))
    assert found.cause is Cause.CANCELLED
    assert seconds < most + SLOW_MACHINE
    if word == "slow":
        assert not made.broken
        made.cancel()  # nothing runs: harmless
        assert run(made, "all").num_rows == 3 * ROWS
    made.close()


def test_a_driver_that_hoards_memory_is_ended() -> None:
    made = open_session(memory_mb=400)
    found, _ = failure(lambda: run(made, "hoard"))
    assert "more than 400 MB" in found.message
    made.close()


def test_a_worker_that_talks_nonsense_is_ended() -> None:
    made = open_session(timeout_seconds=5.0)
    found, seconds = failure(lambda: run(made, "nonsense"))
    assert found.cause is Cause.DRIVER_CRASHED
    assert seconds < 5 + SLOW_MACHINE
    made.close()


def test_there_are_only_so_many(monkeypatch: pytest.MonkeyPatch, session: WorkerSession) -> None:
    monkeypatch.setattr(process, "MAX_WORKERS", 1)
    found, _ = failure(open_session)
    assert found.cause is Cause.TOO_MANY_CONNECTIONS


def test_workers_die_with_the_server() -> None:
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1])\n"
        "from tests.dialects.test_isolation import open_session\n"
        "import threading\n"
        "made = open_session(timeout_seconds=300.0)\n"
        "print(made.pid, flush=True)\n"
        "made.run(\"SELECT 'hang'\")\n"
    )
    root = str(Path(__file__).parents[2])
    with subprocess.Popen([sys.executable, "-c", script, root], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        pid = int(server.stdout.readline())
        time.sleep(0.3)
        assert _runs(pid)
        server.kill()
    assert until(lambda: not _runs(pid))


def test_what_the_operator_names_runs_in_a_process_too() -> None:
    target = Target("duckdb", {"database": ":memory:"}, {})
    made = registry.get("duckdb").open_session(target, POLICY, SessionOptions(isolate=("duckdb",)))
    assert isinstance(made, WorkerSession)
    rows = made.run("SELECT 40 + 2 AS a")
    assert [batch.to_pylist() for batch in rows.batches] == [[{"a": 42}]]
    made.close()
