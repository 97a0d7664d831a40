"""SQL Server for tests: an emulator in an environment of its own, which has the driver too."""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dragoman.dialects import registry
from dragoman.dialects.base import Target
from dragoman.secret import SecretStr
from tests.engines.conformance import PLAIN_WRITES, Subject, policy
from tests.engines.support.drivers import ENGINES, with_driver
from tests.engines.support.relay import Relay
from tests.support.certificates import Certificates, ServerCertificate
from tests.support.engines import HOST, Engine, Unavailable
from tests.support.processes import START_SECONDS, die_with_parent, free_port

BRIDGE = Path(__file__).parent / "mssql_bridge.py"
HOME = ENGINES / "mssql"


@dataclass(frozen=True)
class Bridge(Engine):
    """`home` has the files `tokens` and `logins` (see the bridge)."""

    home: Path = Path()

    def take(self, *tokens: str) -> None:
        self.home.joinpath("tokens").write_text("\n".join(tokens))

    def logins(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.home / "logins").read_text().splitlines()]


@contextlib.contextmanager
def run_mssql(
    certificates: Certificates,
    pair: ServerCertificate | None = None,
    tables: Mapping[str, str] = MappingProxyType({}),
) -> Generator[Bridge]:
    """The emulator with TLS, and tables `victim`, `numbers`, and those of texts with commas."""
    with_driver("mssql", "mssql_python")
    # The password has what a connection string would trip over.
    password = "p};PWD={x;" + secrets.token_hex(8)
    pair = pair or certificates.good
    with tempfile.TemporaryDirectory(prefix="dragoman-mssql-") as home:
        place = (HOST, free_port(), "shop", "reader", password, certificates.ca_file)
        engine = Bridge(*place, home=Path(home))
        for name, text in tables.items():
            Path(home, f"{name}.csv").write_text(text, "utf-8")
        asked = [HOME / "bin" / "python", BRIDGE, home, engine.port, engine.username, password]
        process = subprocess.Popen(
            [str(part) for part in (*asked, pair.certificate, pair.key)],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call, no lock
        )
        try:
            _wait(process, engine.port)
            yield engine
        finally:
            process.kill()
            process.wait()


def mssql_subject(engine: Engine, relay: Relay) -> Subject:
    settings = {
        "host": "localhost",
        "port": relay.port,
        "database": engine.database,
        "username": engine.username,
        "defaultSchema": "dbo",
    }
    return Subject(
        registry.get("mssql"),
        Target("mssql", settings, {"passwordUnencrypted": SecretStr(engine.password)}),
        policy(engine),
        writes=(
            *PLAIN_WRITES,
            "WAITFOR DELAY '00:00:10'",
            "EXEC sp_who",
            "DECLARE @x int",
            "BULK INSERT victim FROM '/etc/hostname'",
            "SELECT 1; SELECT 2",
            "BACKUP DATABASE shop TO DISK = 'x'",
            "USE master",
            "TRUNCATE TABLE victim",
            "MERGE INTO victim USING victim v ON 1 = 1 WHEN MATCHED THEN DELETE;",
            "KILL 51",
        ),
        sever=relay.cut,
        schema="dbo",
        respelled=replace(
            registry.get("mssql").spelling,
            slow="SELECT 1 AS {mark}_sleep_for_long",
            numbers="(SELECT TOP {count} n FROM numbers) AS t",
        ),
    )


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.05)
    raise Unavailable("the emulator of SQL Server did not start")
