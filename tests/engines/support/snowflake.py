"""Snowflake for tests: fakesnow behind our front, in an environment of its own.

The adapter dials port 443 of the account's real host name. `Mapped` is the network that answers for
that name with the front's address, so name, certificate and port are what they are in production.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from dragoman.dialects import registry
from dragoman.dialects.base import Session, SessionOptions, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Address, TlsPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import PLAIN_WRITES, Subject
from tests.support.certificates import Authority, _pem, _write, _write_pair
from tests.support.engines import HOST, Unavailable
from tests.support.processes import START_SECONDS, die_with_parent, free_port

FRONT = Path(__file__).parent / "fakesnow_front.py"
PYTHON = Path(__file__).parents[3] / ".engines" / "fakesnow" / "bin" / "python"
ACCOUNT_HOST = "myorg-shop.snowflakecomputing.com"
STAGE_HOST = "stage.example.test"
PRIMARY_KEYS = [
    ["now", "SHOP", "PUBLIC", "ORDERS", "ID", "1", "PK_ORDERS", "false", ""],
    ["now", "SHOP", "PUBLIC", "CUSTOMERS", "ID", "1", "PK_CUSTOMERS", "false", ""],
]
IMPORTED_KEYS = [
    ["now", "SHOP", "PUBLIC", "CUSTOMERS", "ID", "SHOP", "PUBLIC", "ORDERS", "CUSTOMER_ID", "1",
     "NO ACTION", "NO ACTION", "FK_CUSTOMER"],
]  # fmt: skip
TAGS = [
    ["PUBLIC", "ORDERS", None, "COST_CENTER", "finance"],
    ["PUBLIC", "CUSTOMERS", "NAME", "PII", ""],
]


@dataclass
class Mapped:
    """A `Network` that knows these names only, and writes down what was dialled."""

    ports: dict[str, int]
    tls: TlsPolicy
    dialled: list[tuple[str, int]] = field(default_factory=list)

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        self.dialled.append((host, port))
        if host not in self.ports:
            raise DatabaseFailure(Stage.DNS, Cause.HOST_NOT_FOUND, f"There is no host {host}.")
        return [Address(host, HOST, self.ports[host])]

    def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
        address = self.resolve(host, port)[0]
        try:
            sock = socket.create_connection((address.ip, address.port), timeout)
        except OSError:
            raise DatabaseFailure(Stage.TCP, Cause.REFUSED, "refused") from None
        sock.settimeout(None)
        return sock, address


@dataclass(frozen=True)
class Snowflake:
    """A running front. `target` signs in with the password."""

    port: int
    ca_file: Path
    target: Target
    key: rsa.RSAPrivateKey

    def network(self, **ports: int) -> Mapped:
        known = {ACCOUNT_HOST: self.port, STAGE_HOST: self.port}
        return Mapped(known | ports, TlsPolicy(ca_file=self.ca_file))

    @contextlib.contextmanager
    def session(
        self, target: Target | None = None, network: Mapped | None = None, **options: Any
    ) -> Generator[Session]:
        given = SessionOptions(**{"timeout_seconds": 60.0, **options})
        dialect = registry.get("snowflake")
        session = dialect.connect(target or self.target, network or self.network(), given)
        try:
            yield session
        finally:
            session.close()

    def with_key(self, key: rsa.RSAPrivateKey, passphrase: str = "") -> Target:
        """The target that signs in with a key pair."""
        encryption = (
            serialization.BestAvailableEncryption(passphrase.encode())
            if passphrase
            else serialization.NoEncryption()
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
        given = {
            "privateKey": SecretStr(pem.decode()),
            "passwordUnencrypted": SecretStr(passphrase),
        }
        settings = {**self.target.settings, "authenticationType": "snowflake-keypair"}
        return replace(self.target, settings=settings, secrets=given)

    def subject(self) -> Subject:
        """For the common suite."""
        dialect = registry.get("snowflake")
        return Subject(
            dialect,
            self.target,
            self.network(),
            writes=(*PLAIN_WRITES, "CALL meddle()", "USE DATABASE other", "PUT file:///x @s"),
            server_running=lambda text: any(text in sql for sql in self.state()["running"]),
            schema="PUBLIC",
            victim="PUBLIC.victim",  # fakesnow opens no session in PUBLIC, as Snowflake does
            respelled=replace(
                dialect.spelling,
                slow="SELECT count(*) AS {mark} FROM TABLE(GENERATOR(ROWCOUNT => 10000000)) a,"
                " TABLE(GENERATOR(ROWCOUNT => 10000000)) b",
            ),
        )

    def execute(self, *statements: str) -> None:
        """Run what no session of ours does."""
        with self.session() as session:
            for sql in statements:
                session._connection.cursor().execute(sql)  # type: ignore[attr-defined]

    def state(self) -> dict[str, Any]:
        return json.loads(self._ask("/front/state", None))

    def change(self, **given: Any) -> None:
        self._ask("/front/change", json.dumps(given).encode())

    def _ask(self, path: str, body: bytes | None) -> bytes:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        address = f"https://localhost:{self.port}{path}"
        with opener.open(urllib.request.Request(address, body), timeout=30) as answer:
            return answer.read()


@contextlib.contextmanager
def run_snowflake() -> Generator[Snowflake]:
    """The front with the database SHOP, which holds the table `victim`, and a certificate for the
    vendor's names."""
    if not PYTHON.exists():
        raise Unavailable("fakesnow is not installed (make engines)")
    key = rsa.generate_private_key(65537, 2048)
    password = secrets.token_hex(12)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="dragoman-fakesnow-") as home:
        directory = Path(home)
        authority = Authority.create("Test CA of Snowflake")
        now = datetime.now(UTC)
        names = ("localhost", ACCOUNT_HOST, STAGE_HOST)
        signed = authority.sign(names, now - timedelta(days=1), now + timedelta(days=1))
        server = _write_pair(directory, "server", *signed)
        ca_file = _write(directory / "ca.pem", _pem(authority.certificate))
        settings = _write(directory / "settings.json", _settings(key, password))
        process = subprocess.Popen(
            [str(p) for p in (PYTHON, "-P", FRONT, port, server.certificate, server.key, settings)],
            stdin=subprocess.DEVNULL,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - one prctl call, no lock
        )
        target = Target(
            "snowflake",
            {"host": "myorg-shop", "database": "SHOP", "username": "reader", "warehouse": "WH"},
            {"passwordUnencrypted": SecretStr(password)},
        )
        front = Snowflake(port, ca_file, target, key)
        try:
            _wait(process, front)
            front.execute(
                "CREATE TABLE PUBLIC.victim (a int)", "INSERT INTO PUBLIC.victim VALUES (1)"
            )
            yield front
        finally:
            process.kill()
            process.wait()


def _settings(key: rsa.RSAPrivateKey, password: str) -> bytes:
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return json.dumps(
        {
            "login": ["reader", password],
            "account": "MYORG-SHOP",
            "public_key": public.decode(),
            "databases": ["SHOP"],
            "primary_keys": PRIMARY_KEYS,
            "imported_keys": IMPORTED_KEYS,
            "tags": TAGS,
        }
    ).encode()


def _wait(process: subprocess.Popen[bytes], front: Snowflake) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            front.state()
            return
        time.sleep(0.1)
    raise Unavailable("the front of fakesnow did not start")
