"""A real Trino coordinator for tests: one process with a port for names and one for passwords."""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import tempfile
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dragoman.dialects import registry
from tests.engines.conformance import PLAIN_WRITES, REFUSED, Subject, policy, target
from tests.support.certificates import Certificates
from tests.support.engines import HOST, Engine, Unavailable
from tests.support.processes import free_port, running_as_us

INSTALLED = Path(__file__).parents[3] / ".engines" / "trino"
_FLAGS = (
    *("-Xmx1G", "-Xms600m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
    # To verify the classes is a third of its start.
    *("-XX:+UnlockDiagnosticVMOptions", "-XX:-BytecodeVerificationRemote"),
    "--add-modules=jdk.incubator.vector",
    "-Dconfig=config.properties",
    "-Dlog.levels-file=log.properties",
)


@dataclass(frozen=True)
class Trino(Engine):
    """`port` is the one with TLS and passwords; `plain_port` lets anybody in by name."""

    plain_port: int = 0

    @property
    def plain(self) -> Engine:
        """The same server without TLS and passwords."""
        return replace(self, port=self.plain_port, password="", ca_file=None)


@contextlib.contextmanager
def run_trino(certificates: Certificates) -> Generator[Engine]:
    """The server with the catalogs tpch and memory, where the table `victim` is."""
    java = INSTALLED / "java" / "bin" / "java"
    if not java.exists():
        raise Unavailable("Trino is not installed (make engines)")
    engine = Trino(
        *(HOST, free_port(), "memory", "reader", secrets.token_hex(12), certificates.ca_file),
        plain_port=free_port(),
    )
    with tempfile.TemporaryDirectory(prefix="dragoman-trino-") as name:
        home = Path(name)
        for path, text in _files(engine, certificates, home).items():
            (home / path).parent.mkdir(exist_ok=True)
            (home / path).write_text(text)
        command = [java, *_FLAGS, "-cp", INSTALLED / "lib" / "*", "io.trino.server.TrinoServer"]
        with running_as_us(command, home, lambda: _is_up(engine)):
            ask(engine, "CREATE TABLE victim AS SELECT 1 AS a")
            yield engine


def ask(engine: Engine, sql: str) -> list[list[Any]]:
    """A statement as somebody else, without the code under test."""
    port = engine.plain_port if isinstance(engine, Trino) else engine.port
    headers = {"X-Trino-User": "admin", "X-Trino-Catalog": "memory", "X-Trino-Schema": "default"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    place = f"http://{HOST}:{port}/v1/statement"
    data: bytes | None = sql.encode()
    rows: list[list[Any]] = []
    while place:
        with opener.open(urllib.request.Request(place, data, headers), timeout=30) as answer:
            page = json.load(answer)
        if "error" in page:
            raise RuntimeError(page["error"]["message"])
        rows += page.get("data") or []
        place, data = page.get("nextUri"), None
    return rows


def trino_subject(engine: Engine, admin: Engine) -> Subject:
    """`admin` is the port without passwords."""
    there = target("trino", engine)

    def running(text: str) -> bool:
        found = ask(admin, "SELECT query FROM system.runtime.queries WHERE state = 'RUNNING'")
        return any(text in query and "runtime.queries" not in query for (query,) in found)

    return Subject(
        registry.get("trino"),
        replace(there, settings={**there.settings, "defaultSchema": "default"}),
        policy(engine),
        writes=(
            *PLAIN_WRITES,
            "CREATE TABLE other AS SELECT 1 AS a",
            "CREATE VIEW other AS SELECT 1 AS a",
            "TRUNCATE TABLE victim",
            "MERGE INTO victim v USING (VALUES 1) t(a) ON v.a = t.a WHEN MATCHED THEN DELETE",
            "CALL system.runtime.kill_query('x', 'y')",
            "EXECUTE IMMEDIATE 'DELETE FROM victim'",
            "PREPARE p FROM DELETE FROM victim",
            "SET SESSION query_max_run_time = '1d'",
            "SET ROLE ALL",
            "RESET SESSION query_max_run_time",
            "COMMENT ON TABLE victim IS 'x'",
            "GRANT SELECT ON victim TO PUBLIC",
            "ANALYZE victim",
            "START TRANSACTION",
            "ROLLBACK",
            "USE tpch.tiny",
        ),
        server_running=running,
        schema="default",
        refused=REFUSED,
    )


def _files(engine: Trino, certificates: Certificates, home: Path) -> dict[str, str]:
    pair = certificates.good
    settings = {
        "coordinator": "true",
        "node-scheduler.include-coordinator": "true",
        "node.environment": "test",
        "node.id": "test",
        "node.bind-ip": HOST,
        "node.internal-address": HOST,
        "discovery.uri": f"http://{HOST}:{engine.plain_port}",
        "plugin.dir": str(INSTALLED / "plugin"),
        "catalog.config-dir": str(home / "catalog"),
        "http-server.http.port": str(engine.plain_port),
        "http-server.https.enabled": "true",
        "http-server.https.port": str(engine.port),
        "http-server.https.keystore.path": str(home / "server.pem"),
        "http-server.authentication.type": "PASSWORD",
        "http-server.authentication.allow-insecure-over-http": "true",
        "password-authenticator.config-files": str(home / "users.properties"),
        "internal-communication.shared-secret": secrets.token_hex(32),
        "query.max-memory": "300MB",
        "query.max-memory-per-node": "300MB",
        "memory.heap-headroom-per-node": "200MB",
        "web-ui.enabled": "false",
    }
    return {
        "config.properties": _properties(settings),
        "log.properties": "io.trino=WARN\nio.airlift=WARN\norg.eclipse=WARN\nBootstrap=WARN\n",
        "users.properties": _properties(
            {"password-authenticator.name": "file", "file.password-file": str(home / "users")}
        ),
        "users": f"{engine.username}:{_hashed(engine.password)}\n",
        "server.pem": pair.key.read_text() + pair.certificate.read_text(),
        "catalog/memory.properties": "connector.name=memory\nmemory.max-data-per-node=100MB\n",
        "catalog/tpch.properties": "connector.name=tpch\n",
    }


def _properties(values: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _hashed(password: str) -> str:
    """Source: Trino documentation, "Password file authentication", PBKDF2."""
    salt, rounds = secrets.token_bytes(16), 1000
    digest = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, rounds)
    return f"{rounds}:{salt.hex()}:{digest.hex()}"


def _is_up(engine: Engine) -> bool:
    with contextlib.suppress(OSError, RuntimeError):
        # It answers before it counts itself among the nodes that read tables.
        return ask(engine, "SELECT count(*) FROM tpch.tiny.region") == [[5]]
    return False
