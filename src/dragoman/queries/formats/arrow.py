"""Arrow IPC stream: the batches as they come, dictionaries included, without compression.

The end-of-stream mark comes last, so that a reader can tell a whole answer from a part of one.
Source: Arrow columnar format, "IPC Streaming Format".
"""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.dialects.arrow import RecordBatch, Schema, pyarrow

GATHERED_BYTES = 4 * 1024 * 1024


class ArrowEncoder:
    """See `Encoder`."""

    def __init__(self, schema: Schema) -> None:
        pa = pyarrow()
        self._sink = Sink()
        # It gathers the many small buffers of a batch without the interpreter.
        self._file = pa.BufferedOutputStream(pa.PythonFile(self._sink, mode="w"), GATHERED_BYTES)
        self._writer = pa.ipc.new_stream(self._file, schema)

    def head(self) -> bytes:
        """The schema."""
        return self._drained()

    def batch(self, batch: RecordBatch) -> Iterator[bytes]:
        """One message, and those of new dictionaries before it."""
        self._writer.write_batch(batch)
        yield self._drained()

    def tail(self) -> bytes:
        """The end-of-stream mark."""
        self._writer.close()
        return self._drained()

    def _drained(self) -> bytes:
        self._file.flush()
        return self._sink.drain()


class Sink:
    """A file that pyarrow writes to, and that gives up what it holds. Buffers are not copied
    before they are joined."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        """Take a part: bytes, or a buffer of Arrow's."""
        self._parts.append(part)
        return len(part)

    def flush(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""

    def drain(self) -> bytes:
        """All parts since the last time, as one."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
