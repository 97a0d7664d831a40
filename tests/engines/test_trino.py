"""The Trino adapter against a real Trino, and against stubs that mean harm."""

from __future__ import annotations

import datetime as dt
import json
import math
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dragoman.dialects import registry
from dragoman.dialects.base import Session, SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Column, TableKind
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import TlsPolicy
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import policy, rows, target, until
from tests.engines.support.trino import Trino, ask
from tests.support.certificates import Certificates
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import serving, tls_handler

BERLIN = ZoneInfo("Europe/Berlin")


def session(engine: Trino, *, plain: bool = True, **options: Any) -> Session:
    where = engine.plain if plain else engine
    settings = {"defaultSchema": "default", **options.pop("settings", {})}
    there = target("trino", where)
    there = replace(there, settings={**there.settings, **settings})
    return registry.get("trino").connect(there, policy(where), SessionOptions(**options))


@pytest.mark.engine("trino")
def test_values_of_all_types_arrive_exactly(trino_server: Trino) -> None:
    opened = session(trino_server, timezone="Europe/Berlin")
    answer = opened.run(
        "SELECT DECIMAL '-12345678901234567890123456789.123456789' d,"
        " ARRAY[1, NULL, 3] a, ARRAY[ARRAY[1.5], NULL, ARRAY[]] aa,"
        " TIMESTAMP '2024-01-02 03:04:05.123456' t, TIMESTAMP '2024-01-02 03:04:05 America/Lima' z,"
        " TIME '10:11:12.5' c, TIME '10:11:12+01:00' cz, DATE '1582-10-15' day, X'00ff' b,"
        " JSON '{\"a\": 1}' j, CAST(ROW(1, DECIMAL '1.10') AS ROW(n int, p decimal(3,2))) r,"
        " MAP(ARRAY[1], ARRAY['x']) m, nan() f, REAL '1.5' g, TINYINT '-5' i, true o, NULL n,"
        " INTERVAL '-1 02:03:04.5' DAY TO SECOND s, UUID '12151fd2-7586-11e9-8f9e-2a86e4085a59' u"
    )
    (row,) = (row for batch in answer.batches for row in batch.to_pylist())
    types = {field.name: str(field.type) for field in answer.schema}
    opened.close()
    assert math.isnan(row.pop("f"))
    assert row == {
        "d": Decimal("-12345678901234567890123456789.123456789"),
        "a": [1, None, 3],
        "aa": [[Decimal("1.5")], None, []],
        "t": dt.datetime.fromisoformat("2024-01-02 03:04:05.123456"),
        "z": dt.datetime(2024, 1, 2, 9, 4, 5, tzinfo=BERLIN),
        "c": dt.time(10, 11, 12, 500000),
        "cz": "10:11:12+01:00",
        "day": dt.date(1582, 10, 15),
        "b": b"\x00\xff",
        "j": '{"a":1}',
        "r": '{"n": 1, "p": "1.10"}',
        "m": '{"1": "x"}',
        "g": 1.5,
        "i": -5,
        "o": True,
        "n": None,
        "s": -dt.timedelta(days=1, hours=2, minutes=3, seconds=4.5),
        "u": "12151fd2-7586-11e9-8f9e-2a86e4085a59",
    }
    assert types["d"] == "decimal128(38, 9)"
    assert types["z"] == "timestamp[us, tz=Europe/Berlin]"
    assert types["g"] == "float"
    assert types["i"] == "int8"
    assert types["f"] == "double"
    assert answer.schema.field("r").metadata == {b"dragoman:type": b"json"}
    assert answer.notices == []


@pytest.mark.engine("trino")
def test_what_has_no_equal_is_noticed(trino_server: Trino) -> None:
    opened = session(trino_server, timezone="Europe/Berlin")
    answer = opened.run(
        "SELECT * FROM (VALUES"
        " (TIMESTAMP '2024-10-27 02:30:00 Europe/Berlin',"
        " TIMESTAMP '2024-01-01 00:00:00.123456789', DATE '-0044-03-15'),"
        " (TIMESTAMP '2024-06-01 00:00:00 +05:30', NULL, DATE '2024-01-01'))"
        " AS v(z, t, d)"
    )
    found = [row for batch in answer.batches for row in batch.to_pylist()]
    opened.close()
    assert found[0]["z"].utcoffset() == dt.timedelta(hours=2)
    assert found[1]["z"] == dt.datetime(2024, 5, 31, 18, 30, tzinfo=dt.UTC)
    assert found[0]["t"] == dt.datetime.fromisoformat("2024-01-01 00:00:00.123456")
    assert [row["d"] for row in found] == [None, dt.date(2024, 1, 1)]
    assert len(answer.notices) == 3


