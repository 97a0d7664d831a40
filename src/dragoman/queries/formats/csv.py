"""CSV (RFC 4180, but lines end with LF alone), UTF-8, the column names in the first line.

- null is nothing at all, empty text is `""`.
- Text stands in quotes, and so do timestamps, times, base64, lists and other text; numbers, dates
  and true/false do not. Decimals have every digit; floats may be nan, inf and -inf.
- Timestamps, times, intervals, binary and UUIDs are written as in JSON (see `plain`); lists,
  structs and maps are JSON text.
- Column names are kept as they are, also when one comes twice.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from dragoman.dialects.arrow import Array, DataType, RecordBatch, Schema, pyarrow
from dragoman.queries.formats.plain import iso, values
from dragoman.queries.formats.texts import ENCODER

SLICE_ROWS = 16_384
_PLAIN = (
    *("integer", "boolean", "float32", "float64", "decimal", "date32"),
    *("string", "large_string", "null"),
)


class CsvEncoder:
    """See `Encoder`."""

    def __init__(self, schema: Schema) -> None:
        pa = pyarrow()
        self._csv = importlib.import_module("pyarrow.csv")
        kinds = [_written_as(field.type) for field in schema]
        self._schema = pa.schema(list(zip(schema.names, kinds, strict=True)))

    def head(self) -> bytes:
        """The line of names."""
        return self._written(self._schema.empty_table(), header=True)

    def batch(self, batch: RecordBatch) -> Iterator[bytes]:
        """The rows, each with its line feed."""
        pa = pyarrow()
        for start in range(0, batch.num_rows, SLICE_ROWS):
            part = batch.slice(start, SLICE_ROWS)
            columns = [_column(column) for column in part.columns]
            yield self._written(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def tail(self) -> bytes:
        """Nothing."""
        return b""

    def _written(self, rows: Any, *, header: bool = False) -> bytes:
        sink = pyarrow().BufferOutputStream()
        options = self._csv.WriteOptions(include_header=header, batch_size=SLICE_ROWS)
        self._csv.write_csv(rows, sink, options)
        return sink.getvalue().to_pybytes()


def _is_plain(kind: DataType) -> bool:
    """Whether pyarrow writes the type as the rules above say."""
    types = pyarrow().types
    return not hasattr(kind, "storage_type") and any(
        getattr(types, f"is_{name}")(kind) for name in _PLAIN
    )


def _written_as(kind: DataType) -> DataType:
    return kind if _is_plain(kind) else pyarrow().string()


def _column(array: Array) -> Array:
    kind = array.type
    types = pyarrow().types
    if _is_plain(kind):
        return array
    if types.is_temporal(kind) and not (types.is_duration(kind) or types.is_interval(kind)):
        return iso(array)
    return pyarrow().array([_text(value) for value in values(array)], pyarrow().string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return ENCODER.encode(value).decode()
