"""The Exasol adapter against a stub of its protocol (DuckDB behind): no real Exasol took part."""

from __future__ import annotations

import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from dragoman.dialects import registry
from dragoman.dialects.adapters.exasol import errors
from dragoman.dialects.adapters.exasol.types import Types, duration
from dragoman.dialects.base import Session, SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Column, ForeignKey, TableKind
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import Subject, rows, until
from tests.engines.support.exasol import ExasolStub, exasol_subject, run_exasol_stub
from tests.support.certificates import Certificates, ServerCertificate
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import refusing, saying, serving, unanswering

PASSWORD = "canary-of-a-password"
TYPES: dict[str, tuple[pa.DataType, Any]] = {
    "12": (pa.int64(), 12),
    "CAST(NULL AS INTEGER)": (pa.int64(), None),
    "CAST('170141183460469231731687303715884105' AS HUGEINT)": (
        pa.decimal128(36, 0),
        Decimal("170141183460469231731687303715884105"),
    ),
    "CAST('1234567890123456789.123456789' AS DECIMAL(28, 9))": (
        pa.decimal128(28, 9),
        Decimal("1234567890123456789.123456789"),
    ),
    "CAST(1.5 AS DOUBLE)": (pa.float64(), 1.5),
    "true": (pa.bool_(), True),
    "'ü'": (pa.string(), "ü"),
    "DATE '2020-01-02'": (pa.date32(), date(2020, 1, 2)),
    "TIMESTAMP '2020-01-02 03:04:05.123456'": (
        pa.timestamp("us"),
        datetime(2020, 1, 2, 3, 4, 5, 123456),  # noqa: DTZ001
    ),
    "TIMESTAMPTZ '2020-07-02 03:04:05+00'": (
        pa.timestamp("us", "UTC"),
        datetime(2020, 7, 2, 3, 4, 5, tzinfo=UTC),
    ),
    "INTERVAL '1 day 02:03:04'": (
        pa.duration("us"),
        timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=250),
    ),
}


@pytest.fixture
def subject(exasol_stub_server: ExasolStub) -> Subject:
    return exasol_subject(exasol_stub_server)


def test_stub_types_arrive_as_documented(subject: Subject) -> None:
    with subject.session() as session:
        listed = ", ".join(f"{sql} AS c{i}" for i, sql in enumerate(TYPES))
        answer = session.run(f"SELECT {listed}")
        found = [row for batch in answer.batches for row in batch.to_pylist()]
    for i, (sql, (kind, value)) in enumerate(TYPES.items()):
        assert answer.schema.field(f"c{i}").type == kind, sql
        assert found[0][f"c{i}"] == value, sql
    assert answer.notices == []


def convert(data: dict[str, Any], *given: Any, zone: str = "UTC") -> tuple[list[Any], list[str]]:
    notices: list[str] = []
    column = Types(zone, notices).column({"name": "c", "dataType": data})
    return column.convert(given).to_pylist(), notices


def test_numbers_are_exact_however_the_server_writes_them() -> None:
    decimal = {"type": "DECIMAL", "precision": 36, "scale": 2}
    expected = [Decimal("12345678901234567890.10"), Decimal(5), None]
    assert convert(decimal, "12345678901234567890.10", 5, None)[0] == expected
    assert convert({"type": "DECIMAL", "precision": 18, "scale": 0}, "7", 8, None)[0] == [
        7,
        8,
        None,
    ]
    assert convert({"type": "DOUBLE"}, "1.5e300", 2, None)[0] == [1.5e300, 2.0, None]


def test_digits_below_a_microsecond_are_cut_with_a_notice() -> None:
    kind = {"type": "TIMESTAMP", "withLocalTimeZone": False}
    found, notices = convert(kind, "2020-01-02 03:04:05.123456789", "2020-01-02 03:04:05", None)
    whole = datetime(2020, 1, 2, 3, 4, 5)  # noqa: DTZ001
    assert found == [whole.replace(microsecond=123456), whole, None]
    assert len(notices) == 1
    assert convert(kind, "2020-01-02 03:04:05.123456000")[1] == []


def test_the_hour_that_clocks_repeat_has_a_notice() -> None:
    kind = {"type": "TIMESTAMP WITH LOCAL TIME ZONE", "withLocalTimeZone": True}
    found, notices = convert(kind, "2024-10-27 02:30:00.000000", zone="Europe/Berlin")
    assert [v.astimezone(UTC) for v in found] == [datetime(2024, 10, 27, 0, 30, tzinfo=UTC)]
    assert notices
    assert convert(kind, "2024-07-27 02:30:00.000000", zone="Europe/Berlin")[1] == []


