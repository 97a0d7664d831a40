"""Trino's types as Arrow types.

| Trino | Arrow |
|---|---|
| tinyint, smallint, integer, bigint | int8, int16, int32, int64 |
| real, double | float32, float64 |
| decimal(p, s) | decimal128(p, s) |
| boolean | bool |
| varchar, char, uuid, ipaddress | string |
| varbinary | binary |
| date | date32 |
| time(p), timestamp(p) | time64[us], timestamp[us] |
| timestamp(p) with time zone | timestamp[us, the session's zone] |
| interval day to second | duration[us] |
| array | list, of the element's type |
| json; row and map as JSON | string (metadata `dragoman:type` = json) |
| number, time with time zone, interval year to month, all else | string, as the server writes it |

Not silently: digits below a microsecond are cut, a year that Arrow cannot read becomes null, and a
clock time that occurs twice in autumn is read as the earlier one (the server's text does not say
which it is), each with a notice.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from dragoman.dialects.arrow import Array, DataType, pyarrow
from dragoman.dialects.arrow_rows import Column, Values

Signature = dict[str, Any]
Convert = Callable[[Values], Array]
_INTEGERS = {"tinyint": "int8", "smallint": "int16", "integer": "int32", "bigint": "int64"}
_FLOATS = {"real": "float32", "double": "float64"}
_TEXTS = frozenset({"varchar", "char", "uuid", "ipaddress", "interval year to month", "number"})
_AS_JSON = frozenset({"json", "row", "map"})
_MICROSECONDS = 26  # the length of YYYY-MM-DD HH:MM:SS.ffffff
_CLOCK = 15  # the length of HH:MM:SS.ffffff


class Types:
    """Columns of one answer; notes in `notices` what had no equal."""

    def __init__(self, timezone: str, notices: list[str]) -> None:
        """`timezone`: of the session, an IANA name."""
        self._timezone = timezone
        self._notices = notices

    def column(self, described: dict[str, Any]) -> Column:
        """The column of one description of the server (`name`, `typeSignature`)."""
        name, signature = str(described["name"]), described["typeSignature"]
        kind, convert = self._conversion(name, signature)
        raw = signature["rawType"]
        metadata = {b"dragoman:type": b"json"} if raw in _AS_JSON else None
        return Column(pyarrow().field(name, kind, metadata=metadata), convert)

    def _conversion(self, name: str, signature: Signature) -> tuple[DataType, Convert]:
        pa, raw = pyarrow(), str(signature["rawType"])
        if raw in _INTEGERS or raw == "boolean":
            return _as_is(getattr(pa, _INTEGERS.get(raw, "bool_"))())
        if raw in _FLOATS:
            return _float(getattr(pa, _FLOATS[raw])())
        if raw in _TEXTS:
            return _as_is(pa.string())
        if raw == "array":
            return self._array(name, signature)
        special = {
            "unknown": lambda: _as_is(pa.null()),
            "decimal": lambda: _decimal(signature),
            "varbinary": lambda: _each(pa.binary(), base64.b64decode),
            "json": lambda: _as_is(pa.string()),
            "row": lambda: _each(pa.string(), _json_text(signature)),
            "map": lambda: _each(pa.string(), _json_text(signature)),
            "date": lambda: self._date(name),
            "time": lambda: self._time(name),
            "timestamp": lambda: self._timestamp(name),
            "timestamp with time zone": lambda: self._instant(name),
            "interval day to second": lambda: _each(pa.duration("us"), duration),
        }.get(raw)
        return special() if special else _each(pa.string(), _text)

    def _array(self, name: str, signature: Signature) -> tuple[DataType, Convert]:
        pa = pyarrow()
        inner, elements = self._conversion(name, _argument(signature, 0))
        kind = pa.list_(inner)

        def convert(given: Values) -> Array:
            flat = [value for values in given for value in values or ()]
            offsets, total = [0], 0
            for values in given:
                total += len(values or ())
                offsets.append(total)
            missing = pa.array([values is None for values in given], pa.bool_())
            return pa.ListArray.from_arrays(
                pa.array(offsets, pa.int32()), elements(flat), kind, mask=missing
            )

        return kind, convert

    def _date(self, name: str) -> tuple[DataType, Convert]:
        pa = pyarrow()
        kind = pa.date32()
        return kind, lambda given: self._lenient(
            name, kind, pa.array(given, pa.string()), date.fromisoformat
        )

    def _time(self, name: str) -> tuple[DataType, Convert]:
        pa = pyarrow()
        kind = pa.time64("us")

        def convert(given: Values) -> Array:
            clocks = self._cut(name, given, _CLOCK)
            # Arrow reads points in time from text, but no times of day.
            days = pa.compute.binary_join_element_wise("1970-01-01", clocks, " ")
            return days.cast(pa.timestamp("us")).cast(kind)

        return kind, convert

    def _timestamp(self, name: str) -> tuple[DataType, Convert]:
        pa = pyarrow()
        kind = pa.timestamp("us")
        return kind, lambda given: self._lenient(
            name, kind, self._cut(name, given, _MICROSECONDS), datetime.fromisoformat
        )

    def _instant(self, name: str) -> tuple[DataType, Convert]:
        """Values have a zone each, which in practice is the same for all."""
        pa = pyarrow()
        kind = pa.timestamp("us", self._timezone)
        _, local = self._timestamp(name)

        def convert(given: Values) -> Array:
            parts = [None if v is None else v.rsplit(" ", 1) for v in given]
            clocks = local([p and p[0] for p in parts])
            zones = [p and p[1] for p in parts]
            names = {zone for zone in zones if zone}
            if len(names) <= 1:
                return self._zoned(name, clocks, next(iter(names), "UTC")).cast(kind)
            found = pa.nulls(len(parts), kind)
            for zone in names:
                of_zone = pa.array([z == zone for z in zones], pa.bool_())
                some = self._zoned(name, pa.compute.if_else(of_zone, clocks, None), zone)
                found = pa.compute.coalesce(found, some.cast(kind))
            return found

        return kind, convert

    def _zoned(self, name: str, local: Array, zone: str) -> Array:
        """Clock times of a zone as instants."""
        pa = pyarrow()
        if zone == "UTC" or zone[0] in "+-":
            shifted = pa.compute.subtract(local, pa.scalar(_offset(zone), pa.duration("us")))
            return shifted.cast(pa.timestamp("us", "UTC"))
        try:
            return pa.compute.assume_timezone(local, zone)
        except pa.ArrowInvalid:
            self._note(f"Column {name}: in the hour that clocks repeat, the earlier one was taken.")
            return pa.compute.assume_timezone(
                local, zone, ambiguous="earliest", nonexistent="latest"
            )

    def _cut(self, name: str, given: Values, length: int) -> Array:
        """The texts up to microseconds."""
        pa = pyarrow()
        texts = pa.array(given, pa.string())
        longest = pa.compute.max(pa.compute.utf8_length(texts)).as_py()
        if longest is None or longest <= length:
            return texts
        rest = pa.compute.utf8_slice_codeunits(texts, length)
        if pa.compute.any(pa.compute.match_substring_regex(rest, "[1-9]")).as_py():
            self._note(f"Column {name}: digits below a microsecond were cut.")
        return pa.compute.utf8_slice_codeunits(texts, 0, length)

    def _lenient(
        self, name: str, kind: DataType, texts: Array, parse: Callable[[str], Any]
    ) -> Array:
        """Arrow reads the column; only when it cannot is each value looked at."""
        pa = pyarrow()
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:
            self._note(f"Column {name}: years outside of 1 to 9999 became null.")
            return pa.array([_or_none(parse, text) for text in texts.to_pylist()], kind)

    def _note(self, notice: str) -> None:
        if notice not in self._notices:
            self._notices.append(notice)


def duration(text: str) -> timedelta:
    """The server's `[-]D HH:MM:SS.mmm`."""
    days, clock = text.removeprefix("-").split(" ")
    hours, minutes, seconds = clock.split(":")
    length = timedelta(
        days=int(days),
        hours=int(hours),
        minutes=int(minutes),
        milliseconds=round(float(seconds) * 1000),
    )
    return -length if text.startswith("-") else length


