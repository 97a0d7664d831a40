"""MySQL's and MariaDB's types as Arrow types.

| MySQL | Arrow |
|---|---|
| tinyint (boolean too), smallint, int, bigint | int8, int16, int32, int64; unsigned: uint |
| mediumint | int32, uint32 |
| year | uint16 |
| float, double | float32, float64 |
| decimal(p, s) | decimal128(p, s), above 38 digits decimal256(p, s) |
| char, varchar, text, enum, set, json | string (json: metadata `dragoman:type` = json) |
| binary, varbinary, blob, bit, geometry | binary |
| date, datetime | date32, timestamp[us] |
| timestamp | timestamp[us, the session's zone] |
| time | duration[us]: it may be negative or pass 24 hours |

Not silently: a date that no calendar has (0000-00-00, 2020-02-31 where the server allows it)
becomes null with a notice; a clock time that occurs twice in autumn is read as the earlier one,
with a notice.
All values come as text from the driver and are parsed by Arrow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from dragoman.dialects.arrow import Array, DataType, pyarrow
from dragoman.dialects.arrow_rows import Column, Values, decimal_type, parsed, values

# Numbers of the protocol: MySQL documentation, "Column Definition".
_INTEGERS = {1: 8, 2: 16, 3: 32, 9: 32, 8: 64, 13: 16}
_FLOAT, _DOUBLE, _NULL, _TIMESTAMP, _DATE, _TIME, _DATETIME = 4, 5, 6, 7, 10, 11, 12
_NEWDATE, _BIT, _JSON, _GEOMETRY, _VECTOR = 14, 16, 245, 255, 242
_DECIMALS = frozenset({0, 246})
_UNSIGNED = 32
_BINARY_CHARSET = 63
_CLOCK = re.compile(r"(-?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?")


class Types:
    """Columns of one answer; notes in `notices` what had no equal."""

    def __init__(self, timezone: str, notices: list[str]) -> None:
        """`timezone`: of the session, as Arrow writes it (an IANA name or an offset)."""
        self._timezone = timezone
        self._notices = notices

    def column(self, field: Any) -> Column:
        """The column of one field description of pymysql."""
        pa, name, code = pyarrow(), str(field.name), int(field.type_code)
        if code in _INTEGERS:
            return parsed(name, _integer(_INTEGERS[code], unsigned=bool(field.flags & _UNSIGNED)))
        if code in _DECIMALS:
            return _decimal(name, field)
        simple = {
            _FLOAT: lambda: parsed(name, pa.float32()),
            _DOUBLE: lambda: parsed(name, pa.float64()),
            _NULL: lambda: values(name, pa.null()),
            _DATE: lambda: self._date(name),
            _NEWDATE: lambda: self._date(name),
            _DATETIME: lambda: self._datetime(name),
            _TIMESTAMP: lambda: self._timestamp(name),
            _TIME: lambda: values_of(name, pa.duration("us"), duration),
            _JSON: lambda: _json(name),
        }.get(code)
        return simple() if simple else _text_or_bytes(name, code, field)

    def _date(self, name: str) -> Column:
        return self._lenient(name, pyarrow().date32(), date.fromisoformat)

    def _datetime(self, name: str) -> Column:
        return self._lenient(name, pyarrow().timestamp("us"), datetime.fromisoformat)

    def _timestamp(self, name: str) -> Column:
        pa = pyarrow()
        local = self._datetime(name)

        def convert(given: Values) -> Array:
            return self._zoned(name, local.convert(given))

        return Column(pa.field(name, pa.timestamp("us", self._timezone)), convert)

    def _zoned(self, name: str, local: Array) -> Array:
        """Clock times of the session's zone as instants."""
        pa = pyarrow()
        if self._timezone == "UTC" or self._timezone[0] in "+-":
            shift = pa.scalar(_offset(self._timezone), pa.duration("us"))
            instants = pa.compute.subtract(local, shift)
            return instants.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us", self._timezone))
        try:
            return pa.compute.assume_timezone(local, self._timezone)
        except pa.ArrowInvalid:
            self._note(f"Column {name}: in the hour that clocks repeat, the earlier one was taken.")
            return pa.compute.assume_timezone(
                local, self._timezone, ambiguous="earliest", nonexistent="latest"
            )

    def _lenient(self, name: str, kind: DataType, parse: Callable[[str], Any]) -> Column:
        """Arrow parses the column; only when it cannot is each value looked at."""
        pa = pyarrow()

        def convert(given: Values) -> Array:
            try:
                return pa.array(given, pa.string()).cast(kind)
            except pa.ArrowInvalid:
                self._note(f"Column {name}: dates that do not exist became null.")
                return pa.array([_or_none(parse, value) for value in given], kind)

        return Column(pa.field(name, kind), convert)

    def _note(self, notice: str) -> None:
        if notice not in self._notices:
            self._notices.append(notice)


def duration(text: str | None) -> timedelta | None:
    """The server's `[-]HHH:MM:SS[.ffffff]`."""
    found = _CLOCK.fullmatch(text) if text else None
    if found is None:
        return None
    sign, hours, minutes, seconds, fraction = found.groups()
    length = timedelta(
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int((fraction or "").ljust(6, "0")),
    )
    return -length if sign else length


def values_of(name: str, kind: DataType, convert: Callable[[Any], Any]) -> Column:
    """A column whose values are converted one by one."""
    pa = pyarrow()
    return Column(pa.field(name, kind), lambda given: pa.array(map(convert, given), kind))


def _integer(bits: int, *, unsigned: bool) -> DataType:
    return getattr(pyarrow(), f"{'u' if unsigned else ''}int{bits}")()


def _decimal(name: str, field: Any) -> Column:
    """The length counts the sign and the point beside the digits."""
    scale = int(field.scale)
    signed = not field.flags & _UNSIGNED
    kind = decimal_type(int(field.length) - (scale > 0) - signed, scale)
    return parsed(name, kind) if kind is not None else values(name, pyarrow().string())


def _json(name: str) -> Column:
    pa = pyarrow()
    field = pa.field(name, pa.string(), metadata={b"dragoman:type": b"json"})
    return Column(field, lambda given: pa.array(given, pa.string()))


def _text_or_bytes(name: str, code: int, field: Any) -> Column:
    pa = pyarrow()
    binary = code in {_BIT, _GEOMETRY, _VECTOR} or field.charsetnr == _BINARY_CHARSET
    return values(name, pa.binary() if binary else pa.string())


def _offset(timezone: str) -> timedelta:
    """`+HH:MM` as a duration; zero for UTC."""
    if timezone == "UTC":
        return timedelta()
    hours, minutes = timezone[1:].split(":")
    length = timedelta(hours=int(hours), minutes=int(minutes))
    return -length if timezone[0] == "-" else length


def _or_none(parse: Callable[[str], Any], value: str | None) -> Any:
    try:
        return None if value is None else parse(value)
    except ValueError:
        return None
