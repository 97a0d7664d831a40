"""A session of Oracle: each statement in a read-only transaction of its own.

Oracle has no time limit of a session: the driver breaks a call that takes too long, and our own
clock breaks a statement of many calls, and hangs up on a server that does not react.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Final

from dragoman.dialects.adapters.oracle import catalog, errors
from dragoman.dialects.adapters.oracle.connection import open_tunnel, sign_in
from dragoman.dialects.arrow import RecordBatch, Schema, pyarrow
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.catalog import CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure
from dragoman.dialects.network import Network
from dragoman.dialects.sql.oracle import FUNCTIONS
from dragoman.dialects.streaming import Attempt, StreamingSession, timed_out

_GRACE_SECONDS: Final = 5.0
_BATCH_ROWS: Final = 16_384


class OracleSession(StreamingSession):
    """See `Session`."""

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Dial and sign in. Raises `DatabaseFailure`."""
        super().__init__("oracle", options)
        self._target = target
        self._over = threading.Event()
        self._tunnel = open_tunnel(target, network, options)
        timer = threading.Timer(options.connect_seconds, self._tunnel.close)
        timer.start()
        try:
            self._connection = sign_in(self._tunnel, target, options)
            self._prepare()
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            self._tunnel.close()
            raise self._failure(error, None) from None
        finally:
            timer.cancel()

    def ping(self) -> None:
        """See `Session.ping`."""
        self._guarded("SELECT 1 FROM DUAL")

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        return [str(row[0]) for row in self._guarded(catalog.SCHEMAS)]

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        # The views show only what this user may reach.
        return int(self._guarded(catalog.count(schemas))[0][0])

    def reset(self) -> None:
        """Undo the open transaction and set the session's settings again."""
        self._end_previous()
        try:
            self._connection.rollback()
            self._prepare()
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
        self._start(attempt)
        notices.extend(self.notices)
        frames = self._connection.fetch_df_batches(sql, size=_BATCH_ROWS, fetch_decimals=True)
        # A frame comes even where there are no rows.
        first = pyarrow().table(next(frames))
        return first.schema, _batches(first, frames)

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        self._start(attempt)
        with self._connection.cursor() as cursor:
            cursor.arraysize = _BATCH_ROWS
            cursor.execute(catalog.statement(wanted))
            yield from catalog.tables(cursor, wanted)

    def _start(self, attempt: Attempt) -> None:
        self._watch(attempt)
        if self._options.read_only:
            self._ask("SET TRANSACTION READ ONLY")

    def _stop(self) -> None:
        self._connection.cancel()

    def _end(self, *, exhausted: bool) -> None:
        try:
            self._connection.rollback()
        finally:
            self._over.set()

    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        failure = errors.query_failure(error, self._target.secrets)
        if failure.cause is Cause.QUERY_TIMEOUT:
            return timed_out(self._options.timeout_seconds)
        return failure

    def _watch(self, attempt: Attempt) -> None:
        over = self._over = threading.Event()

        def watch() -> None:
            if over.wait(self._options.timeout_seconds):
                return
            attempt.timed_out = True
            with contextlib.suppress(Exception):
                self._stop()
            if not over.wait(_GRACE_SECONDS):
                self._tunnel.close()

        threading.Thread(target=watch, name="oracle-timer", daemon=True).start()

    def _prepare(self) -> None:
        """Settings of the session; set again after each reset."""
        # Second line of our own clock, which comes first.
        limit = self._options.timeout_seconds + _GRACE_SECONDS
        self._connection.call_timeout = max(1, round(limit * 1000))
        self._set_time_zone(self._options.timezone or "UTC")
        if schema := self._target.text("defaultSchema"):
            quoted = '"' + schema.replace('"', '""') + '"'
            self._try(
                f"ALTER SESSION SET CURRENT_SCHEMA = {quoted}",
                f"There is no schema {schema} to be the default.",
            )

    def _set_time_zone(self, zone: str) -> None:
        known = self._try(
            f"ALTER SESSION SET TIME_ZONE = {FUNCTIONS.string(zone)}",
            f"The server does not know the time zone {zone}; UTC is used.",
        )
        if not known:
            self._ask("ALTER SESSION SET TIME_ZONE = '+00:00'")

    def _try(self, sql: str, notice: str) -> bool:
        try:
            self._ask(sql)
        except Exception as error:
            failure = errors.query_failure(error, self._target.secrets)
            if failure.cause is Cause.CONNECTION_LOST:
                raise
            if notice not in self.notices:
                self.notices.append(notice)
            return False
        return True

    def _guarded(self, sql: str) -> list[tuple[Any, ...]]:
        self._end_previous()
        try:
            return self._ask(sql)
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            raise self._failure(error, None) from None

    def _ask(self, sql: str) -> list[tuple[Any, ...]]:
        """A statement of ours, its few rows read at once."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []


def _batches(first: Any, frames: Iterator[Any]) -> Iterator[RecordBatch]:
    yield from first.to_batches()
    for frame in frames:
        yield from pyarrow().table(frame).to_batches()
