"""What is Redshift's own, on a PostgreSQL in its place (see `support/redshift.py`)."""

from __future__ import annotations

import threading
import time
from datetime import UTC, date, datetime
from datetime import time as clock
from decimal import Decimal
from typing import Any
from unittest import mock

import psycopg
import pyarrow as pa
import pytest
import sqlglot

from dragoman.dialects.adapters.redshift import catalog
from dragoman.dialects.catalog import CatalogFilter, TableKind
from dragoman.dialects.diagnosis import diagnose
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from tests.engines.conformance import Subject, rows
from tests.engines.support.redshift import redshift_subject
from tests.support.engines import Engine


@pytest.fixture(scope="module")
def stand_in(postgres_tls_server: Engine) -> Subject:
    return redshift_subject(postgres_tls_server)


CASES: list[tuple[str, pa.DataType, Any]] = [
    ("1::int2", pa.int16(), 1),
    ("1", pa.int32(), 1),
    ("9223372036854775807", pa.int64(), 2**63 - 1),
    ("1.5::float4", pa.float32(), 1.5),
    ("1.5::float8", pa.float64(), 1.5),
    ("1.5::numeric(10,2)", pa.decimal128(10, 2), Decimal("1.50")),
    ("-99999999999999999999999999999999999999::numeric(38,0)", pa.decimal128(38), -(10**38 - 1)),
    ("true", pa.bool_(), True),
    ("'é'::varchar(3)", pa.string(), "é"),
    ("'ab'::char(3)", pa.string(), "ab "),
    ("'\\xdead'::bytea", pa.binary(), b"\xde\xad"),
    ("date '2024-02-29'", pa.date32(), date(2024, 2, 29)),
    ("time '10:11:12.5'", pa.time64("us"), clock(10, 11, 12, 500000)),
    ("timestamp '2024-02-29 10:00'", pa.timestamp("us"), datetime(2024, 2, 29, 10)),  # noqa: DTZ001
    (
        "timestamptz '2024-02-29 10:00+02'",
        pa.timestamp("us", "UTC"),
        datetime(2024, 2, 29, 8, tzinfo=UTC),
    ),
    ("""'{"a": 1}'::json""", pa.string(), '{"a": 1}'),
    ("timetz '10:00+02'", pa.string(), "10:00:00+02"),
    ("interval '1 day'", pa.string(), "1 day"),
    ("array[1,2]", pa.string(), "{1,2}"),
    ("null", pa.string(), None),
]


@pytest.mark.parametrize(("sql", "kind", "value"), CASES, ids=[case[0] for case in CASES])
def test_types(stand_in: Subject, sql: str, kind: pa.DataType, value: Any) -> None:
    with stand_in.session() as session:
        answer = session.run(f"SELECT {sql} AS v")
        found = [row["v"] for batch in answer.batches for row in batch.to_pylist()]
    assert answer.schema.field("v").type == kind
    assert found == [value]


