"""ClickHouse's types as Arrow types.

The server writes Arrow itself. What its Arrow does not say is put right here, by the types that a
DESCRIBE of the statement names:

| ClickHouse | the server's Arrow | ours |
|---|---|---|
| DateTime | uint32 | timestamp[s, its own zone or the session's] |
| Date (before 25) | uint16 | date32 |
| Time, Time64 | time32, time64 | duration: it may be negative or pass 24 hours |
| Enum8, Enum16 | int8, int16 | string, the label |
| IPv4, IPv6 | uint32, fixed_size_binary | string |
| Int128, UInt128 | fixed_size_binary | decimal256(39, 0) |
| Int256, UInt256 | fixed_size_binary | string: up to 78 digits |
| UUID | extension | string |
| JSON, Dynamic, Variant | extension | string (metadata `dragoman:type` = json) |

The same holds for arrays of these. Inside maps and tuples they stay as the server wrote them, with
a notice. A String that is no text in UTF-8 has its wrong bytes replaced, with a notice.
"""

from __future__ import annotations

import ipaddress
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from decimal import Context
from typing import Any, Final

from dragoman.dialects.arrow import Array, DataType, Field, RecordBatch, Schema, pyarrow

Convert = Callable[[Array], Array]
_WRAPPED: Final = re.compile(r"(?:Nullable|LowCardinality)\((.*)\)", re.DOTALL)
_ARRAY: Final = re.compile(r"Array\((.*)\)", re.DOTALL)
_ZONE: Final = re.compile(r"DateTime\('([^']+)'\)")
_LABEL: Final = re.compile(r"'((?:[^'\\]|\\.|'')*)'\s*=\s*(-?\d+)")
_ESCAPED: Final = re.compile(r"\\(.)|''", re.DOTALL)
_CONTROLS: Final = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}
_WIDE: Final = {"Int128": True, "UInt128": False, "Int256": True, "UInt256": False}
_EXACT: Final = Context(prec=80)


def must_describe(schema: Schema) -> bool:
    """Whether these Arrow types leave open what the server's types are."""
    return any(_open(field.type) for field in schema)


