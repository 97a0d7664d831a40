"""The server's side: a session whose driver lives in another process.

Every call has a time limit. The driver's own limits come first; where they fail, or the process
dies, the process is killed and the call is a `DatabaseFailure`.
"""

from __future__ import annotations

import contextlib
import select
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from dragoman.dialects.arrow import RecordBatch, Schema, pyarrow
from dragoman.dialects.base import Dialect, Rows, Session, SessionOptions, Target
from dragoman.dialects.catalog import EVERYTHING, CatalogFilter, Table
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.isolation import door, plain, wire
from dragoman.dialects.isolation.process import Worker
from dragoman.dialects.limits import StatementClock
from dragoman.dialects.semantic_objects import SemanticObject
from dragoman.dialects.streaming import cancelled

if TYPE_CHECKING:
    from dragoman.dialects.network import Network

# A driver gets so long after its own limit, or after a cancel, before its process is killed.
GRACE_SECONDS: Final = 5.0
SHORT_SECONDS: Final = 10.0
START_SECONDS: Final = 5.0
_STEP_SECONDS: Final = 0.2


class WorkerSession(Session):
    """See `Session`; the session itself is in a process of its own."""

    def __init__(
        self, dialect: Dialect, target: Target, network: Network, options: SessionOptions
    ) -> None:
        """Start the process and sign in there. Raises `DatabaseFailure`."""
        self.notices = []
        self._label = dialect.declaration.label
        self._network = network
        self._sending = threading.Lock()
        self._clock = StatementClock(options.timeout_seconds, GRACE_SECONDS)
        self._worker = Worker(options.memory_mb << 20)
        try:
            answer, _ = self._ask(
                Stage.AUTHENTICATION,
                START_SECONDS + 2 * options.connect_seconds,
                kind="open",
                path=sys.path,
                dialect=_place(dialect),
                target=plain.from_target(target.current()),
                options=plain.from_options(options),
                tls=plain.from_tls(network.tls),
            )
        except BaseException:
            self._worker.end(0)
            raise
        self.notices = _texts(answer, "notices")

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._worker.pid

    def ping(self) -> None:
        """See `Session.ping`."""
        self._ask(Stage.QUERY, SHORT_SECONDS, kind="ping")

    def reset(self) -> None:
        """See `Session.reset`."""
        answer, _ = self._ask(Stage.QUERY, SHORT_SECONDS, kind="reset")
        self.notices = _texts(answer, "notices")

    def close(self) -> None:
        """See `Session.close`."""
        if not self.broken:
            with contextlib.suppress(DatabaseFailure):
                self._ask(Stage.QUERY, GRACE_SECONDS, kind="close")
        self.broken = True
        self._worker.end(GRACE_SECONDS if self._worker.reason is None else 0)

    def schemas(self) -> list[str]:
        """See `Session.schemas`."""
        answer, _ = self._timed(kind="schemas")
        return _texts(answer, "value")

    def readable_tables(self, schemas: list[str]) -> int:
        """See `Session.readable_tables`."""
        answer, _ = self._timed(kind="readable_tables", schemas=schemas)
        value = answer.get("value")
        return value if isinstance(value, int) else 0

    def run(self, sql: str) -> Rows:
        """See `Session.run`."""
        with self._clock.started() as number:
            answer, data = self._timed(kind="run", sql=sql)
        self.notices = _texts(answer, "notices")
        schema = self.read_schema(data)
        notices = _texts(answer, "row_notices")
        return Rows(schema, _Batches(self, number, schema, notices), notices)

    def catalog(self, wanted: CatalogFilter = EVERYTHING) -> Iterator[Table]:
        """See `Session.catalog`."""
        with self._clock.started() as number:
            self._timed(kind="catalog", wanted=plain.from_filter(wanted))
        return self._tables(number)

    def semantic_objects(self, wanted: CatalogFilter = EVERYTHING) -> list[SemanticObject]:
        """See `Session.semantic_objects`."""
        answer, _ = self._timed(kind="semantic_objects", wanted=plain.from_filter(wanted))
        self.notices = _texts(answer, "notices")
        try:
            return [plain.to_object(told) for told in answer["value"]]
        except (KeyError, TypeError, ValueError):
            raise self._nonsense("semantic objects") from None

    def cancel(self) -> None:
        """See `Session.cancel`."""
        if not self._clock.cancel():
            return
        # A worker that does not even read is killed by whoever waits for its answer.
        with contextlib.suppress(OSError):
            self._send({"kind": "cancel"})

    def next_batch(self, number: int) -> tuple[wire.Message, bytearray] | None:
        """The next batch of that statement, or the end; None when another one has begun."""
        return self._timed(kind="next") if self._clock.number == number else None

    def stop(self, number: int) -> None:
        """Give up that statement, unless another one has begun."""
        if self._clock.number == number and not self.broken:
            with contextlib.suppress(DatabaseFailure):
                self._ask(Stage.QUERY, GRACE_SECONDS, kind="stop")
        self.over(number)

    def over(self, number: int) -> None:
        """That statement is at its end."""
        self._clock.over(number)

    def read_schema(self, data: bytearray) -> Schema:
        """An Arrow schema of the worker's: strangers may have got hold of it.

        Raises `DatabaseFailure`.
        """
        pa = pyarrow()
        try:
            return pa.ipc.read_schema(pa.py_buffer(data))
        except (pa.ArrowException, OSError):
            raise self._nonsense() from None

    def read_batch(self, data: bytearray, schema: Schema) -> RecordBatch:
        """A batch of the worker's, checked as `read_schema` is."""
        pa = pyarrow()
        try:
            with pa.ipc.open_stream(pa.py_buffer(data)) as reader:
                batch = reader.read_next_batch()
            batch.validate(full=True)
        except (pa.ArrowException, OSError, StopIteration):
            raise self._nonsense() from None
        if not batch.schema.equals(schema):
            raise self._nonsense()
        return batch

    def _nonsense(self, what: str = "rows") -> DatabaseFailure:
        self._kill(f"it sent {what} that are none")
        return self._died(Stage.QUERY)

    def _tables(self, number: int) -> Iterator[Table]:
        try:
            while self._clock.number == number:
                answer, _ = self._timed(kind="tables")
                if answer.get("kind") == "end":
                    self.notices = _texts(answer, "notices")
                    return
                yield from self._read_tables(answer)
        finally:
            self.stop(number)

    def _read_tables(self, answer: wire.Message) -> list[Table]:
        try:
            return [plain.to_table(told) for told in answer["tables"]]
        except (KeyError, TypeError, ValueError):
            raise self._nonsense("tables") from None

    def _timed(self, **call: Any) -> tuple[wire.Message, bytearray]:
        """A call under the statement's time limit, where there is one."""
        return self._ask(Stage.QUERY, self._clock.seconds(), **call)

    def _ask(self, stage: Stage, seconds: float, **call: Any) -> tuple[wire.Message, bytearray]:
        """One call and its answer. Raises `DatabaseFailure`."""
        if self.broken:
            raise self._died(stage)
        end = time.monotonic() + seconds
        try:
            self._send(call)
            self._wait(end)
            answer, data = self._received(end)
            if answer.get("kind") == "failed":
                raise plain.to_failure(answer["failure"])
        except TimeoutError:
            self._kill("it did not answer in time")
            raise self._late(stage, seconds) from None
        except (wire.WireBroken, OSError, KeyError, TypeError, ValueError):
            self._kill(None)
            raise self._died(stage) from None
        return answer, data

    def _received(self, end: float) -> tuple[wire.Message, bytearray]:
        sock = self._worker.control
        answer, data = wire.receive(sock, lambda: sock.settimeout(_left(end)))
        self.broken = bool(answer.get("broken", False))
        return answer, data

    def _send(self, message: wire.Message) -> None:
        with self._sending:
            wire.send(self._worker.outgoing, message)

    def _wait(self, end: float) -> None:
        """Until the answer begins, dialling for the worker meanwhile. Raises `TimeoutError`."""
        worker = self._worker
        poll = select.poll()
        for sock in (worker.control, worker.door):
            poll.register(sock, select.POLLIN)
        while True:
            left = _left(self._clock.cut(end))
            ready = {number for number, _ in poll.poll(min(left, _STEP_SECONDS) * 1000)}
            if worker.control.fileno() in ready:
                return
            if worker.door.fileno() in ready:
                door.serve(worker.door, self._network, left)

    def _kill(self, reason: str | None) -> None:
        self.broken = True
        self._worker.kill(reason)

    def _late(self, stage: Stage, seconds: float) -> DatabaseFailure:
        if (verdict := self._clock.verdict()) is not None:
            return verdict
        return DatabaseFailure(
            stage,
            Cause.TIMEOUT,
            f"The driver of {self._label} did not answer within {seconds:.0f} seconds.",
            "Check that this is the port of the database, and that nothing in between swallows it.",
        )

    def _died(self, stage: Stage) -> DatabaseFailure:
        if self._clock.cancelled:
            return cancelled()
        return DatabaseFailure(
            stage,
            Cause.DRIVER_CRASHED,
            f"The driver of {self._label} runs in a process of its own, and that process ended: "
            f"{self._worker.obituary()}.",
            "Try again. If it happens each time, the driver cannot do this: please report it.",
        )


