"""One question on its way through a session of the database; with or without HTTP around it."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import structlog

from dragoman.connections.dialling import Destination
from dragoman.connections.sessions import leased
from dragoman.dialects.arrow import RecordBatch
from dragoman.dialects.base import Rows, Session
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.house import House
from dragoman.observability import metrics
from dragoman.queries.zones import UTC

log = structlog.get_logger()
# How often a statement that does not stop is told so again.
FIRST_PAUSE, LAST_PAUSE = 0.1, 5.0
OUTCOMES = {Cause.CANCELLED: "cancelled", Cause.QUERY_TIMEOUT: "timeout"}


@dataclass(slots=True)
class Tally:
    """What a query has given so far, for its log line and the metrics."""

    began: float = field(default_factory=time.perf_counter)
    rows: int = 0
    bytes: int = 0

    def milliseconds(self) -> float:
        """Time since the query began."""
        return round((time.perf_counter() - self.began) * 1000, 1)


class Query:
    """A statement for a destination. `cancel` may come from any thread and at any time.

    `zone`: IANA name of the session's time zone. `limit`: rows after which the statement is
    stopped in the database; None for all.
    """

    def __init__(
        self,
        house: House,
        destination: Destination,
        sql: str,
        limit: int | None,
        zone: str,
        request_id: str = "",
    ) -> None:
        self.house = house
        self.destination = destination
        self.tally = Tally()
        self.cancelled = False
        self._sql = sql
        self._limit = limit
        self._zone = zone
        self.request_id = request_id
        self._notices: tuple[list[str], ...] = ()
        self._flag = threading.Lock()
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._over = threading.Event()

    @property
    def dialect(self) -> str:
        """The dialect's wire name."""
        return self.destination.dialect.declaration.name

    @property
    def notices(self) -> list[str]:
        """What the reader should know of the rows, as far as it shows yet."""
        return [notice for notices in self._notices for notice in notices]

    @contextmanager
    def rows(self) -> Generator[Rows]:
        """Run the statement in this thread; its rows end at the limit.

        Raises `DatabaseFailure`, and `Unavailable` as `sessions.leased`.
        Counts and logs the query when the block ends.
        """
        outcome = "failed"
        metrics.QUERIES_RUNNING.labels(self.dialect).inc()
        try:
            self.check()
            with (
                leased(self.house, self.destination, self._zone) as session,
                self._held(session),
                closing(self._started(session)) as rows,
            ):
                yield rows
            outcome = "complete"
        except BaseException as error:
            outcome = self._outcome(error)
            raise
        finally:
            self._over.set()
            metrics.QUERIES_RUNNING.labels(self.dialect).dec()
            self._note(outcome)

    def cancel(self) -> None:
        """Stop the statement in the database; harmless at any time, returns at once."""
        with self._flag:
            if self.cancelled or self._over.is_set():
                return
            self.cancelled = True
        # A thread of its own: stopping a statement can take a connection, and the threads of the
        # house may all be waiting for the very statements that are to be stopped.
        threading.Thread(target=self._stop, name="cancel", daemon=True).start()

    @contextmanager
    def _held(self, session: Session) -> Generator[None]:
        """Lets `cancel` reach the session, and keeps a doubtful one out of the pool."""
        with self._lock:
            self._session = session
        clean = False
        try:
            yield
            clean = True
        except DatabaseFailure:
            clean = True  # the adapter marks a session that is broken by its failure
            raise
        finally:
            self._over.set()
            # Waits for a cancel under way: it must not hit the session's next statement.
            with self._lock:
                self._session = None
            if self.cancelled or not clean:
                session.broken = True

    def _started(self, session: Session) -> Rows:
        self.check()
        rows = session.run(self._sql)
        self._notices = (session.notices, rows.notices)
        return Rows(rows.schema, _Limited(rows, self._limit, self), rows.notices)

    def check(self) -> None:
        """Raise `DatabaseFailure` (cancelled) when the query was cancelled."""
        if self.cancelled:
            raise DatabaseFailure(Stage.QUERY, Cause.CANCELLED, "The query was cancelled.")

    def _stop(self) -> None:
        """Tell the session until the query is over: it may not have begun the statement yet."""
        pause = FIRST_PAUSE
        while not self._over.is_set():
            with self._lock:
                if self._session is not None:
                    self._session.cancel()
            self._over.wait(pause)
            pause = min(pause * 2, LAST_PAUSE)

    def _outcome(self, error: BaseException) -> str:
        if self.cancelled or not isinstance(error, Exception):
            return "cancelled"
        if isinstance(error, DatabaseFailure):
            return OUTCOMES.get(error.cause, "failed")
        return "failed"

    def _note(self, outcome: str) -> None:
        """Count and log the query; never its text, which may hold personal data."""
        metrics.QUERIES.labels(self.dialect, outcome).inc()
        metrics.ROWS.labels(self.dialect).inc(self.tally.rows)
        log.info(
            "query",
            connection_id=self.destination.connection_id,
            dialect=self.dialect,
            outcome=outcome,
            rows=self.tally.rows,
            bytes=self.tally.bytes,
            milliseconds=self.tally.milliseconds(),
            request_id=self.request_id,
        )


class _Limited:
    """The batches of an answer, counted, until the limit or a cancel."""

    def __init__(self, rows: Rows, limit: int | None, query: Query) -> None:
        self._rows = rows
        self._left = limit
        self._query = query

    def __iter__(self) -> Iterator[RecordBatch]:
        return self

    def __next__(self) -> RecordBatch:
        self._query.check()
        if self._left == 0:
            self.close()
            raise StopIteration
        batch = next(self._rows.batches)
        if self._left is not None:
            batch = batch.slice(0, self._left)
            self._left -= batch.num_rows
            if not self._left:
                self.close()
        self._query.tally.rows += batch.num_rows
        return batch

    def close(self) -> None:
        """See `Batches.close`."""
        self._rows.close()


@contextmanager
def run(
    house: House, destination: Destination, sql: str, limit: int | None = None, zone: str = UTC
) -> Generator[Rows]:
    """The rows of a statement, read in this thread; the way of the command line.

    Raises as `Query.rows`. `formats.encode(rows.schema, rows.batches, form)` writes them.
    """
    with Query(house, destination, sql, limit, zone).rows() as rows:
        yield rows
