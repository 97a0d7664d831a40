"""PostgreSQL's types as Arrow types that any Arrow client knows.

| PostgreSQL | Arrow |
|---|---|
| smallint, integer, bigint | int16, int32, int64 |
| oid, xid, cid | int64 |
| real, double precision | float32, float64 |
| numeric(p, s), p up to 76 | decimal128(p, s), above 38 digits decimal256(p, s) |
| numeric without (p, s): sum, avg | decimal128 or decimal256 that fits the first batch |
| numeric of over 76 digits | string, exact (metadata `dragoman:type` = numeric) |
| money | decimal128(21, 3) |
| boolean | bool |
| text, varchar, char, name, enum | string |
| bytea | binary |
| date, time, timestamp | date32, time64[us], timestamp[us] |
| timestamptz | timestamp[us, the session's zone] |
| interval | month_day_nano_interval |
| json, jsonb, composite types | string (JSON; metadata `dragoman:type` = json) |
| one-dimensional arrays of the simple types above | list |
| uuid, inet, ranges, xml, bit, all else, and arrays of them | string (list of string) |

How the first batch decides is told in `postgres_numeric`; a later value that does not fit is an
error. Arrays of numeric stay lists of exact text.
Not silently: NaN and infinity in decimals, infinite dates and timestamps, and the time 24:00,
become null with a notice; an array of several dimensions is an error, since lists would flatten it.
ADBC gives binary or wrong values for several of these, so such columns are cast in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, islice

from dragoman.dialects import postgres_numeric as numeric
from dragoman.dialects.arrow import (
    Array,
    DataType,
    Field,
    RecordBatch,
    RecordBatchReader,
    Schema,
    pyarrow,
)

Convert = Callable[[Array], Array]
"""From a column as ADBC gives it to the one we give."""

TYPE_KEY = b"dragoman:type"
_SYSTEM_NUMBERS = frozenset({"oid", "xid", "cid"})
_JSON = frozenset({"json", "jsonb"})
# Arrays whose elements ADBC reads as other numbers than they are.
_TEXT_ARRAYS = frozenset({"int2vector", "oidvector", "_oid", "_xid", "_cid", "_money", "anyarray"})
_UNITS_PER_SECOND = 1_000_000
# Days and microseconds between PostgreSQL's epoch (2000-01-01) and Arrow's.
_EPOCH_DAYS = 10_957
_DAY = 86_400 * _UNITS_PER_SECOND
_EPOCH_MICROSECONDS = _EPOCH_DAYS * _DAY


def selection(schema: Schema) -> str | None:
    """The select list that casts what ADBC reads badly, over `c0`, `c1`...; None if all is well."""
    parts = [_expression(field, f"c{index}") for index, field in enumerate(schema)]
    if all(part == f"c{index}" for index, part in enumerate(parts)):
        return None
    return ", ".join(f"{part} AS c{index}" for index, part in enumerate(parts))


def wrapped(sql: str, schema: Schema) -> str:
    """The statement with those casts around it, or as it is."""
    chosen = selection(schema)
    if chosen is None:
        return sql
    names = ", ".join(f"c{index}" for index in range(len(schema)))
    return f"SELECT {chosen} FROM ({sql}\n) AS dragoman ({names})"  # noqa: S608


def postgres_type(field: Field) -> str:
    """The type's name in PostgreSQL's catalog."""
    return _metadata(field).get(b"POSTGRESQL:type", b"").decode("utf-8", "replace")


def _metadata(field: Field) -> dict[bytes, bytes]:
    return field.metadata or {}


def _expression(field: Field, name: str) -> str:
    pa = pyarrow()

    kind = postgres_type(field)
    if kind == "money":
        return f"{name}::numeric(21,3)"
    if kind in _SYSTEM_NUMBERS:
        return f"{name}::text::int8"
    if kind == "record" or pa.types.is_struct(field.type):
        return f"to_json({name})"
    if pa.types.is_list(field.type):
        return _array_expression(field, name)
    if isinstance(field.type, pa.BaseExtensionType):
        return name if kind == "numeric" or kind in _JSON else f"{name}::text"
    plain_binary = pa.types.is_binary(field.type) and kind != "bytea"
    return f"{name}::text" if plain_binary else name


def _array_expression(field: Field, name: str) -> str:
    """array_position refuses arrays of several dimensions: that is what makes them an error."""
    pa = pyarrow()

    element = field.type.value_type
    simple = not isinstance(element, pa.BaseExtensionType) and not pa.types.is_nested(element)
    cast = name if simple and postgres_type(field) not in _TEXT_ARRAYS else f"{name}::text[]"
    return (
        f"CASE WHEN array_ndims({name}) > 1 AND array_position({cast}, NULL) IS NULL"
        f" THEN {cast} ELSE {cast} END"
    )


def converted(
    names: list[str], reader: RecordBatchReader, timezone: str, notices: list[str]
) -> tuple[Schema, Iterator[RecordBatch]]:
    """ADBC's answer as ours. It waits for two batches where the values must choose a type.

    `names`: the columns' names as the user wrote them; `timezone`: of the session; `notices`: grows
    while the batches are read. Reading them raises `DatabaseFailure` for a number that does not
    fit, and whatever the reader raises.
    """
    batches: Iterator[RecordBatch] = (batch for batch in reader if batch.num_rows)
    ahead = list(islice(batches, 2)) if any(map(_undeclared, reader.schema)) else []
    columns = Columns(names, reader.schema, ahead, timezone, notices)
    return columns.schema, (columns.batch(batch) for batch in chain(ahead, batches))


class Columns:
    """Turns ADBC's batches of one answer into ours; notes in `notices` what had no equal."""

    def __init__(
        self,
        names: list[str],
        schema: Schema,
        ahead: list[RecordBatch],
        timezone: str,
        notices: list[str],
    ) -> None:
        """`ahead`: up to two first batches, for columns whose values choose their type."""
        pa = pyarrow()

        self._ahead = ahead
        self._notices = notices
        columns = [
            self._column(index, name, field, timezone)
            for index, (name, field) in enumerate(zip(names, schema, strict=True))
        ]
        self._ahead = []
        self._converts = [convert for _, convert in columns]
        self.schema = pa.schema([field for field, _ in columns])

    def batch(self, batch: RecordBatch) -> RecordBatch:
        """The batch with our types."""
        pa = pyarrow()

        arrays = [
            convert(column) for convert, column in zip(self._converts, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _column(self, index: int, name: str, field: Field, timezone: str) -> tuple[Field, Convert]:
        pa = pyarrow()

        kind = postgres_type(field)
        if kind == "numeric":
            return self._numeric(index, name, field)
        if kind in _JSON:
            return pa.field(name, pa.string(), metadata={TYPE_KEY: b"json"}), _storage
        if isinstance(field.type, pa.BaseExtensionType):
            return pa.field(name, field.type.storage_type), _storage
        if pa.types.is_temporal(field.type) and not pa.types.is_interval(field.type):
            return self._moment(name, field.type, timezone)
        return pa.field(name, field.type), _same

    def _numeric(self, index: int, name: str, field: Field) -> tuple[Field, Convert]:
        pa = pyarrow()

        declared = _declared(field)
        target = declared or self._chosen(index)
        if target is None:
            return pa.field(name, pa.string(), metadata={TYPE_KEY: b"numeric"}), _storage

        def convert(column: Array) -> Array:
            text = _storage(column)
            if declared:
                found = numeric.cast(text, target)
            else:
                found = numeric.checked_cast(text, target, name)
            if found.null_count > text.null_count:
                self._note(name, "NaN or infinity")
            return found

        return pa.field(name, target), convert

    def _chosen(self, index: int) -> DataType | None:
        first = _storage(self._ahead[0].column(index)) if self._ahead else None
        return numeric.chosen_type(first, whole=len(self._ahead) < 2)

    def _moment(self, name: str, given: DataType, timezone: str) -> tuple[Field, Convert]:
        """Without the numbers that stand for what Arrow has not."""
        pa = pyarrow()

        target, what = given, "infinity"
        if pa.types.is_date32(given):
            absent = pa.array(_infinities(32, _EPOCH_DAYS), pa.int32())
        elif pa.types.is_timestamp(given):
            target = pa.timestamp("us", timezone if given.tz else None)
            absent = pa.array(_infinities(64, _EPOCH_MICROSECONDS))
        else:
            absent, what = pa.array([_DAY]), "24:00"

        def convert(column: Array) -> Array:
            values = column.view(absent.type)
            found = pa.compute.is_in(values, value_set=absent)
            if pa.compute.any(found).as_py():
                self._note(name, what)
                values = pa.compute.if_else(found, pa.scalar(None, absent.type), values)
            return values.view(target)

        return pa.field(name, target), convert

    def _note(self, name: str, what: str) -> None:
        notice = f"Column {name}: {what} has no Arrow value and became null."
        if notice not in self._notices:
            self._notices.append(notice)


def _declared(field: Field) -> DataType | None:
    return numeric.declared_type(int(_metadata(field).get(b"POSTGRESQL:typmod", b"-1")))


def _undeclared(field: Field) -> bool:
    return postgres_type(field) == "numeric" and _declared(field) is None


def _infinities(bits: int, epoch: int) -> list[int]:
    """What -infinity and infinity (the type's ends) become when ADBC moves the epoch and wraps."""
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    return [low, high, low + epoch, high + epoch - (1 << bits)]


def _same(column: Array) -> Array:
    return column


def _storage(column: Array) -> Array:
    return getattr(column, "storage", column)
