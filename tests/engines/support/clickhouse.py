"""ClickHouse for tests: chdb's engine behind our HTTP front, in an environment of its own."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from dragoman.dialects import registry
from tests.engines.conformance import PLAIN_WRITES, Subject, policy, target
from tests.support.certificates import ServerCertificate
from tests.support.engines import HOST, Engine, Unavailable
from tests.support.processes import START_SECONDS, die_with_parent, free_port

FRONT = Path(__file__).parent / "chdb_front.py"
PYTHON = Path(__file__).parents[3] / ".engines" / "chdb" / "bin" / "python"


@contextlib.contextmanager
def run_clickhouse(
    tls: ServerCertificate | None = None, ca_file: Path | None = None
) -> Generator[Engine]:
    """The front with a database `shop`, which holds the table `victim`; with TLS when it is given
    a certificate."""
    if not PYTHON.exists():
        raise Unavailable("chdb is not installed (make engines)")
    engine = Engine(HOST, free_port(), "shop", "reader", secrets.token_hex(12), ca_file)
    with tempfile.TemporaryDirectory(prefix="dragoman-chdb-") as home:
        # The environment lies with the sources, so the front runs as we do.
        process = subprocess.Popen(
            [
                str(part)
                for part in (
                    *(PYTHON, FRONT, home, engine.port, engine.username, engine.password),
                    *((tls.certificate, tls.key) if tls else ()),
                )
            ],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call, no lock
        )
        try:
            _wait(process, engine)
            ask(engine, "CREATE DATABASE IF NOT EXISTS shop", database="default")
            ask(engine, "CREATE TABLE victim (a Int32) ENGINE = MergeTree ORDER BY a")
            ask(engine, "INSERT INTO victim VALUES (1)")
            yield engine
        finally:
            process.kill()
            process.wait()


def ask(engine: Engine, sql: str, path: str = "/", **parameters: str) -> list[dict[str, Any]]:
    """A statement as the administrator, without the code under test."""
    asked = urlencode({"database": engine.database, "default_format": "JSON", **parameters})
    scheme = "http" if engine.ca_file is None else "https"
    request = urllib.request.Request(
        f"{scheme}://localhost:{engine.port}{path}?{asked}", sql.encode(), method="POST"
    )
    login = urllib.request.HTTPPasswordMgrWithPriorAuth()
    login.add_password(None, request.full_url, engine.username, engine.password, True)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPBasicAuthHandler(login),
        urllib.request.HTTPSHandler(context=policy(engine).tls.context()),
    )
    try:
        with opener.open(request, timeout=30) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise RuntimeError(error.read().decode()) from None
    return json.loads(text)["data"] if text else []


def clickhouse_subject(engine: Engine) -> Subject:
    def running(text: str) -> bool:
        found = ask(engine, "SELECT query FROM system.processes")
        return any(text in row["query"] and "system.processes" not in row["query"] for row in found)

    return Subject(
        registry.get("clickhouse"),
        target("clickhouse", engine),
        policy(engine),
        writes=(
            *PLAIN_WRITES,
            "ALTER TABLE victim DELETE WHERE 1",
            "INSERT INTO FUNCTION file('/tmp/dragoman-out.csv') SELECT 1",
            "SELECT 1 INTO OUTFILE '/tmp/dragoman-out'",
            "SELECT 1 FORMAT JSON",
            "SELECT * FROM file('/etc/hostname', 'CSV', 'a String')",
            "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
            "SELECT * FROM victim SETTINGS max_execution_time = 0",
            "SELECT * FROM victim SETTINGS readonly = 0",
            "OPTIMIZE TABLE victim",
            "TRUNCATE TABLE victim",
            "SYSTEM FLUSH LOGS",
            "KILL QUERY WHERE 1",
            "SET max_execution_time = 0",
            "USE system",
            "CREATE TEMPORARY TABLE t (a Int8)",
        ),
        refused=(
            "INSERT INTO victim VALUES (2)",
            "DELETE FROM victim WHERE 1",
            "DROP TABLE victim",
            "ALTER TABLE victim DELETE WHERE 1",
            "CREATE TABLE other (a Int8) ENGINE = Memory",
            "SET readonly = 0",
        ),
        server_running=running,
        schema=engine.database,
        sever=lambda: ask(engine, "", "/drop") and None,
    )


def _wait(process: subprocess.Popen[bytes], engine: Engine) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            ask(engine, "SELECT 1", database="default")
            return
        time.sleep(0.1)
    raise Unavailable("the front of chdb did not start")
