"""The tables that questions are asked of, on every engine and emulator of the tests.

The data has what goes wrong elsewhere: NULLs, orphans, empty texts, days at the ends of months and
years, readings around changes of the clock. Statements go through the product's own sessions where
there is one; the tables are made beside them.
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from dragoman.dialects.base import Session
from dragoman.dialects.sql import table
from dragoman.queries.renaming import renamed
from dragoman.semantics.compiler.plan import Column
from tests.engines.conformance import policy, target
from tests.engines.support.relay import Relay
from tests.support.engines import Engine

Run = Callable[[str, Sequence[Column] | None], list[Any]]
TIME = datetime.fromisoformat
DAY = date.fromisoformat
TABLES: dict[str, tuple[dict[str, str], list[tuple[Any, ...]]]] = {
    "orders": (
        {
            "id": "INTEGER",
            "user_id": "INTEGER",
            "status": "TEXT",
            "created_at": "TIME",
            "day": "DATE",
            "fee": "DECIMAL",
            "qty": "INTEGER",
        },
        [
            (1, 1, "paid", TIME("2026-03-08 06:59:59"), DAY("2026-01-31"), Decimal("10.10"), 1),
            (2, 1, "open", TIME("2026-03-08 07:00:00"), DAY("2026-02-28"), Decimal("30.00"), 2),
            (3, 2, None, TIME("2025-12-31 23:30:00"), DAY("2025-12-29"), Decimal("5.55"), None),
            (4, None, "paid", TIME("2024-02-29 12:00:00.250"), DAY("2024-02-29"), Decimal(7), 4),
            (5, 9, "", TIME("2026-11-01 05:30:00"), DAY("2026-11-01"), Decimal("0.00"), 5),
            (6, 2, "Paid ", None, None, None, 6),
            (7, 3, "50%_off", TIME("2026-07-01 00:00"), DAY("2026-07-01"), Decimal("-3.25"), 7),
        ],
    ),
    "items": (
        {"id": "INTEGER", "order_id": "INTEGER", "price": "DECIMAL"},
        [
            *((1, 1, Decimal("1.50")), (2, 1, Decimal("2.50")), (3, 2, Decimal(4))),
            *((4, 3, None), (5, None, Decimal(9)), (6, 7, Decimal(1))),
        ],
    ),
    "users": (
        {"id": "INTEGER", "city": "TEXT"},
        [(1, "A"), (2, "B"), (3, "C"), (4, None)],
    ),
}
PLAIN = {
    "INTEGER": "INTEGER",
    "TEXT": "VARCHAR(20)",
    "TIME": "TIMESTAMP(6)",
    "DATE": "DATE",
    "DECIMAL": "DECIMAL(10, 2)",
}


@dataclass(frozen=True)
class Shelf:
    """An engine with the tables. `schema`: what stands before their names, where it must."""

    dialect: str
    run: Run
    schema: str | None = None


def statements(
    dialect: str, types: dict[str, str] = PLAIN, *, before: str = "", after: str = ""
) -> Iterator[str]:
    """The tables and their rows in a dialect's SQL. `before`, `after`: of the tables' names and
    definitions."""
    sql = table(dialect)
    for name, (columns, values) in TABLES.items():
        full = f"{before}{sql.name(name)}"
        listed = ", ".join(f"{sql.name(each)} {types[kind]}" for each, kind in columns.items())
        yield f"CREATE TABLE {full} ({listed}){after}"
        lines = (f"({', '.join(sql.literal(each) for each in row)})" for row in values)
        yield f"INSERT INTO {full} VALUES {', '.join(lines)}"


def of_session(session: Session) -> Run:
    """Rows of a session of the product's, as an answer has them."""

    def run(sql: str, columns: Sequence[Column] | None) -> list[Any]:
        _, batches, _ = renamed(session.run(sql), columns)
        return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]

    return run


@contextlib.contextmanager
def duckdb_shelf(_: pytest.FixtureRequest) -> Generator[Shelf]:
    """DuckDB, whose answers are what the others are held to."""
    with duckdb.connect() as connection:
        for each in statements("duckdb", {**PLAIN, "TIME": "TIMESTAMP"}):
            connection.execute(each)
        yield Shelf("duckdb", lambda sql, _: connection.execute(sql).fetchall())


@contextlib.contextmanager
def postgres_shelf(request: pytest.FixtureRequest, dialect: str = "postgres") -> Generator[Shelf]:
    """A schema of its own on PostgreSQL, and SQL of one that speaks nearly as it does."""
    import psycopg

    server: Engine = request.getfixturevalue("postgres_server")
    schema = f"questions_{dialect}"
    with psycopg.connect(server.url("postgresql"), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
        connection.execute(f"SET search_path TO {schema}".encode())
        connection.execute("SET TimeZone TO 'UTC'")
        for each in statements("postgres"):
            connection.execute(each.encode())
        yield Shelf(dialect, lambda sql, _: connection.execute(sql.encode()).fetchall())
        connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())


