"""The words for times, on the asker's own clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects.sql.kinds import Unit
from dragoman.semantics.query import dates
from dragoman.semantics.query.dates import BadDate, Calendar

# A Sunday; in New York it is still Saturday, the 14th.
NOW = datetime(2026, 3, 15, 2, 30, 5, tzinfo=UTC)
UTC_CALENDAR = Calendar(NOW, ZoneInfo("UTC"), fiscal_offset=11)
NEW_YORK = Calendar(NOW, ZoneInfo("America/New_York"))


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("2024", "2024-01-01", "2025-01-01"),
        ("2024-02", "2024-02-01", "2024-03-01"),
        ("2024-02-29", "2024-02-29", "2024-03-01"),
        ("2024-02-29 13", "2024-02-29 13:00", "2024-02-29 14:00"),
        ("2024-02-29 13:05", "2024-02-29 13:05", "2024-02-29 13:06"),
        ("2024-02-29T13:05:07Z", "2024-02-29 13:05:07", "2024-02-29 13:05:08"),
        ("2024 Q3", "2024-07-01", "2024-10-01"),
        ("2024-q4", "2024-10-01", "2025-01-01"),
        # An offset of 11: the fiscal year 2025 begins in February 2024.
        ("FY2025", "2024-02-01", "2025-02-01"),
        ("FY2025 Q1", "2024-02-01", "2024-05-01"),
        ("today", "2026-03-15", "2026-03-16"),
        ("yesterday", "2026-03-14", "2026-03-15"),
        ("tomorrow", "2026-03-16", "2026-03-17"),
        ("this week", "2026-03-09", "2026-03-16"),
        ("last week", "2026-03-02", "2026-03-09"),
        ("this month", "2026-03-01", "2026-04-01"),
        ("last quarter", "2025-10-01", "2026-01-01"),
        ("next year", "2027-01-01", "2028-01-01"),
        ("this fiscal year", "2026-02-01", "2027-02-01"),
        ("last fiscal quarter", "2025-11-01", "2026-02-01"),
        # The unit under way counts as the first, unless complete ones are asked for.
        ("1 month ago", "2026-03-01", "2026-04-01"),
        ("12 months ago", "2025-04-01", "2025-05-01"),
        ("12 complete months ago", "2025-03-01", "2025-04-01"),
        ("3 days from now", "2026-03-18", "2026-03-19"),
        ("2 hours ago", "2026-03-15 01:00", "2026-03-15 02:00"),
        ("  Last   MONTH ", "2026-02-01", "2026-03-01"),
    ],
)
def test_periods(words: str, start: str, end: str) -> None:
    found = dates.period(words, UTC_CALENDAR)
    wanted = (datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert (found.start, found.end) == wanted


def test_days_are_those_of_the_asker() -> None:
    assert dates.moment("today", NEW_YORK) == datetime.fromisoformat("2026-03-14")


def test_weeks_begin_when_the_model_says() -> None:
    sunday = replace(UTC_CALENDAR, week_start=6)
    assert dates.moment("this week", sunday) == datetime.fromisoformat("2026-03-15")


@pytest.mark.parametrize(
    "words",
    [
        *("", "soon", "2024-13", "2024-02-30", "FY24", "0 ago", "12 months", "last fiscal month"),
        *("9999999999 days ago", "90000 years ago", "2024-02-29 25", "today; drop table x"),
        "\uff11 day ago",  # a digit, and none of ours
    ],
)
def test_other_words_are_refused(words: str) -> None:
    with pytest.raises(BadDate):
        dates.period(words, UTC_CALENDAR)


def test_no_fiscal_year_without_an_offset() -> None:
    with pytest.raises(BadDate, match="fiscal_month_offset"):
        dates.period("FY2025", NEW_YORK)


def test_lengths() -> None:
    start = datetime.fromisoformat("2024-01-31")
    assert dates.add(start, dates.length("1 month")) == datetime.fromisoformat("2024-02-29")
    assert dates.add(start, dates.length("1 year")) == datetime.fromisoformat("2025-01-31")
    assert dates.add(start, dates.length("2 weeks")) == datetime.fromisoformat("2024-02-14")
    with pytest.raises(BadDate):
        dates.length("month")


def test_a_bound_in_a_gap_or_an_overlap_is_one_instant() -> None:
    gap = datetime.fromisoformat("2026-03-08 02:30")  # the clock goes from 2:00 to 3:00
    twice = datetime.fromisoformat("2026-11-01 01:30")  # the clock goes from 2:00 back to 1:00
    assert NEW_YORK.instant(gap).astimezone(UTC).hour == 7
    assert NEW_YORK.instant(twice).astimezone(UTC).hour == 5


def test_a_day_of_23_hours() -> None:
    found = dates.period("2026-03-08", NEW_YORK)
    bounds = [NEW_YORK.instant(each).astimezone(UTC) for each in (found.start, found.end)]
    assert bounds[1] - bounds[0] == timedelta(hours=23)


@pytest.mark.parametrize(
    ("now", "words", "start", "end"),
    [
        # 01:30 in New York comes twice on November 1st: at 05:30 and at 06:30 UTC.
        ("2026-11-01 05:30", "now", "05:30", "05:30"),
        ("2026-11-01 06:30", "now", "06:30", "06:30"),
        ("2026-11-01 06:30", "this hour", "06:00", "07:00"),
        ("2026-11-01 06:30", "2 hours ago", "05:00", "06:00"),
        ("2026-11-01 06:30", "2026-11-01T06:30Z", "06:30", "06:31"),
        ("2026-11-01 06:30", "1 complete hours ago", "05:00", "06:00"),
        # No hour begins at 02:00 on March 8th: after 06:59 UTC it is 03:00.
        ("2026-03-08 07:30", "2 hours ago", "06:00", "07:00"),
        ("2026-03-08 07:30", "2 complete hours ago", "05:00", "06:00"),
    ],
)
def test_hours_pass_when_the_clock_changes(now: str, words: str, start: str, end: str) -> None:
    calendar = replace(NEW_YORK, now=datetime.fromisoformat(now).replace(tzinfo=UTC))
    found = dates.period(words, calendar)
    times = [calendar.instant(each).astimezone(UTC) for each in (found.start, found.end)]
    assert [f"{each:%H:%M}" for each in times] == [start, end]


def test_so_many_hours_are_as_many_hours() -> None:
    calendar = replace(NEW_YORK, now=datetime(2026, 3, 8, 14, tzinfo=UTC))
    start = dates.moment("24 hours ago", calendar)
    end = dates.later(start, dates.length("24 hours"), calendar)
    assert calendar.instant(end) - calendar.instant(start).astimezone(UTC) == timedelta(hours=24)
    assert dates.later(start, dates.length("1 day"), calendar) - start == timedelta(days=1)


def test_words_look_at_the_clock_no_closer_than_they_count() -> None:
    calendar = replace(NEW_YORK, asked=[])
    for words in ("2024-03", "last month", "2 hours ago", "now"):
        dates.period(words, calendar)
    assert [each.step for each in calendar.asked] == [Unit.DAY, Unit.HOUR, None]
    shown = [f"{each.of(NOW):%d %H:%M:%S}" for each in calendar.asked]
    assert shown == ["14 00:00:00", "14 22:00:00", "14 22:30:05"]


@given(
    st.datetimes(datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2100-01-01")),
    st.sampled_from(list(Unit)),
    st.integers(0, 6),
    st.booleans(),
)
def test_a_unit_begins_before_and_ends_after(
    moment: datetime, unit: Unit, week_start: int, fiscal: bool
) -> None:
    calendar = replace(UTC_CALENDAR, week_start=week_start)
    fiscal = fiscal and unit in (Unit.QUARTER, Unit.YEAR)
    start = dates.floor(moment, unit, calendar, fiscal=fiscal)
    assert start <= moment < dates.add(start, dates.Length(1, unit))
    assert dates.floor(start, unit, calendar, fiscal=fiscal) == start
