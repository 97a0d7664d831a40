"""JSON: an array of row objects; NDJSON: a row object a line. `plain` has the rules of values.

Keys keep the order of the columns. Names that come again get a number: `name`, `name_2`.
"""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.dialects.arrow import Array, RecordBatch, Schema, pyarrow
from dragoman.queries.formats.plain import unique
from dragoman.queries.formats.texts import ENCODER, json_texts

# A piece is as large as one of these may make it, and a text array of Arrow's holds 2 GB.
SLICE_ROWS = 4_096
SLICE_BYTES = 4 * 1024 * 1024


class JsonEncoder:
    """See `Encoder`."""

    def __init__(self, schema: Schema) -> None:
        self._rows = _Rows(schema, ",")
        self._began = False

    def head(self) -> bytes:
        """The opening bracket."""
        return b"["

    def batch(self, batch: RecordBatch) -> Iterator[bytes]:
        """The rows, separated by commas."""
        for rows in self._rows.written(batch):
            yield b"," + rows if self._began else rows
            self._began = True

    def tail(self) -> bytes:
        """The closing bracket."""
        return b"]"


class NdjsonEncoder:
    """See `Encoder`."""

    def __init__(self, schema: Schema) -> None:
        self._rows = _Rows(schema, "\n")

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def batch(self, batch: RecordBatch) -> Iterator[bytes]:
        """The rows, each with its line feed."""
        for rows in self._rows.written(batch):
            yield rows + b"\n"

    def tail(self) -> bytes:
        """Nothing."""
        return b""


class _Rows:
    """Rows as objects of JSON, with a separator between them."""

    def __init__(self, schema: Schema, separator: str) -> None:
        names = [ENCODER.encode(name).decode() for name in unique(schema.names)]
        self._keys = [f"{',' if n else '{'}{name}:" for n, name in enumerate(names)]
        self._separator = separator

    def written(self, batch: RecordBatch) -> Iterator[bytes]:
        """The rows in pieces; none where there is none."""
        for part in sliced(batch):
            rows = self._objects(part)
            whole = pyarrow().ListArray.from_arrays([0, len(rows)], rows)
            joined = pyarrow().compute.binary_join(whole, self._separator)
            yield joined[0].as_buffer().to_pybytes()

    def _objects(self, part: RecordBatch) -> Array:
        pa = pyarrow()
        if not self._keys:
            return pa.array(["{}"] * part.num_rows)
        pieces: list[object] = []
        for key, column in zip(self._keys, part.columns, strict=True):
            pieces += [key, json_texts(column)]
        return pa.compute.binary_join_element_wise(
            *pieces, "}", "", null_handling="replace", null_replacement="null"
        )


def sliced(batch: RecordBatch) -> Iterator[RecordBatch]:
    """The batch in parts of at most so many rows, fewer where rows are large."""
    count = batch.num_rows
    fitting = max(1, count * SLICE_BYTES // max(1, batch.nbytes)) if count else 1
    step = min(SLICE_ROWS, fitting)
    for start in range(0, count, step):
        yield batch.slice(start, step)
