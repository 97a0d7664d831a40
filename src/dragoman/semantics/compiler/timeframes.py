"""Time frames: a time cut to a grain, or a part of it (modeling reference 4.6)."""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.dialects.sql import SqlFunctions
from dragoman.dialects.sql.kinds import CastType, Part, TimeKind, Unit
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.grains import Grain

_KINDS = {
    DataType.DATE: TimeKind.DATE,
    DataType.TIMESTAMP: TimeKind.TIMESTAMP,
    DataType.TIMESTAMP_TZ: TimeKind.ZONED,
}
_UNITS = {
    Grain.SECOND: Unit.SECOND,
    Grain.MINUTE: Unit.MINUTE,
    Grain.HOUR: Unit.HOUR,
    Grain.DATE: Unit.DAY,
    Grain.WEEK: Unit.WEEK,
    Grain.MONTH: Unit.MONTH,
    Grain.QUARTER: Unit.QUARTER,
    Grain.YEAR: Unit.YEAR,
}
_PARTS = {
    Grain.HOUR_OF_DAY: Part.HOUR,
    Grain.DAY_OF_MONTH: Part.DAY_OF_MONTH,
    Grain.DAY_OF_YEAR: Part.DAY_OF_YEAR,
    Grain.WEEK_OF_YEAR: Part.WEEK_OF_YEAR,
    Grain.MONTH_NUM: Part.MONTH,
    Grain.QUARTER_OF_YEAR: Part.QUARTER,
    Grain.EPOCH: Part.EPOCH,
}
_OF_A_DAY = {
    *(Grain.MILLISECOND, Grain.SECOND, Grain.MINUTE, Grain.HOUR),
    *(Grain.HOUR_OF_DAY, Grain.TIME_OF_DAY),
}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)


def kind_of(type_: DataType) -> TimeKind | None:
    """The kind of time that a type is; None for other types."""
    return _KINDS.get(type_)


@dataclass(frozen=True, slots=True)
class Timeframes:
    """`week_start`: 0 is Monday. `fiscal_offset`: months, None where there is no fiscal year."""

    sql: SqlFunctions
    week_start: int
    fiscal_offset: int | None

    def cut(self, x: str, of: DataType, grain: Grain, address: str) -> tuple[str, DataType]:
        """A day or a reading, cut; and what that gives. Raises `PlanError`."""
        if of is DataType.DATE and grain in _OF_A_DAY:
            raise PlanError(f"{address} is a day: it has no time frame [{grain.value}].")
        if grain is Grain.MILLISECOND:
            return x, DataType.TIMESTAMP
        if grain is Grain.WEEK:
            return self._week(x), DataType.DATE
        if grain in _UNITS:
            unit = _UNITS[grain]
            return self.sql.truncate(x, unit), DataType.DATE if unit.of_days else DataType.TIMESTAMP
        if grain in _PARTS:
            return self.sql.part(x, _PARTS[grain]), DataType.NUMBER
        return self._special(x, grain, address)

    def _special(self, x: str, grain: Grain, address: str) -> tuple[str, DataType]:
        match grain:
            case Grain.DAY_OF_WEEK_NUM:
                return self._day_of_week(x), DataType.NUMBER
            case Grain.DAY_OF_WEEK_NAME:
                return self._named(self.sql.part(x, Part.DAY_OF_WEEK), DAYS, 0), DataType.STRING
            case Grain.MONTH_NAME:
                return self._named(self.sql.part(x, Part.MONTH), MONTHS, 1), DataType.STRING
            case Grain.DAY_OF_QUARTER:
                return self._day_of_quarter(x), DataType.NUMBER
            case Grain.TIME_OF_DAY:
                return self._time_of_day(x), DataType.STRING
            case _:
                return self._fiscal(x, grain, address), DataType.DATE

    def _week(self, x: str) -> str:
        """The week that begins on another day: moved to Monday, cut, and moved back."""
        if self.week_start == 0:
            return self.sql.truncate(x, Unit.WEEK)
        shift = 7 - self.week_start
        moved = self.sql.add_days(self.sql.truncate(x, Unit.DAY), shift)
        return self.sql.add_days(self.sql.truncate(moved, Unit.WEEK), -shift)

    def _day_of_week(self, x: str) -> str:
        part = self.sql.part(x, Part.DAY_OF_WEEK)
        if self.week_start == 0:
            return part
        return self.sql.modulo(f"({part} + {7 - self.week_start})", 7)

    def _named(self, number: str, names: tuple[str, ...], first: int) -> str:
        cases = [f"WHEN {n} THEN {self.sql.string(name)}" for n, name in enumerate(names, first)]
        return f"CASE {number} {' '.join(cases)} END"

    def _day_of_quarter(self, x: str) -> str:
        """Days since the quarter began, from 1."""
        start = self.sql.truncate(x, Unit.QUARTER)
        days = [self.sql.part(each, Part.EPOCH) for each in (self.sql.truncate(x, Unit.DAY), start)]
        return f"({self.sql.divide_whole(f'({days[0]} - {days[1]})', 86_400)} + 1)"

    def _time_of_day(self, x: str) -> str:
        """`HH:MM`, written so that no locale and no session changes it."""
        hour = self._two_digits(self.sql.part(x, Part.HOUR), 24)
        minute = self._two_digits(self.sql.part(x, Part.MINUTE), 60)
        text = self.sql.concat(self.sql.concat(hour, self.sql.string(":")), minute)
        return f"CASE WHEN {x} IS NOT NULL THEN {text} END"

    def _two_digits(self, number: str, count: int) -> str:
        cases = [f"WHEN {n} THEN {self.sql.string(f'{n:02d}')}" for n in range(count)]
        return f"CASE {number} {' '.join(cases)} END"

    def _fiscal(self, x: str, grain: Grain, address: str) -> str:
        """The start of the fiscal quarter or year, as a day."""
        if self.fiscal_offset is None:
            raise PlanError(
                f"{address}[{grain.value}] needs a fiscal year.",
                fix="Set fiscal_month_offset in the model.",
            )
        unit = Unit.QUARTER if grain is Grain.FISCAL_QUARTER else Unit.YEAR
        if self.fiscal_offset % (3 if unit is Unit.QUARTER else 12) == 0:
            return self.sql.truncate(x, unit)
        month = self.sql.truncate(x, Unit.MONTH)
        cut = self.sql.truncate(self.sql.add_months(month, self.fiscal_offset), unit)
        return self.sql.cast(self.sql.add_months(cut, -self.fiscal_offset), CastType.DATE)