@pytest.mark.engine("trino")
def test_the_time_zone_is_the_sessions(trino_server: Trino) -> None:
    for zone, said in ((None, "UTC"), ("Asia/Kolkata", "Asia/Kolkata")):
        opened = session(trino_server, timezone=zone)
        assert rows(opened, "SELECT current_timezone() AS z") == [{"z": said}]
        opened.close()
    opened = session(trino_server, timezone="Mars/Phobos")
    assert rows(opened, "SELECT current_timezone() AS z") == [{"z": "UTC"}]
    assert "Mars/Phobos" in opened.notices[0]
    opened.close()


@pytest.mark.engine("trino")
def test_the_server_keeps_a_time_limit_too(trino_server: Trino) -> None:
    opened = session(trino_server, timeout_seconds=77.0)
    (shown,) = rows(opened, "SHOW SESSION LIKE 'query_max_run_time'")
    opened.close()
    assert shown["Value"] == "77000ms"


@pytest.mark.engine("trino")
def test_nothing_is_left_running_and_no_transaction_open(trino_server: Trino) -> None:
    transactions = "SELECT transaction_id FROM system.runtime.transactions WHERE read_only"
    running = (
        "SELECT query FROM system.runtime.queries"
        " WHERE state = 'RUNNING' AND query LIKE '%FROM tpch.sf10.lineitem' AND \"user\" = 'reader'"
    )
    before = ask(trino_server, transactions)
    opened = session(trino_server)
    next(opened.run("SELECT comment FROM tpch.sf10.lineitem").batches)
    assert ask(trino_server, running)
    opened.close()
    assert until(lambda: not ask(trino_server, running))
    assert [each for each in ask(trino_server, transactions) if each not in before] == []


@pytest.mark.engine("trino")
def test_the_catalog_with_comments_views_and_other_catalogs(trino_server: Trino) -> None:
    ask(trino_server, "CREATE SCHEMA IF NOT EXISTS memory.shop")
    for sql in (
        "DROP TABLE IF EXISTS memory.shop.item",
        "CREATE TABLE memory.shop.item (id int NOT NULL COMMENT 'the it''s', p decimal(10,2))"
        " COMMENT 'what is sold'",
        "CREATE OR REPLACE VIEW memory.shop.cheap AS SELECT id FROM memory.shop.item",
    ):
        ask(trino_server, sql)
    opened = session(trino_server, settings={"includeOtherCatalogs": "tp*"})
    wanted = CatalogFilter.of({"includeSchemas": "shop,tpch.t*"})
    found = list(opened.catalog(wanted))
    everything = [(t.catalog, t.schema) for t in opened.catalog()]
    without = CatalogFilter.of({"includeSchemas": "shop", "offloadedSchemas": "memory.sh*"})
    assert list(opened.catalog(without)) == []
    opened.close()
    assert [(t.catalog, t.schema, t.name) for t in found[:3]] == [
        ("memory", "shop", "cheap"),
        ("memory", "shop", "item"),
        ("tpch", "tiny", "customer"),
    ]
    assert {t.schema for t in found} == {"shop", "tiny"}
    cheap, item = found[:2]
    assert (cheap.kind, item.kind) == (TableKind.VIEW, TableKind.TABLE)
    assert item.comment == "what is sold"
    assert item.columns == [
        Column("id", 1, "integer", False, None, "the it's", None),
        Column("p", 2, "decimal(10,2)", True, None, None, None),
    ]
    assert ("tpch", "sf1") in everything
    assert not any(schema == "information_schema" for _, schema in everything)


@pytest.mark.engine("trino")
def test_only_the_default_catalog_without_others(trino_server: Trino) -> None:
    opened = session(trino_server)
    assert {table.catalog for table in opened.catalog()} <= {"memory"}
    opened.close()


