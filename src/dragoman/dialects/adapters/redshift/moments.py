"""Days and moments as PostgreSQL writes them (DateStyle ISO), of any year."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

_MOMENT: Final = re.compile(
    r"(\d{4,})-(\d\d)-(\d\d)"
    r"(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?)?( BC)?"
)
_CYCLE: Final = 146_097  # days
_EPOCH: Final = date(1970, 1, 1).toordinal() + _CYCLE


def days(text: str) -> int | None:
    """Days since 1970 of the server's `YYYY-MM-DD[ BC]`, any year; None for infinity."""
    return None if (found := _MOMENT.fullmatch(text)) is None else _days(found)


def microseconds(text: str) -> int | None:
    """Microseconds since 1970 of the server's text; None for infinity and what is beyond int64."""
    found = _MOMENT.fullmatch(text)
    if found is None or found[4] is None:
        return None
    hours, minutes, seconds = map(int, found.group(4, 5, 6))
    offset = [int(part or 0) for part in found.group(9, 10, 11)]
    east = 1 if found[8] == "+" else -1
    clock = (hours * 60 + minutes) * 60 + seconds
    clock -= east * ((offset[0] * 60 + offset[1]) * 60 + offset[2])
    number = (_days(found) * 86_400 + clock) * 1_000_000 + int((found[7] or "").ljust(6, "0"))
    return number if number < 1 << 63 else None


def _days(found: re.Match[str]) -> int:
    """By the calendar's cycle of 400 years, since Python's dates have four digits of a year."""
    year = 1 - int(found[1]) if found[12] else int(found[1])
    cycles, rest = divmod(year, 400)
    return date(400 + rest, int(found[2]), int(found[3])).toordinal() + cycles * _CYCLE - _EPOCH
