"""StarRocks for tests: a stub of its protocol, in an environment of its own."""

from __future__ import annotations

import contextlib
import secrets
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pymysql

from dragoman.dialects import registry
from tests.engines.conformance import PLAIN_WRITES, Subject, policy, target
from tests.support.engines import HOST, Engine, Unavailable
from tests.support.processes import START_SECONDS, die_with_parent, free_port

FRONT = Path(__file__).parent / "starrocks_front.py"
PYTHON = Path(__file__).parents[3] / ".engines" / "mysql-mimic" / "bin" / "python"


@contextlib.contextmanager
def run_starrocks() -> Generator[Engine]:
    """The stub with a schema `shop`."""
    if not PYTHON.exists():
        raise Unavailable("mysql-mimic is not installed (make engines)")
    engine = Engine(HOST, free_port(), "shop", "reader", secrets.token_hex(12))
    process = subprocess.Popen(
        [str(PYTHON), str(FRONT), str(engine.port), engine.username, engine.password],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call, no lock
    )
    try:
        _wait(process, engine)
        yield engine
    finally:
        process.kill()
        process.wait()


def ask(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    """A statement without the code under test."""
    connection = pymysql.connect(
        host=engine.host, port=engine.port, user=engine.username, password=engine.password,
        autocommit=None,
    )  # fmt: skip
    with connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def starrocks_subject(engine: Engine) -> Subject:
    def processes() -> list[tuple[Any, ...]]:
        found = ask(engine, "SHOW FULL PROCESSLIST")
        return [row for row in found if "PROCESSLIST" not in row[2]]

    def kill_sessions() -> None:
        for row in processes():
            with contextlib.suppress(pymysql.MySQLError):
                ask(engine, f"KILL {row[0]}")

    return Subject(
        registry.get("starrocks"),
        target("starrocks", engine),
        policy(engine),
        writes=(
            *PLAIN_WRITES,
            "SELECT 1 INTO OUTFILE 'file:///tmp/dragoman-out'",
            "TRUNCATE TABLE victim",
            "SET query_timeout = 100000",
            "SET CATALOG other",
            "USE other",
            "KILL 1",
            "REFRESH MATERIALIZED VIEW m",
            "SUBMIT TASK AS INSERT INTO victim SELECT 1",
            "ADMIN SET FRONTEND CONFIG ('a' = 'b')",
        ),
        server_running=lambda text: any(text in row[2] for row in processes()),
        sever=kill_sessions,
        schema="shop",
    )


def _wait(process: subprocess.Popen[bytes], engine: Engine) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(pymysql.MySQLError):
            ask(engine, "SELECT 1")
            return
        time.sleep(0.1)
    raise Unavailable("the stub of StarRocks did not start")
