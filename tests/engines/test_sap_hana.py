"""SAP HANA: no server is at hand. Stages against sockets with SAP's driver, and a fake driver.

Nothing here says how a real SAP HANA behaves.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from dragoman.dialects import registry
from dragoman.dialects.adapters.sap_hana import catalog, errors, session, types
from dragoman.dialects.base import Driver, Session, SessionOptions, Target
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
from tests.engines.support.drivers import with_driver
from tests.support.certificates import Certificates
from tests.support.engines import Unavailable
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import Handler, serving, tls_handler

PASSWORD = "s3cret-of-hana"
DIALECT = registry.get("sap_hana")


def target(port: int, host: str = "localhost", **settings: Any) -> Target:
    given = {"host": host, "port": port, "username": "u", **settings}
    return Target("sap_hana", given, {"passwordUnencrypted": SecretStr(PASSWORD)})


@pytest.fixture
def policy(certificates: Certificates) -> EgressPolicy:
    made = EgressPolicy.build(loopback=True)
    return replace(made, tls=replace(made.tls, ca_file=certificates.ca_file))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "TLS_SECONDS", 0.3)


@pytest.fixture
def driver() -> None:
    try:
        with_driver("sap_hana", "hdbcli.dbapi")
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def dial(driver: None, policy: EgressPolicy) -> Callable[..., DatabaseFailure]:
    def connect(
        port: int, host: str = "localhost", trust: bool = False, **tls: Any
    ) -> DatabaseFailure:
        given = replace(policy, tls=replace(policy.tls, **tls))
        options = SessionOptions(connect_seconds=1.0, timeout_seconds=2.0)
        with pytest.raises(DatabaseFailure) as caught:
            DIALECT.connect(target(port, host, trustServerCertificate=trust), given, options)
        assert PASSWORD not in repr(caught.value)
        return caught.value

    return connect


def heard(said: list[bytes]) -> Handler:
    """Notes the first bytes of a client that does not speak TLS, then hangs up."""

    def handle(client: socket.socket) -> None:
        first = client.recv(4096)
        if first[:1] != b"\x16":
            said.append(first)

    return handle


def test_dns_and_refused(dial: Callable[..., DatabaseFailure]) -> None:
    no_host_and_no_server(dial)


@wrong_certificates
def test_a_wrong_certificate_ends_it_unless_it_is_to_be_trusted(
    dial: Callable[..., DatabaseFailure], certificates: Certificates, pair: str, cause: Cause
) -> None:
    with serving(tls_handler(getattr(certificates, pair))) as port:
        failure = dial(port)
        assert (failure.stage, failure.cause) == (Stage.TLS, cause)
        assert dial(port, trust=True).stage is Stage.AUTHENTICATION


def test_plain_text_is_refused_where_it_is_not_allowed(
    dial: Callable[..., DatabaseFailure],
) -> None:
    said: list[bytes] = []
    with serving(heard(said)) as port:
        failure = dial(port, plaintext="never")
        assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)
        assert not said
        assert dial(port).stage is Stage.AUTHENTICATION
    assert len(said) == 1


def test_the_driver_greets_through_verified_tls(
    dial: Callable[..., DatabaseFailure], certificates: Certificates
) -> None:
    """The greeting of SAP's protocol is what the server hears inside TLS; no password is in it."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.good.certificate, certificates.good.key)
    said: list[bytes] = []

    def handler(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as secured:
            said.append(secured.recv(4096))

    with serving(handler) as port:
        assert dial(port, plaintext="never").stage is Stage.AUTHENTICATION
    # Source: SAP HANA SQL Command Network Protocol Reference, initialization request.
    assert said[0].startswith(b"\xff\xff\xff\xff")
    assert PASSWORD.encode() not in said[0]


@pytest.mark.parametrize("noise", STRANGERS)
def test_a_stranger_is_a_failure_and_not_a_hang(
    dial: Callable[..., DatabaseFailure], noise: bytes
) -> None:
    a_stranger(dial, noise)


def test_the_diagnosis_names_the_stage(
    driver: None, policy: EgressPolicy, certificates: Certificates
) -> None:
    options = SessionOptions(connect_seconds=1.0)
    with serving(tls_handler(certificates.other_ca)) as port:
        found = diagnose(DIALECT, target(port), policy, options)
    assert found.failed
    assert found.failed.stage is Stage.TLS


def test_causes_by_the_numbers_of_the_manual() -> None:
    expected = {
        139: Cause.CANCELLED,
        257: Cause.SYNTAX_ERROR,
        258: Cause.PERMISSION_DENIED,
        259: Cause.OBJECT_NOT_FOUND,
        260: Cause.OBJECT_NOT_FOUND,
        7: Cause.OTHER,
        -10807: Cause.CONNECTION_LOST,
    }
    hidden = {"passwordUnencrypted": SecretStr(PASSWORD)}
    for code, cause in expected.items():
        failure = errors.query_failure(RuntimeError(code, f"text with {PASSWORD}"), hidden)
        assert (failure.cause, failure.code) == (cause, str(code))
        assert PASSWORD not in repr(failure)
    failure = errors.connect_failure(RuntimeError(10, "authentication failed"), hidden)
    assert (failure.stage, failure.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert errors.query_failure(ValueError("no number"), hidden).cause is Cause.OTHER


NONE = (None,) * 4
FACTS = [
    ("SHOP", "LINE", "1", "-", 0, "-", "Lines", "7", None, None),
    ("SHOP", "LINE", "3", "-", 1, "ID", "INTEGER", "0", None, "The id"),
    ("SHOP", "LINE", "3", "-", 2, "ORDER_ID", "INTEGER", "1", None, None),
    ("SHOP", "LINE", "4", "FK", 1, "ORDER_ID", "SALES", "ORDERS", "ID", None),
    ("SHOP", "LINE", "4", "PK", 1, "ID", *NONE),
]


class FakeCursor:
    """Notes what it is told and answers it."""

    def __init__(self, connection: FakeConnection) -> None:
        self._connection = connection
        self.description: Any = None
        self._rows: list[Any] = []

    def execute(self, sql: str) -> None:
        self._connection.said.append(sql)
        self._connection.on_execute(sql)
        self.description, self._rows = None, []
        if sql.startswith("SELECT"):
            self.description = [("A", 3, None, 4, 10, 0, True)]
            self._rows = list(FACTS) if "UNION ALL" in sql else [(1,), (2,), (3,)]
        if "M_DATABASE" in sql:
            self._rows = [("HXE",)]

    def fetchmany(self, size: int) -> list[Any]:
        taken, self._rows = self._rows[:2], self._rows[2:]
        return taken

    def fetchall(self) -> list[Any]:
        return self._rows

    def close(self) -> None: ...


class FakeConnection:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.on_execute: Callable[[str], None] = lambda sql: None

    def cursor(self) -> FakeCursor:
        return FakeCursor(self)

    def rollback(self) -> None:
        self.said.append("ROLLBACK")

    def cancel(self) -> None:
        self.said.append("CANCEL")

    def close(self) -> None: ...


class NoTunnel:
    port = 1

    def __init__(self, *_: Any) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeConnection:
    made = FakeConnection()
    monkeypatch.setattr(Driver, "require", lambda _: None)
    monkeypatch.setattr(session, "dial", lambda *_: None)
    monkeypatch.setattr(session, "LocalTunnel", NoTunnel)
    monkeypatch.setattr(session.SapHanaSession, "_sign_in", lambda _: made)
    return made


def opened(policy: EgressPolicy, options: SessionOptions | None = None, **more: Any) -> Session:
    return DIALECT.connect(target(1, **more), policy, options or SessionOptions())


def test_fake_driver_a_statement_is_a_read_only_transaction(
    fake: FakeConnection, policy: EgressPolicy
) -> None:
    asked = SessionOptions(timezone="Europe/Berlin")
    found = opened(policy, asked, database="hxe", defaultSchema='SH"OP')
    assert fake.said == ["SELECT DATABASE_NAME FROM SYS.M_DATABASE", 'SET SCHEMA "SH""OP"']
    assert "UTCTOLOCAL" in found.notices[0]
    fake.said.clear()
    answer = found.run("SELECT a FROM t")
    assert [batch.to_pydict() for batch in answer.batches] == [{"A": [1, 2]}, {"A": [3]}]
    assert fake.said == ["SET TRANSACTION READ ONLY", "SELECT a FROM t", "ROLLBACK"]
    answer = found.run("SELECT a FROM t")
    found.cancel()
    with pytest.raises(DatabaseFailure) as caught:
        list(answer.batches)
    assert caught.value.cause is Cause.CANCELLED
    assert fake.said[-2:] == ["CANCEL", "ROLLBACK"]
    with pytest.raises(DatabaseFailure):
        found.run("DELETE FROM t")
    found.close()


def test_fake_driver_the_time_limit_cancels_in_the_database(
    fake: FakeConnection, policy: EgressPolicy
) -> None:
    stopped = threading.Event()
    fake.cancel = stopped.set  # type: ignore[method-assign]
    found = opened(policy, SessionOptions(timeout_seconds=0.3))

    def slow(sql: str) -> None:
        if "SLOW" in sql:
            assert stopped.wait(60)
            raise RuntimeError(139, "current operation cancelled by request")

    fake.on_execute = slow
    started = time.monotonic()
    with pytest.raises(DatabaseFailure) as caught:
        found.run("SELECT SLOW FROM t")
    assert caught.value.cause is Cause.QUERY_TIMEOUT
    assert 0.2 < time.monotonic() - started < 1.3 + SLOW_MACHINE
    assert len(list(found.run("SELECT a FROM t").batches)) == 2
    found.close()


def test_fake_driver_a_server_that_ignores_the_limit_is_hung_up_on(
    fake: FakeConnection, policy: EgressPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    hung_up = threading.Event()
    monkeypatch.setattr(session, "_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(NoTunnel, "close", lambda _: hung_up.set())
    found = opened(policy, SessionOptions(timeout_seconds=0.2))

    def slow(sql: str) -> None:
        if "SLOW" in sql:
            assert hung_up.wait(60)
            raise RuntimeError(-10807, "Connection down")

    fake.on_execute = slow
    with pytest.raises(DatabaseFailure) as caught:
        found.run("SELECT SLOW FROM t")
    assert caught.value.cause is Cause.QUERY_TIMEOUT


def test_fake_driver_another_tenant_on_the_port_is_told(
    fake: FakeConnection, policy: EgressPolicy
) -> None:
    with pytest.raises(DatabaseFailure) as caught:
        opened(policy, database="SALES")
    assert (caught.value.stage, caught.value.cause) == (Stage.DATABASE, Cause.DATABASE_NOT_FOUND)
    assert "HXE" in caught.value.message


def test_fake_driver_the_catalog(fake: FakeConnection, policy: EgressPolicy) -> None:
    found = opened(policy)
    fake.said.clear()
    (line,) = found.catalog(EVERYTHING)
    assert (line.comment, line.estimated_rows, line.primary_key) == ("Lines", 7, ["ID"])
    assert line.foreign_keys[0].table == "ORDERS"
    assert len([sql for sql in fake.said if sql.startswith("SELECT")]) == 1
    found.close()


@pytest.mark.parametrize("schemas", ["", "SHOP", "it's, A_%, other*"])
def test_the_catalog_statement_is_one_that_parses(schemas: str) -> None:
    import sqlglot

    wanted = CatalogFilter.of({"includeSchemas": schemas, "offloadedSchemas": "OLD"})
    # sqlglot knows no SAP HANA: what is asked is plain enough for PostgreSQL's grammar.
    assert len(sqlglot.parse(catalog.statement(wanted), read="postgres")) == 1
    assert len(sqlglot.parse(catalog.count(["A'B"]), read="postgres")) == 1
    if "it's" in schemas:
        assert "'it''s'" in catalog.statement(wanted)


def arrow_type(code: int, precision: int | None = None, scale: int | None = None) -> str:
    described: Sequence[Any] = ("X", code, None, None, precision, scale, True)
    return str(types.column(described).field.type)


def test_types_by_the_codes_of_the_manual() -> None:
    assert arrow_type(4) == "int64"
    assert arrow_type(28) == "bool"
    assert arrow_type(5, 12, 2) == "decimal128(12, 2)"
    assert arrow_type(5, 34, 32767) == "string"
    assert (arrow_type(14), arrow_type(15)) == ("date32[day]", "time64[us]")
    assert arrow_type(16) == "timestamp[us]"
    assert arrow_type(13) == "binary"
    assert arrow_type(11) == "string"
    column = types.column(("X", 5, None, None, 6, 2, True))
    assert column.convert([Decimal("1.50"), None]).to_pylist() == [Decimal("1.50"), None]
    blob = types.column(("X", 27, None, None, None, None, True))
    assert blob.convert([memoryview(b"ab"), None]).to_pylist() == [b"ab", None]
