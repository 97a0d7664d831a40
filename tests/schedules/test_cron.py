"""Cron in AWS's form: its published examples, time zones, clocks that change, and mistakes."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.schedules import cron
from dragoman.schedules.description import describe

START = datetime(2026, 1, 1, tzinfo=UTC)


def due(expression: str, zone: str = "UTC", start: datetime = START, count: int = 3) -> list[str]:
    schedule, found = cron.parse(expression, zone), []
    while len(found) < count:
        upcoming = schedule.after(start)
        if upcoming is None:
            break
        start = upcoming
        found.append(upcoming.strftime("%a %Y-%m-%d %H:%M"))
    return found


# From the tables of examples and of wildcards in the EventBridge user guide; the days were looked
# up in a calendar of 2026.
PUBLISHED = {
    "15 10 * * ? *": ["Thu 2026-01-01 10:15", "Fri 2026-01-02 10:15", "Sat 2026-01-03 10:15"],
    "0 18 ? * MON-FRI *": ["Thu 2026-01-01 18:00", "Fri 2026-01-02 18:00", "Mon 2026-01-05 18:00"],
    "0 8 1 * ? *": ["Thu 2026-01-01 08:00", "Sun 2026-02-01 08:00", "Sun 2026-03-01 08:00"],
    "0/15 * * * ? *": ["Thu 2026-01-01 00:15", "Thu 2026-01-01 00:30", "Thu 2026-01-01 00:45"],
    "1/10 * * * ? *": ["Thu 2026-01-01 00:01", "Thu 2026-01-01 00:11", "Thu 2026-01-01 00:21"],
    "0/10 * ? * MON-FRI *": ["Thu 2026-01-01 00:10", "Thu 2026-01-01 00:20"],
    "0/5 8-17 ? * MON-FRI *": ["Thu 2026-01-01 08:00", "Thu 2026-01-01 08:05"],
    "15 10 ? * 6L 2026-2027": ["Fri 2026-01-30 10:15", "Fri 2026-02-27 10:15"],
    "0 9 ? * 2#1 *": ["Mon 2026-01-05 09:00", "Mon 2026-02-02 09:00", "Mon 2026-03-02 09:00"],
    "0 9 ? * 3#2 *": ["Tue 2026-01-13 09:00", "Tue 2026-02-10 09:00"],
    "0 0 ? JAN,FEB,MAR SUN 2026": ["Sun 2026-01-04 00:00", "Sun 2026-01-11 00:00"],
    "0 0 L * ? *": ["Sat 2026-01-31 00:00", "Sat 2026-02-28 00:00", "Tue 2026-03-31 00:00"],
    "0 9 3W * ? *": ["Fri 2026-01-02 09:00", "Tue 2026-02-03 09:00", "Tue 2026-03-03 09:00"],
    "0 9 ? * L *": ["Sat 2026-01-03 09:00", "Sat 2026-01-10 09:00"],
    "0 10 ? * FRIL *": ["Fri 2026-01-30 10:00", "Fri 2026-02-27 10:00"],
    # of the contract
    "00 09 * * ? *": ["Thu 2026-01-01 09:00", "Fri 2026-01-02 09:00"],
    "30 08 1 * ? *": ["Thu 2026-01-01 08:30", "Sun 2026-02-01 08:30"],
    # the nearest weekday stays within its month
    "0 9 1W * ? *": ["Thu 2026-01-01 09:00", "Mon 2026-02-02 09:00", "Mon 2026-03-02 09:00"],
    "0 9 31W * ? *": ["Fri 2026-01-30 09:00", "Tue 2026-03-31 09:00", "Fri 2026-05-29 09:00"],
    # months without one are left out
    "0 0 ? * 6#5 *": ["Fri 2026-01-30 00:00", "Fri 2026-05-29 00:00", "Fri 2026-07-31 00:00"],
    "0 0 29 2 ? *": ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00", "Fri 2036-02-29 00:00"],
    "0 0 ? * SAT-MON *": ["Sat 2026-01-03 00:00", "Sun 2026-01-04 00:00", "Mon 2026-01-05 00:00"],
    "0 0 31 2 ? *": [],
    "0 0 1 1 ? 2020": [],
}


@pytest.mark.parametrize("expression", PUBLISHED)
def test_published_examples(expression: str) -> None:
    expected = PUBLISHED[expression]
    assert due(expression, count=max(len(expected), 1)) == expected


@pytest.mark.parametrize(
    ("years", "expected"),
    [
        ("2026/2", [2026, 2028]),
        ("*/2", [2026, 2028]),
        ("2025-2030/3", [2028]),
        ("2027,2030/5", [2027, 2030, 2035]),
    ],
)
def test_years_in_steps(years: str, expected: list[int]) -> None:
    schedule = cron.parse(f"0 0 1 7 ? {years}", "UTC")
    moment: datetime | None = datetime(2026, 1, 1, tzinfo=UTC)
    found: list[int] = []
    while len(found) < len(expected) and moment is not None:
        moment = schedule.after(moment)
        found += [moment.year] if moment else []
    assert found == expected
    assert years in describe(schedule)


def test_small_letters_blanks_and_the_wrapper_are_the_same_schedule() -> None:
    plain = cron.parse("0 18 ? * MON-FRI *", "UTC")
    for other in (
        "cron(0 18 ? * mon-fri *)",
        "  0  18 ?\t* Mon-Fri * ",
        "CRON( 0 18 ? * MON-FRI * )",
    ):
        assert cron.parse(other, "UTC") == plain


def test_times_are_those_of_the_place() -> None:
    assert due("0 2 * * ? *", "America/New_York", count=1) == ["Thu 2026-01-01 07:00"]
    july = datetime(2026, 7, 1, tzinfo=UTC)
    assert due("0 2 * * ? *", "America/New_York", july, 1) == ["Wed 2026-07-01 06:00"]
    assert due("0 2 * * ? *", "Asia/Kolkata", july, 1) == ["Wed 2026-07-01 20:30"]
    # Midnight of Kiritimati is the day before in UTC: the day of the week is that of the place.
    assert due("0 0 ? * MON *", "Pacific/Kiritimati", july, 1) == ["Sun 2026-07-05 10:00"]


def test_a_time_in_the_gap_of_the_clock_is_skipped() -> None:
    # New York, 8 March 2026: 02:00 becomes 03:00.
    before = datetime(2026, 3, 7, 12, tzinfo=UTC)
    found = due("30 2 * * ? *", "America/New_York", before, 2)
    assert found == ["Mon 2026-03-09 06:30", "Tue 2026-03-10 06:30"]
    every = due("0/30 * * * ? *", "America/New_York", datetime(2026, 3, 8, 6, 30, tzinfo=UTC), 2)
    assert every == ["Sun 2026-03-08 07:00", "Sun 2026-03-08 07:30"]


def test_a_time_that_the_clock_has_twice_runs_once() -> None:
    # New York, 1 November 2026: 02:00 becomes 01:00 again, at 06:00 UTC.
    before = datetime(2026, 10, 31, 12, tzinfo=UTC)
    found = due("30 1 * * ? *", "America/New_York", before, 2)
    assert found == ["Sun 2026-11-01 05:30", "Mon 2026-11-02 06:30"]
    # Asked from within the second hour, it is over for today.
    within = datetime(2026, 11, 1, 6, 10, tzinfo=UTC)
    assert due("30 1 * * ? *", "America/New_York", within, 1) == ["Mon 2026-11-02 06:30"]
    assert due("* * * * ? *", "America/New_York", within, 1) == ["Sun 2026-11-01 07:00"]


@pytest.mark.parametrize(
    ("expression", "field"),
    [
        ("60 0 * * ? *", "minute: '60'"),
        ("*-5 * * * ? *", "minute: '*-5'"),
        ("0/0 * * * ? *", "minute: '0/0'"),
        ("? 0 * * ? *", "minute: '?'"),
        ("0 24 * * ? *", "hour: '24'"),
        ("0 0 32 * ? *", "day-of-month: '32'"),
        ("0 0 LW * ? *", "day-of-month: 'LW'"),
        ("0 0 1W,15W * ? *", "day-of-month: '1W,15W'"),
        ("0 0 1 13 ? *", "month: '13'"),
        ("0 0 1 1 ? 2026/0", "year: '2026/0'"),
        ("0 0 1 1 ? 2030-2026/2", "year: '2030-2026/2'"),
        ("0 0 1 JANUARY ? *", "month: 'JANUARY'"),
        ("0 0 ? * 8 *", "day-of-week: '8'"),
        ("0 0 ? * 0 *", "day-of-week: '0'"),
        ("0 0 ? * 3#6 *", "day-of-week: '3#6'"),
        ("0 0 ? * 3#1,6#3 *", "day-of-week: '3#1,6#3'"),
        ("0 0 ? * L-3 *", "day-of-week: 'L-3'"),
        ("0 0 1 * ? 1969", "year: '1969'"),
        ("0 0 1 * ? 2200", "year: '2200'"),
        ("0 0 1 * MON *", "exactly one of day-of-month and day-of-week must be ?"),
        ("0 0 * * * *", "exactly one of day-of-month and day-of-week must be ?"),
        ("0 0 ? * ? *", "exactly one of day-of-month and day-of-week must be ?"),
        ("0 0 * * ?", "has 5 fields"),
        ("", "has 0 fields"),
        ("rate(5 minutes)", "has 2 fields"),
        ("0 0 \u0661 * ? *", "day-of-month"),  # a digit, but not of ASCII
        ("0," * 150 + "0 0 * * ? *", "longer than"),
    ],
)
def test_a_mistake_is_told_with_its_field(expression: str, field: str) -> None:
    with pytest.raises(cron.WrongSchedule) as told:
        cron.parse(expression, "UTC")
    assert field in told.value.message
    assert told.value.field == "schedule"


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "EST5EDT4", "../etc/passwd", "/etc/localtime"]
)
def test_a_zone_that_is_none_is_told(zone: str) -> None:
    with pytest.raises(cron.WrongSchedule) as told:
        cron.parse("0 0 * * ? *", zone)
    assert told.value.field == "timezone"


_PIECES = ["0", "1", "5", "*", "?", "L", "W", "#", "-", ",", "/", "MON", " "]


@given(st.text(max_size=30) | st.lists(st.sampled_from(_PIECES)).map("".join))
def test_no_text_does_worse_than_a_refusal(text: str) -> None:
    try:
        schedule = cron.parse(text, "Europe/Berlin")
    except cron.WrongSchedule:
        return
    schedule.after(START)
    assert describe(schedule)


def _expanded(low: int, high: int) -> st.SearchStrategy[tuple[str, set[int]]]:
    """A field and the values that it means, worked out apart from the library."""
    value = st.integers(low, high)
    several = st.sets(value, min_size=1, max_size=4).map(
        lambda found: (",".join(map(str, sorted(found))), found)
    )
    spans = (
        st.tuples(value, value)
        .map(sorted)
        .map(lambda pair: (f"{pair[0]}-{pair[1]}", set(range(pair[0], pair[1] + 1))))
    )
    steps = st.tuples(value, st.integers(max(low, 1), high)).map(
        lambda pair: (f"{pair[0]}/{pair[1]}", set(range(pair[0], high + 1, pair[1])))
    )
    return st.just(("*", set(range(low, high + 1)))) | several | spans | steps


@given(
    minute=_expanded(0, 59),
    hour=_expanded(0, 23),
    day=_expanded(1, 31),
    month=_expanded(1, 12),
    start=st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 - made UTC below
)
def test_next_times_are_those_that_a_search_of_the_calendar_finds(
    minute: tuple[str, set[int]],
    hour: tuple[str, set[int]],
    day: tuple[str, set[int]],
    month: tuple[str, set[int]],
    start: datetime,
) -> None:
    start = start.replace(tzinfo=UTC)
    expression = f"{minute[0]} {hour[0]} {day[0]} {month[0]} ? *"
    found = cron.parse(expression, "UTC").after(start)
    assert found == _searched(minute[1], hour[1], day[1], month[1], start), expression


def _searched(
    minutes: set[int], hours: set[int], days: set[int], months: set[int], start: datetime
) -> datetime | None:
    each: date = start.date()
    while each.year < start.year + 9:
        if each.month in months and each.day in days:
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    when = datetime(each.year, each.month, each.day, hour, minute, tzinfo=UTC)
                    if when > start:
                        return when
        each += timedelta(days=1)
    return None


@given(
    weekday=st.integers(1, 7),
    nth=st.integers(1, 5),
    year=st.integers(2024, 2040),
    month=st.integers(1, 12),
)
def test_the_nth_weekday_is_that_of_the_calendar(
    weekday: int, nth: int, year: int, month: int
) -> None:
    python_day = (weekday + 5) % 7  # 1 is Sunday here, 0 is Monday there
    days = [
        number
        for number in range(1, calendar.monthrange(year, month)[1] + 1)
        if date(year, month, number).weekday() == python_day
    ]
    start = datetime(year, month, 1, tzinfo=UTC) - timedelta(minutes=1)
    found = cron.parse(f"0 0 ? {month} {weekday}#{nth} {year}", "UTC").after(start)
    assert (found.day if found else None) == (days[nth - 1] if nth <= len(days) else None)
    last = cron.parse(f"0 0 ? {month} {weekday}L {year}", "UTC").after(start)
    assert last is not None
    assert last.day == days[-1]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("0 2 * * ? *", "Runs daily at 2:00 AM"),
        ("5 14 * * ? *", "Runs daily at 2:05 PM"),
        ("0 0 ? * * *", "Runs daily at 12:00 AM"),
        ("0 18 ? * MON-FRI *", "Runs every weekday at 6:00 PM"),
        ("0 18 ? * 2-6 *", "Runs every weekday at 6:00 PM"),
        ("0 9 ? * MON,THU *", "Runs every Monday and Thursday at 9:00 AM"),
        ("0 9 ? * L *", "Runs every Saturday at 9:00 AM"),
        ("0 9 ? * 2#1 *", "Runs on the first Monday of every month at 9:00 AM"),
        ("0 9 ? * FRIL *", "Runs on the last Friday of every month at 9:00 AM"),
        ("30 8 1 * ? *", "Runs on day 1 of every month at 8:30 AM"),
        ("0 0 L * ? *", "Runs on the last day of every month at 12:00 AM"),
        ("0 12 3W * ? *", "Runs on the weekday nearest to day 3 of every month at 12:00 PM"),
        ("0/15 * * * ? *", "Runs every 15 minutes"),
        ("*/15 * ? * MON-FRI *", "Runs every weekday every 15 minutes"),
        ("* * * * ? *", "Runs every minute"),
        ("0 * * * ? *", "Runs every hour"),
        ("5 * * * ? *", "Runs every hour at 5 minutes past"),
        ("0 0/6 * * ? *", "Runs every 6 hours"),
        ("0 9 ? JAN * *", "Runs on the schedule 0 9 ? JAN * *"),
        ("0/5 8-17 ? * MON-FRI *", "Runs on the schedule 0/5 8-17 ? * MON-FRI *"),
        ("0 9 1-7 * ? *", "Runs on the schedule 0 9 1-7 * ? *"),
    ],
)
def test_descriptions(expression: str, words: str) -> None:
    assert describe(cron.parse(expression, "America/New_York")) == f"{words} (America/New_York)"
