"""Filters as people type them: `last 30 days`, `> 100`, `paid, open`, `not null`, `~berlin`."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dragoman.semantics.query.dates import BadDate, Calendar, period

_COMPARED = re.compile(r"(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)")
_LAST = re.compile(r"(?:last|past) (\d+) ((?:second|minute|hour|day|week|month|quarter|year)s?)")
_ANY_DAY = Calendar(datetime(2000, 1, 1, tzinfo=UTC), ZoneInfo("UTC"), fiscal_offset=0)


def filter_of(text: str) -> dict[str, Any]:
    """The filter of the wire that a text means; `!` in front turns it around.

    Words for times come first, then comparisons; anything else is a list of texts with commas,
    which also fits numbers.
    """
    words = text.strip()
    negative = words.startswith(("!", "not "))
    words = words.removeprefix("!").removeprefix("not ").strip()
    found = _plain(words)
    return {**found, "is_negative": True} if negative else found


def _plain(words: str) -> dict[str, Any]:
    for read in (_word, _comparison, _time):
        found = read(words)
        if found is not None:
            return found
    if words.startswith("~"):
        return {"type": "string", "kind": "CONTAINS", "values": [words[1:].strip()]}
    values = [each.strip() for each in words.split(",")]
    return {"type": "string", "kind": "EQUALS", "values": values}


def _word(words: str) -> dict[str, Any] | None:
    low = words.lower()
    if low in ("true", "false"):
        return {"type": "boolean", "is_negative": low == "false"}
    return {"type": "null"} if low == "null" else None


def _comparison(words: str) -> dict[str, Any] | None:
    found = _COMPARED.fullmatch(words)
    if found is None:
        return None
    kind = "GREATER_THAN" if found[1][0] == ">" else "LESS_THAN"
    inclusive = found[1].endswith("=")
    return {"type": "number", "kind": kind, "values": [found[2]], "is_inclusive": inclusive}


def _time(words: str) -> dict[str, Any] | None:
    found = _LAST.fullmatch(words.lower())
    if found is not None:
        span = f"{found[1]} {found[2]}"
        kind = "TIME_FOR_INTERVAL_DURATION"
        return {"type": "date", "kind": kind, "left_side": f"{span} ago", "right_side": span}
    if words.isdigit() or not _is_time(words):
        return None  # a number alone is more likely a value than a year
    return {"type": "date", "kind": "TIME_FOR_UNIT_DURATION", "left_side": words}


def _is_time(words: str) -> bool:
    try:
        period(words, _ANY_DAY)
    except BadDate:
        return False
    return True
