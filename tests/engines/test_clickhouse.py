"""The ClickHouse adapter: types on chdb's engine, and servers that mean harm, written by hand."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dragoman.dialects import registry
from dragoman.dialects.adapters.clickhouse.types import Columns
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Column, TableKind
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.sql.clickhouse import FUNCTIONS
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import Subject, rows, until
from tests.engines.support.clickhouse import ask, clickhouse_subject
from tests.support.certificates import Certificates
from tests.support.engines import Engine
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import serving, tls_handler

PASSWORD = "canary-of-a-password"
TYPES = {
    "toInt8(-1)": (pa.int8(), -1),
    "toUInt64(18446744073709551615)": (pa.uint64(), 18446744073709551615),
    "toUInt32(7)": (pa.uint32(), 7),
    "toDecimal128('1.25', 4)": (pa.decimal128(38, 4), Decimal("1.2500")),
    "toInt128('-170141183460469231731687303715884105728')": (
        pa.decimal256(39, 0),
        Decimal("-170141183460469231731687303715884105728"),
    ),
    "toUInt256(5)": (pa.string(), "5"),
    "toFloat32(1.5)": (pa.float32(), 1.5),
    "true": (pa.bool_(), True),
    "toDate('2020-01-02')": (pa.date32(), date(2020, 1, 2)),
    "toDate32('1920-01-02')": (pa.date32(), date(1920, 1, 2)),
    "toDateTime('2020-07-02 03:04:05', 'UTC')": (
        pa.timestamp("s", "UTC"),
        datetime(2020, 7, 2, 3, 4, 5, tzinfo=UTC),
    ),
    "toDateTime64('2020-01-02 03:04:05.123456', 6, 'UTC')": (
        pa.timestamp("us", "UTC"),
        datetime(2020, 1, 2, 3, 4, 5, 123456, tzinfo=UTC),
    ),
    "toTime('10:00:00')": (pa.duration("s"), timedelta(hours=10)),
    "CAST('a ''b\\'' AS Enum8('a ''b\\'' = 1, 'b' = -2))": (pa.string(), "a 'b'"),
    "CAST(NULL AS Nullable(Enum16('b' = 1000)))": (pa.string(), None),
    "toLowCardinality('x')": (pa.string(), "x"),
    "toIPv4('1.2.3.4')": (pa.string(), "1.2.3.4"),
    "toIPv6('::1')": (pa.string(), "::1"),
    "toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0')": (
        pa.string(),
        "61f0c404-5cb3-11e7-907b-a6006ad3dba0",
    ),
    "NULL": (pa.null(), None),
    "[1, NULL]": (pa.list_(pa.field("item", pa.uint8())), [1, None]),
    "[toIPv4('1.2.3.4')]": (pa.list_(pa.string()), ["1.2.3.4"]),
    "CAST('{\"a\": 1}' AS JSON)": (pa.string(), '{"a":1}'),
}


@pytest.fixture
def subject(clickhouse_server: Engine) -> Subject:
    return clickhouse_subject(clickhouse_server)


def test_types_arrive_as_documented(subject: Subject) -> None:
    with subject.session() as session:
        listed = ", ".join(f"{sql} AS c{i}" for i, sql in enumerate(TYPES))
        answer = session.run(f"SELECT {listed}")
        found = [row for batch in answer.batches for row in batch.to_pylist()]
    for i, (sql, (kind, value)) in enumerate(TYPES.items()):
        assert answer.schema.field(f"c{i}").type == kind, sql
        assert found[0][f"c{i}"] == value, sql
    json = answer.schema.field(f"c{len(TYPES) - 1}")
    assert json.metadata == {b"dragoman:type": b"json"}
    assert answer.notices == []


def test_bytes_that_are_no_text_are_replaced_with_a_notice(subject: Subject) -> None:
    with subject.session() as session:
        answer = session.run("SELECT unhex('ff41') AS t, [unhex('ff')] AS l")
        assert [batch.to_pylist() for batch in answer.batches] == [
            [{"t": "\ufffdA", "l": ["\ufffd"]}]
        ]
        assert len(answer.notices) == 2


def test_codes_inside_maps_are_left_with_a_notice(subject: Subject) -> None:
    with subject.session() as session:
        answer = session.run("SELECT map('a', toIPv4('1.2.3.4')) AS m")
        assert [batch.to_pylist() for batch in answer.batches] == [[{"m": [("a", 16909060)]}]]
        assert "Column m" in answer.notices[0]


def test_dates_of_servers_before_25_are_dates() -> None:
    given = pa.record_batch({"d": pa.array([18263], pa.uint16())})
    columns = Columns(given.schema, {"d": "Nullable(Date)"}, "UTC", [])
    (batch,) = columns.apply(iter([given]))
    assert batch.to_pylist() == [{"d": date(2020, 1, 2)}]


def test_the_session_has_the_time_zone(subject: Subject) -> None:
    with subject.session(timezone="Asia/Tokyo") as session:
        answer = session.run("SELECT toDateTime('2020-01-02 09:00:00') AS t, toString(t) AS s")
        assert answer.schema.field("t").type == pa.timestamp("s", "Asia/Tokyo")
        (row,) = [row for batch in answer.batches for row in batch.to_pylist()]
    assert row["t"] == datetime(2020, 1, 2, tzinfo=UTC)
    assert row["s"] == "2020-01-02 09:00:00"


def test_percent_and_braces_reach_the_server_as_they_are(subject: Subject) -> None:
    with subject.session() as session:
        assert rows(session, "SELECT '%s {x} 100%' AS t") == [{"t": "%s {x} 100%"}]


def test_an_error_in_the_middle_of_the_answer_is_told(subject: Subject) -> None:
    with subject.session() as session:
        answer = session.run(
            "SELECT throwIf(number = 3000000, 'too far') AS t, number FROM numbers(5000000)"
        )
        with pytest.raises(DatabaseFailure) as caught:
            list(answer.batches)
        assert "too far" in caught.value.message
        assert caught.value.code == "395"
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


def test_our_own_clock_stops_what_the_server_lets_run(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subject.session(timeout_seconds=1.0) as session:
        monkeypatch.delitem(session._settings, "max_execution_time")  # type: ignore[attr-defined]
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, subject.sleep)
        assert caught.value.cause is Cause.QUERY_TIMEOUT
        assert time.monotonic() - started < 4 + SLOW_MACHINE
        assert subject.server_running is not None
        assert until(lambda: not subject.server_running(subject.sleep))  # type: ignore[misc]


def test_a_missing_default_schema_is_a_notice(subject: Subject) -> None:
    with subject.with_settings(defaultSchema="nowhere").session() as session:
        assert "nowhere" in session.notices[0]
    with subject.with_settings(defaultSchema="system").session() as session:
        assert rows(session, "SELECT currentDatabase() AS d") == [{"d": "system"}]


def test_tls_streams_and_an_unverified_certificate_can_be_taken(
    clickhouse_tls_server: Engine, certificates: Certificates
) -> None:
    subject = clickhouse_subject(clickhouse_tls_server)
    with subject.session() as session:
        assert len(rows(session, "SELECT number FROM numbers(200000)")) == 200_000
    tls = replace(subject.network.tls, ca_file=certificates.other_ca_file, plaintext="never")
    stranger = replace(subject, network=replace(subject.network, tls=tls))
    with stranger.with_settings(trustServerCertificate=True).session() as session:
        assert rows(session, "SELECT 1 AS a") == [{"a": 1}]
    found = diagnose(subject.dialect, subject.target, subject.network, subject.options())
    assert found.success
    assert "certificate verified" in found[Stage.TLS].message


@pytest.mark.parametrize("wrong", ["other_host", "expired"])
def test_a_wrong_certificate_gets_no_password(wrong: str, certificates: Certificates) -> None:
    pair = getattr(certificates, wrong)
    with serving(tls_handler(pair)) as port, pytest.raises(DatabaseFailure) as caught:
        connect(port, certificates=certificates)
    expected = {"other_host": Cause.TLS_HOSTNAME, "expired": Cause.TLS_UNTRUSTED}
    assert (caught.value.stage, caught.value.cause) == (Stage.TLS, expected[wrong])


def test_the_environment_has_no_say(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with subject.session() as session:
        assert rows(session, "SELECT 1 AS a") == [{"a": 1}]


def connect(port: int, certificates: Certificates | None = None, **options: Any) -> Any:
    settings = {"host": "localhost", "port": port, "database": "d", "username": "u"}
    where = Target("clickhouse", settings, {"passwordUnencrypted": SecretStr(PASSWORD)})
    policy = EgressPolicy.build(loopback=True)
    if certificates is not None:
        policy = replace(policy, tls=replace(policy.tls, ca_file=certificates.ca_file))
    given = SessionOptions(**{"connect_seconds": 1.0, "timeout_seconds": 2.0, **options})
    return registry.get("clickhouse").connect(where, policy, given)


def http(answer: Callable[[bytes], bytes], said: list[bytes]) -> Callable[[socket.socket], None]:
    """Answers each request with the given bytes; refuses TLS as a plain server does."""

    def handle(client: socket.socket) -> None:
        while request := client.recv(65536):
            if request[:1] == b"\x16":
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            while b"\r\n\r\n" not in request or request.endswith(b"\r\n\r\n"):
                request += client.recv(65536)
            said.append(request)
            client.sendall(answer(request))

    return handle


def test_stub_a_redirect_is_not_followed() -> None:
    elsewhere: list[bytes] = []
    said: list[bytes] = []
    with serving(http(lambda _: b"", elsewhere)) as other:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: http://localhost:{other}/\r\n".encode()
        with (
            serving(http(lambda _: moved + b"Content-Length: 0\r\n\r\n", said)) as port,
            pytest.raises(DatabaseFailure) as caught,
        ):
            connect(port)
    assert said
    assert elsewhere == []
    assert caught.value.stage is Stage.AUTHENTICATION


def test_stub_the_first_request_names_nothing_of_this_machine() -> None:
    said: list[bytes] = []
    refusal = b"Code: 516. DB::Exception: wrong canary-of-a-password"
    answer = (
        b"HTTP/1.1 403 Forbidden\r\nX-ClickHouse-Exception-Code: 516\r\n"
        + f"Content-Length: {len(refusal)}\r\n\r\n".encode()
        + refusal
    )
    with serving(http(lambda _: answer, said)) as port, pytest.raises(DatabaseFailure) as caught:
        connect(port)
    assert caught.value.cause is Cause.AUTHENTICATION_FAILED
    assert PASSWORD not in repr(caught.value)
    assert b"User-Agent: dragoman\r\n" in said[0]
    assert len(said) == 1


def test_stub_a_server_that_trickles_is_given_up() -> None:
    def handle(client: socket.socket) -> None:
        if client.recv(65536)[:1] == b"\x16":
            return
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            client.sendall(b"x")
            time.sleep(0.2)

    started = time.monotonic()
    with serving(handle) as port, pytest.raises(DatabaseFailure) as caught:
        connect(port)
    assert caught.value.cause is Cause.TIMEOUT
    assert time.monotonic() - started < 5 + SLOW_MACHINE


def test_stub_an_endless_answer_does_not_fill_the_memory() -> None:
    sent = 0

    def handle(client: socket.socket) -> None:
        nonlocal sent
        if client.recv(65536)[:1] == b"\x16":
            return
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\n\r\n")
        while True:
            client.sendall(bytes(1 << 20))
            sent += 1 << 20

    with serving(handle) as port, pytest.raises(DatabaseFailure) as caught:
        connect(port, connect_seconds=10.0)
    assert caught.value.stage is Stage.AUTHENTICATION
    assert sent < 64 << 20


def test_stub_a_disagreement_on_tls_is_no_reason_to_go_on_without() -> None:
    said: list[bytes] = []

    def handle(client: socket.socket) -> None:
        said.append(client.recv(65536))
        client.sendall(b"\x15\x03\x01\x00\x02\x02\x46")  # alert: protocol version

    with serving(handle) as port, pytest.raises(DatabaseFailure) as caught:
        connect(port)
    assert (caught.value.stage, caught.value.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)
    assert len(said) == 1


def test_a_connection_lost_between_statements_is_dialled_anew(subject: Subject) -> None:
    assert subject.sever
    with subject.session() as session:
        rows(session, "SELECT 1 AS a")
        subject.sever()
        assert until(lambda: rows(session, "SELECT 1 AS a") == [{"a": 1}])


def test_two_sessions_do_not_wait_for_each_other(subject: Subject) -> None:
    def read() -> None:
        with pytest.raises(DatabaseFailure):
            rows(slow, subject.sleep)

    with subject.session() as slow, subject.session() as quick:
        reading = threading.Thread(target=read)
        reading.start()
        assert subject.server_running is not None
        assert until(lambda: subject.server_running(subject.sleep))  # type: ignore[misc]
        assert rows(quick, "SELECT a FROM victim") == [{"a": 1}]
        slow.cancel()
        reading.join(10)
        assert not reading.is_alive()


def test_a_compiled_question_has_its_settings_though_it_may_set_nothing(subject: Subject) -> None:
    joined = (
        "SELECT b.x AS x FROM (SELECT 1 AS k) AS a LEFT JOIN (SELECT 2 AS k, 3 AS x) AS b USING k"
    )
    with subject.session() as session:
        assert rows(session, joined) == [{"x": 0}]  # what ClickHouse does by itself
        assert rows(session, f"{joined}\n{FUNCTIONS.settings}") == [{"x": None}]
        with pytest.raises(DatabaseFailure, match="readonly"):
            rows(session, f"{joined} SETTINGS join_use_nulls = 1")


def test_a_user_with_readonly_2_keeps_it(subject: Subject) -> None:
    """The front has no users with settings; what the driver saw stands in for one."""
    from clickhouse_connect.driver.models import SettingDef

    from dragoman.dialects.adapters.clickhouse.sign_in import settings

    with subject.session() as session:
        client: Any = session._client  # type: ignore[attr-defined]
        known = client.server_settings
        for profile, there in (("0", True), ("2", False)):
            known["readonly"] = SettingDef("readonly", profile, 0)
            notices: list[str] = []
            assert ("readonly" in settings(client, session._options, notices)) is there  # type: ignore[attr-defined]
            assert notices == []
        known["readonly"] = SettingDef("readonly", "1", 0)
        notices = []
        assert settings(client, session._options, notices) == {}  # type: ignore[attr-defined]
        assert notices


HOSTILE = ['He said "no"', "MiXed", "naïve 表", "it's", "per%cent_", "back`tick\\"]


@pytest.fixture
def shelves(clickhouse_server: Engine) -> Iterator[Callable[[str], str]]:
    """Databases that the test may fill; gives the name, quoted."""

    def quoted(name: str) -> str:
        return registry.get("clickhouse").quote(name)

    for name in (*HOSTILE, "shelf"):
        ask(clickhouse_server, f"CREATE DATABASE {quoted(name)} COMMENT 'of {len(name)}'")
    yield quoted
    for name in (*HOSTILE, "shelf"):
        ask(clickhouse_server, f"DROP DATABASE {quoted(name)}")


def chosen(include: str = "", away: str = "") -> CatalogFilter:
    return CatalogFilter.of({"includeSchemas": include, "offloadedSchemas": away})


def test_all_that_the_catalog_has(
    subject: Subject, clickhouse_server: Engine, shelves: Callable[[str], str]
) -> None:
    for sql in (
        "CREATE TABLE shelf.book (id UInt32 COMMENT 'the number', title Nullable(String),"
        " price Decimal(9, 2) DEFAULT 1.5, twice UInt32 MATERIALIZED id * 2,"
        " kind LowCardinality(Nullable(String))) ENGINE = MergeTree ORDER BY (id, price)"
        " COMMENT 'Books'",
        "INSERT INTO shelf.book (id) VALUES (1), (1)",
        "CREATE VIEW shelf.cheap AS SELECT id FROM shelf.book",
        "CREATE MATERIALIZED VIEW shelf.dear ENGINE = MergeTree ORDER BY id"
        " AS SELECT id FROM shelf.book",
    ):
        ask(clickhouse_server, sql)
    with subject.session() as session:
        book, cheap, dear = session.catalog(chosen("shelf"))
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
    assert (book.catalog, book.schema, book.name) == (None, "shelf", "book")
    assert (book.kind, cheap.kind, dear.kind) == (
        TableKind.TABLE,
        TableKind.VIEW,
        TableKind.MATERIALIZED_VIEW,
    )
    assert (book.comment, book.schema_comment, book.estimated_rows) == ("Books", "of 5", 2)
    assert (book.primary_key, book.foreign_keys) == ([], [])
    assert book.columns[:3] == [
        Column("id", 1, "UInt32", False, None, "the number", None),
        Column("title", 2, "Nullable(String)", True, None, None, None),
        Column("price", 3, "Decimal(9, 2)", False, "1.5", None, None),
    ]
    assert [(c.name, c.nullable, c.default) for c in book.columns[3:]] == [
        ("twice", False, None),
        ("kind", True, None),
    ]


def test_schemas_of_any_name_are_chosen_on_the_server(
    subject: Subject, clickhouse_server: Engine, shelves: Callable[[str], str]
) -> None:
    for name in HOSTILE:
        ask(
            clickhouse_server, f"CREATE TABLE {shelves(name)}.{shelves(name)} (a Int8) ENGINE = Log"
        )

    def found(include: str, away: str = "") -> set[str]:
        with subject.session() as session:
            return {table.schema for table in session.catalog(chosen(include, away))}

    with subject.session() as session:
        everything = list(session.catalog())
    assert {table.schema for table in everything} == {*HOSTILE, "shop"}
    assert all(table.name == table.schema for table in everything if table.schema in HOSTILE)
    assert [(t.schema, t.name) for t in everything] == sorted(
        (t.schema, t.name) for t in everything
    )
    for name in HOSTILE:
        written = '"' + name.replace('"', '""') + '"'
        assert found(written) == {name}, name
        assert name not in found("", written)
    assert found("nowhere") == set()
    assert found("per*") == {"per%cent_"}


def test_the_catalog_is_one_statement_and_can_be_cancelled(
    subject: Subject, clickhouse_server: Engine, shelves: Callable[[str], str]
) -> None:
    for i in range(120):
        ask(clickhouse_server, f"CREATE TABLE shelf.t{i:03} (a Int8, b String) ENGINE = Log")
    with subject.session() as session:
        asked: list[str] = []
        really = session._ask  # type: ignore[attr-defined]

        def counted(sql: str, *rest: Any, **named: Any) -> Any:
            asked.append(sql)
            return really(sql, *rest, **named)

        session._ask = counted  # type: ignore[attr-defined]
        reading = session.catalog(chosen("shelf"))
        assert next(reading).name == "t000"
        session.cancel()
        with pytest.raises(DatabaseFailure) as caught:
            list(reading)
        assert caught.value.cause is Cause.CANCELLED
        assert len(list(session.catalog(chosen("shelf")))) == 120
        assert len(asked) == 2
