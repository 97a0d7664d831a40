"""What each driver does fastest by itself with a statement, for the dialects that have an engine.

A raw fetch takes the rows in the form that the driver gives soonest (Arrow where it has it, else
rows of Python values) and throws them away. It returns seconds to the first row and to the last.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

Seconds = tuple[float, float]
Raw = Callable[[str], Seconds]


def drained(began: float, pieces: Iterable[Any], rows: int) -> Seconds:
    """Seconds since `began` to the first piece and to the last, which must add up to the rows."""
    first, count = 0.0, 0
    for piece in pieces:
        first = first or time.perf_counter() - began
        count += piece.num_rows if hasattr(piece, "num_rows") else len(piece)
    if count != rows:
        raise RuntimeError(f"{count} rows came of {rows}")
    return first, time.perf_counter() - began


def by_cursor(cursor: Any, sql: str, rows: int) -> Seconds:
    """A DB-API cursor: the first row, then the rest at once."""
    began = time.perf_counter()
    cursor.execute(sql)
    cursor.fetchone()
    first = time.perf_counter() - began
    if len(cursor.fetchall()) != rows - 1:
        raise RuntimeError("the cursor gave other rows than were asked for")
    return first, time.perf_counter() - began


def duckdb(session: Any, rows: int) -> Raw:
    """DuckDB's own Arrow reader."""

    def fetch(sql: str) -> Seconds:
        began = time.perf_counter()
        return drained(began, session._connection.sql(sql).to_arrow_reader(16_384), rows)

    return fetch


def postgres(engine: Any, rows: int) -> Raw:
    """ADBC's Arrow reader."""
    from adbc_driver_postgresql import dbapi

    connection = dbapi.connect(engine.url("postgresql"), autocommit=True)

    def fetch(sql: str) -> Seconds:
        with connection.cursor() as cursor:
            began = time.perf_counter()
            cursor.execute(sql)
            with cursor.fetch_record_batch() as reader:
                return drained(began, reader, rows)

    return fetch


def psycopg(engine: Any, rows: int) -> Raw:
    """psycopg's rows, as text (whether Redshift speaks its binary form is not known)."""
    import psycopg as driver

    connection = driver.connect(engine.url("postgresql"), autocommit=True)
    return lambda sql: by_cursor(connection.cursor(), sql, rows)


def pymysql(engine: Any, rows: int) -> Raw:
    """pymysql's rows, unbuffered."""
    import pymysql as driver
    from pymysql.cursors import SSCursor

    connection = driver.connect(
        host=engine.host, port=engine.port, user=engine.username, password=engine.password,
        database=engine.database, autocommit=None,
    )  # fmt: skip

    def fetch(sql: str) -> Seconds:
        with connection.cursor(SSCursor) as cursor:
            return by_cursor(cursor, sql, rows)

    return fetch


def clickhouse(engine: Any, rows: int) -> Raw:
    """clickhouse-connect's Arrow stream."""
    import clickhouse_connect

    client = clickhouse_connect.get_client(
        host=engine.host, port=engine.port, username=engine.username, password=engine.password,
        database=engine.database, autogenerate_session_id=False,
    )  # fmt: skip

    def fetch(sql: str) -> Seconds:
        began = time.perf_counter()
        with client.query_arrow_stream(sql) as batches:
            return drained(began, batches, rows)

    return fetch


def trino(port: int, username: str, rows: int) -> Raw:
    """The Trino client's rows."""
    from trino import dbapi

    connection = dbapi.connect(host="127.0.0.1", port=port, user=username, catalog="memory")
    return lambda sql: by_cursor(connection.cursor(), sql, rows)


def exasol(session: Any, rows: int) -> Raw:
    """pyexasol's rows."""

    def fetch(sql: str) -> Seconds:
        began = time.perf_counter()
        statement = session._connection.execute(sql)
        statement.fetchone()
        first = time.perf_counter() - began
        if len(statement.fetchall()) != rows - 1:
            raise RuntimeError("pyexasol gave other rows than were asked for")
        return first, time.perf_counter() - began

    return fetch


def mssql(session: Any, rows: int) -> Raw:
    """mssql-python's Arrow reader, in this process."""

    def fetch(sql: str) -> Seconds:
        cursor = session._connection.cursor()
        began = time.perf_counter()
        cursor.execute(sql)
        return drained(began, cursor.arrow_reader(), rows)

    return fetch


def snowflake(session: Any, rows: int) -> Raw:
    """The connector's Arrow batches."""

    def fetch(sql: str) -> Seconds:
        with session._connection.cursor() as cursor:
            began = time.perf_counter()
            cursor.execute(sql)
            return drained(began, cursor.fetch_arrow_batches(), rows)

    return fetch


def bigquery(session: Any, rows: int) -> Raw:
    """Google's client with its Storage Read API, over the channel that the adapter makes."""
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient
    from google.cloud.bigquery_storage_v1.services.big_query_read.transports import (
        BigQueryReadGrpcTransport,
    )

    from dragoman.dialects.adapters.bigquery.storage import Reader

    channel = Reader(session._network, session._client._credentials)._channel
    transport: Any = BigQueryReadGrpcTransport(channel=channel)
    storage: Any = BigQueryReadClient(transport=transport)

    def fetch(sql: str) -> Seconds:
        began = time.perf_counter()
        answer = session._client.query(sql).result()
        return drained(began, answer.to_arrow_iterable(bqstorage_client=storage), rows)

    return fetch


def databricks(engine: Any, warehouse: str, rows: int) -> Raw:
    """The connector's Arrow tables."""
    from databricks import sql as driver

    connection = driver.connect(
        "localhost", warehouse, engine.password, _port=engine.port,
        _tls_trusted_ca_file=str(engine.ca_file), use_cloud_fetch=False, enable_telemetry=False,
        catalog="main", schema="shop",
        session_configuration={"TIMEZONE": "UTC", "STATEMENT_TIMEOUT": "60"},
    )  # fmt: skip

    def fetch(sql: str) -> Seconds:
        with connection.cursor() as cursor:
            began = time.perf_counter()
            cursor.execute(sql)
            pieces = iter(lambda: cursor.fetchmany_arrow(16_384), None)
            return drained(began, _until_empty(pieces), rows)

    return fetch


def _until_empty(pieces: Iterable[Any]) -> Iterable[Any]:
    for piece in pieces:
        if not piece.num_rows:
            return
        yield piece