def _as_is(kind: DataType) -> tuple[DataType, Convert]:
    return kind, lambda given: pyarrow().array(given, kind)


def _each(kind: DataType, turn: Callable[[Any], Any]) -> tuple[DataType, Convert]:
    """Value by value."""

    def convert(given: Values) -> Array:
        return pyarrow().array([None if v is None else turn(v) for v in given], kind)

    return kind, convert


def _float(kind: DataType) -> tuple[DataType, Convert]:
    """Numbers, and the words NaN, Infinity and -Infinity."""
    return kind, lambda given: pyarrow().array(
        [None if v is None else float(v) for v in given], kind
    )


def _decimal(signature: Signature) -> tuple[DataType, Convert]:
    pa = pyarrow()
    kind = pa.decimal128(int(_argument(signature, 0)), int(_argument(signature, 1)))
    return kind, lambda given: pa.array(given, pa.string()).cast(kind)


def _argument(signature: Signature, index: int) -> Any:
    return signature["arguments"][index]["value"]


def _json_text(signature: Signature) -> Callable[[Any], str]:
    named = _named(signature)
    return lambda value: json.dumps(named(value), ensure_ascii=False)


def _named(signature: Signature) -> Callable[[Any], Any]:
    """Rows as objects, at any depth: the server sends their values without the names."""
    raw = signature["rawType"]
    if raw == "row":
        return _row(signature["arguments"])
    if raw == "array":
        inner = _named(_argument(signature, 0))
        return lambda value: None if value is None else [inner(v) for v in value]
    if raw == "map":
        inner = _named(_argument(signature, 1))
        return lambda value: None if value is None else {k: inner(v) for k, v in value.items()}
    return lambda value: value


def _row(arguments: Sequence[dict[str, Any]]) -> Callable[[Any], Any]:
    fields: list[dict[str, Any]] = [argument["value"] for argument in arguments]
    names = [_field_name(field, place) for place, field in enumerate(fields)]
    inner = [_named(field["typeSignature"]) for field in fields]
    return lambda value: (
        None
        if value is None
        else {n: turn(v) for n, turn, v in zip(names, inner, value, strict=True)}
    )


def _field_name(field: dict[str, Any], place: int) -> str:
    named: dict[str, Any] = field.get("fieldName") or {}
    return str(named.get("name") or f"field{place}")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _offset(zone: str) -> timedelta:
    """`+HH:MM` as a duration; zero for UTC."""
    if zone == "UTC":
        return timedelta()
    hours, minutes = zone[1:].split(":")
    length = timedelta(hours=int(hours), minutes=int(minutes))
    return -length if zone[0] == "-" else length


def _or_none(parse: Callable[[str], Any], value: str | None) -> Any:
    try:
        return None if value is None else parse(value)
    except ValueError:
        return None