def test_intervals() -> None:
    assert duration("-000000001 02:00:00.500000000") == -timedelta(days=1, hours=2, seconds=0.5)
    assert duration("-000000000 02:00:00") == -timedelta(hours=2)
    assert duration("+000000003 00:00:01.5") == timedelta(days=3, seconds=1.5)


def test_what_has_no_equal_is_text() -> None:
    assert convert({"type": "HASHTYPE", "size": 32}, "00ff", None)[0] == ["00ff", None]
    assert convert({"type": "GEOMETRY", "srid": 0}, "POINT (1 2)")[0] == ["POINT (1 2)"]


def test_stub_the_session_has_the_time_zone(subject: Subject) -> None:
    with subject.session(timezone="Asia/Tokyo") as session:
        answer = session.run("SELECT TIMESTAMPTZ '2020-01-02 00:00:00+00' AS t")
        assert answer.schema.field("t").type == pa.timestamp("us", "Asia/Tokyo")
        assert [b.to_pylist() for b in answer.batches] == [
            [{"t": datetime(2020, 1, 2, tzinfo=UTC)}]
        ]


def test_stub_columns_of_one_name_both_arrive(subject: Subject) -> None:
    with subject.session() as session:
        answer = session.run("SELECT 1 AS a, 2 AS b UNION ALL SELECT 3, 4 ORDER BY 1")
        assert [b.num_columns for b in answer.batches] == [2]


def test_stub_what_a_statement_writes_is_rolled_back(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dragoman.dialects.streaming.single_reading_statement", lambda sql, _: sql.strip()
    )
    with subject.session() as session, subject.session() as other:
        for sql in ("INSERT INTO victim VALUES (2)", "DELETE FROM victim", "DROP TABLE victim"):
            assert rows(session, sql) == []
            assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
            assert rows(other, "SELECT a FROM victim") == [{"a": 1}]


def test_stub_the_catalog_by_one_statement(subject: Subject) -> None:
    with subject.session() as session:
        found = {table.name: table for table in session.catalog()}
        only = [t.name for t in session.catalog(CatalogFilter.of({"includeSchemas": "oth*"}))]
        left = [t.schema for t in session.catalog(CatalogFilter.of({"offloadedSchemas": "other"}))]
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
    assert list(found) == ["it's", "customers", "names", "orders", "victim"]
    customers, orders = found["customers"], found["orders"]
    assert customers.kind is TableKind.TABLE
    assert customers.comment == "who buys"
    assert customers.schema_comment == "what is sold"
    assert customers.primary_key == ["id"]
    assert customers.columns == [
        Column("id", 1, "INTEGER", False, None, None, 1),
        Column("name", 2, "VARCHAR", True, "'nobody'", "in full", None),
    ]
    assert orders.foreign_keys == [
        ForeignKey(orders.foreign_keys[0].name, ["customer"], "shop", "customers", ["id"])
    ]
    assert found["names"].kind is TableKind.VIEW
    assert found["victim"].estimated_rows == 1
    assert found["it's"].schema_comment is None
    assert only == ["it's"]
    assert set(left) == {"shop"}


def test_stub_the_login_names_nothing_of_this_machine(
    subject: Subject, exasol_stub_server: ExasolStub
) -> None:
    (exasol_stub_server.home / "logins").unlink(missing_ok=True)
    with subject.session(timeout_seconds=7.2) as session:
        session.ping()
    said = json.loads((exasol_stub_server.home / "logins").read_text())
    assert said["clientOs"] == said["clientRuntime"] == ""
    assert said["clientOsUsername"] == "dragoman"
    assert said["password"] != exasol_stub_server.password
    assert said["attributes"]["queryTimeout"] == 8
    assert said["attributes"]["autocommit"] is False


def test_telemetry_is_off(subject: Subject) -> None:
    from exasol.telemetry.client import config, worker

    with subject.session() as session:
        session.ping()
    assert config.was_setup()
    assert not config.was_enabled()
    assert worker._worker is None


def test_telemetry_is_on_unless_somebody_turns_it_off() -> None:
    """Why the adapter does: remove its line when the maker changes the default."""
    from exasol.telemetry.client import config

    assert config.DEFAULT_DISABLED is False


