"""A session of ClickHouse: requests over kept connections, each statement with its own id.

HTTP keeps no state between requests, so the settings travel with each statement and there is
nothing to reset.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

from dragoman.dialects.adapters.clickhouse import catalog, errors
from dragoman.dialects.adapters.clickhouse.answer import Answer
from dragoman.dialects.adapters.clickhouse.door import Door, Interrupted
from dragoman.dialects.adapters.clickhouse.sign_in import settings, sign_in
from dragoman.dialects.adapters.clickhouse.types import Columns, must_describe
from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure
from dragoman.dialects.network import Network
from dragoman.dialects.sql.clickhouse import FUNCTIONS, SETTINGS
from dragoman.dialects.statements import first_keyword
from dragoman.dialects.streaming import Attempt, StreamingSession, timed_out

# The server looks at its clock between blocks; ours rings when that takes too long.
_OWN_CLOCK_SECONDS: Final = 0.5
_NOT_SYSTEM: Final = f"NOT IN {catalog.SYSTEM}"
_FORMAT: Final = "ArrowStream"
Settings = Mapping[str, Any]
_NONE: Final[Settings] = {}


class ClickHouseSession(StreamingSession):
    """See `Session`."""

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Dial and sign in. Raises `DatabaseFailure`."""
        super().__init__("clickhouse", options)
        self._target = target
        self._door = Door(target, network, options.connect_seconds)
        self._client = self._sign_in()
        self._settings = settings(self._client, options, self.notices)
        self._timezone = str(self._settings.get("session_timezone") or self._client.server_tz)
        self._query_id = ""
        self._answer: Answer | None = None
        self._clock: threading.Timer | None = None

    def ping(self) -> None:
        """See `Session.ping`."""
        self._end_previous()
        self._guarded("SELECT 1 AS one")

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        self._end_previous()
        sql = f"SELECT name FROM system.databases WHERE name {_NOT_SYSTEM} ORDER BY name"  # noqa: S608
        return [str(row["name"]) for row in self._guarded(sql)]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        self._end_previous()
        chosen = "has({schemas:Array(String)}, database)" if schemas else f"database {_NOT_SYSTEM}"
        # The server lists only tables on which this user has some privilege.
        sql = f"SELECT count() AS n FROM system.tables WHERE {chosen} AND NOT is_temporary"  # noqa: S608
        return int(self._guarded(sql, {"schemas": schemas} if schemas else None)[0]["n"])

    def reset(self) -> None:
        """Nothing to forget: no request knows of another."""
        self._end_previous()

    def close(self) -> None:
        """See `Session.close`."""
        self._end_previous()
        with contextlib.suppress(Exception):
            self._client.close_connections()
        self._door.hang_up()

    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        sql, own = self._lifted(sql)
        answer = self._start(attempt, sql, settings=own)
        notices.extend(self.notices)
        described = self._described(sql, answer.schema, own, notices)
        columns = Columns(answer.schema, described, self._timezone, notices)
        return columns.schema, columns.apply(iter(answer))

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        answer = self._start(attempt, *catalog.statement(wanted))
        rows = (row for batch in answer for row in batch.to_pylist())
        yield from catalog.tables(rows, wanted)

    def _stop(self) -> None:
        """By the statement's id; a server that does not hear it notices that nobody listens."""
        try:
            with self._door.at_most(self._options.connect_seconds):
                self._client.command(f"KILL QUERY WHERE query_id = '{self._query_id}' ASYNC")
        finally:
            self._door.hang_up()

    def _end(self, *, exhausted: bool) -> None:
        if self._clock is not None:
            self._clock.cancel()
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close(exhausted=exhausted)

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = errors.query_failure(error, self._target.secrets)
        silent = isinstance(error, Interrupted) and error.timed_out
        if silent or failure.cause is Cause.QUERY_TIMEOUT:
            return timed_out(self._options.timeout_seconds)
        return failure

    def _lifted(self, sql: str) -> tuple[str, Settings]:
        """A compiled question without the SETTINGS at its end, and these: a statement under
        `readonly = 1` may set nothing, the request that sends it may."""
        bare = sql.removesuffix(FUNCTIONS.settings)
        if bare == sql or self._settings.get("readonly") != 1:
            return sql, {}
        return bare.rstrip(), SETTINGS

    def _start(
        self,
        attempt: Attempt,
        sql: str,
        values: dict[str, Any] | None = None,
        settings: Settings = _NONE,
    ) -> Answer:
        """A statement that can be stopped by its id, and is when its time is over."""
        self._query_id = uuid.uuid4().hex
        self._start_clock(attempt)
        self._answer = self._ask(sql, values, {**settings, "query_id": self._query_id})
        return self._answer

    def _start_clock(self, attempt: Attempt) -> None:
        def ring() -> None:
            attempt.timed_out = True
            with contextlib.suppress(Exception):
                self._stop()

        self._clock = threading.Timer(self._options.timeout_seconds + _OWN_CLOCK_SECONDS, ring)
        self._clock.daemon = True
        self._clock.start()

    def _described(
        self, sql: str, schema: Schema, settings: Settings, notices: list[str]
    ) -> dict[str, str]:
        """The server's own types of the answer's columns, where Arrow leaves them open."""
        if not must_describe(schema) or first_keyword(sql) not in {"SELECT", "WITH"}:
            return {}
        try:
            rows = self._rows(f"DESCRIBE TABLE ({sql}\n)", settings=settings)
        except Interrupted:
            raise
        except Exception:  # noqa: BLE001 - the answer is there, its finer types are not
            notices.append("The server did not tell its types: dates and labels may be numbers.")
            return {}
        return {str(row["name"]): str(row["type"]) for row in rows}

    def _sign_in(self) -> Any:
        database = self._target.text("defaultSchema") or self._target.database
        try:
            return sign_in(self._target, self._door, self._options, database)
        except DatabaseFailure as failure:
            if failure.cause is not Cause.DATABASE_NOT_FOUND or database == self._target.database:
                raise
        # The default schema is not there: that is for the diagnosis to say, not a reason to fail.
        self.notices.append(f"There is no schema {database} to be the default.")
        return sign_in(self._target, self._door, self._options, self._target.database)

    def _guarded(self, sql: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        try:
            return self._rows(sql, values)
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, None) from None

    def _rows(
        self, sql: str, values: dict[str, Any] | None = None, settings: Settings = _NONE
    ) -> list[dict[str, Any]]:
        """A statement of ours, its few rows read at once."""
        answer, exhausted = self._ask(sql, values, settings), False
        try:
            rows = [row for batch in answer for row in batch.to_pylist()]
            exhausted = True
        finally:
            answer.close(exhausted=exhausted)
        return rows

    def _ask(self, sql: str, values: dict[str, Any] | None, settings: Settings) -> Answer:
        whole = {**self._settings, **settings}
        return Answer(self._client.raw_stream(sql, values, whole, fmt=_FORMAT))
