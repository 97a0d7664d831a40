"""SQL Server: the tunnel against sockets, the session against an emulator (pysqlbridge)."""

from __future__ import annotations

import importlib
import os
import signal
import struct
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects import registry
from dragoman.dialects.adapters.mssql import catalog, errors, tds
from dragoman.dialects.adapters.mssql.strings import connection_string
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import EVERYTHING, CatalogFilter, TableKind
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.isolation import WorkerSession
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import Subject, rows
from tests.engines.support.dialling import STRANGERS, a_stranger, no_host_and_no_server
from tests.engines.support.mssql import mssql_subject, run_mssql
from tests.engines.support.relay import Relay
from tests.support.certificates import Certificates
from tests.support.engines import Engine
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import saying, serving, tls_handler

PASSWORD = "s3cret-of-mssql"
KEYS = ("Server", "Database", "UID", "PWD", "Encrypt")
PRINTABLE = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=30)


@pytest.fixture
def subject(mssql_server: Engine, relay: Callable[[Engine], Relay]) -> Subject:
    return mssql_subject(mssql_server, relay(mssql_server))


def parse(text: str) -> list[tuple[str, str]]:
    """ODBC's grammar for what we write: KEY={value with }} for }};"""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        equals = text.index("=", at)
        assert text[equals + 1] == "{"
        value, place = "", equals + 2
        while text[place : place + 2] == "}}" or text[place] != "}":
            step = 2 if text[place] == "}" else 1
            value, place = value + text[place], place + step
        assert text[place + 1] == ";"
        found.append((text[at:equals], value))
        at = place + 2
    return found


@given(st.tuples(*[PRINTABLE] * len(KEYS)))
def test_no_value_changes_another_key(values: tuple[str, ...]) -> None:
    wanted = dict(zip(KEYS, values, strict=True))
    assert parse(connection_string(wanted)) == list(wanted.items())


@given(PRINTABLE.filter(bool), PRINTABLE.filter(bool))
def test_the_driver_reads_each_value_as_it_was_given(
    mssql_server: Engine, user: str, password: str
) -> None:
    parser: Any = importlib.import_module("mssql_python.connection_string_parser")
    text = connection_string({"Server": "tcp:127.0.0.1,1", "UID": user, "PWD": password})
    found: dict[str, str] = parser._ConnectionStringParser()._parse(text)
    assert {key.lower(): value for key, value in found.items()} == {
        "server": "tcp:127.0.0.1,1",
        "uid": user,
        "pwd": password,
    }


@pytest.mark.parametrize("value", ["a\0b", "a\nb", "\t"])
def test_control_characters_are_refused(value: str) -> None:
    with pytest.raises(DatabaseFailure) as caught:
        connection_string({"PWD": value})
    assert caught.value.stage is Stage.SETTINGS
    assert value not in repr(caught.value)


def greeting(encryption: int) -> bytes:
    options = struct.pack(">BHHBHHB", 0, 11, 6, 1, 17, 1, 0xFF)
    return tds.packet(tds.ANSWER, options + bytes(6) + bytes([encryption]))


@pytest.fixture
def dial(certificates: Certificates) -> Callable[..., DatabaseFailure]:
    def connect(port: int, host: str = "localhost", **tls: Any) -> DatabaseFailure:
        settings = {"host": host, "port": port, "database": "shop", "username": "u"}
        where = Target("mssql", settings, {"passwordUnencrypted": SecretStr(PASSWORD)})
        policy = EgressPolicy.build(loopback=True)
        policy = replace(
            policy, tls=replace(policy.tls, **{"ca_file": certificates.ca_file, **tls})
        )
        options = SessionOptions(connect_seconds=1.0, timeout_seconds=2.0)
        with pytest.raises(DatabaseFailure) as caught:
            registry.get("mssql").connect(where, policy, options)
        assert PASSWORD not in repr(caught.value)
        return caught.value

    return connect


@pytest.fixture(autouse=True)
def driver_or_skip(mssql_server: Engine) -> None:
    """The driver comes with the emulator's environment."""


def test_dns_and_refused(dial: Callable[..., DatabaseFailure]) -> None:
    no_host_and_no_server(dial)


@pytest.mark.parametrize("noise", [*STRANGERS, b"\x04\x01\xff\xff\0\0\0\0", greeting(9)])
def test_a_stranger_is_a_failure_and_not_a_hang(
    dial: Callable[..., DatabaseFailure], noise: bytes
) -> None:
    a_stranger(dial, noise)


def test_random_bytes_after_the_greeting(dial: Callable[..., DatabaseFailure]) -> None:
    for encryption in (1, 2):
        with serving(saying(greeting(encryption) + os.urandom(500))) as port:
            assert dial(port).stage in {Stage.TLS, Stage.AUTHENTICATION}


def test_plain_text_is_refused_where_it_is_not_allowed(
    dial: Callable[..., DatabaseFailure],
) -> None:
    with serving(saying(greeting(tds.NOT_SUPPORTED))) as port:
        failure = dial(port, plaintext="never")
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)


def test_tls_without_a_pre_login_is_no_sql_server(
    dial: Callable[..., DatabaseFailure], certificates: Certificates
) -> None:
    with serving(tls_handler(certificates.good)) as port:
        assert dial(port).stage is Stage.TLS


@pytest.mark.parametrize(
    ("pair", "cause"),
    [
        ("other_host", Cause.TLS_HOSTNAME),
        ("expired", Cause.TLS_UNTRUSTED),
        ("self_signed", Cause.TLS_UNTRUSTED),
        ("other_ca", Cause.TLS_UNTRUSTED),
    ],
)
def test_a_certificate_that_cannot_be_trusted(
    dial: Callable[..., DatabaseFailure], certificates: Certificates, pair: str, cause: Cause
) -> None:
    with run_mssql(certificates, getattr(certificates, pair)) as server:
        failure = dial(server.port)
    assert (failure.stage, failure.cause) == (Stage.TLS, cause)


