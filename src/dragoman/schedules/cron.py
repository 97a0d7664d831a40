"""When a schedule is due: AWS's six-field cron in a time zone (contract §2.6).

The fields are minute, hour, day of month, month, day of week, year
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cron-expressions.html). aws-croniter
reads them and counts; here is what it leaves open: which field is wrong, and the clock of a place.

A clock that goes forward skips what would fall into the gap, and what falls into the hour that a
clock has twice runs the first time only, as with EventBridge Scheduler.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

FIELDS = ("minute", "hour", "day-of-month", "month", "day-of-week", "year")
_TAKES = {
    "minute": "0-59 and , - * /",
    "hour": "0-23 and , - * /",
    "day-of-month": "1-31 and , - * ? / L W",
    "month": "1-12 or JAN-DEC and , - * /",
    "day-of-week": "1-7 (1 is Sunday) or SUN-SAT and , - * ? L #",
    "year": "1970-2199 and , - * /",
}
# What the library would take, or trip over, and AWS does not list.
_REFUSED = {
    "minute": r".*(\*-|-\*).*",
    "hour": r".*(\*-|-\*).*",
    "day-of-month": r".*(\*-|-\*|LW).*",
    "month": r".*(\*-|-\*).*",
    "day-of-week": r".*(\*-|-\*|L-).*",
    "year": r".*(\*-|-\*).*",
}
_WRAPPED = re.compile(r"cron\((.*)\)", re.IGNORECASE | re.DOTALL)
_YEAR_STEPS = re.compile(r"(\*|[0-9]{4})(?:-([0-9]{4}))?/([1-9][0-9]{0,3})")
_LONGEST = 200
# Of the hour that a clock has twice, or the gap it leaves, no schedule has more minutes than this.
_MOST_SKIPPED = 24 * 60


class WrongSchedule(Exception):
    """The expression or the time zone is not one; the text says which field, and what it takes."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Schedule:
    """An expression in its plain form (six fields, one blank between), and its IANA time zone."""

    expression: str
    timezone: str

    def after(self, moment: datetime) -> datetime | None:
        """The first due time after a moment, in UTC; None when there is none any more."""
        from aws_croniter import AwsCroniter

        zone = ZoneInfo(self.timezone)
        counted = AwsCroniter(_for_library(self.expression))
        # The library counts in UTC: it is given the wall clock of the place under that name.
        wall = moment.astimezone(zone).replace(tzinfo=UTC)
        for _ in range(_MOST_SKIPPED):
            wall = counted.get_next(wall)[0]
            if wall is None:
                return None
            local = wall.replace(tzinfo=zone)
            due = local.astimezone(UTC)
            is_real = due.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None)
            if is_real and due > moment:
                return due
        return None


def parse(expression: str, timezone: str) -> Schedule:
    """The schedule of an expression, `cron(…)` around it or not. Raises `WrongSchedule`."""
    if len(expression) > _LONGEST:
        raise WrongSchedule("schedule", f"is longer than {_LONGEST} characters")
    wrapped = _WRAPPED.fullmatch(expression.strip())
    fields = (wrapped[1] if wrapped else expression).upper().split()
    if len(fields) != len(FIELDS):
        raise WrongSchedule(
            "schedule", f"has {len(fields)} fields; it takes six: {' '.join(FIELDS)}"
        )
    _check(fields)
    return Schedule(" ".join(fields), _zone(timezone))


def _check(fields: list[str]) -> None:
    from aws_croniter import AwsCroniter

    for position, (name, text) in enumerate(zip(FIELDS, fields, strict=True)):
        # Each field alone, the days so that the other one is what it has to be.
        alone = ["*", "*", "?", "*", "?", "*"]
        alone[position] = text
        if alone[2] == alone[4] == "?":
            alone[4 if name == "day-of-month" else 2] = "*"
        try:
            if re.fullmatch(_REFUSED[name], text):
                raise ValueError(text)
            AwsCroniter(_for_library(" ".join(alone)))
        except (ValueError, RecursionError):
            raise WrongSchedule(
                "schedule", f"{name}: '{text[:40]}' is not valid; it takes {_TAKES[name]}"
            ) from None
    if (fields[2] == "?") == (fields[4] == "?"):
        raise WrongSchedule(
            "schedule", "exactly one of day-of-month and day-of-week must be ?, the other not"
        )


def _for_library(expression: str) -> str:
    """`L` alone as the day of the week is its last day, and years may have steps: the library does
    not know that."""
    *others, weekday, years = expression.split(" ")
    listed = ",".join(_stepped(part) for part in years.split(","))
    return " ".join([*others, "7" if weekday == "L" else weekday, listed])


def _stepped(years: str) -> str:
    """The years of `2026/2`, `*/2` or `2026-2030/2` one by one; anything else as it is."""
    found = _YEAR_STEPS.fullmatch(years)
    if found is None:
        return years
    first = 1970 if found[1] == "*" else int(found[1])
    each = range(first, int(found[2] or 2199) + 1, int(found[3]))
    return ",".join(map(str, each)) or years


def _zone(name: str) -> str:
    """A name of the IANA database, in its own spelling. Raises `WrongSchedule`."""
    found = _zones().get(name.strip().lower())
    if found is None:
        raise WrongSchedule(
            "timezone", f"'{name[:60]}' is not a time zone of IANA, such as America/New_York"
        )
    return found


@functools.cache
def _zones() -> dict[str, str]:
    return {each.lower(): each for each in available_timezones()}
