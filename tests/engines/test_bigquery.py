"""BigQuery against an emulator: local-bigquery's REST and gRPC, behind TLS and Google's names.

The token endpoint is a stub of ours; what only it shows has `stub` in the test's name.
"""

from __future__ import annotations

import datetime
import json
import threading
import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from dragoman.dialects import registry
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, TableKind
from dragoman.dialects.diagnosis import Status, diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import TlsPolicy
from dragoman.secret import SecretStr
from tests.engines.conformance import rows
from tests.engines.support.bigquery import API, PROJECT, SLEEP, STORAGE, TOKEN, BigQuery
from tests.support.patience import SLOW_MACHINE
from tests.support.servers import refusing, saying, serving

pytest.importorskip("google.cloud.bigquery", reason="the BigQuery library is not installed")
TABLES = (
    "CREATE TABLE shop.orders (id INT64 NOT NULL OPTIONS(description='the id'), total NUMERIC,"
    " PRIMARY KEY (id) NOT ENFORCED) OPTIONS(description='what was \"sold\"',"
    " labels=[('team', 'sales'), ('gold', '')])",
    "CREATE VIEW shop.big_orders AS SELECT id FROM shop.orders WHERE total > 100",
    "CREATE SCHEMA archive",
    "CREATE TABLE archive.old (a INT64)",
)


@pytest.fixture(scope="module")
def emulator(bigquery_emulator: BigQuery) -> BigQuery:
    for sql in TABLES:
        bigquery_emulator.execute(sql)
    return bigquery_emulator


def failure_of(emulator: BigQuery, target: Target | None = None, **given: Any) -> DatabaseFailure:
    with pytest.raises(DatabaseFailure) as caught, emulator.session(target, **given):
        pass
    return caught.value


def many(count: int) -> str:
    return f"SELECT n, 'some text' AS t FROM UNNEST(GENERATE_ARRAY(1, {count})) n ORDER BY n"


def test_a_session_answers_and_finds_schemas_and_tables(emulator: BigQuery) -> None:
    with emulator.session() as session:
        session.ping()
        assert session.schemas() == ["archive", "shop"]
        assert session.readable_tables([]) == 4
        assert session.readable_tables(["archive"]) == 1
        assert session.readable_tables(["no such schema"]) == 0
        assert rows(session, "SELECT a FROM shop.victim -- why") == [{"a": 1}]
        session.reset()
        session.ping()


def test_only_google_is_dialled_and_the_key_cannot_change_that(emulator: BigQuery) -> None:
    """The key of these tests names another token address and another universe."""
    network = emulator.network()
    with emulator.session(network=network) as session:
        assert sum(b.num_rows for b in session.run(many(50_000)).batches) == 50_000
    assert {host for host, _ in network.dialled} == {API, STORAGE, TOKEN}
    assert {port for _, port in network.dialled} == {443}
    assert emulator.requests[-1]["scope"] == "https://www.googleapis.com/auth/bigquery"


def test_values_arrive_with_exact_types(emulator: BigQuery) -> None:
    with emulator.session() as session:
        found = session.run(
            "SELECT NUMERIC '12.5' AS amount, BIGNUMERIC '1.5' AS big, 7 AS i, 1.5 AS f,"
            " 'aü€😀\\'\"' AS t, TRUE AS b, DATE '2024-02-29' AS d, TIME '12:34:56.789' AS tm,"
            " DATETIME '2024-02-29 12:34:56.123456' AS ts,"
            " TIMESTAMP '2024-02-29 12:34:56+00' AS tz, JSON '{\"a\":1}' AS j, b'ab' AS bin,"
            " [1, 2] AS arr, STRUCT(1 AS x, 'y' AS y) AS st, NULL AS n"
        )
        row = next(found.batches).to_pylist()[0]
    types = {field.name: str(field.type) for field in found.schema}
    assert types == {
        "amount": "decimal128(38, 9)",
        "big": "decimal256(76, 38)",
        "i": "int64",
        "f": "double",
        "t": "string",
        "b": "bool",
        "d": "date32[day]",
        "tm": "time64[us]",
        "ts": "timestamp[us]",
        "tz": "timestamp[us, tz=UTC]",
        "j": "string",
        "bin": "binary",
        "arr": "list<item: int64>",
        "st": "struct<x: int64, y: string>",
        "n": "int64",
    }
    assert found.schema.field("j").metadata == {b"dragoman:type": b"json"}
    assert (row["amount"], row["big"], row["i"], row["f"]) == (
        Decimal("12.5"),
        Decimal("1.5"),
        7,
        1.5,
    )
    assert (row["t"], row["b"], row["n"], row["bin"]) == ("aü€😀'\"", True, None, b"ab")
    assert row["d"] == datetime.date(2024, 2, 29)
    assert row["tm"] == datetime.time(12, 34, 56, 789000)
    assert row["ts"] == datetime.datetime(2024, 2, 29, 12, 34, 56, 123456)  # noqa: DTZ001
    assert row["tz"] == datetime.datetime(2024, 2, 29, 12, 34, 56, tzinfo=datetime.UTC)
    assert json.loads(row["j"]) == {"a": 1}
    assert (row["arr"], row["st"]) == ([1, 2], {"x": 1, "y": "y"})


