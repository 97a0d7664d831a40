"""The stub of Exasol's protocol as a server of its own, and what the one suite needs of it."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path

from dragoman.dialects import registry
from dragoman.dialects.base import Target
from dragoman.dialects.features import Feature
from dragoman.dialects.spelling import INSTANT
from dragoman.secret import SecretStr
from tests.engines.conformance import PLAIN_WRITES, Subject, policy
from tests.support.certificates import Certificates, ServerCertificate
from tests.support.engines import HOST, Engine, Unavailable
from tests.support.processes import START_SECONDS, die_with_parent, free_port

STUB = Path(__file__).parent / "exasol_stub.py"


@dataclass(frozen=True)
class ExasolStub(Engine):
    """`home` has the files `running` and `logins` that the stub writes."""

    home: Path = Path()

    def running(self, text: str) -> bool:
        return text in (self.home / "running").read_text()

    def drop(self) -> None:
        os.kill(self.pid, signal.SIGUSR1)


@contextlib.contextmanager
def run_exasol_stub(
    certificates: Certificates, pair: ServerCertificate | None = None
) -> Generator[ExasolStub]:
    pair = pair or certificates.good
    port, password = free_port(), secrets.token_hex(12)
    with tempfile.TemporaryDirectory(prefix="dragoman-exasol-") as home:
        process = subprocess.Popen(
            [
                str(part)
                for part in (
                    *(sys.executable, STUB, home, port, "reader", password),
                    *(pair.certificate, pair.key),
                )
            ],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call, no lock
        )
        try:
            _wait(process, port)
            yield ExasolStub(
                *(HOST, port, "", "reader", password, certificates.ca_file, process.pid),
                home=Path(home),
            )
        finally:
            process.kill()
            process.wait()


def exasol_subject(engine: ExasolStub) -> Subject:
    settings = {
        "host": "localhost",
        "port": engine.port,
        "username": engine.username,
        "defaultSchema": "shop",
    }
    return Subject(
        registry.get("exasol"),
        Target("exasol", settings, {"passwordUnencrypted": SecretStr(engine.password)}),
        policy(engine),
        writes=(
            *PLAIN_WRITES,
            "IMPORT INTO victim FROM CSV AT 'http://127.0.0.1:1' FILE 'a.csv'",
            "SELECT * FROM (IMPORT INTO (a INT) FROM CSV AT 'http://127.0.0.1:1' FILE 'a.csv')",
            "EXPORT victim INTO CSV AT 'http://127.0.0.1:1' FILE 'a.csv'",
            "ALTER SESSION SET QUERY_TIMEOUT = 0",
            "OPEN SCHEMA other",
            "TRUNCATE TABLE victim",
            "KILL STATEMENT IN SESSION 1",
            "EXECUTE SCRIPT s()",
            "MERGE INTO victim USING victim v ON (1 = 1) WHEN MATCHED THEN DELETE",
        ),
        server_running=engine.running,
        sever=engine.drop,
        schema="shop",
        respelled=replace(
            registry.get("exasol").spelling,
            slow="SELECT count(*) AS {mark} FROM range(100000000) a, range(1000000) b",
            hour=f"hour(to_timestamp({INSTANT}))",
            numbers="range({count}) AS t(n)",
            values={Feature.TIMESTAMP_TZ: "TIMESTAMPTZ '2024-02-29 13:34:56+01'"},
        ),
    )


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.05)
    raise Unavailable("the stub of Exasol did not start")
