"""The life of one statement, the same for every adapter: begin, stream, cancel, time out, end.

An adapter subclasses `StreamingSession` and says only how its driver does each step.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterator

from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.dialects.base import Rows, Session, SessionOptions
from dragoman.dialects.catalog import EVERYTHING, CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.statements import single_reading_statement


class Attempt:
    """One statement under way, and why it was stopped if it was."""

    __slots__ = ("_limit", "_started", "cancelled", "timed_out")

    def __init__(self, limit: float) -> None:
        self._started = time.monotonic()
        self._limit = limit
        self.cancelled = False
        self.timed_out = False

    def overdue(self) -> bool:
        """Whether the time limit has passed (to tell the server's time-out from a cancel)."""
        return time.monotonic() - self._started >= self._limit

    def verdict(self) -> DatabaseFailure | None:
        """Why we stopped it ourselves, or None when we did not."""
        if self.cancelled:
            return cancelled()
        return timed_out(self._limit) if self.timed_out else None


def cancelled() -> DatabaseFailure:
    """The statement was stopped on request."""
    return DatabaseFailure(Stage.QUERY, Cause.CANCELLED, "The query was cancelled.")


def timed_out(limit: float) -> DatabaseFailure:
    """The statement ran into its time limit (seconds)."""
    return DatabaseFailure(
        Stage.QUERY,
        Cause.QUERY_TIMEOUT,
        f"The query ran longer than {limit:g} seconds and was stopped.",
        "Ask for less, or raise queryTimeoutSeconds of the connection.",
    )


class Stream:
    """Batches of a statement. Its end, an error or `close` calls `finish(exhausted)` once."""

    def __init__(
        self,
        batches: Iterator[RecordBatch],
        translate: Callable[[Exception], DatabaseFailure],
        finish: Callable[[bool], None],
    ) -> None:
        self._batches = batches
        self._translate = translate
        self._finish = finish
        self._open = True

    def __iter__(self) -> Iterator[RecordBatch]:
        return self

    def __next__(self) -> RecordBatch:
        if not self._open:
            raise StopIteration
        try:
            return next(self._batches)
        except StopIteration:
            self._close(exhausted=True)
            raise
        except Exception as error:  # noqa: BLE001 - drivers raise anything, even bare OSError
            failure = self._translate(error)
            self._close(exhausted=False)
            raise failure from None

    def close(self) -> None:
        """Give up the rest; harmless at any time."""
        self._close(exhausted=False)

    def _close(self, *, exhausted: bool) -> None:
        if self._open:
            self._open = False
            self._finish(exhausted)


class StreamingSession(Session):
    """A session that runs one statement at a time and streams its rows."""

    def __init__(self, dialect: str | None, options: SessionOptions) -> None:
        """`dialect`: sqlglot's name of the SQL dialect."""
        self.notices = []
        self._sqlglot = dialect
        self._options = options
        self._attempt: Attempt | None = None
        self._stream: Stream | None = None

    @abstractmethod
    def _begin(
        self, sql: str, attempt: Attempt, notices: list[str]
    ) -> tuple[Schema, Iterator[RecordBatch]]:
        """Start the statement; any exception may come out."""

    def _tables(self, wanted: CatalogFilter, attempt: Attempt) -> Iterator[Table]:
        """Read the catalog, beginning with the first `next`; any exception may come out.

        An adapter that cannot leaves this as it is.
        """
        return super().catalog(wanted)

    @abstractmethod
    def _stop(self) -> None:
        """Stop the running statement in the database; called from another thread."""

    @abstractmethod
    def _end(self, *, exhausted: bool) -> None:
        """Clean up after the statement. An exception makes the session `broken`."""

    @abstractmethod
    def _translate(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        """The failure that the driver's exception stands for."""

    def run(self, sql: str) -> Rows:
        """Run one reading statement and stream its rows; see `Session.run`."""
        text = self._checked(sql, self._sqlglot)
        self._end_previous()
        attempt = self._attempt = Attempt(self._options.timeout_seconds)
        notices: list[str] = []
        try:
            schema, batches = self._begin(text, attempt, notices)
        except Exception as error:  # noqa: BLE001 - drivers raise anything
            failure = self._failure(error, attempt)
            self._finish(exhausted=False)
            raise failure from None
        self._stream = Stream(
            self._watched(batches, attempt),
            lambda error: self._failure(error, attempt),
            lambda exhausted: self._finish(exhausted=exhausted),
        )
        return Rows(schema, self._stream, notices)

    def catalog(self, wanted: CatalogFilter = EVERYTHING) -> Iterator[Table]:
        """The tables and views, one at a time; see `Session.catalog`."""
        self._end_previous()
        attempt = Attempt(self._options.timeout_seconds)
        tables = self._tables(wanted, attempt)
        self._attempt = attempt
        stream = self._stream = Stream(
            self._watched(tables, attempt),
            lambda error: self._failure(error, attempt),
            lambda exhausted: self._finish(exhausted=exhausted),
        )
        return stream

    def cancel(self) -> None:
        """Stop the running statement; see `Session.cancel`."""
        attempt = self._attempt
        if attempt is None:
            return
        attempt.cancelled = True
        try:
            self._stop()
        except Exception:  # noqa: BLE001 - it may have ended meanwhile
            return

    def _checked(self, sql: str, dialect: str | None) -> str:
        """The statement, if it is one and reads."""
        return single_reading_statement(sql, dialect) if self._options.guarded else sql.strip()

    @staticmethod
    def _watched(batches: Iterator[RecordBatch], attempt: Attempt) -> Iterator[RecordBatch]:
        """Also stops where the driver had already fetched what comes next."""
        for batch in batches:
            if (verdict := attempt.verdict()) is not None:
                raise verdict
            yield batch

    def _failure(self, error: Exception, attempt: Attempt | None) -> DatabaseFailure:
        verdict = attempt.verdict() if attempt else None
        if isinstance(error, DatabaseFailure):
            # A server that calls a statement cancelled does not say why it was.
            failure = (verdict or error) if error.cause is Cause.CANCELLED else error
        else:
            failure = verdict or self._translate(error, attempt)
        if failure.cause is Cause.CONNECTION_LOST:
            self.broken = True
        return failure

    def _finish(self, *, exhausted: bool) -> None:
        self._attempt = None
        self._stream = None
        try:
            self._end(exhausted=exhausted)
        except Exception:  # noqa: BLE001 - whatever it is, this session is not used again
            self.broken = True

    def _end_previous(self) -> None:
        if self._stream is not None:
            self._stream.close()