def test_an_answer_without_rows_keeps_its_columns(emulator: BigQuery) -> None:
    with emulator.session() as session:
        found = session.run("SELECT a, 'x' AS t FROM shop.victim WHERE a > 5")
        assert (sum(b.num_rows for b in found.batches), found.schema.names) == (0, ["a", "t"])


def test_many_rows_come_by_the_storage_stream_in_order(emulator: BigQuery) -> None:
    with emulator.session() as session:
        found = session.run(many(200_000))
        batches = list(found.batches)
    assert found.notices == []
    assert len(batches) > 2
    assert [n for batch in batches for n in batch.column(0).to_pylist()] == [*range(1, 200_001)]


@pytest.mark.parametrize("count", [999, 1_000, 1_001, 11_001])
def test_an_answer_of_a_few_pages_is_whole_and_in_order(emulator: BigQuery, count: int) -> None:
    with emulator.session() as session:
        found = session.run(many(count))
        numbers = [n for batch in found.batches for n in batch.column(0).to_pylist()]
    assert numbers == [*range(1, count + 1)]
    assert found.notices == []


def test_without_the_storage_api_the_same_rows_come_by_pages(emulator: BigQuery) -> None:
    network = emulator.network()
    del network.ports[STORAGE]
    with emulator.session(network=network) as session:
        found = session.run(many(30_000))
        batches = list(found.batches)
    assert [n for batch in batches for n in batch.column(0).to_pylist()] == [*range(1, 30_001)]
    assert len(found.notices) == 1
    assert "by pages" in found.notices[0]


def test_a_storage_server_that_is_not_trusted_gets_no_token(emulator: BigQuery) -> None:
    """gRPC verifies by the operator's authorities and the real name, not by the address."""
    with (
        serving(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as port,
        emulator.session(network=emulator.network(**{STORAGE: port}), connect_seconds=2) as session,
    ):
        found = session.run(many(30_000))
        assert sum(batch.num_rows for batch in found.batches) == 30_000
        assert "by pages" in found.notices[0]


def test_closing_early_leaves_the_session_usable(emulator: BigQuery) -> None:
    with emulator.session() as session:
        found = session.run(many(300_000))
        next(found.batches)
        started = time.monotonic()
        found.close()
        assert rows(session, "SELECT a FROM shop.victim") == [{"a": 1}]
        assert time.monotonic() - started < 4 + SLOW_MACHINE


def test_cancel_between_batches_ends_the_answer(emulator: BigQuery) -> None:
    with emulator.session() as session:
        found = session.run(many(300_000))
        next(found.batches)
        session.cancel()
        with pytest.raises(DatabaseFailure) as caught:
            list(found.batches)
        assert caught.value.cause is Cause.CANCELLED
        assert rows(session, "SELECT a FROM shop.victim") == [{"a": 1}]


def jobs(emulator: BigQuery) -> list[dict[str, Any]]:
    return emulator.ask("/jobs?projection=full&allUsers=true").get("jobs", [])


def test_the_time_limit_and_options_go_with_the_job(emulator: BigQuery) -> None:
    target = emulator.target(maxBillingBytes="123456789", defaultSchema="shop")
    with emulator.session(target, timeout_seconds=7.0, timezone="Europe/Berlin") as session:
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
    sent = [job["configuration"] for job in jobs(emulator) if "victim" in str(job)]
    ours = next(c for c in sent if c.get("labels") == {"application": "dragoman"})
    assert ours["query"]["maximumBytesBilled"] == "123456789"
    assert ours["jobTimeoutMs"] == "7000"
    assert {"key": "time_zone", "value": "Europe/Berlin"} in ours["query"]["connectionProperties"]


def test_our_own_clock_ends_the_wait(emulator: BigQuery) -> None:
    with emulator.session(timeout_seconds=1.0) as session:
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, SLEEP)
        assert caught.value.cause is Cause.QUERY_TIMEOUT
        assert 0.9 < time.monotonic() - started < 3 + SLOW_MACHINE


def test_cancel_from_another_thread(emulator: BigQuery) -> None:
    with emulator.session() as session:
        canceller = threading.Timer(1.0, session.cancel)
        canceller.start()
        started = time.monotonic()
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, SLEEP)
        canceller.join()
        assert caught.value.cause is Cause.CANCELLED
        assert time.monotonic() - started < 6 + SLOW_MACHINE
        session.cancel()  # nothing runs: harmless


