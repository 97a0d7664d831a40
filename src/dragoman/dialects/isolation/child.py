"""The worker's side: one session of one driver, in a process of its own.

Started by `process`; it lives as long as the server's end of its socket. One question is answered
after the other; only `cancel` overtakes.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dragoman.dialects.arrow import pyarrow
from dragoman.dialects.base import Dialect, Rows, Session
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.isolation import plain, wire
from dragoman.dialects.isolation.door import Door
from dragoman.dialects.network import Network

if TYPE_CHECKING:
    from dragoman.dialects.arrow import RecordBatch
    from dragoman.dialects.catalog import Table

TABLES: Final = 100  # in one answer
SLICE_BYTES: Final = 64 << 20
_PR_SET_PDEATHSIG: Final = 1
Answer = tuple[wire.Message, Any]


def main() -> None:
    """Serve the sockets whose numbers are on the command line."""
    server = os.getppid()
    control, door = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    _become_expendable(server)
    Child(control, door).serve()


class Child:
    """Answers the server's calls. `control` and `door`: see `process.Worker`."""

    def __init__(self, control: socket.socket, door: socket.socket) -> None:
        self._control = control
        self._door = door
        self._calls: queue.SimpleQueue[wire.Message] = queue.SimpleQueue()
        self._session: Session | None = None
        self._rows: Rows | None = None
        self._pieces: Iterator[RecordBatch] = iter(())
        self._tables: Iterator[Table] = iter(())

    def serve(self) -> None:
        """Until the server hangs up."""
        threading.Thread(target=self._listen, name="listen", daemon=True).start()
        while True:
            call = self._calls.get()
            message, data = self._answered(call)
            if self._session is not None:
                message["broken"] = self._session.broken
            wire.send(self._control, message, data)

    def _listen(self) -> None:
        try:
            while True:
                call, _ = wire.receive(self._control)
                if call["kind"] == "cancel":
                    threading.Thread(target=self._cancel, name="cancel", daemon=True).start()
                else:
                    self._calls.put(call)
        finally:
            # The server is gone, or wants no more. The driver is not asked: it may hang.
            os._exit(0)

    def _answered(self, call: wire.Message) -> Answer:
        kind = call.pop("kind")
        try:
            return getattr(self, f"_do_{kind}")(**call)
        except DatabaseFailure as failure:
            return {"kind": "failed", "failure": plain.from_failure(failure)}, b""
        except Exception as error:  # noqa: BLE001 - an adapter's mistake is told, not died of
            text = f"The driver's session failed: {type(error).__name__}."
            failure = DatabaseFailure(Stage.QUERY, Cause.OTHER, text)
            return {"kind": "failed", "failure": plain.from_failure(failure)}, b""

    def _cancel(self) -> None:
        if self._session is not None:
            with contextlib.suppress(Exception):
                self._session.cancel()

    @property
    def _open(self) -> Session:
        if self._session is None:
            raise DatabaseFailure(Stage.QUERY, Cause.CONNECTION_LOST, "No session is open.")
        return self._session

    def _do_open(
        self, path: list[str], dialect: list[str], target: Any, options: Any, tls: Any
    ) -> Answer:
        sys.path[:] = path
        network: Network = Door(self._door, plain.to_tls(tls))
        found: Dialect = getattr(importlib.import_module(dialect[0]), dialect[1])
        self._session = found.connect(plain.to_target(target), network, plain.to_options(options))
        return {"kind": "opened", "notices": self._session.notices}, b""

    def _do_ping(self) -> Answer:
        self._open.ping()
        return {"kind": "done"}, b""

    def _do_reset(self) -> Answer:
        self._forget()
        self._open.reset()
        return {"kind": "done", "notices": self._open.notices}, b""

    def _do_close(self) -> Answer:
        self._forget()
        self._open.close()
        return {"kind": "done"}, b""

    def _do_schemas(self) -> Answer:
        return {"kind": "done", "value": self._open.schemas()}, b""

    def _do_readable_tables(self, schemas: list[str]) -> Answer:
        return {"kind": "done", "value": self._open.readable_tables(schemas)}, b""

    def _do_run(self, sql: str) -> Answer:
        self._forget()
        rows = self._rows = self._open.run(sql)
        self._pieces = _pieces(rows)
        told = {"kind": "rows", "notices": self._open.notices, "row_notices": rows.notices}
        return told, memoryview(rows.schema.serialize())

    def _do_next(self) -> Answer:
        pa = pyarrow()
        piece = next(self._pieces, None)
        if piece is None:
            notices = self._rows.notices if self._rows is not None else []
            self._rows = None
            return {"kind": "end", "row_notices": notices}, b""
        sink = pa.BufferOutputStream()
        # A stream of its own for each batch, so that dictionaries come along.
        with pa.ipc.new_stream(sink, piece.schema) as writer:
            writer.write_batch(piece)
        return {"kind": "batch"}, memoryview(sink.getvalue())

    def _do_stop(self) -> Answer:
        self._forget()
        return {"kind": "done"}, b""

    def _do_catalog(self, wanted: Any) -> Answer:
        self._forget()
        self._tables = self._open.catalog(plain.to_filter(wanted))
        return {"kind": "done"}, b""

    def _do_tables(self) -> Answer:
        tables = [plain.from_table(table) for table in islice(self._tables, TABLES)]
        kind = "tables" if tables else "end"
        return {"kind": kind, "tables": tables, "notices": self._open.notices}, b""

    def _do_semantic_objects(self, wanted: Any) -> Answer:
        self._forget()
        found = self._open.semantic_objects(plain.to_filter(wanted))
        value = [plain.from_object(each) for each in found]
        return {"kind": "done", "value": value, "notices": self._open.notices}, b""

    def _forget(self) -> None:
        """Give up the rows or tables under way."""
        rows, self._rows = self._rows, None
        if rows is not None:
            rows.close()
        tables, self._tables = self._tables, iter(())
        close = getattr(tables, "close", None)
        if close is not None:
            close()


def _pieces(rows: Rows) -> Iterator[RecordBatch]:
    """The batches, large ones in slices that a message can hold."""
    for batch in rows.batches:
        most = max(1, batch.num_rows * SLICE_BYTES // max(batch.nbytes, SLICE_BYTES))
        if batch.num_rows <= most:
            yield batch
            continue
        for start in range(0, batch.num_rows, most):
            yield batch.slice(start, most)


def _become_expendable(server: int) -> None:
    """Leave no core file, be the first to go when memory is short, and die with the server."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")
    if sys.platform == "linux":
        # A driver that holds the interpreter would not see the socket's end.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != server:
            os._exit(0)
