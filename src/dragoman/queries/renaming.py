"""Columns of a compiled statement under the names that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dragoman.dialects.arrow import RecordBatch, Schema, pyarrow
from dragoman.dialects.base import Batches, Rows
from dragoman.semantics.compiler.plan import Column


def renamed(
    rows: Rows, columns: Sequence[Column] | None, *, labels: bool = False
) -> tuple[Schema, Batches, list[str]]:
    """The rows' schema, batches and notices with the columns' names; as they are for None."""
    if columns is None:
        return rows.schema, rows.batches, rows.notices
    names = [column.label if labels else column.name for column in columns]
    schema = pyarrow().schema(
        [field.with_name(name) for field, name in zip(rows.schema, names, strict=True)]
    )
    return schema, _Renamed(rows.batches, schema), rows.notices


class _Renamed:
    def __init__(self, batches: Batches, schema: Schema) -> None:
        self._batches = batches
        self._schema = schema

    def __iter__(self) -> Iterator[RecordBatch]:
        return self

    def __next__(self) -> RecordBatch:
        batch = next(self._batches)
        return pyarrow().RecordBatch.from_arrays(batch.columns, schema=self._schema)

    def close(self) -> None:
        """See `Batches.close`."""
        self._batches.close()
