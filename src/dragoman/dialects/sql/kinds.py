"""The few kinds that function tables speak of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TimeKind(StrEnum):
    """What a time expression gives: a day, a clock reading without a zone, or an instant."""

    DATE = "date"
    TIMESTAMP = "timestamp"
    ZONED = "zoned"


@dataclass(frozen=True, slots=True)
class Elements:
    """An array's elements as rows beside those that they came from, which stay without any.

    `join`: what comes after the other joins. `element`: one of them; the fields of a structure
    stand after a dot. `number`: its place in the array.
    """

    join: str
    element: str
    number: str


class Unit(StrEnum):
    """A length of time that a value can be cut to."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"  # starts on Monday
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"

    @property
    def of_days(self) -> bool:
        """Whether cutting to it gives a day."""
        return self not in (Unit.SECOND, Unit.MINUTE, Unit.HOUR)


class Part(StrEnum):
    """A number that is read off a time. Days of the week count from Monday = 0; the week is ISO
    8601's; the epoch counts seconds from 1970-01-01 00:00:00 of the reading itself."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY_OF_WEEK = "day_of_week"
    DAY_OF_MONTH = "day_of_month"
    DAY_OF_YEAR = "day_of_year"
    WEEK_OF_YEAR = "week_of_year"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    EPOCH = "epoch"


class CastType(StrEnum):
    """What a value can be turned into."""

    STRING = "string"
    INTEGER = "integer"
    DOUBLE = "double"
    DATE = "date"
    TIMESTAMP = "timestamp"


class Match(StrEnum):
    """How a text is compared with a piece of text."""

    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