def test_stub_the_environment_has_no_say(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE"):
        monkeypatch.setenv(name, "/nowhere")
    with subject.session() as session:
        assert rows(session, "SELECT 1 AS a") == [{"a": 1}]


def test_stub_wrong_password_port_and_host_name_their_stage(subject: Subject) -> None:
    failure = failure_of(subject.with_settings(password=PASSWORD))
    assert (failure.stage, failure.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert failure.code == errors.LOGIN_REFUSED
    assert PASSWORD not in repr(failure)
    with refusing() as port:
        failure = failure_of(subject.with_settings(port=port))
    assert (failure.stage, failure.cause) == (Stage.TCP, Cause.REFUSED)
    failure = failure_of(subject.with_settings(host="no-such-host.invalid"))
    assert (failure.stage, failure.cause) == (Stage.DNS, Cause.HOST_NOT_FOUND)
    with unanswering() as port:
        failure = failure_of(subject.with_settings(port=port), connect_seconds=0.5)
    assert (failure.stage, failure.cause) == (Stage.TCP, Cause.TIMEOUT)


@pytest.mark.parametrize("wrong", ["other_host", "expired", "other_ca"])
def test_stub_wrong_certificates_get_no_password_unless_trusted(
    certificates: Certificates, wrong: str
) -> None:
    pair: ServerCertificate = getattr(certificates, wrong)
    with run_exasol_stub(certificates, pair) as stub:
        subject = exasol_subject(stub)
        failure = failure_of(subject)
        assert not (stub.home / "logins").exists()
        trusting = subject.with_settings(trustServerCertificate=True)
        with trusting.session() as session:
            session.ping()
        found = diagnose(trusting.dialect, trusting.target, trusting.network, trusting.options())
    expected = Cause.TLS_HOSTNAME if wrong == "other_host" else Cause.TLS_UNTRUSTED
    assert (failure.stage, failure.cause) == (Stage.TLS, expected)
    assert found.success
    assert "not verified" in found[Stage.TLS].message


def failure_of(subject: Subject, **options: float) -> DatabaseFailure:
    with pytest.raises(DatabaseFailure) as caught:
        subject.connect(**options).close()
    return caught.value


def read_in_vain(session: Session, sql: str) -> None:
    with pytest.raises(DatabaseFailure):
        rows(session, sql)


def secured(certificates: Certificates, handler: Callable[[Any], None]) -> Callable[..., None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.good.certificate, certificates.good.key)

    def handle(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True) as sock:
            handler(sock)

    return handle


@pytest.fixture
def dial(certificates: Certificates) -> Callable[[int], DatabaseFailure]:
    def connect(port: int) -> DatabaseFailure:
        settings = {"host": "localhost", "port": port, "username": "u"}
        where = Target("exasol", settings, {"passwordUnencrypted": SecretStr(PASSWORD)})
        policy = EgressPolicy.build(loopback=True)
        policy = replace(policy, tls=replace(policy.tls, ca_file=certificates.ca_file))
        given = SessionOptions(connect_seconds=1.0, timeout_seconds=2.0)
        with pytest.raises(DatabaseFailure) as caught:
            registry.get("exasol").connect(where, policy, given)
        assert PASSWORD not in repr(caught.value)
        return caught.value

    return connect


@pytest.mark.parametrize("noise", [b"", bytes(range(256)) * 40, b"HTTP/1.1 400\r\n\r\n"])
def test_a_plain_stranger_is_a_tls_failure(
    dial: Callable[[int], DatabaseFailure], noise: bytes
) -> None:
    with serving(saying(noise)) as port:
        assert dial(port).stage is Stage.TLS


HELLO = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
STRANGERS: dict[str, Callable[[Any], None]] = {
    "silence": lambda sock: sock.recv(4096) and time.sleep(60),
    "noise": lambda sock: sock.sendall(os.urandom(4000)),
    "http": lambda sock: sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
    "redirect": lambda sock: sock.sendall(
        b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n"
    ),
    "hang up": lambda sock: sock.recv(4096) and None,
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_behind_tls_is_a_failure_and_not_a_hang(
    dial: Callable[[int], DatabaseFailure], certificates: Certificates, kind: str
) -> None:
    started = time.monotonic()
    with serving(secured(certificates, STRANGERS[kind])) as port:
        assert dial(port).stage is Stage.AUTHENTICATION
    assert time.monotonic() - started < 5 + SLOW_MACHINE


def websocket(certificates: Certificates, after: Callable[[Any], None]) -> Callable[..., None]:
    """Agrees to speak WebSocket, then does as told."""
    from tests.engines.support.exasol_stub import Frames

    def handler(sock: Any) -> None:
        Frames(sock).handshake()
        after(sock)

    return secured(certificates, handler)


AFTERWARDS: dict[str, Callable[[Any], None]] = {
    "2 GB announced": lambda sock: (
        sock.sendall(b"\x81\x7f\x00\x00\x00\x00\x80\x00\x00\x00") or time.sleep(60)
    ),
    "no JSON": lambda sock: sock.sendall(b"\x81\x02hi") or time.sleep(60),
    "another JSON": lambda sock: sock.sendall(b"\x81\x02[]") or time.sleep(60),
    "close": lambda sock: sock.sendall(b"\x88\x00") or time.sleep(60),
}


@pytest.mark.parametrize("kind", AFTERWARDS)
def test_a_stranger_that_speaks_websocket(
    dial: Callable[[int], DatabaseFailure], certificates: Certificates, kind: str
) -> None:
    started = time.monotonic()
    with serving(websocket(certificates, AFTERWARDS[kind])) as port:
        assert dial(port).stage is Stage.AUTHENTICATION
    assert time.monotonic() - started < 5 + SLOW_MACHINE


def test_an_answer_without_end_is_given_up(
    dial: Callable[[int], DatabaseFailure],
    certificates: Certificates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dragoman.dialects.adapters.exasol.wire.MAX_MESSAGE", 100_000)

    def pour(sock: Any) -> None:
        sock.sendall(b"\x81\x7f\x00\x00\x00\x00\x80\x00\x00\x00")
        for _ in range(100):
            sock.sendall(b"x" * 65536)
        time.sleep(60)

    started = time.monotonic()
    with serving(websocket(certificates, pour)) as port:
        assert dial(port).stage is Stage.AUTHENTICATION
    assert time.monotonic() - started < 1 + SLOW_MACHINE


def test_causes_by_the_texts_of_the_manual() -> None:
    from pyexasol import ExaQueryError

    class Named:
        options = {"verbose_error": False}

    expected = {
        ("42500", "insufficient privileges: SELECT on table X"): Cause.PERMISSION_DENIED,
        ("42000", "insufficient privileges for using schema X"): Cause.PERMISSION_DENIED,
        ("42000", "syntax error, unexpected FROM_, expecting ..."): Cause.SYNTAX_ERROR,
        ("42000", "object X not found [line 1, column 15]"): Cause.OBJECT_NOT_FOUND,
        ("R0003", "Connection exception - Query terminated"): Cause.CANCELLED,
        ("22012", "data exception - division by zero"): Cause.OTHER,
    }
    for (code, text), cause in expected.items():
        failure = errors.query_failure(ExaQueryError(Named(), "", code, text), {})
        assert (failure.cause, failure.code) == (cause, code), text


def test_stub_our_own_clock_stops_what_the_server_lets_run(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the server's limit, which has whole seconds, were an hour."""
    hours = SimpleNamespace(ceil=lambda seconds: 3600)
    monkeypatch.setattr("dragoman.dialects.adapters.exasol.connection.math", hours)
    with subject.session(timeout_seconds=1.2) as session:
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, subject.sleep)
        assert caught.value.cause is Cause.QUERY_TIMEOUT
        assert time.monotonic() - started < 1.9 + SLOW_MACHINE
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


def test_stub_two_sessions_do_not_wait_for_each_other(subject: Subject) -> None:
    with subject.session() as slow, subject.session() as quick:
        reading = threading.Thread(target=read_in_vain, args=(slow, subject.sleep))
        reading.start()
        assert subject.server_running is not None
        assert until(lambda: subject.server_running(subject.sleep))  # type: ignore[misc]
        assert rows(quick, "SELECT a FROM victim") == [{"a": 1}]
        slow.cancel()
        reading.join(10)
        assert not reading.is_alive()


def test_stub_a_cancel_while_rows_arrive_does_no_harm(subject: Subject) -> None:
    with subject.session() as session:
        for _ in range(3):
            answer = session.run(f"SELECT n FROM {subject.numbers(300_000)}")
            next(answer.batches)
            canceller = threading.Thread(target=session.cancel)
            canceller.start()
            with pytest.raises(DatabaseFailure) as caught:
                list(answer.batches)
            canceller.join()
            assert caught.value.cause is Cause.CANCELLED
            assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