@pytest.mark.engine("trino")
def test_the_environment_has_no_say(
    trino_server: Trino, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CA variables, a proxy and a .netrc: with any of them obeyed this would fail."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(certificates.other_ca_file))
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    opened = session(trino_server, plain=False)
    assert rows(opened, "SELECT current_user AS u") == [{"u": "reader"}]
    opened.close()


@pytest.mark.engine("trino")
def test_a_password_does_not_go_over_plain_http(trino_server: Trino) -> None:
    plain = target("trino", trino_server.plain)
    secret = replace(plain, secrets={"passwordUnencrypted": SecretStr("canary-password")})
    found = diagnose(
        registry.get("trino"), secret, policy(trino_server.plain), SessionOptions(), deadline=10
    )
    assert found.failed
    assert found.failed.stage is Stage.TLS
    with pytest.raises(DatabaseFailure) as caught:
        registry.get("trino").connect(secret, policy(trino_server.plain), SessionOptions())
    assert caught.value.cause is Cause.TLS_UNSUPPORTED


# What follows are stubs: sockets that speak a little HTTP, and no Trino.

Answers = Callable[[str, bytes], bytes]


def stub(answers: Answers, seen: list[bytes]) -> Callable[[socket.socket], None]:
    """Answers each request by its first line and body; keeps what it was sent."""

    def handle(client: socket.socket) -> None:
        if client.recv(1, socket.MSG_PEEK) == b"\x16":  # a TLS greeting
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        file = client.makefile("rb")
        while first := file.readline():
            head = b"".join(iter(file.readline, b"\r\n"))
            length = next(
                (
                    int(h.split(b":")[1])
                    for h in head.split(b"\r\n")
                    if h.lower().startswith(b"content-length")
                ),
                0,
            )
            body = file.read(length)
            seen.append(first + head + body)
            client.sendall(answers(first.decode(), body))

    return handle


def page(body: dict[str, Any], *, headers: str = "", status: str = "200 OK") -> bytes:
    text = json.dumps({"id": "q", "infoUri": "x", "stats": {"state": "RUNNING"}, **body}).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    return f"{head}{headers}\r\n".encode() + text


VARCHAR = {"name": "c", "type": "varchar", "typeSignature": {"rawType": "varchar", "arguments": []}}


def stub_target(port: int) -> Target:
    settings = {"host": "localhost", "port": port, "database": "memory", "username": "ann"}
    return Target("trino", settings, {})


def connect(port: int, **options: Any) -> Session:
    options = {"connect_seconds": 2.0, "timeout_seconds": 3.0, **options}
    return registry.get("trino").connect(
        stub_target(port), EgressPolicy.build(loopback=True), SessionOptions(**options)
    )


def catalogs(first: str, body: bytes) -> bytes:
    return page({"columns": [VARCHAR], "data": [["memory"]]})


def test_stub_the_next_page_is_asked_of_the_same_server() -> None:
    """The address of the next page names another host: nobody dials it."""
    seen: list[bytes] = []

    def answers(first: str, body: bytes) -> bytes:
        if first.startswith("POST"):
            return page({"nextUri": "https://169.254.169.254/v1/statement/next/1"})
        return catalogs(first, body)

    with serving(stub(answers, seen)) as port:
        connect(port).close()
    assert [request.split(b" ")[1] for request in seen] == [
        b"/v1/statement",
        b"/v1/statement/next/1",
    ]
    assert all(f"Host: localhost:{port}".encode() in request for request in seen)


def test_stub_a_redirect_is_not_followed() -> None:
    seen: list[bytes] = []
    with serving(stub(catalogs, other := [])) as elsewhere:
        moved = (
            f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{elsewhere}/v1/statement\r\n"
            "Content-Length: 0\r\n\r\n"
        ).encode()
        with (
            serving(stub(lambda first, body: moved, seen)) as port,
            pytest.raises(DatabaseFailure) as caught,
        ):
            connect(port)
    assert caught.value.stage is Stage.AUTHENTICATION
    assert other == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 3\r\n\r\n{\xff}",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2147483647\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
        b"Content-Length: 4\r\n\r\nabcd",
    ],
    ids=["a page for people", "a list", "no text", "404", "two gigabytes", "no gzip"],
)
def test_stub_answers_that_make_no_sense_are_failures(answer: bytes) -> None:
    started = time.monotonic()
    with (
        serving(stub(lambda first, body: answer, [])) as port,
        pytest.raises(DatabaseFailure) as caught,
    ):
        connect(port, connect_seconds=1.0)
    assert caught.value.stage is Stage.AUTHENTICATION
    assert time.monotonic() - started < 8 + SLOW_MACHINE


def test_stub_a_trickle_does_not_outlast_the_time_limit() -> None:
    def handle(client: socket.socket) -> None:
        if client.recv(1, socket.MSG_PEEK) == b"\x16":
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            return
        client.recv(4096)
        client.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
        )
        while True:
            client.sendall(b" ")
            time.sleep(0.2)

    started = time.monotonic()
    with serving(handle) as port, pytest.raises(DatabaseFailure) as caught:
        connect(port, connect_seconds=1.0)
    assert caught.value.cause is Cause.TIMEOUT
    assert time.monotonic() - started < 5 + SLOW_MACHINE