def test_moments_that_python_has_not(stand_in: Subject) -> None:
    """Years above 9999 and below 1, an offset with seconds, and the last moment of year 9999."""
    sql = """SELECT date '20000-03-15' AS a, date '0044-03-15 BC' AS b,
        timestamp '20000-03-15 10:00:00.5' AS c, timestamptz '1850-06-01 12:00' AS d,
        timestamptz '9999-12-31 23:59:59.999999+00' AS e, timestamptz '0044-03-15 12:00 BC' AS f"""
    with stand_in.session(timezone="Europe/Berlin") as session:
        answer = session.run(sql)
        (batch,) = list(answer.batches)
        seconds = "extract(epoch FROM timestamptz '1850-06-01 12:00')::int8 AS d,"
        bc = "extract(epoch FROM timestamptz '0044-03-15 12:00 BC')::int8 AS f"
        asked = rows(session, f"SELECT {seconds} {bc}")[0]
    found = [column.cast(pa.string())[0].as_py() for column in batch.columns]
    assert found[:3] == ["20000-03-15", "-0043-03-15", "20000-03-15 10:00:00.500000"]
    assert found[4] == "10000-01-01 00:59:59.999999+0100"
    moments = {name: batch.column(name).cast(pa.int64())[0].as_py() // 10**6 for name in "df"}
    assert moments == asked
    assert answer.notices == []


def test_what_arrow_cannot_hold_is_null_with_a_notice(stand_in: Subject) -> None:
    sql = """SELECT date 'infinity' AS a, timestamp '-infinity' AS b, 'NaN'::numeric AS c,
        time '24:00' AS d, 1 AS e"""
    with stand_in.session() as session:
        answer = session.run(sql)
        (row,) = [row for batch in answer.batches for row in batch.to_pylist()]
    assert row == {"a": None, "b": None, "c": None, "d": None, "e": 1}
    assert [notice[:9] for notice in answer.notices] == [f"Column {name}:" for name in "abcd"]


def test_an_answer_of_many_columns_is_soon_there(stand_in: Subject) -> None:
    with stand_in.session() as session:
        began = time.process_time()
        (row,) = rows(session, "SELECT " + ", ".join(f"{n} AS c{n}" for n in range(1600)))
        assert time.process_time() - began < 3
    assert list(row.values()) == list(range(1600))


def test_varbyte_is_binary() -> None:
    """PostgreSQL has no VARBYTE: its text, hexadecimal digits, is recorded."""
    from dragoman.dialects.adapters.redshift.types import _from_hex

    assert _from_hex(pa.array(["dead", None, ""])).to_pylist() == [b"\xde\xad", None, b""]


def test_the_time_zone_is_the_sessions(stand_in: Subject) -> None:
    with stand_in.session(timezone="Asia/Kolkata") as session:
        answer = session.run("SELECT timestamptz '2024-02-29 10:00+00' AS v")
        assert answer.schema.field("v").type == pa.timestamp("us", "Asia/Kolkata")
        assert rows(session, "SHOW timezone") == [{"TimeZone": "Asia/Kolkata"}]
        session.reset()
        assert rows(session, "SHOW timezone") == [{"TimeZone": "Asia/Kolkata"}]


def test_decimals_of_later_rows_are_exact_or_an_error(stand_in: Subject) -> None:
    with stand_in.session() as session:
        sql = f"SELECT sum(n / 8.0) AS v FROM {stand_in.numbers(50_000)} GROUP BY n"
        assert sum(row["v"] for row in rows(session, sql)) == Decimal(50_000 * 50_001) / 16
        with pytest.raises(DatabaseFailure) as caught:
            rows(
                session,
                "SELECT CASE WHEN n > 40000 THEN 10::numeric ^ 37 ELSE 1 END AS v"
                f" FROM {stand_in.numbers(50_000)}",
            )
    assert "digits" in caught.value.message


@pytest.mark.parametrize(
    "sql",
    [
        # Whether a backslash escapes a quote decides how many statements these are.
        r"SELECT '\'; DELETE FROM victim; --'",
        r"SELECT 'it\'s'",
        r"SELECT '\\'';DELETE FROM victim; SELECT '1'",
        "SELECT $$'$$; DELETE FROM victim; SELECT $$'$$",
    ],
)
def test_what_two_readings_of_a_quote_make_of_a_text(stand_in: Subject, sql: str) -> None:
    with stand_in.session() as session:
        with pytest.raises(DatabaseFailure) as caught:
            rows(session, sql)
        assert caught.value.stage is Stage.QUERY
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


def test_the_time_limit_holds_for_all_fetches_together(
    stand_in: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each FETCH is quick, so the server's own limit never comes."""
    timer = mock.Mock()
    monkeypatch.setattr(threading, "Timer", timer)
    with stand_in.session(timeout_seconds=60) as session:
        answer = session.run(f"SELECT n FROM {stand_in.numbers(50_000)}")
        next(answer.batches)
        limit, ring = timer.call_args.args
        assert 60 < limit < 61
        ring(*timer.call_args.kwargs["args"])
        with pytest.raises(DatabaseFailure) as caught:
            list(answer.batches)
        assert caught.value.cause is Cause.QUERY_TIMEOUT
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]


def test_plain_text_is_never_spoken(postgres_server: Engine, stand_in: Subject) -> None:
    plain = stand_in.with_settings(port=postgres_server.port)
    with pytest.raises(DatabaseFailure) as caught:
        plain.connect()
    assert (caught.value.stage, caught.value.cause) == (Stage.TLS, Cause.TLS_UNSUPPORTED)


def test_the_diagnosis_of_a_silent_server_ends(stand_in: Subject) -> None:
    from tests.support.servers import saying, serving

    with serving(saying(b"")) as port:
        silent = stand_in.with_settings(port=port)
        found = diagnose(
            silent.dialect, silent.target, silent.network, silent.options(connect_seconds=1.0)
        )
    assert found.failed
    assert found.failed.stage in {Stage.TCP, Stage.TLS}


_SHOP = """
DROP SCHEMA IF EXISTS shop CASCADE;
CREATE SCHEMA shop;
CREATE TABLE shop.customer (id int PRIMARY KEY, name varchar(40) NOT NULL DEFAULT 'x');
CREATE TABLE shop.line (b int, a int, gone int, part numeric(12,3), customer int
  CONSTRAINT of_customer REFERENCES shop.customer, parent_a int, parent_b int,
  PRIMARY KEY (a, b), CONSTRAINT of_line FOREIGN KEY (parent_a, parent_b) REFERENCES shop.line);
ALTER TABLE shop.line DROP COLUMN gone;
COMMENT ON TABLE shop.customer IS 'Who buys';
COMMENT ON COLUMN shop.customer.name IS 'As on the letter';
CREATE VIEW shop.bound AS SELECT id FROM shop.customer;
CREATE VIEW shop.late AS SELECT id, name FROM shop.customer;
COMMENT ON VIEW shop.late IS 'late binding';
CREATE TABLE shop.mv_tbl__sums__0 (a int);
CREATE TABLE shop."A b" (a int);
DROP SCHEMA IF EXISTS "back\\slash's" CASCADE;
CREATE SCHEMA "back\\slash's";
CREATE TABLE "back\\slash's".t (a int)
"""


@pytest.fixture(scope="module")
def shop(stand_in: Subject, postgres_tls_server: Engine) -> Subject:
    url = postgres_tls_server.url("postgresql", stand_in.target.database)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_SHOP)
    return stand_in


