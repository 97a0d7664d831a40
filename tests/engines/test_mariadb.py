"""What is MariaDB's own: its types in Arrow, time zones, and state that a reset forgets."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from dragoman.dialects.failures import Cause, DatabaseFailure
from tests.engines.conformance import Subject, mariadb_subject, rows
from tests.support.engines import Engine


@pytest.fixture
def mariadb(mariadb_server: Engine) -> Subject:
    return mariadb_subject(mariadb_server)


COLUMNS: list[tuple[str, str, pa.DataType, Any]] = [
    ("tinyint(1)", "1", pa.int8(), 1),
    ("smallint unsigned", "65535", pa.uint16(), 65535),
    ("mediumint", "-5", pa.int32(), -5),
    ("int unsigned", "4294967295", pa.uint32(), 4294967295),
    ("bigint", "-9223372036854775808", pa.int64(), -(2**63)),
    ("bigint unsigned", "18446744073709551615", pa.uint64(), 2**64 - 1),
    ("year", "2024", pa.uint16(), 2024),
    ("float", "1.5", pa.float32(), 1.5),
    ("double", "1.5", pa.float64(), 1.5),
    ("decimal(12,3)", "-123456789.125", pa.decimal128(12, 3), Decimal("-123456789.125")),
    ("decimal(12,3) unsigned", "999999999.999", pa.decimal128(12, 3), Decimal("999999999.999")),
    ("decimal(5,0)", "-99999", pa.decimal128(5, 0), Decimal("-99999")),
    ("decimal(65,10)", "1" * 55 + ".5", pa.decimal256(65, 10), Decimal("1" * 55 + ".5000000000")),
    ("varchar(20) charset utf8mb4", "'aü€😀'", pa.string(), "aü€😀"),
    ("text", "'long'", pa.string(), "long"),
    ("enum('x','y')", "'y'", pa.string(), "y"),
    ("set('p','q')", "'p,q'", pa.string(), "p,q"),
    ("json", "'{\"a\":1}'", pa.string(), '{"a":1}'),
    ("blob", "x'dead'", pa.binary(), b"\xde\xad"),
    ("varbinary(5)", "x'00ff'", pa.binary(), b"\x00\xff"),
    ("bit(3)", "b'101'", pa.binary(), b"\x05"),
    ("date", "'2024-02-29'", pa.date32(), date(2024, 2, 29)),
    (
        "datetime(6)",
        "'2024-02-29 01:02:03.000004'",
        pa.timestamp("us"),
        datetime(2024, 2, 29, 1, 2, 3, 4),  # noqa: DTZ001
    ),
    (
        "timestamp null",
        "'2024-07-01 10:00:00'",
        pa.timestamp("us", "UTC"),
        datetime(2024, 7, 1, 10, tzinfo=UTC),
    ),
    (
        "time(3)",
        "'-100:30:01.5'",
        pa.duration("us"),
        -timedelta(hours=100, minutes=30, seconds=1.5),
    ),
]


@pytest.mark.parametrize(("declared", "value", "kind", "expected"), COLUMNS, ids=str)
def test_types(
    mariadb_server: Engine,
    mariadb: Subject,
    declared: str,
    value: str,
    kind: pa.DataType,
    expected: Any,
) -> None:
    _execute(
        mariadb_server,
        "SET time_zone = '+00:00'",
        "DROP TABLE IF EXISTS typed",
        f"CREATE TABLE typed (v {declared})",
        f"INSERT INTO typed VALUES ({value}), (NULL)",
    )
    with mariadb.session() as session:
        answer = session.run("SELECT v FROM typed")
        found = [row["v"] for batch in answer.batches for row in batch.to_pylist()]
    assert answer.schema.field("v").type == kind
    assert found == [expected, None]
    assert answer.notices == []


def test_dates_that_do_not_exist_become_null_with_a_notice(
    mariadb_server: Engine, mariadb: Subject
) -> None:
    _execute(
        mariadb_server,
        "SET sql_mode = 'ALLOW_INVALID_DATES'",
        "DROP TABLE IF EXISTS zeros",
        "CREATE TABLE zeros (d date, t datetime)",
        "INSERT INTO zeros VALUES ('0000-00-00', '0000-00-00'),"
        " ('2024-02-31', '2024-02-31 10:00'), ('2024-01-01', '2024-01-01 10:00')",
    )
    with mariadb.session() as session:
        answer = session.run("SELECT d, t FROM zeros")
        found = [tuple(row.values()) for batch in answer.batches for row in batch.to_pylist()]
    real = (date(2024, 1, 1), datetime(2024, 1, 1, 10))  # noqa: DTZ001
    assert found == [(None, None), (None, None), real]
    assert len(answer.notices) == 2


def test_a_zone_the_server_does_not_know_falls_back_to_an_offset_and_says_so(
    mariadb: Subject,
) -> None:
    with mariadb.session(timezone="Asia/Kolkata") as session:
        assert "Asia/Kolkata" in session.notices[0]
        answer = session.run("SELECT FROM_UNIXTIME(0) AS v, @@time_zone AS z")
        assert next(answer.batches).to_pylist() == [
            {"v": datetime(1970, 1, 1, 5, 30), "z": "+05:30"}  # noqa: DTZ001
        ]
        assert answer.notices == session.notices


def test_timestamps_are_the_same_instants_in_another_zone(
    mariadb_server: Engine, mariadb: Subject
) -> None:
    _execute(
        mariadb_server,
        "SET time_zone = '+00:00'",
        "DROP TABLE IF EXISTS moments",
        "CREATE TABLE moments (v timestamp null)",
        "INSERT INTO moments VALUES ('2024-07-01 10:00:00')",
    )
    with mariadb.session(timezone="Asia/Kolkata") as session:
        found = rows(session, "SELECT v FROM moments")[0]["v"]
    assert found == datetime(2024, 7, 1, 10, tzinfo=UTC)
    assert found.utcoffset() == timedelta(hours=5, minutes=30)


def test_reset_forgets_variables_and_locks_and_keeps_the_settings(mariadb: Subject) -> None:
    with mariadb.session(timezone="Asia/Kolkata") as one, mariadb.session() as other:
        rows(one, "SELECT @x := 5 AS x, GET_LOCK('l', 0) AS l")
        assert rows(other, "SELECT GET_LOCK('l', 0) AS l") == [{"l": 0}]
        one.reset()
        assert rows(other, "SELECT GET_LOCK('l', 0) AS l") == [{"l": 1}]
        state = rows(one, "SELECT @x AS x, @@time_zone AS z, @@max_statement_time AS t")
        assert state == [{"x": None, "z": "+05:30", "t": 60.0}]


def test_a_default_schema_that_is_missing_is_a_notice(mariadb: Subject) -> None:
    with mariadb.with_settings(defaultSchema="nowhere").session() as session:
        session.ping()
        assert "nowhere" in session.notices[0]


@pytest.mark.parametrize("modes", ["ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "ANSI", "ORACLE"])
def test_a_text_ends_where_it_was_checked_to_end_whatever_the_servers_modes(
    mariadb_server: Engine, mariadb: Subject, modes: str
) -> None:
    _execute(mariadb_server, f"SET GLOBAL sql_mode = '{modes},ERROR_FOR_DIVISION_BY_ZERO'")
    sql = """SELECT '\\'' AS a, "it's" AS b, '\\\\' AS c"""
    try:
        with mariadb.session() as session:
            for _ in range(2):
                assert rows(session, sql) == [{"a": "'", "b": "it's", "c": "\\"}]
                assert "ERROR_FOR_DIVISION" in rows(session, "SELECT @@sql_mode AS m")[0]["m"]
                session.reset()
    finally:
        _execute(mariadb_server, "SET GLOBAL sql_mode = DEFAULT")


def test_a_servers_limit_of_rows_cuts_no_answer(mariadb_server: Engine, mariadb: Subject) -> None:
    _execute(mariadb_server, "SET GLOBAL sql_select_limit = 2")
    try:
        with mariadb.session() as session:
            for _ in range(2):
                assert len(rows(session, "SELECT seq FROM seq_1_to_5")) == 5
                session.reset()
    finally:
        _execute(mariadb_server, "SET GLOBAL sql_select_limit = DEFAULT")


def test_anonymous_users_are_mentioned_when_a_password_is_refused(mariadb: Subject) -> None:
    with pytest.raises(DatabaseFailure) as caught:
        mariadb.with_settings(password="wrong").connect()
    assert caught.value.cause is Cause.AUTHENTICATION_FAILED
    assert "anonymous" in (caught.value.fix or "")


def _execute(engine: Engine, *statements: str) -> None:
    import pymysql

    connection = pymysql.connect(
        host=engine.host,
        port=engine.port,
        user=engine.username,
        password=engine.password,
        database=engine.database,
        charset="utf8mb4",
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