class Columns:
    """What becomes of one answer's columns; `schema` is the result's."""

    def __init__(
        self, given: Schema, described: Mapping[str, str], timezone: str, notices: list[str]
    ) -> None:
        """`described`: ClickHouse types by column, empty if unknown. `timezone`: the session's."""
        pa = pyarrow()
        self._timezone = timezone
        self._notices = notices
        plan = [self._column(field, described.get(field.name, "")) for field in given]
        self._convert = [convert for _, convert in plan]
        self.schema: Schema = pa.schema([field for field, _ in plan])

    def apply(self, batches: Iterator[RecordBatch]) -> Iterator[RecordBatch]:
        """The batches with their columns put right."""
        pa = pyarrow()
        for batch in batches:
            columns = [
                self._legible(name, array if convert is None else convert(array))
                for name, array, convert in zip(
                    self.schema.names, batch.columns, self._convert, strict=True
                )
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _column(self, field: Field, kind: str) -> tuple[Field, Convert | None]:
        pa, given = pyarrow(), field.type
        if getattr(given, "extension_name", "") == "arrow.json":
            metadata = {b"dragoman:type": b"json"}
            return pa.field(field.name, given.storage_type, metadata=metadata), _storage
        found = self._conversion(given, kind)
        if found is None:
            if kind and _open(given) and re.search(r"Map\(|Tuple\(", kind):
                self._note(
                    f"Column {field.name}: values inside {kind} are as the server codes them."
                )
            return pa.field(field.name, given), None
        target, convert = found
        return pa.field(field.name, target), convert

    def _conversion(self, given: DataType, kind: str) -> tuple[DataType, Convert] | None:
        """The type that it becomes and how; None where it stays."""
        pa = pyarrow()
        while (inner := _WRAPPED.fullmatch(kind)) is not None:
            kind = inner[1]
        if pa.types.is_list(given):
            return self._list(given, kind)
        if getattr(given, "extension_name", "") == "arrow.uuid":
            return pa.string(), _each(lambda raw: str(uuid.UUID(bytes=raw)), pa.string())
        if pa.types.is_time(given):
            number = pa.int32() if given.bit_width == 32 else pa.int64()
            length = pa.duration(given.unit)
            return length, lambda a: a.cast(number).cast(pa.int64()).cast(length)
        if kind == "DateTime" or kind.startswith("DateTime("):
            zone = _ZONE.fullmatch(kind)
            instant = pa.timestamp("s", zone[1] if zone else self._timezone)
            return instant, lambda a: a.cast(pa.int64()).cast(instant)
        return _scalar(given, kind)

    def _list(self, given: DataType, kind: str) -> tuple[DataType, Convert] | None:
        pa = pyarrow()
        inner = _ARRAY.fullmatch(kind)
        found = self._conversion(given.value_type, inner[1] if inner else "")
        if found is None:
            return None
        target, convert = found
        # A list of the server is never null itself.
        return pa.list_(target), lambda a: pa.ListArray.from_arrays(
            a.offsets, convert(a.values), pa.list_(target)
        )

    def _legible(self, name: str, array: Array) -> Array:
        """A String may hold any bytes; an Arrow string may not."""
        pa = pyarrow()
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            self._note(f"Column {name}: bytes that are no UTF-8 text were replaced (use hex()).")
            return _mended(array)
        return array

    def _note(self, notice: str) -> None:
        if notice not in self._notices:
            self._notices.append(notice)


def _open(given: DataType) -> bool:
    pa = pyarrow()
    if pa.types.is_nested(given):
        return any(_open(given.field(i).type) for i in range(given.num_fields))
    if getattr(given, "extension_name", ""):
        return False
    coded = (pa.int8(), pa.int16(), pa.uint16(), pa.uint32())
    return given in coded or bool(pa.types.is_fixed_size_binary(given))


def _scalar(given: DataType, kind: str) -> tuple[DataType, Convert] | None:
    pa = pyarrow()
    if kind.startswith(("Enum8(", "Enum16(")):
        return pa.string(), _labels(kind, given)
    if kind == "IPv4":
        return pa.string(), _each(lambda v: str(ipaddress.IPv4Address(v)), pa.string())
    if kind == "IPv6":
        return pa.string(), _each(lambda v: str(ipaddress.IPv6Address(v)), pa.string())
    if kind == "Date" and given == pa.uint16():
        return pa.date32(), lambda a: a.cast(pa.int32()).cast(pa.date32())
    if kind in _WIDE and pa.types.is_fixed_size_binary(given):
        return _wide(signed=_WIDE[kind], bits=given.byte_width * 8)
    return None


def _wide(*, signed: bool, bits: int) -> tuple[DataType, Convert]:
    """128 bits are 39 digits; 256 bits are up to 78, more than any decimal of Arrow."""
    pa = pyarrow()

    def whole(raw: bytes) -> int:
        return int.from_bytes(raw, "little", signed=signed)

    if bits == 128:
        exact = pa.decimal256(39, 0)
        return exact, _each(lambda raw: _EXACT.create_decimal(whole(raw)), exact)
    return pa.string(), _each(lambda raw: str(whole(raw)), pa.string())


def _labels(kind: str, given: DataType) -> Convert:
    pa = pyarrow()
    found = [(_unescaped(label), int(code)) for label, code in _LABEL.findall(kind)]
    codes = pa.array([code for _, code in found], given)
    labels = pa.array([label for label, _ in found], pa.string())
    return lambda a: labels.take(pa.compute.index_in(a, value_set=codes))


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda m: _CONTROLS.get(m[1], m[1]) if m[1] else "'", text)


def _each(convert: Callable[[Any], Any], target: DataType) -> Convert:
    """Value by value."""
    pa = pyarrow()

    def all_of(array: Array) -> Array:
        plain = array.storage if hasattr(array, "storage") else array
        given = plain.to_pylist()
        return pa.array([None if v is None else convert(v) for v in given], target)

    return all_of


def _storage(array: Array) -> Array:
    return array.storage


def _mended(array: Array) -> Array:
    """The array with every wrong byte replaced. Raises `ArrowInvalid` inside maps and tuples."""
    pa = pyarrow()
    if pa.types.is_list(array.type):
        return pa.ListArray.from_arrays(array.offsets, _mended(array.values), array.type)
    if not pa.types.is_string(array.type):
        raise pa.ArrowInvalid("text inside a map or tuple is not UTF-8")
    raw = array.cast(pa.binary()).to_pylist()
    return pa.array([None if v is None else v.decode("utf-8", "replace") for v in raw], pa.string())
