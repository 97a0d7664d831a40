"""What the engine may not do, and what happens when it and the store disagree."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from dragoman import jobs
from dragoman.jobs import runtime
from tests.jobs.waiting import ended, engine_rows, shown, submitted, until
from tests.support.patience import SLOW_MACHINE
from tests.support.server import Server, running_server, settings_for


def _work(context: jobs.Context, arguments: Mapping[str, Any]) -> Any:
    return context.step("echo", lambda: {"said": arguments.get("say")})


def test_importing_the_server_does_not_import_the_engine() -> None:
    code = (
        "import sys, dragoman.app; sys.exit('dbos' in sys.modules or 'aws_croniter' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_server_without_work_starts_no_engine(server: Server) -> None:
    time.sleep(1.5)
    assert not [each for each in threading.enumerate() if each.name.startswith("queue-worker")]


def test_old_sqlite_tells_the_time_that_the_engine_asks_for() -> None:
    """DBOS writes this default into its tables from Python 3.12 on, whatever SQLite there is."""
    from dragoman.jobs.engine import Sqlite

    with contextlib.closing(sqlite3.connect(":memory:", factory=Sqlite)) as connection:
        connection.execute(
            "CREATE TABLE t (a, at INTEGER NOT NULL DEFAULT (unixepoch('subsec') * 1000))"
        )
        connection.execute("INSERT INTO t (a) VALUES (1)")
        told: float = connection.execute("SELECT at FROM t").fetchone()[0]
    assert abs(told / 1000 - time.time()) < SLOW_MACHINE


@pytest.mark.skipif(not Path("/proc/self/net/tcp").exists(), reason="needs /proc")
def test_the_engine_opens_no_port_and_has_no_console(
    server: Server, capfd: pytest.CaptureFixture[str]
) -> None:
    before = _listening()
    server.house.jobs.register("WORK", _work)
    assert ended(server, submitted(server, "WORK", say="x")).state == "completed"
    assert _listening() == before
    logger = logging.getLogger("dbos")
    assert [type(each) for each in logger.handlers] == [logging.NullHandler]
    assert logger.propagate
    out, errors = capfd.readouterr()
    assert "dbos" not in (out + errors).lower()


def _listening() -> set[str]:
    """Sockets of this process that listen."""
    mine = set()
    for each in os.listdir("/proc/self/fd"):
        try:
            mine.add(os.readlink(f"/proc/self/fd/{each}"))
        except OSError:
            continue
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/self/net/{name}").read_text().splitlines()[1:]
    ]
    return {line[1] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in mine}


def test_nothing_is_pickled(server: Server) -> None:
    server.house.jobs.register("WORK", _work)
    ended(server, submitted(server, "WORK", say="plainly"))
    kinds = engine_rows(server, "SELECT serialization FROM {}workflow_status")
    assert kinds == [("dragoman_json",)]
    kept = engine_rows(server, "SELECT output, serialization FROM {}operation_outputs")
    assert kept == [('{"said": "plainly"}', "dragoman_json")]


def test_what_the_engine_lost_is_run_anew(store_url: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", store_url)
    with running_server(settings) as server:
        server.house.jobs.stop()
        job = submitted(server, "WORK", say="again")
        # As after a restore of the store alone: the engine never heard of it.
        server.sql("UPDATE jobs SET state = 'running', runner = 'lost', attempts = 1")
    with mock.patch.object(runtime, "CHECK_SECONDS", 0.1), running_server(settings) as server:
        server.house.jobs.register("WORK", _work)
        assert ended(server, job).result == {"said": "again"}


def test_what_the_engine_ended_without_the_store_is_told(server: Server) -> None:
    server.house.jobs.register("WORK", _work)
    with mock.patch.object(runtime, "CHECK_SECONDS", 0.1):
        job = ended(server, submitted(server, "WORK"))
        server.sql("UPDATE jobs SET state = 'running', finished_at = NULL")
        failed = ended(server, job)
    assert failed.error == "The server lost track of this job."


def test_the_engine_forgets_what_has_ended(store_url: str, tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "home", store_url)
    with mock.patch.object(runtime, "SWEEP_SECONDS", 0.1), running_server(settings) as server:
        server.house.jobs.register("WORK", _work)
        job = ended(server, submitted(server, "WORK"))
        engine = server.house.jobs._engine
        assert engine is not None
        until(lambda: engine.missing([job.id])[0] == {job.id})
        assert shown(server, job).state == "completed"
