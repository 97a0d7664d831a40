"""BigQuery's types as Arrow types, the same by both ways of fetching rows.

| BigQuery | Arrow |
|---|---|
| INT64, FLOAT64, BOOL, STRING, BYTES | int64, double, bool, string, binary |
| NUMERIC, BIGNUMERIC | decimal128(38, 9), decimal256(76, 38) |
| DATE, TIME, DATETIME | date32, time64[us], timestamp[us] |
| TIMESTAMP | timestamp[us, the session's zone]; UTC inside arrays and structs |
| JSON | string, `dragoman:type` = json |
| GEOGRAPHY | string, well-known text |
| ARRAY, STRUCT | list, struct |
| others | as Google's library gives them |
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from dragoman.dialects.arrow import DataType, Field, RecordBatch, Schema, pyarrow

_BATCH_ROWS: Final = 65_536


def schema_of(columns: Sequence[Any], timezone: str, first: RecordBatch | None) -> Schema:
    """The answer's schema. `first`: the first batch, for types that only the library knows."""
    pa = pyarrow()
    found: list[Field] = []
    for place, column in enumerate(columns):
        kind = _type(column, timezone)
        if kind is None:
            kind = pa.string() if first is None else first.schema.field(place).type
        json = column.field_type == "JSON" and column.mode != "REPEATED"
        metadata = {b"dragoman:type": b"json"} if json else None
        found.append(pa.field(column.name, kind, metadata=metadata))
    return pa.schema(found)


def batches(given: Iterator[RecordBatch], schema: Schema) -> Iterator[RecordBatch]:
    """The library's batches as batches of that schema."""
    pa = pyarrow()
    for batch in given:
        columns = [
            column if column.type == field.type else column.cast(field.type)
            for column, field in zip(batch.columns, schema, strict=True)
        ]
        whole = pa.RecordBatch.from_arrays(columns, schema=schema)
        for start in range(0, whole.num_rows, _BATCH_ROWS):
            yield whole.slice(start, _BATCH_ROWS)


def _type(column: Any, timezone: str) -> DataType | None:
    pa = pyarrow()
    repeated = column.mode == "REPEATED"
    if column.field_type in {"RECORD", "STRUCT"}:
        inner = [(field.name, _type(field, "UTC")) for field in column.fields]
        if any(kind is None for _, kind in inner):
            return None
        single: DataType | None = pa.struct(inner)
    else:
        single = _scalar(column.field_type, "UTC" if repeated else timezone)
    return pa.list_(single) if repeated and single is not None else single


def _scalar(name: str, timezone: str) -> DataType | None:
    pa = pyarrow()
    kinds: dict[str, DataType] = {
        "INTEGER": pa.int64(),
        "INT64": pa.int64(),
        "FLOAT": pa.float64(),
        "FLOAT64": pa.float64(),
        "BOOLEAN": pa.bool_(),
        "BOOL": pa.bool_(),
        "STRING": pa.string(),
        "BYTES": pa.binary(),
        "NUMERIC": pa.decimal128(38, 9),
        "BIGNUMERIC": pa.decimal256(76, 38),
        "DATE": pa.date32(),
        "TIME": pa.time64("us"),
        "DATETIME": pa.timestamp("us"),
        "TIMESTAMP": pa.timestamp("us", timezone),
        "JSON": pa.string(),
        "GEOGRAPHY": pa.string(),
    }
    return kinds.get(name)
