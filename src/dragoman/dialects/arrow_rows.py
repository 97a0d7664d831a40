"""From drivers that give rows of Python values to Arrow record batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dragoman.dialects.arrow import Array, DataType, Field, RecordBatch, Schema, pyarrow

Values = Sequence[Any]
Convert = Callable[[Values], Array]
BATCH_ROWS = 16_384
# Where a driver gives row after row, the first batch is small, so that it is there soon.
FIRST_ROWS = 16
_GROWTH = 8
# So many rows are Python values at a time: with more, taking them from the driver is slower.
_CHUNK_ROWS = 1024


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an answer: its Arrow field, and how a batch of driver values becomes it."""

    field: Field
    convert: Convert


def schema_of(columns: Sequence[Column]) -> Schema:
    """The Arrow schema of these columns."""
    return pyarrow().schema([column.field for column in columns])


def batches(
    fetch: Callable[[int], Sequence[Values]],
    columns: Sequence[Column],
    first: int = BATCH_ROWS,
) -> Iterator[RecordBatch]:
    """Record batches until `fetch(size)` gives no rows: `first` of them, then more and more."""
    pa, schema = pyarrow(), schema_of(columns)
    size = first
    while parts := list(_parts(fetch, columns, size)):
        arrays = parts[0] if len(parts) == 1 else map(pa.concat_arrays, zip(*parts, strict=True))
        yield pa.RecordBatch.from_arrays(list(arrays), schema=schema)
        size = min(size * _GROWTH, BATCH_ROWS)


def _parts(
    fetch: Callable[[int], Sequence[Values]], columns: Sequence[Column], size: int
) -> Iterator[list[Array]]:
    """So many rows, a chunk at a time; fewer where the driver gives fewer than it is asked for."""
    while size > 0 and (rows := fetch(asked := min(size, _CHUNK_ROWS))):
        turned = zip(*rows, strict=True)
        yield [column.convert(given) for column, given in zip(columns, turned, strict=True)]
        size = size - len(rows) if len(rows) == asked else 0


def values(name: str, kind: DataType) -> Column:
    """A column whose driver values are of that type already."""
    pa = pyarrow()
    return Column(pa.field(name, kind), lambda given: pa.array(given, kind))


def parsed(name: str, kind: DataType) -> Column:
    """A column whose driver values are text that Arrow can parse (numbers, decimals, ISO dates)."""
    pa = pyarrow()
    return Column(pa.field(name, kind), lambda given: pa.array(given, pa.string()).cast(kind))


def decimal_type(precision: int, scale: int) -> DataType | None:
    """decimal128 up to 38 digits, decimal256 up to 76, None above."""
    pa = pyarrow()
    if precision <= 38:
        return pa.decimal128(max(precision, 1), scale)
    return pa.decimal256(precision, scale) if precision <= 76 else None
