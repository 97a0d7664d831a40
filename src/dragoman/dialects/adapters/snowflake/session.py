"""A session of Snowflake: statements over the connector's REST, answers as its Arrow chunks."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Generator, Iterator
from typing import Any, Final

from dragoman.dialects import arrow_rows
from dragoman.dialects.adapters.https import Door, Interrupted
from dragoman.dialects.adapters.snowflake import catalog, errors, semantic_views, types
from dragoman.dialects.adapters.snowflake.connector import sign_in
from dragoman.dialects.adapters.snowflake.guard import refuse_hidden_writes
from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import EVERYTHING, CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network
from dragoman.dialects.semantic_objects import SemanticObject
from dragoman.dialects.streaming import Attempt, StreamingSession, timed_out

# The server's limit is in whole seconds; ours rings when it is late.
_OWN_CLOCK_SECONDS: Final = 0.3
_ADVICE: Final = "Check the account identifier (host) or hostOverride."
_SYSTEM: Final = "table_schema <> 'INFORMATION_SCHEMA'"


class SnowflakeSession(StreamingSession):
    """See `Session`."""

    def __init__(
        self, target: Target, host: str, network: Network, options: SessionOptions
    ) -> None:
        """Dial and sign in. Raises `DatabaseFailure`."""
        super().__init__("snowflake", options)
        self._target = target
        self._timezone = options.timezone or "UTC"
        self._door = Door(network, options.connect_seconds, _ADVICE)
        self._connection = sign_in(target, host, self._door, options)
        self._cursor: Any = None
        self._sql = ""
        self._chunks: Any = None
        self._clock: threading.Timer | None = None

    def ping(self) -> None:
        """See `Session.ping`."""
        self._end_previous()
        self._guarded("SELECT 1")

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        self._end_previous()
        rows = self._guarded(
            "SELECT schema_name FROM information_schema.schemata"
            " WHERE schema_name <> 'INFORMATION_SCHEMA' ORDER BY 1"
        )
        return [str(row[0]) for row in rows]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        self._end_previous()
        chosen = _SYSTEM
        if schemas:
            chosen = f"table_schema IN ({', '.join('?' * len(schemas))})"
        # The server lists only tables on which the role has some privilege.
        sql = f"SELECT count(*) FROM information_schema.tables WHERE {chosen}"  # noqa: S608 - bound
        return int(self._guarded(sql, schemas)[0][0])

    def reset(self) -> None:
        """Nothing to forget: no statement that changes a session gets through."""
        self._end_previous()

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        self._door.answer_seconds = self._options.connect_seconds
        with contextlib.suppress(Exception, Interrupted):
            self._connection.close(retry=False)
        self._door.hang_up()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        refuse_hidden_writes(sql)
        with self._answered(attempt):
            cursor = self._cursor = self._connection.cursor()
            self._sql = sql
            self._start_clock(attempt)
            cursor.execute(sql, _is_put_get=False)
            notices.extend(self.notices)
            if cursor._query_result_format == "json":
                columns = types.row_columns(cursor._description, self._timezone)
                rows = arrow_rows.batches(cursor.fetchmany, columns)
                return arrow_rows.schema_of(columns), self._calm(rows, attempt)
            tables = self._chunks = cursor.fetch_arrow_batches(force_microsecond_precision=True)
            first = next(tables, None)
            schema = types.schema_of(cursor._description, self._timezone, first)
            every = itertools.chain([] if first is None else [first], tables)
            return schema, self._calm(types.batches(every, schema), attempt)

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        """Four statements for each database."""

        def ask(sql: str, values: list[str] | None) -> list[tuple[Any, ...]]:
            if (verdict := attempt.verdict()) is not None:
                raise verdict
            return self._guarded(sql, values, attempt)

        self._start_clock(attempt)
        for name in catalog.databases(self._target):
            yield from catalog.tables(ask, name, wanted, self.notices)

    def semantic_objects(self, wanted: CatalogFilter = EVERYTHING) -> list[SemanticObject]:
        """See `Session.semantic_objects`. Six statements for each database."""
        databases = catalog.databases(self._target)
        read = semantic_views.objects
        return [
            each for name in databases for each in read(self._guarded, name, wanted, self.notices)
        ]

    def _stop(self) -> None:
        """Whoever waits stops waiting at once; then the statement is aborted by its request id."""
        cursor, sql = self._cursor, self._sql
        request = None if cursor is None else cursor._request_id
        self._door.hang_up()
        if request is not None:
            with (
                contextlib.suppress(Interrupted),
                self._door.at_most(self._options.connect_seconds),
            ):
                self._connection._cancel_query(sql, request)

    def _end(self, *, exhausted: bool) -> None:
        if self._clock is not None:
            self._clock.cancel()
        cursor, self._cursor = self._cursor, None
        chunks, self._chunks = self._chunks, None
        if chunks is not None and not exhausted:
            # What is on its way would otherwise be waited for.
            self._door.hang_up()
            with contextlib.suppress(Interrupted):
                chunks.close()
        if cursor is not None:
            cursor.close()

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = errors.query_failure(error, self._target)
        if failure.cause is Cause.QUERY_TIMEOUT:
            return timed_out(self._options.timeout_seconds)
        return failure

    @contextlib.contextmanager
    def _answered(self, attempt: Attempt | None) -> Generator[None]:
        """Turns a conversation that ended into a failure, or into what we ended it for."""
        try:
            yield
        except Interrupted as stopped:
            verdict = attempt.verdict() if attempt else None
            raise verdict or self._lost(stopped.failure) from None

    def _lost(self, failure: DatabaseFailure) -> DatabaseFailure:
        if failure.stage is not Stage.AUTHENTICATION:
            return failure
        if failure.cause is Cause.TIMEOUT:
            return timed_out(self._options.timeout_seconds)
        return DatabaseFailure(Stage.QUERY, failure.cause, failure.message)

    def _calm(self, batches: Iterator[RecordBatch], attempt: Attempt) -> Iterator[RecordBatch]:
        with self._answered(attempt):
            yield from batches

    def _start_clock(self, attempt: Attempt) -> None:
        def ring() -> None:
            attempt.timed_out = True
            with contextlib.suppress(Exception):
                self._stop()

        self._clock = threading.Timer(self._options.timeout_seconds + _OWN_CLOCK_SECONDS, ring)
        self._clock.daemon = True
        self._clock.start()

    def _guarded(
        self, sql: str, values: list[str] | None = None, attempt: Attempt | None = None
    ) -> list[tuple[Any, ...]]:
        """A statement of ours, its rows read at once."""
        try:
            with self._answered(attempt):
                return self._fetched(sql, values)
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, attempt) from None

    def _fetched(self, sql: str, values: list[str] | None) -> list[tuple[Any, ...]]:
        cursor = self._cursor = self._connection.cursor()
        self._sql = sql
        cursor.execute(sql, values or None, _is_put_get=False)
        return list(cursor.fetchall())
