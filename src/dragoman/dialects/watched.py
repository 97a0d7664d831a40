"""A session whose driver may wait for ever: each call runs in a thread that can be left behind.

libpq waits without a limit of its own for a server that falls silent but keeps the connection (a
stalled proxy, a stopped process), and ADBC hides its socket, so nobody can hang up for it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, TimeoutError
from typing import Any, Final, TypeVar

from dragoman.dialects.arrow import RecordBatch
from dragoman.dialects.base import Rows, Session, SessionOptions
from dragoman.dialects.catalog import EVERYTHING, CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.limits import StatementClock
from dragoman.dialects.semantic_objects import SemanticObject

# The adapters' own graces are shorter.
GRACE_SECONDS: Final = 10.0
SHORT_SECONDS: Final = 10.0
_STEP_SECONDS: Final = 0.5
T = TypeVar("T")


class WatchedSession(Session):
    """See `Session`; one that is in this process, and calls of which are given up in time."""

    def __init__(self, session: Session, options: SessionOptions) -> None:
        self._session = session
        self._clock = StatementClock(options.timeout_seconds, GRACE_SECONDS)
        self._hand = _Hand()
        self.notices = session.notices

    def ping(self) -> None:
        """See `Session.ping`."""
        self._call(self._session.ping, SHORT_SECONDS)

    def reset(self) -> None:
        """See `Session.reset`."""
        self._call(self._session.reset, SHORT_SECONDS)

    def close(self) -> None:
        """See `Session.close`; one that is stuck closes when it comes loose."""
        self.broken = True
        self._hand.last(self._session.close, SHORT_SECONDS)

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        return self._call(self._session.schemas)

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        return self._call(lambda: self._session.readable_tables(schemas))

    def run(self, sql: str) -> Rows:
        """See `Session.run`."""
        with self._clock.started() as number:
            rows = self._call(lambda: self._session.run(sql))
        return Rows(rows.schema, _Given(self, number, rows.batches, rows.close), rows.notices)

    def catalog(self, wanted: CatalogFilter = EVERYTHING) -> Iterator[Table]:
        """See `Session.catalog`."""
        with self._clock.started() as number:
            tables: Any = self._call(lambda: self._session.catalog(wanted))
        # A generator can be given up; other iterators hold nothing of the database's.
        close = getattr(tables, "close", _nothing)
        return _Given(self, number, _chunks(tables), close).flat()

    def semantic_objects(self, wanted: CatalogFilter = EVERYTHING) -> list[SemanticObject]:
        """See `Session.semantic_objects`."""
        return self._call(lambda: self._session.semantic_objects(wanted))

    def cancel(self) -> None:
        """See `Session.cancel`."""
        if self._clock.cancel():
            self._session.cancel()

    def next_of(self, number: int, given: Iterator[T]) -> T | None:
        """The next piece of that statement; None at its end, or when another one has begun."""
        return self._call(lambda: next(given, None)) if self._clock.number == number else None

    def stop(self, number: int, close: Callable[[], None]) -> None:
        """Give up that statement, unless another one has begun."""
        if self._clock.number == number and not self.broken:
            self._call(close, SHORT_SECONDS)
        self._clock.over(number)

    def _call(self, work: Callable[[], T], seconds: float | None = None) -> T:
        if self.broken:
            raise self._late()
        end = time.monotonic() + (self._clock.seconds() if seconds is None else seconds)
        try:
            given = self._hand.do(work, lambda: self._clock.cut(end))
        except TimeoutError:
            self.broken = True
            raise self._late() from None
        finally:
            self.broken = self.broken or self._session.broken
        return given

    def _late(self) -> DatabaseFailure:
        return self._clock.verdict() or DatabaseFailure(
            Stage.QUERY,
            Cause.CONNECTION_LOST,
            "The database does not answer any more.",
            "Check the server, and what lies between it and this one.",
        )


class _Given:
    """Batches, or chunks of tables, of one statement; see `Batches`."""

    def __init__(
        self,
        session: WatchedSession,
        number: int,
        given: Iterator[Any],
        close: Callable[[], None],
    ) -> None:
        self._session = session
        self._number = number
        self._given = given
        self._close = close
        self._open = True

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> RecordBatch:
        if not self._open:
            raise StopIteration
        try:
            found = self._session.next_of(self._number, self._given)
        except DatabaseFailure:
            self.close()
            raise
        if found is None:
            self.close()
            raise StopIteration
        return found

    def close(self) -> None:
        """See `Batches.close`."""
        if self._open:
            self._open = False
            self._session.stop(self._number, self._close)

    def flat(self) -> Iterator[Any]:
        """The members of the chunks."""
        try:
            for chunk in self:
                yield from chunk
        finally:
            self.close()


class _Hand:
    """A thread that does one thing after the other for a session, and may be stuck in one."""

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="driver-call", daemon=True).start()

    def do(self, work: Callable[[], T], until: Callable[[], float]) -> T:
        """What the work gives. Raises what it raises, and `TimeoutError` when it is left behind.

        `until`: the point in time at which waiting ends; a cancel brings it nearer.
        """
        done: Future[T] = Future()
        self._tasks.put(lambda: _fulfil(done, work))
        while True:
            left = until() - time.monotonic()
            try:
                return done.result(min(max(left, 0), _STEP_SECONDS))
            except TimeoutError:
                if done.done() or left <= 0:
                    raise

    def last(self, work: Callable[[], None], seconds: float) -> None:
        """Do this when all else is done, then end; waits so long at most. Raises nothing."""
        done: Future[None] = Future()
        self._tasks.put(lambda: _fulfil(done, work))
        self._tasks.put(None)
        try:
            done.result(seconds)
        except Exception:  # noqa: BLE001 - nobody is left to be told
            return

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


def _fulfil(done: Future[T], work: Callable[[], T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
        done.set_exception(error)


def _chunks(tables: Iterator[Table], size: int = 100) -> Iterator[list[Table]]:
    """So that not each table changes the thread."""
    chunk: list[Table] = []
    for table in tables:
        chunk.append(table)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _nothing() -> None:
    """There is nothing to give up."""
