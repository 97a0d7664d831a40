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

Numbers, truth and bytes come from the driver as Python values, all else as the server's text: of
days and moments there are more than Python's, and Arrow reads them quicker. What it does not read
(years above 9999 and below 1, offsets with seconds) is read in `moments`. Not silently: infinity,
NaN in a decimal and the time 24:00 become null with a notice. A decimal without (p, s) (PostgreSQL
only) takes a type that its first batch fits, as for PostgreSQL. Sources: PostgreSQL's pg_type.dat
for the numbers that both share; the types of redshift_connector for Redshift's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from dragoman.dialects import postgres_numeric as numeric
from dragoman.dialects.adapters.redshift.moments import days, microseconds
from dragoman.dialects.arrow import Array, DataType, Field, RecordBatch, pyarrow

if TYPE_CHECKING:
    import psycopg

FETCH_ROWS: Final = 16_384
# So many rows are Python values at a time: with more, reading them takes three times as long.
_CHUNK_ROWS: Final = 1024
TYPE_KEY: Final = b"dragoman:type"
_DATE, _TIME, _TIMESTAMP, _TIMESTAMPTZ, _NUMERIC, _VARBYTE = 1082, 1083, 1114, 1184, 1700, 6551
_JSON: Final = frozenset({114, 3802, 4000})  # json, jsonb, SUPER
# Types whose Python values Arrow takes as they are.
_PLAIN: Final = {
    16: "bool",
    17: "binary",
    20: "int64",
    21: "int16",
    23: "int32",
    700: "float32",
    701: "float64",
}
Convert = Callable[[Array], Array]
"""From a column as it was read, plain values or texts, to the one we give."""


def keep_texts(connection: psycopg.Connection[Any]) -> None:
    """Let psycopg give the server's text for every type that it would turn into something else."""
    from psycopg import adapters
    from psycopg.types.string import TextLoader

    for info in adapters.types:
        for oid in (info.oid, info.array_oid):
            if oid and oid not in _PLAIN:
                connection.adapters.register_loader(oid, TextLoader)


class Answer:
    """Turns the rows of one answer into record batches. `first`: the batch of the first rows."""

    def __init__(
        self, cursor: psycopg.Cursor[tuple[Any, ...]], timezone: str, notices: list[str]
    ) -> None:
        """`cursor`: has run the statement, or the first FETCH of it."""
        pa, result = pyarrow(), cursor.pgresult
        assert result  # noqa: S101 - it has run

        self._notices = notices
        self._timezone = timezone
        oids = [result.ftype(index) for index in range(result.nfields)]
        self._read_as = [pa.type_for_alias(_PLAIN.get(oid, "string")) for oid in oids]
        read = self._read(cursor)
        columns = [
            self._column(each.name, oid, result.fmod(index), read[index])
            for index, (each, oid) in enumerate(zip(cursor.description or (), oids, strict=True))
        ]
        self._converts = [convert for _, convert in columns]
        self.schema = pa.schema([field for field, _ in columns])
        self.first = self._batch(read)

    def batch(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> RecordBatch:
        """The rows of the next FETCH as a record batch."""
        return self._batch(self._read(cursor))

    def _read(self, cursor: psycopg.Cursor[tuple[Any, ...]]) -> list[Array]:
        pa = pyarrow()
        parts = [[pa.array([], kind)] for kind in self._read_as]
        while rows := cursor.fetchmany(_CHUNK_ROWS):
            columns = zip(*rows, strict=True)
            for part, kind, values in zip(parts, self._read_as, columns, strict=True):
                part.append(pa.array(values, kind))
        return [pa.concat_arrays(part) for part in parts]

    def _batch(self, read: Sequence[Array]) -> RecordBatch:
        arrays = [convert(column) for convert, column in zip(self._converts, read, strict=True)]
        return pyarrow().RecordBatch.from_arrays(arrays, schema=self.schema)

    def _column(self, name: str, oid: int, modifier: int, first: Array) -> tuple[Field, Convert]:
        pa = pyarrow()
        if oid == _NUMERIC:
            return self._decimal(name, modifier, first)
        if oid == _DATE:
            return self._moments(name, pa.date32(), days)
        if oid in {_TIMESTAMP, _TIMESTAMPTZ}:
            zone = self._timezone if oid == _TIMESTAMPTZ else None
            return self._moments(name, pa.timestamp("us", zone), microseconds)
        if oid == _TIME:
            return pa.field(name, pa.time64("us")), partial(self._times, name)
        if oid == _VARBYTE:
            return pa.field(name, pa.binary()), _from_hex
        metadata = {TYPE_KEY: b"json"} if oid in _JSON else None
        return pa.field(name, first.type, metadata=metadata), _as_read

    def _decimal(self, name: str, modifier: int, first: Array) -> tuple[Field, Convert]:
        pa = pyarrow()

        declared = numeric.declared_type(modifier)
        whole = len(first) < FETCH_ROWS
        kind: DataType | None = declared or numeric.chosen_type(first or None, whole=whole)
        if kind is None:
            return pa.field(name, pa.string(), metadata={TYPE_KEY: b"numeric"}), _as_read

        def decimals(text: Array) -> Array:
            return self._noted(name, text, numeric.checked_cast(text, kind, name))

        return pa.field(name, kind), decimals

    def _moments(
        self, name: str, kind: DataType, number: Callable[[str], int | None]
    ) -> tuple[Field, Convert]:
        """Days or moments; `number`: a text as what Arrow counts."""
        pa = pyarrow()
        integer = pa.int32() if pa.types.is_date32(kind) else pa.int64()

        def convert(text: Array) -> Array:
            try:
                return text.cast(kind)
            except pa.ArrowInvalid:
                numbers = [None if value is None else number(value) for value in text.to_pylist()]
                return self._noted(name, text, pa.array(numbers, integer).cast(kind))

        return pa.field(name, kind), convert

    def _times(self, name: str, text: Array) -> Array:
        """Arrow has no cast from text to a time of day, but one to a moment."""
        pa = pyarrow()
        whole_day = pa.compute.starts_with(text, "24:")
        real = pa.compute.if_else(whole_day, pa.scalar(None, pa.string()), text)
        moments = pa.compute.binary_join_element_wise("1970-01-01", real, " ")
        counted = moments.cast(pa.timestamp("us")).cast(pa.int64())
        return self._noted(name, text, counted.cast(pa.time64("us")))

    def _noted(self, name: str, read: Array, found: Array) -> Array:
        notice = f"Column {name}: a value that Arrow has not (infinity, NaN) became null."
        if found.null_count > read.null_count and notice not in self._notices:
            self._notices.append(notice)
        return found


def _as_read(column: Array) -> Array:
    return column


def _from_hex(text: Array) -> Array:
    """VARBYTE's text is hexadecimal digits."""
    pa = pyarrow()
    found = [None if value is None else bytes.fromhex(value) for value in text.to_pylist()]
    return pa.array(found, pa.binary())
