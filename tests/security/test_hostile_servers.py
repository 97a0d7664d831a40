"""Every dialect against servers that lie: noise after the greeting, half a TLS handshake, a length
of 2 GB, silence; in plain text and inside TLS. The API stays up, and there is an error in time.

What a fuzz of this kind found in others: lightdash issue 22098.
"""

from __future__ import annotations

import base64
import hashlib
import random
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from dragoman.connections import dialling, sessions
from dragoman.dialects import registry
from dragoman.dialects.adapters import motherduck
from dragoman.dialects.adapters.mssql import tds
from dragoman.dialects.base import SessionOptions
from dragoman.dialects.network import Address, TlsPolicy
from dragoman.egress import EgressPolicy
from tests.engines.support.drivers import with_driver
from tests.security.test_rogue_servers import GREETING
from tests.support.bodies import body
from tests.support.certificates import ServerCertificate, make_pair
from tests.support.engines import Unavailable
from tests.support.server import CONNECTIONS, Server, running_server, settings_for
from tests.support.servers import Handler, serving

CONNECT_SECONDS = 1.5
# What opening a session may take in all; most of it is the first import of a driver.
BUDGET = sessions.OPEN_SECONDS + 5.0
# DuckDB dials nothing; a dialect that is not live is not dialled.
DIALLING = [n for n, d in registry.all_dialects().items() if d.declaration.live and n != "duckdb"]
HOSTS = (
    *("db.example.com", "dbc-1.cloud.databricks.com", "myaccount.snowflakecomputing.com"),
    *("bigquery.googleapis.com", "bigquerystorage.googleapis.com", "oauth2.googleapis.com"),
    *("athena.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com"),
    *("s3.us-east-1.amazonaws.com", "api.motherduck.com"),
)
# The environment under .engines/ that has a dialect's driver, and the driver's module.
OUTSIDE = {
    "mssql": ("mssql", "mssql_python"),
    "fabric": ("mssql", "mssql_python"),
    "sap_hana": ("sap_hana", "hdbcli"),
    "databricks": ("databricks", "databricks.sql"),
}
TDS = {"mssql", "fabric"}
POSTGRES = {"postgres", "redshift", "databricks_lakebase"}
MYSQL = {"mysql", "mariadb", "starrocks"}
# MySQL's greeting with TLS among the capabilities (0x0800), and the password's second half.
GREETING_TLS = GREETING.replace(b"\xff\xf7", b"\xff\xff", 1)
# A TLS 1.2 record that announces a ServerHello of 122 bytes, and its beginning.
HALF_HELLO = b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03" + bytes(range(32)) + b"\x20"
HUGE = struct.pack(">I", 0x7FFFFFFF)


@dataclass(frozen=True)
class Elsewhere(EgressPolicy):
    """Every name is this machine, and every port the hostile server's (`port` holds it)."""

    port: tuple[list[int], ...] = ()

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        return super().resolve(host, self.port[0][0])

    def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
        return super().connect(host, self.port[0][0], timeout)


@dataclass(frozen=True)
class Stage:
    """A server whose databases are all at one port, which a test sets."""

    server: Server
    port: list[int]
    pair: ServerCertificate


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory = tmp_path_factory.mktemp("hostile")
    ca_file, pair = make_pair(directory, HOSTS)
    port = [0]
    with running_server(settings_for(directory / "home", egress="any")) as server:
        built = EgressPolicy.build(loopback=True, resolver=lambda _: ["127.0.0.1"])
        given = {f.name: getattr(built, f.name) for f in fields(built) if f.init}
        policy = Elsewhere(**given)
        tls = TlsPolicy(ca_file=ca_file)
        server.house.network = replace(policy, tls=tls, port=(port,))
        yield Stage(server, port, pair)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    real = dialling.session_options

    def options(*given: Any) -> SessionOptions:
        return replace(real(*given), connect_seconds=CONNECT_SECONDS, timeout_seconds=3.0)

    monkeypatch.setattr(dialling, "session_options", options)
    monkeypatch.setattr(sessions, "session_options", options)
    monkeypatch.setattr(motherduck, "require_extension", lambda: None)


def _silent(client: socket.socket) -> None:
    while client.recv(65536):
        pass


def _noise(client: socket.socket) -> None:
    """Random bytes at once, and again after whatever is said."""
    dice = random.Random(7)
    for _ in range(30):
        client.sendall(dice.randbytes(dice.randint(1, 3000)))
        if not client.recv(65536):
            return


def _http(head: bytes, rest: bytes) -> Handler:
    def handle(client: socket.socket) -> None:
        client.recv(65536)
        client.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + rest)
        _silent(client)

    return handle


def _websocket(rest: bytes) -> Handler:
    """Takes the upgrade to a WebSocket, then sends bytes that are no good frame."""

    def handle(client: socket.socket) -> None:
        asked = client.recv(65536)
        lines = asked.split(b"\r\n")
        key = next(line[19:] for line in lines if line.lower().startswith(b"sec-websocket-key"))
        guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        proof = base64.b64encode(hashlib.sha1(key + guid).digest())
        client.sendall(
            b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n" + rest
        )
        _silent(client)

    return handle


