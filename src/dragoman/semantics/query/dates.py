"""The words for times in filters: `2024-03`, `FY2024`, `last quarter`, `12 months ago`, `7 days`.

Everything is worked out on the wall clock of the asker, from one captured `now`; `instant` then
turns a bound into a point in time, each bound on its own, so that a day of 23 or 25 hours has its
true length. Hours, minutes and seconds go by the time that passes, whatever the clock does. The
grammar is that of the reference (modeling reference 3.4): `N units ago` counts the unit that is
under way, `N complete units ago` does not.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dragoman.dialects.sql.kinds import Unit

MAX_COUNT = 100_000


class BadDate(ValueError):
    """A text that names no time; the message is for a person."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """What dates are worked out with.

    `now`: aware. `zone`: the asker's. `week_start`: 0 is Monday. `fiscal_offset`: months that a
    fiscal year begins before the calendar's (11: it begins in February); None: no fiscal year.
    `asked`: how `now` was read so far, by the words that were worked out from it.
    """

    now: datetime
    zone: ZoneInfo
    week_start: int = 0
    fiscal_offset: int | None = None
    asked: list[ClockRead] = field(default_factory=list["ClockRead"], compare=False)

    def local_now(self, unit: Unit | None) -> datetime:
        """The asker's wall clock, as exactly as a word needs it that counts in that unit: nothing
        below is told. None: to the moment."""
        read = ClockRead(self.zone, None if unit is None else _STEP[unit])
        self.asked.append(read)
        return read.of(self.now)

    def instant(self, local: datetime) -> datetime:
        """The instant of a wall-clock reading: of two the first, unless it was worked out from an
        instant; and past the gap of a reading that the clock skips."""
        return local.replace(tzinfo=self.zone)


@dataclass(frozen=True, slots=True)
class ClockRead:
    """A look at the wall clock of a zone. `step`: the unit that it is cut to; None: to none."""

    zone: ZoneInfo
    step: Unit | None

    def of(self, now: datetime) -> datetime:
        """What it shows at a moment, which is aware."""
        local = now.astimezone(self.zone).replace(tzinfo=None)
        return local if self.step is None else floor(local, self.step, Calendar(now, self.zone))


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` up to, without, `end`; wall-clock readings."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Length:
    """So many of a unit; `fiscal` matters for starts only."""

    count: int
    unit: Unit
    fiscal: bool = False


def period(text: str, cal: Calendar) -> Period:
    """The period that a text names; `now` names an empty one. Raises `BadDate`."""
    words = _words(text)
    for read in (_named, _relative, _absolute):
        found = read(words, text, cal)
        if found is not None:
            return found
    raise BadDate(f"{text[:60]!r} names no time; examples: 2024-03-31, last month, 7 days ago")


def moment(text: str, cal: Calendar) -> datetime:
    """The start of the period that a text names. Raises `BadDate`."""
    return period(text, cal).start


def length(text: str) -> Length:
    """A length: `12 months`, `1 week`. Raises `BadDate`."""
    found = re.fullmatch(rf"(\d+) {_UNIT}", _words(text))
    if found is None:
        raise BadDate(f"{text[:60]!r} is no length of time; examples: 7 days, 12 months")
    return _length(found[1], found[2])


def add(start: datetime, span: Length) -> datetime:
    """The reading that much later; the last day of a month that is too short."""
    try:
        return _add(start, span)
    except (OverflowError, ValueError):
        raise BadDate("the time lies outside the years 1 to 9999") from None


def later(start: datetime, span: Length, cal: Calendar) -> datetime:
    """The reading when that much time has passed: hours of the clock may come twice, or not at all.
    Days and longer go by the calendar."""
    if span.unit.of_days:
        return add(start, span)
    passed = add(cal.instant(start).astimezone(UTC), span)
    return passed.astimezone(cal.zone).replace(tzinfo=None)


def _add(start: datetime, span: Length) -> datetime:
    months = _MONTHS.get(span.unit)
    if months is None:
        return start + span.count * _SPANS[span.unit]
    index = start.year * 12 + start.month - 1 + span.count * months
    year, month = divmod(index, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return start.replace(year=year, month=month + 1, day=min(start.day, last))


def floor(moment: datetime, unit: Unit, cal: Calendar, *, fiscal: bool = False) -> datetime:
    """The start of the unit that a reading falls in."""
    if not unit.of_days:
        return moment.replace(**_BELOW[unit])
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if unit is Unit.WEEK:
        return day - timedelta(days=(day.weekday() - cal.week_start) % 7)
    if unit is Unit.DAY:
        return day
    months = _MONTHS[unit]
    offset = _fiscal_offset(cal) if fiscal else 0
    index = day.year * 12 + day.month - 1 + offset
    year, month = divmod(index - index % months - offset, 12)
    return day.replace(year=year, month=month + 1, day=1)


_BELOW: dict[Unit, dict[str, Any]] = {
    Unit.SECOND: {"microsecond": 0},
    Unit.MINUTE: {"second": 0, "microsecond": 0},
    Unit.HOUR: {"minute": 0, "second": 0, "microsecond": 0},
}


def _fiscal_offset(cal: Calendar) -> int:
    if cal.fiscal_offset is None:
        raise BadDate("the model has no fiscal year: set fiscal_month_offset")
    return cal.fiscal_offset


_SPANS = {
    Unit.SECOND: timedelta(seconds=1),
    Unit.MINUTE: timedelta(minutes=1),
    Unit.HOUR: timedelta(hours=1),
    Unit.DAY: timedelta(days=1),
    Unit.WEEK: timedelta(weeks=1),
}
# Days begin and end within every longer unit, of whatever calendar.
_STEP = {unit: Unit.DAY if unit.of_days else unit for unit in Unit}
_MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}
_UNIT = r"((?:fiscal )?(?:second|minute|hour|day|week|month|quarter|year))s?"


def _words(text: str) -> str:
    if not text.isascii():
        raise BadDate(f"{text[:60]!r} names no time")
    return " ".join(text.lower().split())


def _length(count: str, unit: str) -> Length:
    number = int(count[:9])
    if len(count) > 9 or number > MAX_COUNT:
        raise BadDate(f"{count[:20]} is more than {MAX_COUNT}")
    fiscal = unit.startswith("fiscal ")
    found = Unit(unit.removeprefix("fiscal "))
    if fiscal and found not in (Unit.QUARTER, Unit.YEAR):
        raise BadDate(f"there is no fiscal {found.value}")
    return Length(number, found, fiscal)


def _span(start: datetime, span: Length) -> Period:
    return Period(start, add(start, span))


def _named(words: str, _text: str, cal: Calendar) -> Period | None:
    if words == "now":
        now = cal.local_now(None)
        return Period(now, now)
    days = {"today": 0, "yesterday": -1, "tomorrow": 1}.get(words)
    if days is None:
        return None
    return _span(
        floor(cal.local_now(Unit.DAY), Unit.DAY, cal) + timedelta(days=days), Length(1, Unit.DAY)
    )


def _relative(words: str, _text: str, cal: Calendar) -> Period | None:
    found = re.fullmatch(rf"(this|last|next) {_UNIT}", words)
    if found is not None:
        return _away({"this": 0, "last": -1, "next": 1}[found[1]], _length("1", found[2]), cal)
    found = re.fullmatch(rf"(\d+) (complete )?{_UNIT} (ago|from now)", words)
    if found is None:
        return None
    span = _length(found[1], found[3])
    if found[4] == "from now":
        return _away(span.count, span, cal)
    return _away(-span.count if found[2] else 1 - span.count, span, cal)


def _away(count: int, span: Length, cal: Calendar) -> Period:
    here = floor(cal.local_now(span.unit), span.unit, cal, fiscal=span.fiscal)
    start = later(here, Length(count, span.unit), cal)
    return Period(start, later(start, Length(1, span.unit), cal))


_QUARTER = re.compile(r"(\d{4}) ?-?q([1-4])")
_FISCAL = re.compile(r"fy ?(\d{4})(?: ?-?q([1-4]))?")
_PLAIN = re.compile(
    r"(\d{4})(?:-(\d\d?)(?:-(\d\d?)(?:[ t](\d\d?)(?::(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?)?)?)?"
    r"(z|[+-]\d\d:?\d\d)?"
)
_LEVELS = (Unit.YEAR, Unit.MONTH, Unit.DAY, Unit.HOUR, Unit.MINUTE, Unit.SECOND)


def _absolute(words: str, text: str, cal: Calendar) -> Period | None:
    try:
        if found := _QUARTER.fullmatch(words):
            start = _reading(int(found[1]), int(found[2]) * 3 - 2)
            return _span(start, Length(1, Unit.QUARTER))
        if found := _FISCAL.fullmatch(words):
            return _fiscal_year(int(found[1]), found[2], cal)
        if found := _PLAIN.fullmatch(words):
            return _plain(found, cal)
    except (ValueError, OverflowError) as error:
        if isinstance(error, BadDate):
            raise
        raise BadDate(f"{text[:60]!r} is no date of the calendar") from None
    return None


def _reading(
    year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0, second: int = 0
) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC).replace(tzinfo=None)


def _fiscal_year(year: int, quarter: str | None, cal: Calendar) -> Period:
    start = add(_reading(year), Length(-_fiscal_offset(cal), Unit.MONTH))
    if quarter is None:
        return _span(start, Length(1, Unit.YEAR))
    return _span(add(start, Length(int(quarter) - 1, Unit.QUARTER)), Length(1, Unit.QUARTER))


def _plain(found: re.Match[str], cal: Calendar) -> Period:
    given = [part for part in found.groups()[:6] if part is not None]
    numbers = [int(part) for part in given]
    fraction = found[7]
    start = _reading(*numbers)
    if fraction:
        start = start.replace(microsecond=int(fraction[:6].ljust(6, "0")))
    if found[8]:
        start = _in_zone(start, found[8], cal)
    if fraction:
        end = start + timedelta(microseconds=1)
        return Period(start, end.replace(fold=start.fold))
    length = Length(1, _LEVELS[len(numbers) - 1])
    # Without an offset an hour of the clock is meant, which may come twice.
    return Period(start, later(start, length, cal)) if found[8] else _span(start, length)


def _in_zone(start: datetime, offset: str, cal: Calendar) -> datetime:
    written = "+0000" if offset == "z" else offset.replace(":", "")
    aware = datetime.strptime(f"{start:%Y-%m-%d %H:%M:%S.%f}{written}", "%Y-%m-%d %H:%M:%S.%f%z")
    return aware.astimezone(cal.zone).replace(tzinfo=None)