class _Batches:
    """See `Batches`."""

    def __init__(
        self, session: WorkerSession, number: int, schema: Schema, notices: list[str]
    ) -> None:
        self._session = session
        self._number = number
        self._schema = schema
        self._notices = notices
        self._open = True

    def __iter__(self) -> Iterator[RecordBatch]:
        return self

    def __next__(self) -> RecordBatch:
        if not self._open:
            raise StopIteration
        try:
            found = self._session.next_batch(self._number)
            if found is not None and found[0]["kind"] == "batch":
                return self._session.read_batch(found[1], self._schema)
        except DatabaseFailure:
            self.close()
            raise
        self._open = False
        self._session.over(self._number)
        if found is not None:
            self._notices[:] = _texts(found[0], "row_notices")
        raise StopIteration

    def close(self) -> None:
        """See `Batches.close`."""
        if self._open:
            self._open = False
            self._session.stop(self._number)


def _place(dialect: Dialect) -> tuple[str, str]:
    """Where the worker finds the dialect: a module, and its variable there."""
    return type(dialect).__module__, "DIALECT"


def _texts(answer: wire.Message, key: str) -> list[str]:
    """A list of texts out of an answer; what is no list is none."""
    found: object = answer.get(key)
    return [str(text) for text in cast("list[object]", found)] if isinstance(found, list) else []


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
