"""A PostgreSQL session: psycopg for small questions, ADBC for the data.

ADBC reads the server's type catalog as it connects (40 ms, seconds with 10,000 tables), and streams
many times faster than rows in Python. So it is opened at the first statement, and then takes over:
a session keeps one connection to the server at a time.

Each statement runs in a read-only transaction that is rolled back. Time limit, time zone and what a
backslash means are set inside it, so nothing outlives it, not even behind a transaction pooler.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, LiteralString

from dragoman.dialects import postgres_catalog, postgres_connect, postgres_errors
from dragoman.dialects.arrow import RecordBatch, RecordBatchReader, Schema
from dragoman.dialects.base import Session, SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network
from dragoman.dialects.postgres_types import converted, wrapped
from dragoman.dialects.sql.postgres import FUNCTIONS
from dragoman.dialects.statements import first_keyword
from dragoman.dialects.streaming import Attempt, StreamingSession, cancelled, timed_out

if TYPE_CHECKING:
    import psycopg

    from dragoman.dialects.postgres import PostgresWire

BATCH_BYTES = 1_000_000
_COPIED = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})
_SCHEMAS: LiteralString = """
    SELECT nspname FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
      AND has_schema_privilege(oid, 'usage')
    ORDER BY 1"""
_READABLE: LiteralString = """
    SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND has_schema_privilege(n.oid, 'usage') AND has_any_column_privilege(c.oid, 'select')
      AND (cardinality(%(schemas)s::text[]) = 0 OR n.nspname = ANY (%(schemas)s::text[]))"""


def open_session(
    dialect: PostgresWire, target: Target, network: Network, options: SessionOptions
) -> Session:
    """Dial and sign in. Raises `DatabaseFailure`."""
    values, address = postgres_connect.parameters(
        target, network, options, plaintext_allowed=dialect.plaintext_allowed
    )
    session = PostgresSession(values, target, options)
    try:
        session.ping()
    except DatabaseFailure as failure:
        if failure.stage is Stage.TLS:
            # libpq's words are terse: a probe of our own finds better ones, or nothing.
            sock, address = network.connect(address.host, address.port, options.connect_seconds)
            with sock:
                dialect.starttls(sock, address, target, network.tls)
        raise
    return session


class PostgresSession(StreamingSession):
    """See `Session`."""

    def __init__(
        self, values: dict[str, str | int], target: Target, options: SessionOptions
    ) -> None:
        """`values`: libpq's parameters but for user and password. Nothing is dialled yet."""
        super().__init__("postgres", options)
        self._values = values
        self._target = target
        self._timezone = options.timezone or "UTC"
        self._control: psycopg.Connection[Any] | None = None
        self._data: Any = None
        self._cursor: Any = None
        self._reader: RecordBatchReader = None

    def ping(self) -> None:
        """See `Session.ping`."""
        self._end_previous()
        if self._data is None:
            self._ask("SELECT 1")
            return
        try:
            self._command("SELECT 1")
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, None) from None

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        return [str(row[0]) for row in self._ask(_SCHEMAS)]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        return int(self._ask(_READABLE, {"schemas": schemas})[0][0])

    def reset(self) -> None:
        """Forget temporary tables, settings, prepared statements and locks (DISCARD ALL)."""
        self._end_previous()
        try:
            if self._control is not None:
                self._control.execute("DISCARD ALL")
            if self._data is not None:
                self._command("DISCARD ALL")
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self.broken = True
            raise self._failure(error, None) from None

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        with contextlib.suppress(Exception):
            self._close_control()
        with contextlib.suppress(Exception):
            if self._data is not None:
                self._data.close()
        self._data = None

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        self._open_data()
        self._command("BEGIN READ ONLY" if self._options.read_only else "BEGIN")
        self._command(_settings(self._options, self._target.text("defaultSchema")))
        copied = first_keyword(sql) in _COPIED
        cursor = self._cursor = self._new_cursor(copy=copied)
        names: list[str] | None = None
        if copied:
            described: Schema = cursor.adbc_execute_schema(sql)
            names = described.names
            sql = wrapped(sql, described)
        if (verdict := attempt.verdict()) is not None:
            raise verdict
        cursor.execute(sql)
        reader = self._reader = cursor.fetch_record_batch()
        return converted(names or reader.schema.names, reader, self._timezone, notices)

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        read = self._cursor = postgres_catalog.CatalogRead(self._open_control())
        if (verdict := attempt.verdict()) is not None:
            raise verdict
        yield from read.tables(_settings(self._options, ""), wanted)

    def _stop(self) -> None:
        if self._cursor is not None:
            self._cursor.adbc_cancel()

    def _end(self, *, exhausted: bool) -> None:
        reader, self._reader = self._reader, None
        cursor, self._cursor = self._cursor, None
        with contextlib.suppress(Exception):
            if reader is not None:
                if not exhausted:
                    # Otherwise closing reads the rest of the rows, however many there are.
                    cursor.adbc_cancel()
                reader.close()
        with contextlib.suppress(Exception):
            if cursor is not None:
                cursor.close()
        if self._data is not None:
            self._command("ROLLBACK")

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = postgres_errors.query_failure(error, self._target.secrets)
        if failure.cause is not Cause.CANCELLED or attempt is None:
            return failure
        # 57014 stands for both; the text is translated where the server's language is.
        if "statement timeout" in str(error) or attempt.overdue():
            return timed_out(self._options.timeout_seconds)
        return cancelled()

    def _open_data(self) -> None:
        if self._data is not None:
            return
        from adbc_driver_postgresql import dbapi

        text = self._conninfo()
        try:
            self._data = dbapi.connect(text, autocommit=True)
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise postgres_errors.connect_failure(error, self._target.secrets) from None
        self._close_control()

    def _conninfo(self) -> str:
        """Each sign-in asks as whom: a minted password of the first may be over."""
        self._target = self._target.current()
        return postgres_connect.conninfo(self._values, self._target)

    def _new_cursor(self, *, copy: bool) -> Any:
        cursor = self._data.cursor()
        cursor.adbc_statement.set_options(
            **{
                "adbc.postgresql.use_copy": "true" if copy else "false",
                "adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES),
            }
        )
        return cursor

    def _command(self, sql: str) -> None:
        """A statement of ours on the data connection, its rows not wanted."""
        with self._new_cursor(copy=False) as cursor:
            cursor.execute(sql)
            if cursor.description:
                cursor.fetchall()

    def _ask(
        self, sql: LiteralString, parameters: dict[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        """A question of ours on the control connection, under the same limit."""
        connection = self._open_control()
        try:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN READ ONLY")
                cursor.execute(_settings(self._options, "").encode())
                rows = cursor.execute(sql, parameters).fetchall()
                cursor.execute("ROLLBACK")
                return rows
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            failure = self._failure(error, None)
            self._close_control()
            raise failure from None

    def _open_control(self) -> psycopg.Connection[Any]:
        if self._control is None:
            import psycopg

            text = self._conninfo()
            try:
                self._control = psycopg.connect(text, autocommit=True, prepare_threshold=None)
            except Exception as error:  # noqa: BLE001 - drivers raise anything
                raise postgres_errors.connect_failure(error, self._target.secrets) from None
        return self._control

    def _close_control(self) -> None:
        control, self._control = self._control, None
        if control is not None:
            control.close()


def _settings(options: SessionOptions, default_schema: str) -> str:
    """One statement that sets what holds for the transaction."""
    milliseconds = max(1, round(options.timeout_seconds * 1000))
    values = {
        "statement_timeout": str(milliseconds),
        "TimeZone": options.timezone or "UTC",
        # A database or a role may have it off: a backslash would then escape the quote that ends
        # a text, in what we write and in what was checked here.
        "standard_conforming_strings": "on",
    }
    if default_schema:
        values["search_path"] = f"{FUNCTIONS.name(default_schema)}, public"
    calls = (f"set_config({_literal(k)}, {_literal(v)}, true)" for k, v in values.items())
    return "SELECT " + ", ".join(calls)


def _literal(text: str) -> str:
    """As it is read whatever a backslash means: the statement that fixes that has these."""
    return "E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
