"""Exasol's types as Arrow types.

| Exasol | Arrow |
|---|---|
| DECIMAL(p, 0) up to 18 digits | int64 |
| DECIMAL(p, s) | decimal128(p, s) |
| DOUBLE | float64 |
| BOOLEAN | bool |
| CHAR, VARCHAR | string |
| DATE | date32 |
| TIMESTAMP | timestamp[us] |
| TIMESTAMP WITH LOCAL TIME ZONE | timestamp[us, the session's zone] |
| INTERVAL DAY TO SECOND | duration[us] |
| INTERVAL YEAR TO MONTH, HASHTYPE, GEOMETRY, all else | string, as the server writes it |

Exasol has no time of day, binary, JSON or array. Not silently: digits below a microsecond are cut,
and a clock time that occurs twice in autumn is read as the earlier one, each with a notice.
Source: Exasol's WebSocket API v3, "Data Types"; the session sets the formats of dates and numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from dragoman.dialects.arrow import Array, DataType, pyarrow
from dragoman.dialects.arrow_rows import Column, Values

Described = dict[str, Any]
Convert = Callable[[Values], Array]
_INTEGER_DIGITS: Final = 18
_MICROSECONDS: Final = 26  # the length of YYYY-MM-DD HH:MM:SS.ffffff


class Types:
    """Columns of one answer; notes in `notices` what had no equal."""

    def __init__(self, timezone: str, notices: list[str]) -> None:
        """`timezone`: of the session, an IANA name."""
        self._timezone = timezone
        self._notices = notices

    def column(self, described: Described) -> Column:
        """The column of one description of the server (`name`, `dataType`)."""
        name, data = str(described["name"]), described["dataType"]
        kind, convert = self._conversion(name, data)
        return Column(pyarrow().field(name, kind), convert)

    def _conversion(self, name: str, data: Described) -> tuple[DataType, Convert]:
        pa, said = pyarrow(), str(data["type"])
        # Older servers name both kinds alike and tell them apart by the mark.
        if data.get("withLocalTimeZone"):
            said = "TIMESTAMP WITH LOCAL TIME ZONE"
        known: dict[str, Callable[[], tuple[DataType, Convert]]] = {
            "DECIMAL": lambda: _decimal(int(data["precision"]), int(data["scale"])),
            "DOUBLE": lambda: _each(pa.float64(), float),
            "BOOLEAN": lambda: _each(pa.bool_(), bool),
            "DATE": _date,
            "TIMESTAMP": lambda: (pa.timestamp("us"), lambda given: self._clock(name, given)),
            "TIMESTAMP WITH LOCAL TIME ZONE": lambda: self._instant(name),
            "INTERVAL DAY TO SECOND": lambda: _each(pa.duration("us"), duration),
        }
        convert = known.get(said)
        return convert() if convert else _each(pa.string(), str)

    def _clock(self, name: str, given: Values) -> Array:
        pa = pyarrow()
        texts = pa.array(given, pa.string())
        longest = pa.compute.max(pa.compute.utf8_length(texts)).as_py()
        if longest is not None and longest > _MICROSECONDS:
            rest = pa.compute.utf8_slice_codeunits(texts, _MICROSECONDS)
            if pa.compute.any(pa.compute.match_substring_regex(rest, "[1-9]")).as_py():
                self._note(f"Column {name}: digits below a microsecond were cut.")
            texts = pa.compute.utf8_slice_codeunits(texts, 0, _MICROSECONDS)
        return texts.cast(pa.timestamp("us"))

    def _instant(self, name: str) -> tuple[DataType, Convert]:
        """The server writes clock times of the session's zone."""
        pa = pyarrow()

        def convert(given: Values) -> Array:
            local = self._clock(name, given)
            try:
                return pa.compute.assume_timezone(local, self._timezone)
            except pa.ArrowInvalid:
                self._note(
                    f"Column {name}: in the hour that clocks repeat, the earlier one was taken."
                )
                return pa.compute.assume_timezone(
                    local, self._timezone, ambiguous="earliest", nonexistent="latest"
                )

        return pa.timestamp("us", self._timezone), convert

    def _note(self, notice: str) -> None:
        if notice not in self._notices:
            self._notices.append(notice)


def duration(text: str) -> timedelta:
    """The server's `[+-]D HH:MM:SS.fffffffff`, to the microsecond."""
    days, clock = text.split(" ", 1)
    hours, minutes, seconds = clock.split(":")
    whole, _, fraction = seconds.partition(".")
    length = timedelta(
        days=abs(int(days)),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(whole),
        microseconds=int(fraction[:6].ljust(6, "0")),
    )
    return -length if text.startswith("-") else length


def _each(kind: DataType, turn: Callable[[Any], Any]) -> tuple[DataType, Convert]:
    """As they are where Arrow takes them (JSON's own numbers and texts), else value by value."""
    pa = pyarrow()

    def convert(given: Values) -> Array:
        try:
            return pa.array(given, kind)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            return pa.array([None if v is None else turn(v) for v in given], kind)

    return kind, convert


def _date() -> tuple[DataType, Convert]:
    pa = pyarrow()
    return pa.date32(), lambda given: pa.array(given, pa.string()).cast(pa.date32())


def _decimal(precision: int, scale: int) -> tuple[DataType, Convert]:
    pa = pyarrow()
    if scale == 0 and precision <= _INTEGER_DIGITS:
        return _each(pa.int64(), int)
    kind = pa.decimal128(max(precision, 1), scale)
    _, as_text = _each(pa.string(), str)
    return kind, lambda given: as_text(given).cast(kind)
