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
FIRST_ROWS = 64
_GROWTH = 8


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
    while rows := fetch(size):
        turned = zip(*rows, strict=True)
        arrays = [column.convert(values) for column, values in zip(columns, turned, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        size = min(size * _GROWTH, BATCH_ROWS)


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