def test_any_certificate_is_taken_where_the_user_says_so(
    subject: Subject, certificates: Certificates
) -> None:
    tls = replace(subject.network.tls, ca_file=certificates.other_ca_file)
    trusting = subject.with_settings(trustServerCertificate=True)
    with replace(trusting, network=replace(subject.network, tls=tls)).session() as session:
        session.ping()


def test_emulator_wrong_password(subject: Subject) -> None:
    with pytest.raises(DatabaseFailure) as caught:
        subject.with_settings(password="not-the-password").connect()
    assert caught.value.stage is Stage.AUTHENTICATION
    assert caught.value.cause is Cause.AUTHENTICATION_FAILED
    assert "not-the-password" not in repr(caught.value)


def test_emulator_who_does_not_stop_is_left(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.dialects.adapters.mssql.session._GRACE_SECONDS", 0.5)
    with subject.session(timeout_seconds=1.0) as session:
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, "SELECT a AS sleep_for_long FROM victim")
        assert caught.value.cause is Cause.QUERY_TIMEOUT
        assert time.monotonic() - started < 3 + SLOW_MACHINE
        assert session.broken


def token(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + struct.pack("<H", len(body)) + body


def test_a_server_that_sends_its_clients_elsewhere_is_seen() -> None:
    features = b"\xae\x04" + struct.pack("<I", 1) + b"\x01\xff"
    welcome = token(0xAD, b"ack") + token(0xE3, b"\x01\x02a\0") + features
    done = b"\xfd" + bytes(12)
    assert not tds.sends_elsewhere(welcome + done)
    assert tds.sends_elsewhere(welcome + token(0xE3, b"\x14rest") + done)
    assert tds.sends_elsewhere(b"\x99what is this")


def test_causes_by_the_texts_of_driver_and_server() -> None:
    said = "Driver Error: {}; DDBC Error: [Microsoft][SQL Server]{}"
    expected = {
        ("Syntax error or access violation", "Incorrect syntax near 'FROM'."): Cause.SYNTAX_ERROR,
        ("Base table or view not found", "Ungültiger Objektname"): Cause.OBJECT_NOT_FOUND,
        (
            "Syntax error or access violation",
            "The SELECT permission was denied on the object 't', database 'd', schema 'dbo'.",
        ): Cause.PERMISSION_DENIED,
        ("Operation canceled", "Operation canceled"): Cause.CANCELLED,
        ("Communication link failure", "TCP Provider: Error code 0x2746"): Cause.CONNECTION_LOST,
        ("Division by zero", "Divide by zero error encountered."): Cause.OTHER,
    }
    for texts, cause in expected.items():
        failure = errors.query_failure(RuntimeError(said.format(*texts)), {})
        assert failure.cause is cause, texts
        assert "DDBC" not in failure.message
    missing = RuntimeError(said.format("x", 'Cannot open database "nope" requested by the login.'))
    assert errors.connect_failure(missing, {}).stage is Stage.DATABASE


def test_facts_become_tables() -> None:
    none = (None,) * 4
    facts = [
        ("dbo", "line", "1", "", 0, "", "U ", "Lines", "7", None),
        ("dbo", "line", "2", "", 1, "id", "int", "0", None, "The id"),
        ("dbo", "line", "2", "", 3, "order_id", "int", "1", "((1))", None),
        ("dbo", "line", "3", "pk", 1, "id", *none),
        ("dbo", "line", "4", "fk", 1, "order_id", "sales", "order", "id", None),
        ("dbo", "seen", "1", "", 0, "", "V ", None, "7", None),
        ("dbo", "seen", "2", "", 1, "x", "nvarchar(5)", "1", None, None),
        ("dbo", "gone", "2", "", 1, "x", "int", "1", None, None),
    ]
    line, seen = catalog.tables(facts, EVERYTHING)
    assert (line.comment, line.estimated_rows, line.primary_key) == ("Lines", 7, ["id"])
    assert [c.nullable for c in line.columns] == [False, True]
    assert line.foreign_keys[0].table == "order"
    assert (seen.kind, seen.estimated_rows) == (TableKind.VIEW, None)


@pytest.mark.parametrize("schemas", ["", "dbo", "it's, [a]_%, other*"])
def test_the_catalog_statement_is_one_that_parses(schemas: str) -> None:
    import sqlglot

    wanted = CatalogFilter.of({"includeSchemas": schemas, "offloadedSchemas": "old"})
    assert len(sqlglot.parse(catalog.statement(wanted), read="tsql")) == 1


def test_the_driver_runs_in_a_process_of_its_own(subject: Subject) -> None:
    session = subject.dialect.open_session(subject.target, subject.network, subject.options())
    assert isinstance(session, WorkerSession)
    try:
        assert rows(session, "SELECT n FROM numbers WHERE n < 3 ORDER BY n") == [
            {"n": 1}, {"n": 2},
        ]  # fmt: skip
        session.reset()
        session.ping()
        os.kill(session.pid, signal.SIGKILL)
        with pytest.raises(DatabaseFailure) as caught:
            session.ping()
        assert caught.value.cause is Cause.DRIVER_CRASHED
    finally:
        session.close()


def test_a_wrong_password_is_told_through_the_process(subject: Subject) -> None:
    wrong = subject.with_settings(password="not-the-password")
    with pytest.raises(DatabaseFailure) as caught:
        wrong.dialect.open_session(wrong.target, wrong.network, wrong.options())
    assert caught.value.cause is Cause.AUTHENTICATION_FAILED
    assert "not-the-password" not in repr(caught.value)
