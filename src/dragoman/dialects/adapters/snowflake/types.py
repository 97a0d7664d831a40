"""Snowflake's types as Arrow types.

The types come from the answer's description, since the connector chooses the width of numbers chunk
by chunk:

| Snowflake | Arrow |
|---|---|
| NUMBER(p <= 18, 0) | int64 |
| NUMBER(p, s) | decimal128(p, s) |
| FLOAT | double |
| VARCHAR | string |
| BOOLEAN, DATE, BINARY | bool, date32, binary |
| TIME | time64[us] |
| TIMESTAMP_NTZ | timestamp[us] |
| TIMESTAMP_LTZ, TIMESTAMP_TZ | timestamp[us, the session's zone] |
| VARIANT, OBJECT, ARRAY | string, `dragoman:type` = json |
| GEOGRAPHY, GEOMETRY | string, as the session's output format writes them |
| others | as the connector gives them |

Microseconds, because nanoseconds end in 2262: digits beyond them are cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from dragoman.dialects import arrow_rows
from dragoman.dialects.arrow import Array, DataType, Field, RecordBatch, Schema, pyarrow

_BATCH_ROWS: Final = 65_536
_FIXED, _LTZ, _TZ, _ARRAY = 0, 6, 7, 10
_JSON: Final = frozenset({5, 9, _ARRAY})


def schema_of(description: Sequence[Any], timezone: str, first: Any) -> Schema:
    """The answer's schema. `first`: the connector's first table, None when there is none."""
    pa = pyarrow()
    found: list[Field] = []
    for place, column in enumerate(description):
        field = _field(column, timezone)
        if field is None:
            kind = pa.string() if first is None else first.schema.field(place).type
            field = pa.field(column.name, kind)
        found.append(field)
    return pa.schema(found)


def batches(tables: Iterator[Any], schema: Schema) -> Iterator[RecordBatch]:
    """The connector's tables as record batches of that schema."""
    pa = pyarrow()
    for table in tables:
        for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
            columns = [
                _as(column, field.type) for column, field in zip(batch.columns, schema, strict=True)
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def row_columns(description: Sequence[Any], timezone: str) -> list[arrow_rows.Column]:
    """Columns of an answer that comes as rows (SHOW, DESCRIBE), its values made by Python."""
    schema = schema_of(description, timezone, None)
    return [arrow_rows.Column(field, _converter(field.type)) for field in schema]


def _field(column: Any, timezone: str) -> Field | None:
    """None where only the connector knows the type."""
    pa = pyarrow()
    code = int(column.type_code)
    if code in _JSON:
        # Structured arrays and objects have fields of their own and come as Arrow's lists.
        if getattr(column, "fields", None):
            return None
        return pa.field(column.name, pa.string(), metadata={b"dragoman:type": b"json"})
    if code == _FIXED:
        return pa.field(column.name, _number(column.precision, column.scale))
    kinds: dict[int, DataType] = {
        1: pa.float64(),
        2: pa.string(),
        3: pa.date32(),
        4: pa.timestamp("us"),
        _LTZ: pa.timestamp("us", timezone),
        _TZ: pa.timestamp("us", timezone),
        8: pa.timestamp("us"),
        11: pa.binary(),
        12: pa.time64("us"),
        13: pa.bool_(),
        14: pa.string(),
        15: pa.string(),
    }
    return pa.field(column.name, kinds[code]) if code in kinds else None


def _number(precision: int | None, scale: int | None) -> DataType:
    pa = pyarrow()
    digits, after = precision or 38, scale or 0
    return pa.int64() if after == 0 and digits <= 18 else pa.decimal128(digits, after)


def _as(column: Array, kind: DataType) -> Array:
    pa = pyarrow()
    if column.type == kind:
        return column
    if pa.types.is_timestamp(kind) and kind.tz and pa.types.is_timestamp(column.type):
        # Zoned values carry UTC inside, whatever zone they are shown in.
        if column.type.tz is None:
            column = column.cast(pa.timestamp(column.type.unit, "UTC"))
        return column.cast(kind, safe=False)
    if pa.types.is_time(kind) or pa.types.is_timestamp(kind):
        return column.cast(kind, safe=False)
    return column.cast(kind)


def _converter(kind: DataType) -> arrow_rows.Convert:
    pa = pyarrow()
    if pa.types.is_string(kind):
        return lambda given: pa.array([None if v is None else str(v) for v in given], kind)
    return lambda given: pa.array(given, kind)
