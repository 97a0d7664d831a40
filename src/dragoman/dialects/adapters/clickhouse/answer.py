"""The body of an answer in Arrow's stream format: read as it arrives, checked to its end."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator
from typing import Any, Final

from dragoman.dialects.adapters.clickhouse import errors
from dragoman.dialects.adapters.clickhouse.door import broken_off
from dragoman.dialects.arrow import RecordBatch, Schema, pyarrow

_TAIL_BYTES: Final = 16_384
# One batch of the server has some megabytes; text in its place reads as a length above this.
_MAX_READ: Final = 1 << 29
# The end-of-stream marker. Source: Arrow columnar format, "IPC Streaming Format".
_END: Final = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class Answer:
    """One answer. Iterating gives its batches; a server's error in the middle is raised."""

    def __init__(self, response: Any) -> None:
        """`response`: urllib3's, unread. Reads the schema; raises anything."""
        self._response = response
        self._tail = b""
        self.closed = False  # pyarrow asks its files for it
        pa = pyarrow()
        with self._explained():
            self._reader = pa.ipc.open_stream(pa.PythonFile(self, "r"))
        self.schema: Schema = self._reader.schema

    def __iter__(self) -> Iterator[RecordBatch]:
        while True:
            with self._explained():
                try:
                    batch = self._reader.read_next_batch()
                except StopIteration:
                    # A connection that ends early looks like the end to pyarrow.
                    if not self._tail.endswith(_END):
                        raise errors.lost() from None
                    return
            yield batch

    def read(self, size: int) -> bytes:
        """As a file: exactly `size` bytes unless the body ends."""
        if size > _MAX_READ:
            self._pieces(_TAIL_BYTES)
            raise ValueError("the answer is not Arrow")
        pieces = self._pieces(size)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self, *, exhausted: bool) -> None:
        """Keep the connection after a whole answer, drop it otherwise: the server then stops."""
        self.closed = True
        if exhausted and not self._response.read(1):
            self._response.release_conn()
        else:
            self._response.close()

    def _pieces(self, size: int) -> list[bytes]:
        """Piece by piece: a broken answer still gives what came before, an error's text maybe."""
        pieces: list[bytes] = []
        with broken_off():
            while size and (piece := self._response.read1(size)):
                pieces.append(piece)
                size -= len(piece)
                self._tail = (self._tail + piece[-_TAIL_BYTES:])[-_TAIL_BYTES:]
        return pieces

    @contextlib.contextmanager
    def _explained(self) -> Generator[None]:
        """What the server wrote explains more than what became of it."""
        try:
            yield
        except Exception as error:
            said = errors.said_in(self._tail)
            if said is not None:
                raise said from error
            raise
