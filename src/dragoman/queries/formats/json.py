"""JSON: an array of row objects; NDJSON: a row object a line. `plain` has the rules of values.

Keys keep the order of the columns. Names that come again get a number: `name`, `name_2`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from dragoman.dialects.arrow import RecordBatch, Schema
from dragoman.queries.formats.plain import unique, values

# Encoding holds the interpreter: a slice this small lets the event loop answer others between.
SLICE_ROWS = 1_000
ENCODER = msgspec.json.Encoder(decimal_format="number")


class JsonEncoder:
    """See `Encoder`."""

    def __init__(self, schema: Schema) -> None:
        self._names = unique(schema.names)
        self._began = False

    def head(self) -> bytes:
        """The opening bracket."""
        return b"["

    def batch(self, batch: RecordBatch) -> Iterator[bytes]:
        """The rows, separated by commas."""
        for rows in _slices(self._names, batch):
            between = b"," if self._began else b""
            self._began = True
            yield between + ENCODER.encode(rows)[1:-1]

    def tail(self) -> bytes:
        """The closing bracket."""
        return b"]"


class NdjsonEncoder:
    """See `Encoder`."""

    def __init__(self, schema: Schema) -> None:
        self._names = unique(schema.names)

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def batch(self, batch: RecordBatch) -> Iterator[bytes]:
        """The rows, each with its line feed."""
        for rows in _slices(self._names, batch):
            yield ENCODER.encode_lines(rows)

    def tail(self) -> bytes:
        """Nothing."""
        return b""


def _slices(names: list[str], batch: RecordBatch) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, batch.num_rows, SLICE_ROWS):
        part = batch.slice(start, SLICE_ROWS)
        columns = [values(column) for column in part.columns]
        if columns:
            yield [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        else:
            yield [{} for _ in range(part.num_rows)]
