"""Columns of an answer under the names, and with the zones, that it should have."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from dragoman.dialects.base import Rows
from dragoman.queries.renaming import renamed
from dragoman.semantics.compiler.plan import Column
from dragoman.semantics.datatypes import DataType


class Batches:
    def __init__(self, *batches: pa.RecordBatch) -> None:
        self.left = iter(batches)

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> pa.RecordBatch:
        return next(self.left)

    def close(self) -> None:
        pass


def test_a_reading_without_a_zone_has_none_and_an_instant_keeps_its_own() -> None:
    noon = datetime.fromisoformat("2026-03-08 12:00:00")
    instant = pa.array([noon, None], pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    batch = pa.RecordBatch.from_arrays([instant, instant], names=["c0", "c1"])
    columns = [
        Column("orders.created_at", "Created At", DataType.TIMESTAMP, is_dimension=True),
        Column("orders.sent_at", "Sent At", DataType.TIMESTAMP_TZ, is_dimension=True),
    ]
    for labels, names in (
        (False, ["orders.created_at", "orders.sent_at"]),
        (True, ["Created At", "Sent At"]),
    ):
        rows = Rows(batch.schema, Batches(batch), [])
        schema, batches, _ = renamed(rows, columns, labels=labels)
        assert schema.names == names
        assert [field.type.tz for field in schema] == [None, "UTC"]
        (found,) = list(batches)
        assert found.schema == schema
        assert found.column(0).to_pylist() == [noon, None]
