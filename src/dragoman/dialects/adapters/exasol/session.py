"""A session of Exasol: no autocommit, and a rollback after each statement.

Exasol has no read-only transaction. What a statement might write in spite of the guard is undone.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final

from dragoman.dialects import arrow_rows
from dragoman.dialects.adapters.exasol import catalog, errors
from dragoman.dialects.adapters.exasol.connection import sign_in
from dragoman.dialects.adapters.exasol.statement import Statement, ask, stream
from dragoman.dialects.adapters.exasol.types import Types
from dragoman.dialects.arrow import RecordBatch, Schema, pyarrow
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure
from dragoman.dialects.network import Network
from dragoman.dialects.sql.exasol import FUNCTIONS
from dragoman.dialects.streaming import Attempt, StreamingSession, timed_out

# How long the server may take to stop a statement before we hang up.
_GRACE_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 2.0
# The server writes dates and numbers as its session says: in one way, whatever the user's is.
_FORMATS: Final = (
    "ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY-MM-DD'",
    "ALTER SESSION SET NLS_TIMESTAMP_FORMAT = 'YYYY-MM-DD HH24:MI:SS.FF9'",
    "ALTER SESSION SET NLS_NUMERIC_CHARACTERS = '.,'",
)


class ExasolSession(StreamingSession):
    """See `Session`."""

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Dial and sign in. Raises `DatabaseFailure`."""
        super().__init__("exasol", options)
        self._target = target
        self._statement: Statement | None = None
        self._over = threading.Event()
        self._timezone = "UTC"
        self._connection = sign_in(target, network, options)
        try:
            self._prepare()
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self.close()
            raise self._failure(error, None) from None
        self._connection.wire.settimeout(options.timeout_seconds + 2 * _GRACE_SECONDS)

    def ping(self) -> None:
        """See `Session.ping`."""
        self._guarded("SELECT 1")

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        rows = self._guarded("SELECT SCHEMA_NAME FROM EXA_ALL_SCHEMAS ORDER BY 1")
        return [str(row[0]) for row in rows]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        # The server lists only tables and views that this user may reach.
        return int(self._guarded(catalog.count(schemas))[0][0])

    def reset(self) -> None:
        """Set the session's own settings again, and forget the open transaction."""
        self._end_previous()
        try:
            ask(self._connection, "ROLLBACK")
            self._prepare()
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self.broken = True
            raise self._failure(error, None) from None

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        wire = self._connection.wire
        with contextlib.suppress(Exception), wire.at_most(_CLOSE_SECONDS):
            if not self._connection.is_closed:
                self._connection.req({"command": "disconnect"})
        wire.hang_up()
        wire.close()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        self._watch(attempt)
        statement = self._statement = Statement(self._connection, sql)
        notices.extend(self.notices)
        types = Types(self._timezone, notices)
        columns = [types.column(described) for described in statement.columns]
        return arrow_rows.schema_of(columns), _batches(statement, columns)

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        self._watch(attempt)
        statement = self._statement = Statement(self._connection, catalog.statement(wanted))
        yield from catalog.tables(stream(statement), wanted)

    def _stop(self) -> None:
        self._connection.abort_query()

    def _end(self, *, exhausted: bool) -> None:
        self._over.set()
        statement, self._statement = self._statement, None
        if self._connection.is_closed:
            self.broken = True
            return
        if statement is not None:
            statement.close()
        ask(self._connection, "ROLLBACK")

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = errors.query_failure(error, self._target.secrets)
        if failure.cause is Cause.CONNECTION_LOST:
            # What the server sent is unread: nothing on this connection can be trusted.
            self._connection.is_closed = True
            self.broken = True
        if failure.cause is Cause.QUERY_TIMEOUT:
            return timed_out(self._options.timeout_seconds)
        return failure

    def _watch(self, attempt: Attempt) -> None:
        """Our own clock: the server's knows whole seconds only."""
        over = self._over = threading.Event()

        def watch() -> None:
            if over.wait(self._options.timeout_seconds):
                return
            attempt.timed_out = True
            with contextlib.suppress(Exception):
                self._stop()
            if not over.wait(_GRACE_SECONDS):
                self._connection.wire.hang_up()

        threading.Thread(target=watch, name="exasol-timer", daemon=True).start()

    def _prepare(self) -> None:
        """Settings of the session; a rollback would undo them, so they are committed."""
        for statement in _FORMATS:
            ask(self._connection, statement)
        self._set_time_zone(self._options.timezone or "UTC")
        self._open_schema(self._target.text("defaultSchema"))
        ask(self._connection, "COMMIT")

    def _set_time_zone(self, zone: str) -> None:
        try:
            ask(self._connection, f"ALTER SESSION SET TIME_ZONE = {FUNCTIONS.string(zone)}")
            self._timezone = zone
        except Exception as error:
            if zone == "UTC" or self._lost(error):
                raise
            self._note(f"The server does not know the time zone {zone}; UTC is used.")
            self._set_time_zone("UTC")

    def _open_schema(self, name: str) -> None:
        if not name:
            return
        quoted = '"' + name.replace('"', '""') + '"'
        try:
            ask(self._connection, f"OPEN SCHEMA {quoted}")
        except Exception as error:
            if self._lost(error):
                raise
            # For the diagnosis to say, not a reason to fail.
            ask(self._connection, "ROLLBACK")
            self._note(f"There is no schema {name} to be the default.")

    def _lost(self, error: Exception) -> bool:
        failure = errors.query_failure(error, self._target.secrets)
        return failure.cause is Cause.CONNECTION_LOST

    def _note(self, notice: str) -> None:
        if notice not in self.notices:
            self.notices.append(notice)

    def _guarded(self, sql: str) -> list[tuple[Any, ...]]:
        """A statement of ours, its few rows read at once."""
        self._end_previous()
        try:
            rows = ask(self._connection, sql)
            ask(self._connection, "ROLLBACK")
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, None) from None
        return rows


def _batches(statement: Statement, columns: Sequence[arrow_rows.Column]) -> Iterator[RecordBatch]:
    """A message is a batch; its values come column by column, as Arrow wants them.

    Of the first message a few rows go ahead, since the rest takes its time to become Arrow."""
    pa, schema = pyarrow(), arrow_rows.schema_of(columns)

    def batch(chunk: Sequence[arrow_rows.Values], part: slice) -> RecordBatch:
        arrays = [c.convert(values[part]) for c, values in zip(columns, chunk, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    ahead = arrow_rows.FIRST_ROWS
    for chunk in statement.chunks():
        for part in (slice(ahead), slice(ahead, None)):
            if chunk and chunk[0][part]:
                yield batch(chunk, part)
        ahead = 0
        del chunk
