"""The stub of Databricks' service as a server of its own, and what the one suite needs of it."""

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
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dragoman.dialects import registry
from dragoman.dialects.base import Target
from dragoman.dialects.network import Address, TlsPolicy
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import PLAIN_WRITES, Subject
from tests.support.certificates import Certificates, ServerCertificate
from tests.support.engines import HOST, Engine, Unavailable
from tests.support.processes import START_SECONDS, die_with_parent, free_port

STUB = Path(__file__).parent / "databricks_stub.py"
WAREHOUSE = "/sql/1.0/warehouses/1a2b"


@dataclass(frozen=True)
class ElsewherePolicy(EgressPolicy):
    """The real policy, but 443 of this machine is the stub's port: the dialect dials 443 only."""

    port: int = 0

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        assert port == 443
        return super().resolve(host, self.port)

    def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
        assert port == 443
        return super().connect(host, self.port, timeout)


@dataclass(frozen=True)
class DatabricksStub(Engine):
    """`home` has the files `running` and `said` that the stub writes."""

    home: Path = Path()

    def running(self, text: str) -> bool:
        return text in (self.home / "running").read_text()

    def said(self) -> str:
        return (self.home / "said").read_text()

    def drop(self) -> None:
        os.kill(self.pid, signal.SIGUSR1)


@contextlib.contextmanager
def run_databricks_stub(
    certificates: Certificates, pair: ServerCertificate | None = None
) -> Generator[DatabricksStub]:
    pair = pair or certificates.good
    port, token = free_port(), secrets.token_hex(12)
    with tempfile.TemporaryDirectory(prefix="dragoman-databricks-") as home:
        process = subprocess.Popen(
            # -P: the directory of the stub has a file with the name of its driver.
            [
                str(part)
                for part in (
                    *(sys.executable, "-P", STUB, home, port, token),
                    *(pair.certificate, pair.key),
                )
            ],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call, no lock
        )
        try:
            _wait(process, port)
            yield DatabricksStub(
                *(HOST, port, "main", "", token, certificates.ca_file, process.pid),
                home=Path(home),
            )
        finally:
            process.kill()
            process.wait()


def network(port: int, ca_file: Path | None) -> ElsewherePolicy:
    return ElsewherePolicy(loopback=True, tls=TlsPolicy(ca_file=ca_file), port=port)


def databricks_subject(engine: DatabricksStub) -> Subject:
    settings: dict[str, Any] = {
        "host": "localhost",
        "database": "main",
        "warehouse": WAREHOUSE,
        "defaultSchema": "shop",
        "authenticationType": "databricks-personal-access-token",
    }
    return Subject(
        registry.get("databricks"),
        Target("databricks", settings, {"passwordUnencrypted": SecretStr(engine.password)}),
        network(engine.port, engine.ca_file),
        writes=(
            *PLAIN_WRITES,
            "MERGE INTO victim USING victim v ON true WHEN MATCHED THEN DELETE",
            "TRUNCATE TABLE victim",
            "OPTIMIZE victim",
            "VACUUM victim",
            "USE CATALOG main",
            "SET ansi_mode = false",
            "COPY INTO victim FROM '/tmp/x' FILEFORMAT = CSV",
            "REFRESH TABLE victim",
            "INSERT OVERWRITE DIRECTORY '/tmp/x' SELECT 1",
            "EXECUTE IMMEDIATE 'DROP TABLE victim'",
        ),
        # The gap of the suite must not write what later tests read.
        refused=("INSERT INTO nowhere VALUES (2)",),
        server_running=engine.running,
        schema="shop",
        respelled=replace(
            registry.get("databricks").spelling,
            slow="SELECT count(*) AS {mark} FROM range(100000000) a, range(1000000) b",
            numbers="range({count}) AS t(n)",
        ),
    )


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.05)
    raise Unavailable("the stub of Databricks did not start")
