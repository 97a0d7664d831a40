"""A session of SQL Server: no autocommit, and a rollback after each statement.

SQL Server has no read-only transaction. What a statement might write in spite of the guard is
undone. It has no time limit of a session either: our own clock cancels, and hangs up if need be.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

from dragoman.dialects.adapters.mssql import catalog, errors
from dragoman.dialects.adapters.mssql.entra import attributes
from dragoman.dialects.adapters.mssql.strings import connection_string
from dragoman.dialects.adapters.mssql.tunnel import Tunnel, redirected
from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.network import Network
from dragoman.dialects.streaming import Attempt, StreamingSession
from dragoman.dialects.user_grants import ACCESS_TOKEN

_GRACE_SECONDS: Final = 5.0
_BATCH_ROWS: Final = 16_384


class MSSQLSession(StreamingSession):
    """See `Session`."""

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Dial and sign in. Raises `DatabaseFailure`."""
        super().__init__("tsql", options)
        self._target = target
        self._cursor: Any = None
        self._over = threading.Event()
        self._tunnel = Tunnel(target, network, options)
        try:
            self._connection = self._sign_in()
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self._tunnel.close()
            if self._tunnel.redirected:
                raise redirected() from None
            raise errors.connect_failure(error, target.secrets) from None
        if options.timezone not in (None, "UTC"):
            self.notices.append(
                "SQL Server has no time zone of a session: use AT TIME ZONE in the statement."
            )

    def ping(self) -> None:
        """See `Session.ping`."""
        self._guarded("SELECT 1")

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        return [str(row[0]) for row in self._guarded(catalog.SCHEMAS)]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        # The server lists only objects on which this user has some right.
        return int(self._guarded(catalog.count(schemas))[0][0])

    def reset(self) -> None:
        """Undo the open transaction: no statement that a user may run leaves anything else."""
        self._end_previous()
        try:
            self._connection.rollback()
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self.broken = True
            raise self._failure(error, None) from None

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        timer = threading.Timer(_GRACE_SECONDS, self._tunnel.close)
        timer.start()
        with contextlib.suppress(Exception):
            self._connection.close()
        timer.cancel()
        self._tunnel.close()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        self._execute(sql, attempt)
        notices.extend(self.notices)
        first = self._cursor.arrow_batch(0)
        return first.schema, self._batches(self._cursor)

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        self._execute(catalog.statement(wanted), attempt)
        yield from catalog.tables(self._rows(self._cursor), wanted)

    def _execute(self, sql: str, attempt: Attempt) -> None:
        self._cursor = self._connection.cursor()
        self._watch(attempt)
        self._cursor.execute(sql)

    @staticmethod
    def _batches(cursor: Any) -> Iterator[RecordBatch]:
        while (batch := cursor.arrow_batch(_BATCH_ROWS)).num_rows:
            yield batch

    @staticmethod
    def _rows(cursor: Any) -> Iterator[Sequence[Any]]:
        while rows := cursor.fetchmany(_BATCH_ROWS):
            yield from rows

    def _stop(self) -> None:
        if (cursor := self._cursor) is not None:
            self._cancel(cursor)

    def _cancel(self, cursor: Any) -> None:
        """Stop the statement; a server that does not confirm it in time is left."""

        def cancel() -> None:
            # The driver has no public cancel. This is SQLCancel, made for other threads, and it
            # waits for the server.
            with contextlib.suppress(Exception):
                cursor.hstmt._cancel()

        asking = threading.Thread(target=cancel, name="mssql-cancel", daemon=True)
        asking.start()
        asking.join(_GRACE_SECONDS)
        if asking.is_alive():
            self._tunnel.close()

    def _end(self, *, exhausted: bool) -> None:
        cursor, self._cursor = self._cursor, None
        try:
            if cursor is not None:
                if not exhausted:
                    self._cancel(cursor)
                cursor.close()
            self._connection.rollback()
        finally:
            self._over.set()

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        return errors.query_failure(error, self._target.secrets)

    def _watch(self, attempt: Attempt) -> None:
        over = self._over = threading.Event()

        def watch() -> None:
            if over.wait(self._options.timeout_seconds):
                return
            attempt.timed_out = True
            self._stop()
            if not over.wait(_GRACE_SECONDS):
                self._tunnel.close()

        threading.Thread(target=watch, name="mssql-timer", daemon=True).start()

    def _sign_in(self) -> Any:
        mssql_python: Any = importlib.import_module("mssql_python")

        # Its pool would keep sessions of one user for the next.
        mssql_python.pooling(enabled=False)
        wanted = {
            "Server": self._tunnel.address,
            "Database": self._target.database,
            # The tunnel encrypts; what is plain stays inside this machine.
            "Encrypt": "no",
            "ConnectRetryCount": "0",
        }
        token = self._target.secrets.get(ACCESS_TOKEN)
        if token is None:
            wanted |= {"UID": self._target.username, "PWD": self._target.password.reveal()}
        before = None if token is None else attributes(token)
        timer = threading.Timer(self._options.connect_seconds, self._tunnel.close)
        timer.start()
        try:
            text = connection_string(wanted)
            return mssql_python.connect(text, autocommit=False, attrs_before=before)
        finally:
            timer.cancel()

    def _guarded(self, sql: str) -> list[Sequence[Any]]:
        """A statement of ours, its few rows read at once."""
        self._end_previous()
        attempt = Attempt(self._options.timeout_seconds)
        try:
            self._execute(sql, attempt)
            return self._cursor.fetchall()
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, attempt) from None
        finally:
            self._finish(exhausted=True)
