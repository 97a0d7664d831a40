"""Time frames: the grains of a time dimension (`created_at[month]`)."""

from __future__ import annotations

from enum import StrEnum


class Grain(StrEnum):
    """One way of cutting time. `RAW` is the bare field."""

    RAW = "raw"
    MILLISECOND = "millisecond"
    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DATE = "date"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    HOUR_OF_DAY = "hour_of_day"
    DAY_OF_WEEK_NAME = "day_of_week_name"
    DAY_OF_WEEK_NUM = "day_of_week_num"
    DAY_OF_MONTH = "day_of_month"
    DAY_OF_QUARTER = "day_of_quarter"
    DAY_OF_YEAR = "day_of_year"
    WEEK_OF_YEAR = "week_of_year"
    MONTH_NAME = "month_name"
    MONTH_NUM = "month_num"
    QUARTER_OF_YEAR = "quarter_of_year"
    FISCAL_QUARTER = "fiscal_quarter"
    FISCAL_YEAR = "fiscal_year"
    EPOCH = "epoch"
    TIME_OF_DAY = "time_of_day"

    @property
    def truncates(self) -> bool:
        """Whether it gives a moment (the start of the period), not a part of one."""
        return self in _TRUNCATES


_TRUNCATES = frozenset(
    (
        *(Grain.RAW, Grain.MILLISECOND, Grain.SECOND, Grain.MINUTE, Grain.HOUR, Grain.DATE),
        *(Grain.WEEK, Grain.MONTH, Grain.QUARTER, Grain.YEAR),
        *(Grain.FISCAL_QUARTER, Grain.FISCAL_YEAR),
    )
)
DEFAULT_TIMEFRAMES = (Grain.RAW, Grain.DATE, Grain.WEEK, Grain.MONTH, Grain.QUARTER, Grain.YEAR)


class Interval(StrEnum):
    """What a duration is counted in."""

    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"
    DAYS = "days"
    WEEKS = "weeks"
    MONTHS = "months"
    QUARTERS = "quarters"
    YEARS = "years"


class WeekDay(StrEnum):
    """The day a week starts on."""

    MONDAY = "Monday"
    TUESDAY = "Tuesday"
    WEDNESDAY = "Wednesday"
    THURSDAY = "Thursday"
    FRIDAY = "Friday"
    SATURDAY = "Saturday"
    SUNDAY = "Sunday"
