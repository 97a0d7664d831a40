"""A schedule in English, for people: `Runs daily at 2:00 AM (America/New_York)`."""

from __future__ import annotations

from dragoman.schedules.cron import Schedule

_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_SHORT = tuple(day[:3].upper() for day in _DAYS)
_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def describe(schedule: Schedule) -> str:
    """The usual schedules in words; any other as the expression that it is."""
    minute, hour, day, month, weekday, year = schedule.expression.split(" ")
    when = _clock(minute, hour) if (month, year) == ("*", "*") else None
    days = _days(day, weekday)
    if when is None or days is None:
        return f"Runs on the schedule {schedule.expression} ({schedule.timezone})"
    # "every 15 minutes" is daily anyhow.
    if days == "daily" and not when.startswith("at "):
        return f"Runs {when} ({schedule.timezone})"
    return f"Runs {days} {when} ({schedule.timezone})"


def _clock(minute: str, hour: str) -> str | None:
    if minute.isdigit() and hour.isdigit():
        return f"at {int(hour) % 12 or 12}:{int(minute):02d} {'AM' if int(hour) < 12 else 'PM'}"
    if hour == "*" and minute.isdigit():
        return "every hour" if int(minute) == 0 else f"every hour at {int(minute)} minutes past"
    every = _step(minute)
    if hour == "*" and every is not None:
        return "every minute" if every == 1 else f"every {every} minutes"
    every = _step(hour)
    if minute.isdigit() and every is not None and every > 1:
        past = "" if int(minute) == 0 else f" at {int(minute)} minutes past"
        return f"every {every} hours{past}"
    return None


def _step(field: str) -> int | None:
    """The 15 of `0/15` and `*/15`, the 1 of `*`."""
    start, slash, every = field.partition("/")
    if start not in ("0", "*") or (slash and not every.isdigit()):
        return None
    return int(every) if slash else (1 if start == "*" else None)


def _days(day: str, weekday: str) -> str | None:
    if "*" in (day, weekday):
        return "daily"
    return _of_month(day) if weekday == "?" else _of_week(weekday)


def _of_week(weekday: str) -> str | None:
    if weekday in ("MON-FRI", "2-6"):
        return "every weekday"
    name, hash_, nth = weekday.partition("#")
    if hash_:
        return f"on the {_ORDINALS[int(nth) - 1]} {_day(name)} of every month"
    if weekday.endswith("L") and weekday != "L":
        return f"on the last {_day(weekday[:-1])} of every month"
    names = [_day(each) for each in weekday.split(",")]
    return None if None in names else "every " + " and ".join(str(each) for each in names)


def _of_month(day: str) -> str | None:
    if day == "L":
        return "on the last day of every month"
    if day.isdigit():
        return f"on day {int(day)} of every month"
    if day.endswith("W"):
        return f"on the weekday nearest to day {int(day[:-1])} of every month"
    return None


def _day(text: str) -> str | None:
    if text in _SHORT:
        return _DAYS[_SHORT.index(text)]
    if text == "L":
        return _DAYS[-1]
    return _DAYS[int(text) - 1] if text.isdigit() else None