def test_stub_a_statement_that_never_ends_is_given_up() -> None:
    """A coordinator that takes no cancel either: after the grace time we hang up."""

    def answers(first: str, body: bytes) -> bytes:
        if b"START" in body:
            return page({}, headers="X-Trino-Started-Transaction-Id: t\r\n")
        if b"stuck" in body or first.startswith(("GET", "DELETE")):
            time.sleep(0.2)
            return page({"nextUri": "http://x/v1/statement/next/1"})
        return catalogs(first, body)

    with serving(stub(answers, [])) as port:
        opened = connect(port, timeout_seconds=1.0)
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(opened, "SELECT 'stuck'")
        assert caught.value.cause is Cause.QUERY_TIMEOUT
        assert time.monotonic() - started < 3 + SLOW_MACHINE
        opened.close()


def test_stub_a_coordinator_that_falls_silent_does_not_hold_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Neither the statement nor its cancel nor the end of the transaction is answered."""
    monkeypatch.setattr("dragoman.dialects.adapters.trino.session._GRACE_SECONDS", 0.5)
    asleep = threading.Event()

    def answers(first: str, body: bytes) -> bytes:
        if b"START" in body:
            return page({}, headers="X-Trino-Started-Transaction-Id: t\r\n")
        if b"stuck" in body:
            return page({"nextUri": "http://x/v1/statement/next/1"})
        if not first.startswith("POST") or b"ROLLBACK" in body:
            asleep.wait(20)
        return catalogs(first, body)

    with serving(stub(answers, [])) as port:
        opened = connect(port, timeout_seconds=1.0)
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(opened, "SELECT 'stuck'")
        assert time.monotonic() - started < 5 + SLOW_MACHINE
        asleep.set()
        opened.close()
    assert caught.value.cause is Cause.QUERY_TIMEOUT
    assert opened.broken


def test_stub_a_question_of_ours_that_never_ends_is_given_up() -> None:
    def answers(first: str, body: bytes) -> bytes:
        if first.startswith("GET") or body == b"SELECT 1":
            time.sleep(0.1)
            return page({"nextUri": "http://x/v1/statement/next/1"})
        return catalogs(first, body)

    with serving(stub(answers, [])) as port:
        opened = connect(port, timeout_seconds=1.0)
        with pytest.raises(DatabaseFailure) as caught:
            opened.ping()
        opened.close()
    assert caught.value.cause is Cause.QUERY_TIMEOUT


def refusal(name: str, message: str) -> bytes:
    error = {"message": message, "errorName": name, "errorType": "USER_ERROR", "errorCode": 4}
    return page({"error": error})


def test_stub_a_server_that_knows_fewer_time_zones_gets_utc() -> None:
    seen: list[bytes] = []

    def answers(first: str, body: bytes) -> bytes:
        if b"Asia/Kolkata" in seen[-1]:
            return refusal("NOT_SUPPORTED", "Time zone not supported: Asia/Kolkata")
        return catalogs(first, body)

    with serving(stub(answers, seen)) as port:
        opened = connect(port, timezone="Asia/Kolkata")
        assert "Asia/Kolkata" in opened.notices[0]
        opened.close()


def test_stub_a_user_who_may_set_no_limit_is_let_in_with_a_notice() -> None:
    seen: list[bytes] = []

    def answers(first: str, body: bytes) -> bytes:
        if b"query_max_run_time" in seen[-1]:
            return refusal("PERMISSION_DENIED", "Cannot set session property query_max_run_time")
        return catalogs(first, body)

    with serving(stub(answers, seen)) as port:
        opened = connect(port)
        assert "time limit" in opened.notices[0]
        opened.close()


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("other_ca", Cause.TLS_UNTRUSTED),
        ("expired", Cause.TLS_UNTRUSTED),
        ("other_host", Cause.TLS_HOSTNAME),
    ],
)
def test_stub_certificates_are_verified(
    certificates: Certificates, kind: str, cause: Cause
) -> None:
    tls = EgressPolicy.build(loopback=True, tls=TlsPolicy(ca_file=certificates.ca_file))
    with (
        serving(tls_handler(getattr(certificates, kind))) as port,
        pytest.raises(DatabaseFailure) as caught,
    ):
        registry.get("trino").connect(stub_target(port), tls, SessionOptions(connect_seconds=2.0))
    assert (caught.value.stage, caught.value.cause) == (Stage.TLS, cause)


def test_stub_silence_is_a_time_out() -> None:
    done = threading.Event()
    with (
        serving(lambda client: done.wait(10) and None) as port,
        pytest.raises(DatabaseFailure) as caught,
    ):
        connect(port, connect_seconds=0.5)
    done.set()
    assert caught.value.cause is Cause.TIMEOUT


def test_no_file_of_the_home_is_read(
    trino_server: Trino, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine localhost login mallory password stolen\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    opened = session(trino_server)
    assert rows(opened, "SELECT current_user AS u") == [{"u": "reader"}]
    opened.close()