def test_the_catalog(shop: Subject) -> None:
    with shop.session() as session:
        wanted = CatalogFilter.of({"includeSchemas": "shop"})
        found = {table.name: table for table in session.catalog(wanted)}
        session.ping()
    assert list(found) == ["A b", "bound", "customer", "late", "line"]
    customer, line, late = found["customer"], found["line"], found["late"]
    assert (customer.catalog, customer.schema, customer.comment) == (
        shop.target.database,
        "shop",
        "Who buys",
    )
    name = customer.columns[1]
    assert (name.type, name.nullable, name.comment) == (
        "character varying(40)",
        False,
        "As on the letter",
    )
    assert name.default
    assert line.primary_key == ["a", "b"]
    assert [c.primary_key_position for c in line.columns] == [2, 1, None, None, None, None]
    assert next(c.type for c in line.columns if c.name == "part") == "numeric(12,3)"
    keys = {key.name: key for key in line.foreign_keys}
    assert keys["of_customer"].columns == ["customer"]
    assert (keys["of_customer"].table, keys["of_customer"].referenced_columns) == (
        "customer",
        ["id"],
    )
    assert keys["of_line"].columns == ["parent_a", "parent_b"]
    assert keys["of_line"].referenced_columns == ["a", "b"]
    assert [(c.name, c.type) for c in late.columns] == [
        ("id", "integer"),
        ("name", "character varying(40)"),
    ]
    assert late.kind is TableKind.VIEW


def test_the_catalogs_filters_and_its_early_end(shop: Subject) -> None:
    with shop.session() as session:
        offloaded = CatalogFilter.of({"offloadedSchemas": "sh*"})
        assert "shop" not in {table.schema for table in session.catalog(offloaded)}
        next(session.catalog())
        assert rows(session, "SELECT a FROM victim") == [{"a": 1}]
        assert list(session.catalog(CatalogFilter.of({"includeSchemas": r"no\such"}))) == []


def test_a_backslash_in_a_schemas_name_stands_for_itself(shop: Subject) -> None:
    with shop.session() as session:
        for pattern in (r"back\slash's", r"back\*"):
            wanted = CatalogFilter.of({"includeSchemas": pattern})
            assert [(t.schema, t.name) for t in session.catalog(wanted)] == [(r"back\slash's", "t")]
        wanted = CatalogFilter.of({"offloadedSchemas": r"back\*"})
        assert r"back\slash's" not in {table.schema for table in session.catalog(wanted)}


def test_the_statements_are_redshifts_sql() -> None:
    """They cannot be run on Redshift here; sqlglot at least reads them as its SQL."""
    asked: list[str] = []
    wanted = CatalogFilter.of({"includeSchemas": "shop,Other*", "offloadedSchemas": "old"})

    def none(sql: str) -> list[catalog.Row]:
        asked.append(sql)
        return []

    assert list(catalog.tables(none, "o'brien", wanted)) == []
    assert len(asked) == 4
    for sql in (*asked, catalog.SCHEMAS, catalog.count_statement("dev", ["a", "b"])):
        assert sqlglot.parse_one(sql.replace("%s", "'x'"), dialect="redshift")


def test_recorded_rows_of_spectrum_and_late_binding_views() -> None:
    """Rows as the documentation of the views shows them."""
    answers = iter(
        [
            [
                ("public", "late", "VIEW", None),
                ("public", "sales", "TABLE", ""),
                ("spectrum", "clicks", "EXTERNAL TABLE", None),
            ],
            [("public", "late", "n", 1, "character varying(12)"), ("gone", "view", "n", 1, "int")],
            [],
            [
                ("public", "sales", "id", 1, "integer", None, 32, 0, "NO", None, ""),
                ("public", "unseen", "id", 1, "integer", None, 32, 0, "YES", None, None),
                ("spectrum", "clicks", "doc", 1, "super", None, None, None, "YES", None, None),
            ],
        ]
    )
    found = list(catalog.tables(lambda _: next(answers), "dev", CatalogFilter()))
    assert [(t.schema, t.name, t.kind, [c.type for c in t.columns]) for t in found] == [
        ("public", "late", TableKind.VIEW, ["character varying(12)"]),
        ("public", "sales", TableKind.TABLE, ["integer"]),
        ("spectrum", "clicks", TableKind.FOREIGN_TABLE, ["super"]),
    ]
    assert not found[1].columns[0].nullable
