"""Redshift's types as Arrow types.

| Redshift | Arrow |
|---|---|
| SMALLINT, INTEGER, BIGINT | int16, int32, int64 |
| REAL, DOUBLE PRECISION | float32, float64 |
| DECIMAL(p, s) | decimal128(p, s) |
| BOOLEAN | bool |
| CHAR, VARCHAR | string |
| DATE, TIME | date32, time64[us] |
| TIMESTAMP | timestamp[us] |
| TIMESTAMPTZ | timestamp[us, the session's zone] |
| VARBYTE | binary |
| SUPER | string (JSON; metadata `dragoman:type` = json) |
| TIMETZ, intervals, GEOMETRY, GEOGRAPHY, HLLSKETCH, all else | string, in Redshift's own words |

A decimal without (p, s) (PostgreSQL only) takes a type that its first batch fits, as for
PostgreSQL. Sources: PostgreSQL's pg_type.dat for the numbers that both share; the types of
redshift_connector for Redshift's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from dragoman.dialects import postgres_numeric as numeric
from dragoman.dialects.arrow import Array, DataType, Field, RecordBatch, pyarrow

if TYPE_CHECKING:
    import psycopg

FETCH_ROWS: Final = 16_384
TYPE_KEY: Final = b"dragoman:type"
_BYTEA, _NUMERIC, _TIMESTAMPTZ, _VARBYTE = 17, 1700, 1184, 6551
_JSON: Final = frozenset({114, 3802, 4000})  # json, jsonb, SUPER
# Numbers of types whose Python values Arrow takes as they are.
_PLAIN: Final = {
    16: "bool",
    20: "int64",
    21: "int16",
    23: "int32",
    700: "float32",
    701: "float64",
    1082: "date32",
    1083: "time64[us]",
    1114: "timestamp[us]",
}
_CONVERTED: Final = frozenset({*_PLAIN, _BYTEA, _TIMESTAMPTZ})
Convert = Callable[[Sequence[Any]], Array]


def keep_texts(connection: psycopg.Connection[Any]) -> None:
    """Let psycopg give the server's text for every type that it would turn into something else."""
    from psycopg import adapters
    from psycopg.types.string import TextLoader

    for info in adapters.types:
        for oid in (info.oid, info.array_oid):
            if oid and oid not in _CONVERTED:
                connection.adapters.register_loader(oid, TextLoader)


class Answer:
    """Turns the rows of one answer into record batches. `first`: the batch of the first rows."""

    def __init__(
        self, cursor: psycopg.Cursor[tuple[Any, ...]], timezone: str, notices: list[str]
    ) -> None:
        """`cursor`: has run the statement, or the first FETCH of it."""
        pa = pyarrow()

        rows = cursor.fetchall()
        self._notices = notices
        columns = [
            self._column(cursor, index, timezone, rows)
            for index in range(len(cursor.description or ()))
        ]
        self._converts = [convert for _, convert in columns]
        self.schema = pa.schema([field for field, _ in columns])
        self.first = self.batch(rows)

    def batch(self, rows: Sequence[tuple[Any, ...]]) -> RecordBatch:
        """The rows as a record batch."""
        pa = pyarrow()

        columns = list(zip(*rows, strict=True)) if rows else [()] * len(self._converts)
        arrays = [convert(v) for convert, v in zip(self._converts, columns, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _column(
        self,
        cursor: psycopg.Cursor[tuple[Any, ...]],
        index: int,
        timezone: str,
        rows: Sequence[tuple[Any, ...]],
    ) -> tuple[Field, Convert]:
        pa, result = pyarrow(), cursor.pgresult
        assert cursor.description  # noqa: S101 - the caller counted its columns
        assert result  # noqa: S101
        name, oid = cursor.description[index].name, result.ftype(index)
        if oid == _NUMERIC:
            return self._decimal(name, result.fmod(index), [row[index] for row in rows])
        if oid in _PLAIN:
            return _values(name, pa.type_for_alias(_PLAIN[oid]))
        if oid == _TIMESTAMPTZ:
            return _values(name, pa.timestamp("us", timezone))
        if oid == _BYTEA:
            return _values(name, pa.binary())
        if oid == _VARBYTE:
            return pa.field(name, pa.binary()), _from_hex
        field, convert = _values(name, pa.string())
        return (field.with_metadata({TYPE_KEY: b"json"}) if oid in _JSON else field), convert

    def _decimal(self, name: str, modifier: int, first: Sequence[Any]) -> tuple[Field, Convert]:
        pa = pyarrow()

        declared = numeric.declared_type(modifier)
        head = pa.array(first, pa.string()) if first else None
        whole = len(first) < FETCH_ROWS
        kind: DataType | None = declared or numeric.chosen_type(head, whole=whole)
        if kind is None:
            field, convert = _values(name, pa.string())
            return field.with_metadata({TYPE_KEY: b"numeric"}), convert

        def decimals(values: Sequence[Any]) -> Array:
            text = pa.array(values, pa.string())
            found = numeric.checked_cast(text, kind, name)
            if found.null_count > text.null_count:
                notice = f"Column {name}: NaN or infinity has no Arrow value and became null."
                self._notices.extend([notice] if notice not in self._notices else [])
            return found

        return pa.field(name, kind), decimals


def _values(name: str, kind: DataType) -> tuple[Field, Convert]:
    pa = pyarrow()
    return pa.field(name, kind), lambda values: pa.array(values, kind)


def _from_hex(values: Sequence[Any]) -> Array:
    """VARBYTE's text is hexadecimal digits."""
    pa = pyarrow()
    return pa.array([None if v is None else bytes.fromhex(v) for v in values], pa.binary())