def greeted(dialect: str, then: Handler, *, tls: bool) -> Handler:
    """Says what a server of the dialect says first, agreeing to TLS or not, and goes on so."""

    def handle(client: socket.socket) -> None:
        if dialect in POSTGRES:
            client.recv(8)
            client.sendall(b"S" if tls else b"N")
        elif dialect in MYSQL:
            client.sendall(GREETING_TLS if tls else GREETING)
            client.recv(36 if tls else 4096)
        elif dialect in TDS:
            client.recv(4096)
            options = struct.pack(">BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF)
            client.sendall(tds.packet(tds.ANSWER, options + bytes(6) + bytes([3 if tls else 2])))
        then(client)

    return handle


def _half_handshake(client: socket.socket) -> None:
    client.recv(65536)
    client.sendall(HALF_HELLO)
    _silent(client)


def _saying(data: bytes, *, first: bool = False) -> Handler:
    def handle(client: socket.socket) -> None:
        if not first:
            client.recv(65536)
        client.sendall(data)
        _silent(client)

    return handle


def huge(dialect: str) -> Handler:
    """A message that says it is 2 GB long, in the dialect's own form, and its beginning."""
    if dialect in POSTGRES:
        return _saying(b"R\x7f\xff\xff\xff\0\0\0\0")
    if dialect in MYSQL:  # three bytes of length are all there is
        return _saying(b"\xff\xff\xff\x02\0" + bytes(5000))
    if dialect in TDS:
        return _saying(b"\x04\x00\xff\xff\0\0\x01\0" + b"\xaa" + b"\xff" * 5000)
    forms = {
        "oracle": HUGE + b"\x02\0\0\0" + HUGE * 10,
        "sap_hana": bytes(12) + HUGE[::-1] * 2 + HUGE[::-1] * 20,
    }
    if dialect in forms:
        return _saying(forms[dialect])
    if dialect == "exasol":
        return _websocket(b"\x81\x7f" + struct.pack(">Q", 0x7FFFFFFF) + b"{")
    return _http(b"Content-Type: application/json\r\nContent-Length: 2147483647", b'{"a": [')


def _inside_tls(pair: ServerCertificate, then: Handler) -> Handler:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)

    def handle(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as secured:
            then(secured)

    return handle


def _broken_json(_: str) -> Handler:
    return _http(b"Content-Type: application/json\r\nContent-Length: 9", b'{"data":\xff')


Hostility = Callable[[str, ServerCertificate], Handler]
HOSTILITIES: dict[str, Hostility] = {
    "noise": lambda d, p: _noise,
    "hangs up": lambda d, p: lambda client: client.close(),
    "noise after the greeting": lambda d, p: greeted(d, _noise, tls=False),
    "2 GB after the greeting": lambda d, p: greeted(d, huge(d), tls=False),
    "half a TLS handshake": lambda d, p: greeted(d, _half_handshake, tls=True),
    "noise for a TLS handshake": lambda d, p: greeted(d, _noise, tls=True),
    "noise inside TLS": lambda d, p: greeted(d, _inside_tls(p, _noise), tls=True),
    "2 GB inside TLS": lambda d, p: greeted(d, _inside_tls(p, huge(d)), tls=True),
    "broken JSON inside TLS": lambda d, p: greeted(d, _inside_tls(p, _broken_json(d)), tls=True),
    "silence": lambda d, p: _silent,
    "silence after the greeting": lambda d, p: greeted(d, _silent, tls=False),
    "silence inside TLS": lambda d, p: greeted(d, _inside_tls(p, _silent), tls=True),
}
QUICK = {"noise", "noise inside TLS"}
CASES = [
    pytest.param(dialect, name, marks=[] if name in QUICK else [pytest.mark.slow])
    for dialect in DIALLING
    for name in HOSTILITIES
]


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_a_hostile_server_costs_an_error_in_time(stage: Stage, dialect: str, name: str) -> None:
    if dialect in OUTSIDE:
        try:
            with_driver(*OUTSIDE[dialect])
        except Unavailable as error:
            pytest.skip(str(error))
    server, root = stage.server, stage.server.root
    with serving(HOSTILITIES[name](dialect, stage.pair)) as stage.port[0]:
        sent = body(dialect, queryTimeoutSeconds=3)
        began = time.monotonic()
        told = root.post(f"{CONNECTIONS}/test", json=sent)
        diagnosed = time.monotonic() - began
        assert told.status_code == 200, told.text
        assert told.json()["success"] is False
        failed = next(s for s in told.json()["stages"] if s["status"] == "failed")
        assert failed["stage"] not in ("settings", "driver"), failed
        assert 0 < len(failed["message"]) < 1000
        assert server.anonymous.get("/healthz").status_code == 200
        made = root.post(CONNECTIONS, json=sent).json()["data"]
        began = time.monotonic()
        answer = root.post(f"{CONNECTIONS}/{made}/query", json={"sql": "SELECT 1"})
        queried = time.monotonic() - began
    assert answer.status_code in (400, 408, 502, 503), answer.text
    assert "Traceback" not in told.text + answer.text
    assert server.anonymous.get("/healthz").status_code == 200
    assert max(diagnosed, queried) < BUDGET, (diagnosed, queried)
