"""Columns of a compiled statement under the names that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dragoman.dialects.arrow import RecordBatch, Schema, pyarrow
from dragoman.dialects.base import Batches, Rows
from dragoman.semantics.compiler.plan import Column
from dragoman.semantics.datatypes import DataType


def renamed(
    rows: Rows, columns: Sequence[Column] | None, *, labels: bool = False
) -> tuple[Schema, Batches, list[str]]:
    """The rows' schema, batches and notices with the columns' names; as they are for None.

    A reading without a zone has none here either: databases that know instants only (ClickHouse)
    give it as the instant that shows it in UTC.
    """
    if columns is None:
        return rows.schema, rows.batches, rows.notices
    pa = pyarrow()
    fields: list[Any] = []
    for field, column in zip(rows.schema, columns, strict=True):
        kind = field.type
        if column.type is DataType.TIMESTAMP and pa.types.is_timestamp(kind) and kind.tz == "UTC":
            kind = pa.timestamp(kind.unit)
        fields.append(field.with_name(column.label if labels else column.name).with_type(kind))
    schema = pa.schema(fields)
    return schema, _Renamed(rows.batches, schema), rows.notices


class _Renamed:
    def __init__(self, batches: Batches, schema: Schema) -> None:
        self._batches = batches
        self._schema = schema

    def __iter__(self) -> Iterator[RecordBatch]:
        return self

    def __next__(self) -> RecordBatch:
        batch = next(self._batches)
        columns = [
            column if column.type == field.type else column.cast(field.type)
            for column, field in zip(batch.columns, self._schema, strict=True)
        ]
        return pyarrow().RecordBatch.from_arrays(columns, schema=self._schema)

    def close(self) -> None:
        """See `Batches.close`."""
        self._batches.close()