@pytest.mark.parametrize(
    ("sql", "cause"),
    [
        ("SELECT 1 +", Cause.SYNTAX_ERROR),
        ("SELECT * FROM shop.nothing", Cause.OBJECT_NOT_FOUND),
        ("SELECT nope FROM shop.victim", Cause.OBJECT_NOT_FOUND),
    ],
)
def test_errors_of_statements(emulator: BigQuery, sql: str, cause: Cause) -> None:
    with emulator.session() as session:
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, sql)
        assert (caught.value.stage, caught.value.cause) == (Stage.QUERY, cause)
        assert "Job ID" not in caught.value.message
        session.ping()


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO shop.victim VALUES (2)",
        "DELETE FROM shop.victim WHERE TRUE",
        "SELECT 1; DELETE FROM shop.victim WHERE TRUE",
        "EXPORT DATA OPTIONS (uri='gs://b/*', format='CSV') AS SELECT 1",
        "CREATE TEMP FUNCTION f() AS (1); SELECT f()",
        "DECLARE x INT64; SELECT x",
        "EXECUTE IMMEDIATE 'DELETE FROM shop.victim WHERE TRUE'",
        "CALL meddle()",
        "BEGIN SELECT 1; END",
        "DROP TABLE shop.victim",
        "SET @@time_zone = 'UTC'",
    ],
)
def test_nothing_that_may_write_is_run(emulator: BigQuery, sql: str) -> None:
    with emulator.session() as session:
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, sql)
        assert caught.value.cause in {Cause.READ_ONLY, Cause.SYNTAX_ERROR}
        assert rows(session, "SELECT a FROM shop.victim") == [{"a": 1}]


def test_the_dry_run_has_the_last_word_on_reading(emulator: BigQuery) -> None:
    """Past our own check of words, the service's kind of the statement decides."""
    with emulator.session() as session:
        for sql in ("DELETE FROM shop.victim WHERE TRUE", "SELECT 1; SELECT 2"):
            with pytest.raises(DatabaseFailure) as caught:
                session._check(sql)  # type: ignore[attr-defined]
            assert caught.value.cause is Cause.READ_ONLY


def test_the_catalog(emulator: BigQuery) -> None:
    with emulator.session() as session:
        found = {(t.schema, t.name): t for t in session.catalog()}
        assert list(found) == [
            ("archive", "old"),
            *(("shop", name) for name in ("big_orders", "orders", "victim")),
        ]
        chosen = CatalogFilter.of({"includeSchemas": "arch*"})
        assert {t.schema for t in session.catalog(chosen)} == {"archive"}
        away = CatalogFilter.of({"offloadedSchemas": "archive"})
        assert {t.schema for t in session.catalog(away)} == {"shop"}
    orders = found["shop", "orders"]
    assert (orders.catalog, orders.kind) == (PROJECT, TableKind.TABLE)
    assert orders.comment == 'what was "sold"'
    assert orders.tags == ["gold", "team:sales"]
    assert found["archive", "old"].tags == []
    assert [(c.name, c.type, c.nullable, c.comment) for c in orders.columns] == [
        ("id", "INT64", False, "the id"),
        ("total", "NUMERIC", True, None),
    ]
    assert orders.primary_key == ["id"]
    assert orders.columns[0].primary_key_position == 1
    assert found["shop", "big_orders"].kind is TableKind.VIEW


def test_another_key_is_refused_stub(emulator: BigQuery) -> None:
    failure = failure_of(emulator, emulator.target(rsa.generate_private_key(65537, 2048)))
    assert (failure.stage, failure.cause) == (Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED)
    assert "PRIVATE KEY" not in repr(failure)


def test_keys_of_other_types_and_users_own_sign_in_are_not_dialled(emulator: BigQuery) -> None:
    external = SecretStr(json.dumps({"type": "external_account", "token_url": "https://x.test"}))
    for secrets in ({"passwordUnencrypted": external}, {}):
        network = emulator.network()
        target = replace(emulator.target(), secrets=secrets)
        failure = failure_of(emulator, target, network=network)
        assert (failure.stage, failure.cause) == (Stage.SETTINGS, Cause.SETTINGS_INVALID)
        assert network.dialled == []


def test_the_diagnosis_passes(emulator: BigQuery) -> None:
    options = SessionOptions(timeout_seconds=10)
    found = diagnose(registry.get("bigquery"), emulator.target(), emulator.network(), options)
    assert {s.status for s in found.stages} == {Status.PASSED}, found


def test_the_environment_has_no_say(emulator: BigQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "https://elsewhere.example.test")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    network = emulator.network()
    with emulator.session(network=network) as session:
        assert sum(b.num_rows for b in session.run(many(30_000)).batches) == 30_000
    assert {host for host, _ in network.dialled} == {API, STORAGE, TOKEN}


@pytest.mark.parametrize("host", [API, TOKEN])
def test_stages_of_the_network(emulator: BigQuery, host: str) -> None:
    network = emulator.network()
    del network.ports[host]
    assert failure_of(emulator, network=network).stage is Stage.DNS
    with refusing() as port:
        assert failure_of(emulator, network=emulator.network(**{host: port})).stage is Stage.TCP
    for noise in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        with serving(saying(noise)) as port:
            network = emulator.network(**{host: port})
            failure = failure_of(emulator, network=network, connect_seconds=1.0)
            assert failure.stage is Stage.TLS
    untrusting = replace(emulator.network(), tls=TlsPolicy())
    failure = failure_of(emulator, network=untrusting)
    assert (failure.stage, failure.cause) == (Stage.TLS, Cause.TLS_UNTRUSTED)