@contextlib.contextmanager
def mariadb_shelf(request: pytest.FixtureRequest, dialect: str = "mariadb") -> Generator[Shelf]:
    """A database of its own on MariaDB, and MySQL's SQL on it."""
    import pymysql

    engine: Engine = request.getfixturevalue("mariadb_server")
    name = f"questions_{dialect}"
    with pymysql.connect(
        host=engine.host, port=engine.port, user=engine.username, password=engine.password
    ) as connection:
        cursor = connection.cursor()
        cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
        cursor.execute(f"USE {name}")
        cursor.execute("SET time_zone = '+00:00'")
        for each in statements("mariadb", {**PLAIN, "TIME": "DATETIME(6)"}):
            cursor.execute(each)

        def run(sql: str, _: Sequence[Column] | None) -> list[Any]:
            cursor.execute(sql)
            return list(cursor.fetchall())

        yield Shelf(dialect, run)
        cursor.execute(f"DROP DATABASE {name}")


@contextlib.contextmanager
def trino_shelf(request: pytest.FixtureRequest) -> Generator[Shelf]:
    """Trino's memory catalog."""
    from tests.engines.support.trino import ask, trino_subject

    server = request.getfixturevalue("trino_server")
    ask(server, "CREATE SCHEMA IF NOT EXISTS questions")
    for each in statements("trino", before="questions."):
        ask(server, each)
    subject = trino_subject(server.plain, server.plain).with_settings(defaultSchema="questions")
    with subject.session() as session:
        yield Shelf("trino", of_session(session))


@contextlib.contextmanager
def clickhouse_shelf(request: pytest.FixtureRequest) -> Generator[Shelf]:
    """ClickHouse's engine; every column may be NULL."""
    from dragoman.dialects import registry
    from dragoman.dialects.base import SessionOptions
    from tests.engines.support.clickhouse import ask

    server: Engine = request.getfixturevalue("clickhouse_server")
    types = {
        "INTEGER": "Nullable(Int32)",
        "TEXT": "Nullable(String)",
        "TIME": "Nullable(DateTime64(6))",
        "DATE": "Nullable(Date32)",
        "DECIMAL": "Nullable(Decimal(10, 2))",
    }
    ask(server, "CREATE DATABASE questions")
    for each in statements("clickhouse", types, before="questions.", after=" ENGINE = Memory"):
        ask(server, each)
    dialect = registry.get("clickhouse")
    there = target("clickhouse", server)
    there = type(there)(there.dialect, {**there.settings, "database": "questions"}, there.secrets)
    session = dialect.connect(there, policy(server), SessionOptions(timeout_seconds=60.0))
    try:
        yield Shelf("clickhouse", of_session(session))
    finally:
        session.close()
        ask(server, "DROP DATABASE questions")


@contextlib.contextmanager
def snowflake_shelf(request: pytest.FixtureRequest) -> Generator[Shelf]:
    """The emulator fakesnow."""
    emulator = request.getfixturevalue("snowflake_emulator")
    types = {**PLAIN, "TIME": "TIMESTAMP_NTZ(6)", "DECIMAL": "NUMBER(10, 2)"}
    with emulator.session() as session:
        cursor: Any = session._connection.cursor()
        cursor.execute("CREATE SCHEMA IF NOT EXISTS questions")
        for each in statements("snowflake", types, before="questions."):
            cursor.execute(each)
        yield Shelf("snowflake", of_session(session), "QUESTIONS")
        cursor.execute("DROP SCHEMA questions CASCADE")


@contextlib.contextmanager
def bigquery_shelf(request: pytest.FixtureRequest) -> Generator[Shelf]:
    """The emulator local-bigquery."""
    emulator = request.getfixturevalue("bigquery_emulator")
    types = {
        "INTEGER": "INT64",
        "TEXT": "STRING",
        "TIME": "DATETIME",
        "DATE": "DATE",
        "DECIMAL": "NUMERIC",
    }
    emulator.execute("CREATE SCHEMA questions")
    for each in statements("bigquery", types, before="questions."):
        emulator.execute(each)
    with emulator.session() as session:
        yield Shelf("bigquery", of_session(session), "questions")


@contextlib.contextmanager
def mssql_shelf(request: pytest.FixtureRequest) -> Generator[Shelf]:
    """The emulator pysqlbridge, whose tables are files: an empty text is NULL there."""
    from tests.engines.support.mssql import mssql_subject, run_mssql

    certificates = request.getfixturevalue("certificates")
    start = request.getfixturevalue("start_engine")
    server = start("mssql (questions)", lambda: run_mssql(certificates, tables=_files()))
    subject = mssql_subject(server, Relay(server.port))

    def run(sql: str, columns: Sequence[Column] | None) -> list[Any]:
        # A session each: the emulator ends it with what it cannot read.
        with subject.session() as session:
            return of_session(session)(sql, columns)

    yield Shelf("mssql", run)


def _files() -> dict[str, str]:
    found: dict[str, str] = {}
    for name, (columns, values) in TABLES.items():
        file = io.StringIO()
        writer = csv.writer(file)
        writer.writerows([list(columns), *values])
        found[name] = file.getvalue()
    return found
