"""Oracle: no server is at hand. Stages against sockets, packets of a stub listener, a fake driver.

Nothing here says how a real Oracle behaves.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from dragoman.dialects import registry
from dragoman.dialects.adapters.oracle import catalog, connection, errors
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import EVERYTHING, CatalogFilter
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.engines.support.dialling import (
    STRANGERS,
    a_stranger,
    no_host_and_no_server,
    wrong_certificates,
)
from tests.support.certificates import Certificates
from tests.support.servers import serving, tls_handler

pytest.importorskip("oracledb")

PASSWORD = "s3cret-of-oracle"
REFUSE, REDIRECT = 4, 5


def packet(kind: int, body: bytes) -> bytes:
    return struct.pack(">HHBBH", 8 + len(body), 0, kind, 0, 0) + body


def refused(code: int) -> bytes:
    text = f"(DESCRIPTION=(TMP=)(VSNNUM=0)(ERR={code})(ERROR_STACK=(ERROR=(CODE={code}))))".encode()
    return packet(REFUSE, struct.pack(">BBH", 0, 0, len(text)) + text)


def answering(data: bytes) -> Callable[[socket.socket], None]:
    """Waits for the first packet, then says its piece."""

    def handle(client: socket.socket) -> None:
        first = client.recv(4096)
        if first[:1] != b"\x16":
            client.sendall(data)
        while client.recv(4096):
            pass

    return handle


def target(port: int, host: str = "localhost") -> Target:
    settings = {"host": host, "port": port, "database": "FREEPDB1", "username": "u"}
    return Target("oracle", settings, {"passwordUnencrypted": SecretStr(PASSWORD)})


@pytest.fixture
def policy(certificates: Certificates) -> EgressPolicy:
    made = EgressPolicy.build(loopback=True)
    return replace(made, tls=replace(made.tls, ca_file=certificates.ca_file))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "TLS_SECONDS", 0.3)


@pytest.fixture
def dial(policy: EgressPolicy) -> Callable[..., DatabaseFailure]:
    def connect(port: int, host: str = "localhost", **tls: Any) -> DatabaseFailure:
        given = replace(policy, tls=replace(policy.tls, **tls))
        options = SessionOptions(connect_seconds=1.0, timeout_seconds=2.0)
        with pytest.raises(DatabaseFailure) as caught:
            registry.get("oracle").connect(target(port, host), given, options)
        assert PASSWORD not in repr(caught.value)
        return caught.value

    return connect


def test_dns_and_refused(dial: Callable[..., DatabaseFailure]) -> None:
    no_host_and_no_server(dial)


@wrong_certificates
def test_a_wrong_certificate_ends_it(
    dial: Callable[..., DatabaseFailure], certificates: Certificates, pair: str, cause: Cause
) -> None:
    with serving(tls_handler(getattr(certificates, pair))) as port:
        failure = dial(port)
    assert (failure.stage, failure.cause) == (Stage.TLS, cause)


def test_plain_text_is_refused_where_it_is_not_allowed(
    dial: Callable[..., DatabaseFailure],
) -> None:
    with serving(answering(refused(12514))) as port:
        failure = dial(port, plaintext="never")
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)


@pytest.mark.parametrize("noise", STRANGERS)
def test_a_stranger_is_a_failure_and_not_a_hang(
    dial: Callable[..., DatabaseFailure], noise: bytes
) -> None:
    a_stranger(dial, noise)


def test_stub_listener_does_not_know_the_service(dial: Callable[..., DatabaseFailure]) -> None:
    with serving(answering(refused(12514))) as port:
        failure = dial(port)
    assert (failure.stage, failure.cause) == (Stage.DATABASE, Cause.DATABASE_NOT_FOUND)


def test_stub_listener_behind_tls_is_heard(
    dial: Callable[..., DatabaseFailure], certificates: Certificates
) -> None:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.good.certificate, certificates.good.key)

    def handler(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as secured:
            answering(refused(12514))(secured)

    with serving(handler) as port:
        assert dial(port, plaintext="never").cause is Cause.DATABASE_NOT_FOUND


def test_stub_listener_that_redirects_is_not_followed(
    dial: Callable[..., DatabaseFailure],
) -> None:
    dialled: list[bool] = []
    with serving(lambda client: dialled.append(True)) as elsewhere:
        there = f"(ADDRESS=(PROTOCOL=tcp)(HOST=127.0.0.1)(PORT={elsewhere}))".encode()
        body = struct.pack(">H", len(there)) + there
        with serving(answering(packet(REDIRECT, body))) as port:
            failure = dial(port)
    assert (failure.stage, failure.cause) == (Stage.AUTHENTICATION, Cause.ADDRESS_DENIED)
    assert not dialled


def test_redirections_are_seen_however_they_are_cut() -> None:
    resend = packet(11, b"")
    for stream, wanted in ((resend + packet(REDIRECT, b"x"), False), (resend + refused(1), True)):
        look = connection.NoRedirect()
        assert all(look(stream[i : i + 1]) for i in range(len(stream))) is wanted
    accepted = connection.NoRedirect()
    assert accepted(packet(2, b"ok"))
    assert accepted(packet(REDIRECT, b"data of a later packet"))


def test_the_diagnosis_names_the_stage(policy: EgressPolicy, certificates: Certificates) -> None:
    options = SessionOptions(connect_seconds=1.0)
    with serving(tls_handler(certificates.other_ca)) as port:
        found = diagnose(registry.get("oracle"), target(port), policy, options)
    assert found.failed
    assert found.failed.stage is Stage.TLS


class Coded:
    def __init__(self, full_code: str) -> None:
        self.full_code = full_code

    def __str__(self) -> str:
        return f"{self.full_code}: text with {PASSWORD}"


def test_causes_by_the_codes_of_the_manual() -> None:
    expected = {
        "ORA-01013": Cause.CANCELLED,
        "ORA-00942": Cause.OBJECT_NOT_FOUND,
        "ORA-01456": Cause.READ_ONLY,
        "ORA-01476": Cause.OTHER,
        "DPY-4011": Cause.CONNECTION_LOST,
        "DPY-4024": Cause.QUERY_TIMEOUT,
    }
    hidden = {"passwordUnencrypted": SecretStr(PASSWORD)}
    for code, cause in expected.items():
        failure = errors.query_failure(RuntimeError(Coded(code)), hidden)
        assert (failure.cause, failure.code) == (cause, code)
        assert PASSWORD not in repr(failure)
    for code, stage in (("ORA-01017", Stage.AUTHENTICATION), ("ORA-12514", Stage.DATABASE)):
        assert errors.connect_failure(RuntimeError(Coded(code)), hidden).stage is stage


class FakeCursor:
    """Notes what it is told; knows one row."""

    def __init__(self, said: list[str]) -> None:
        self._said = said
        self.description: Any = None

    def __enter__(self) -> FakeCursor:
        return self

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[Any]:
        return iter(FACTS)

    def execute(self, sql: str) -> None:
        self._said.append(sql)
        self.description = [("X",)] if sql.startswith("SELECT") else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [(7,)]


NONE = (None,) * 4
FACTS = [
    ("SHOP", "LINE", "1", "-", 0, "-", "Lines", "7", None, None),
    ("SHOP", "LINE", "3", "-", 1, "ID", "NUMBER(9,0)", "0", None, "The id"),
    ("SHOP", "LINE", "3", "-", 2, "ORDER_ID", "NUMBER", "1", None, None),
    ("SHOP", "LINE", "4", "FK", 1, "ORDER_ID", "SALES", "ORDERS", "ID", None),
    ("SHOP", "LINE", "4", "PK", 1, "ID", *NONE),
]


class FakeConnection:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.call_timeout = 0

    def cursor(self) -> FakeCursor:
        return FakeCursor(self.said)

    def fetch_df_batches(self, sql: str, **_: Any) -> Iterator[Any]:
        import pyarrow as pa

        self.said.append(sql)
        yield pa.table({"A": [1, 2]})
        yield pa.table({"A": [3]})

    def rollback(self) -> None:
        self.said.append("ROLLBACK")

    def cancel(self) -> None:
        self.said.append("CANCEL")

    def close(self) -> None: ...


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeConnection:
    made = FakeConnection()

    class NoTunnel:
        def close(self) -> None: ...

    session = "dragoman.dialects.adapters.oracle.session"
    monkeypatch.setattr(f"{session}.open_tunnel", lambda *_: NoTunnel())
    monkeypatch.setattr(f"{session}.sign_in", lambda *_: made)
    return made


def test_fake_driver_a_statement_is_a_read_only_transaction(
    fake: FakeConnection, policy: EgressPolicy
) -> None:
    where = target(1)
    where = replace(where, settings={**where.settings, "defaultSchema": 'SH"OP'})
    options = SessionOptions(timezone="Europe/Berlin", timeout_seconds=10)
    session = registry.get("oracle").connect(where, policy, options)
    assert fake.said == [
        "ALTER SESSION SET TIME_ZONE = 'Europe/Berlin'",
        'ALTER SESSION SET CURRENT_SCHEMA = "SH""OP"',
    ]
    assert fake.call_timeout >= 10_000
    fake.said.clear()
    answer = session.run("SELECT a FROM t")
    assert [batch.num_rows for batch in answer.batches] == [2, 1]
    assert fake.said == ["SET TRANSACTION READ ONLY", "SELECT a FROM t", "ROLLBACK"]
    answer = session.run("SELECT a FROM t")
    session.cancel()
    with pytest.raises(DatabaseFailure) as caught:
        list(answer.batches)
    assert caught.value.cause is Cause.CANCELLED
    assert fake.said[-2:] == ["CANCEL", "ROLLBACK"]
    with pytest.raises(DatabaseFailure):
        session.run("DELETE FROM t")
    session.close()


def test_fake_driver_the_catalog(fake: FakeConnection, policy: EgressPolicy) -> None:
    session = registry.get("oracle").connect(target(1), policy, SessionOptions())
    (line,) = session.catalog(EVERYTHING)
    assert (line.comment, line.estimated_rows, line.primary_key) == ("Lines", 7, ["ID"])
    assert line.foreign_keys[0].table == "ORDERS"
    session.close()


@pytest.mark.parametrize("schemas", ["", "SHOP", "it's, A_%, other*"])
def test_the_catalog_statement_is_one_that_parses(schemas: str) -> None:
    import sqlglot

    wanted = CatalogFilter.of({"includeSchemas": schemas, "offloadedSchemas": "OLD"})
    assert len(sqlglot.parse(catalog.statement(wanted), read="oracle")) == 1
    assert len(sqlglot.parse(catalog.count(["A'B"]), read="oracle")) == 1
