"""Filters as SQL conditions, of questions and of model files (modeling reference 3.3, 4.7, 4.13).

A filter that is turned around keeps the rows without a value (docs/decisions/0013). Every value
from outside becomes a literal of the database's own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from dragoman.dialects.sql.functions import NotExpressible, Value
from dragoman.dialects.sql.kinds import CastType, Match, Part, Unit
from dragoman.semantics.compiler.asking import Asking, AttributeValue
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.reads import Slot, Unread
from dragoman.semantics.compiler.yamlfilters import to_filter
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.filters import FilterExpression
from dragoman.semantics.query import dates
from dragoman.semantics.query.dates import BadDate, Calendar
from dragoman.semantics.query.filters import (
    AttributeFilter,
    BooleanFilter,
    CompositeFilter,
    DateFilter,
    DateKind,
    Filter,
    NullFilter,
    NumberFilter,
    NumberKind,
    QueryFilter,
    TextFilter,
    TextKind,
)

NEVER = "1 = 0"
ALWAYS = "1 = 1"
_MATCHES = {
    TextKind.CONTAINS: Match.CONTAINS,
    TextKind.STARTS_WITH: Match.STARTS_WITH,
    TextKind.ENDS_WITH: Match.ENDS_WITH,
}
_PARTS = {
    DateKind.IS_ON_DAY_OF_WEEK: Part.DAY_OF_WEEK,
    DateKind.IS_ON_DAY_OF_MONTH: Part.DAY_OF_MONTH,
    DateKind.IS_ON_DAY_OF_YEAR: Part.DAY_OF_YEAR,
    DateKind.IS_IN_WEEK_OF_YEAR: Part.WEEK_OF_YEAR,
    DateKind.IS_IN_MONTH_OF_YEAR: Part.MONTH,
    DateKind.IS_IN_QUARTER_OF_YEAR: Part.QUARTER,
    DateKind.IS_AT_HOUR_OF_DAY: Part.HOUR,
}


@dataclass(frozen=True, slots=True)
class Operand:
    """What is filtered. `raw`: as it is stored; `reading`: gives it as the asker's clock shows it.

    `converted`: readings of it are turned into the asker's zone. `whole`: the time that a time
    frame was cut from, which filters by time go by: `[month]` from the 15th on begins that day.
    """

    name: str
    raw: str
    type: DataType
    reading: Callable[[], str]
    converted: bool = True
    whole: Operand | None = None


Writer = Callable[[Any, Operand], "str | None"]


class Conditions:
    """Writes conditions for one asker."""

    def __init__(
        self,
        asking: Asking,
        calendar: Calendar,
        subquery: Callable[[QueryFilter], str] | None = None,
    ) -> None:
        self.asking = asking
        self.sql = asking.functions
        self.calendar = calendar
        self.subquery = subquery
        self._member: Callable[[str], str] | None = None
        self._writers: tuple[tuple[type[Filter], Writer], ...] = (
            (Unread, self._unread),
            (TextFilter, self._negatable(self._text)),
            (NumberFilter, self._negatable(self._number)),
            (DateFilter, self._negatable(self._date)),
            (AttributeFilter, self._negatable(self._attribute)),
            (QueryFilter, self._negatable(self._query)),
            (BooleanFilter, self._boolean),
            (NullFilter, self._null),
            (CompositeFilter, self._composite),
        )

    @contextmanager
    def joining(self, member: Callable[[str], str]) -> Generator[None]:
        """Conditions that will stand in an aggregate or a group, where not every database reads a
        subquery: `member` gives the condition that the operand is one of a SELECT's values."""
        before, self._member = self._member, member
        try:
            yield
        finally:
            self._member = before

    def of_expression(self, expression: FilterExpression, on: Operand) -> str | None:
        """The condition of a filter of a model file; None where it filters nothing."""
        return self.of_filter(to_filter(expression, on.type), on)

    def of_filter(self, given: Filter, on: Operand) -> str | None:
        """The condition of a filter; None where it filters nothing. Raises `PlanError`."""
        for kind, write in self._writers:
            if isinstance(given, kind):
                _check_type(given, on)
                return write(given, on)
        raise PlanError(f"The filter on {on.name} is of no kind that is known.")

    def _unread(self, given: Unread, on: Operand) -> str | None:
        """A mark where the condition of a filter stands, for that of any other value."""
        looks = self.calendar.asked
        before = len(looks)
        text = self.of_filter(given.given, on)
        known = None if text is None else _known(on)
        if text is None or known is None:
            given.read()
            return text
        cal = self.calendar
        slot = Slot(given.place, known, cal.week_start, cal.fiscal_offset)
        own = looks[before:]
        del looks[before:]
        return given.reads.slot(slot, text, own)

    def _null(self, given: NullFilter, on: Operand) -> str:
        return f"{on.raw} IS {'NOT ' if given.negative else ''}NULL"

    def _attribute(self, given: AttributeFilter, on: Operand) -> str:
        return self.equals(on, self.asking.values(given.attribute))

    def _negatable(self, write: Callable[[Any, Operand], str | None]) -> Writer:
        """The writer with what `negative` means: all other rows, those without a value included."""

        def written(given: Filter, on: Operand) -> str | None:
            condition = write(given, on)
            if condition is None or not given.negative:
                return condition
            return f"(NOT ({condition}) OR {on.raw} IS NULL)"

        return written

    # equality

    def equals(self, on: Operand, values: Sequence[AttributeValue]) -> str:
        """One of the values, each a literal of the operand's type; never without values."""
        if not values:
            return NEVER
        literals = [self._literal(on, value) for value in values]
        if "NULL" in literals:
            return _any_of(
                [f"{on.raw} IS NULL", *_one_of(on.raw, [x for x in literals if x != "NULL"])]
            )
        return _one_of(on.raw, literals)[0]

    def _literal(self, on: Operand, value: Value) -> str:
        """A value as the operand's type has it. Raises `PlanError` where it cannot be one."""
        if on.type is DataType.NUMBER and not isinstance(value, bool):
            try:
                return self.sql.number(Decimal(str(value)))
            except ArithmeticError:
                raise PlanError(f"{on.name} is a number: {str(value)[:40]!r} is none.") from None
        if on.type is DataType.BOOLEAN:
            return self.sql.boolean(_truth(on, value))
        if on.type.is_time and isinstance(value, str):
            return self.bound(self._period(on, value).start, on)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return "NULL" if not text and self.sql.empty_is_null else self.sql.string(text)

    # texts

    def _text(self, given: TextFilter, on: Operand) -> str | None:
        if given.kind is TextKind.IS_EMPTY:
            return f"{on.raw} IS NULL" if self.sql.empty_is_null else f"{self._as_text(on)} = ''"
        if not given.values:
            return None
        if given.kind is TextKind.EQUALS and not given.case_insensitive:
            return self.equals(on, given.values)
        x = self._as_text(on)
        if given.case_insensitive:
            x = self.sql.lower(x)
        return _any_of([self._one_text(given, x, value) for value in given.values])

    def _as_text(self, on: Operand) -> str:
        if on.type in (DataType.STRING, DataType.UNKNOWN):
            return self.sql.text(on.raw)
        return self.sql.cast(on.raw, CastType.STRING)

    def _one_text(self, given: TextFilter, x: str, value: str) -> str:
        folded = given.case_insensitive
        if given.kind is TextKind.EQUALS:
            return f"{x} = {self.sql.lower(self.sql.string(value))}"
        value = value.lower() if folded else value
        if given.kind is TextKind.SQL_LIKE:
            return self.sql.like(x, value)
        return self.sql.matches(x, _MATCHES[given.kind], value)

    # numbers

    def _number(self, given: NumberFilter, on: Operand) -> str | None:
        literals = [self.sql.number(value) for value in given.values]
        match given.kind:
            case NumberKind.EQUALS:
                return _one_of(on.raw, literals)[0] if literals else None
            case NumberKind.LESS_THAN:
                return f"{on.raw} {'<=' if given.inclusive else '<'} {literals[0]}"
            case NumberKind.GREATER_THAN:
                return f"{on.raw} {'>=' if given.inclusive else '>'} {literals[0]}"
            case NumberKind.BETWEEN:
                upper = "<=" if given.inclusive else "<"
                return f"({on.raw} >= {literals[0]} AND {on.raw} {upper} {literals[1]})"

    # truth

    def _boolean(self, given: BooleanFilter, on: Operand) -> str | None:
        if given.nothing:
            return None
        if not given.negative:
            return self.sql.is_true(on.raw)
        false = self.sql.is_false(on.raw)
        return f"({false} OR {on.raw} IS NULL)" if given.treat_nulls_as_false else false

    def _composite(self, given: CompositeFilter, on: Operand) -> str | None:
        found = [c for each in given.filters if (c := self.of_filter(each, on)) is not None]
        if not found:
            return None
        joined = _any_of(found) if given.any_of else _all_of(found)
        # Whatever is not let through, rows for which the answer is unknown included.
        return f"(CASE WHEN {joined} THEN 1 ELSE 0 END = 0)" if given.negative else joined

    def _query(self, given: QueryFilter, on: Operand) -> str:
        if self.subquery is None:
            raise PlanError(f"The filter on {on.name} cannot ask a question here.")
        values = self.subquery(given)
        return f"{on.raw} IN ({values})" if self._member is None else self._member(values)

    # times

    def _date(self, given: DateFilter, on: Operand) -> str | None:
        on = on.whole or on
        if given.numbers:
            return self._part(given, on)
        try:
            start, end = self.bounds(given)
        except BadDate as bad:
            raise PlanError(f"The filter on {on.name}: {bad}.") from None
        parts: list[str] = []
        if start is not None:
            parts.append(f"{on.raw} >= {self.bound(start, on)}")
        if end is not None:
            parts.append(f"{on.raw} < {self.bound(end, on)}")
        return _all_of(parts)

    def bounds(self, given: DateFilter) -> tuple[datetime | None, datetime | None]:
        """From, included, and to, excluded, on the asker's clock. Raises `BadDate`."""
        cal = self.calendar
        left = self._words(given, given.left)
        right = self._words(given, given.right)
        match given.kind:
            case DateKind.ON_OR_AFTER:
                return dates.moment(left, cal), None
            case DateKind.BEFORE:
                return None, dates.moment(right, cal)
            case DateKind.BETWEEN:
                return dates.moment(left, cal), dates.moment(right, cal)
            case DateKind.TIME_FOR_INTERVAL_DURATION:
                start = dates.moment(left, cal)
                return start, dates.later(start, dates.length(right), cal)
            case _:
                found = dates.period(left, cal)
                return found.start, found.end

    def _words(self, given: DateFilter, words: str | None) -> str:
        text = words or ""
        if given.fiscal and "fiscal" not in text:
            for unit in ("quarter", "year"):
                text = text.replace(unit, f"fiscal {unit}")
        return text

    def _period(self, on: Operand, words: str) -> dates.Period:
        try:
            return dates.period(words, self.calendar)
        except BadDate as bad:
            raise PlanError(f"The filter on {on.name}: {bad}.") from None

    def bound(self, local: datetime, on: Operand) -> str:
        """A reading of the asker's clock as a literal that the stored values compare with."""
        if on.type is DataType.DATE:
            return self.sql.date(_first_day_from(local))
        if on.type is DataType.TIMESTAMP_TZ:
            return self.sql.zoned(self.calendar.instant(local).astimezone(UTC))
        if self.asking.timezone is None or not on.converted:
            return self.sql.timestamp(local)
        stored = self.calendar.instant(local).astimezone(ZoneInfo(self.asking.system_timezone))
        return self.sql.timestamp(stored.replace(tzinfo=None))

    def _part(self, given: DateFilter, on: Operand) -> str:
        x = on.reading()
        if given.kind is DateKind.IS_ON_DAY_OF_QUARTER:
            days = [
                self.sql.part(self.sql.truncate(x, unit), Part.EPOCH) for unit in _DAY_AND_QUARTER
            ]
            found = f"({self.sql.divide_whole(f'({days[0]} - {days[1]})', 86_400)} + 1)"
        else:
            found = self.sql.part(x, _PARTS[given.kind])
        return _one_of(found, [str(number) for number in given.numbers])[0]


def _check_type(given: Filter, on: Operand) -> None:
    """Raise `PlanError` for a filter that compares what cannot be compared. Some databases would
    make something of it: MySQL finds every text equal to 0."""
    refused = _REFUSED.get(type(given), frozenset())
    kind = (on.whole or on).type if isinstance(given, DateFilter) else on.type
    if kind in refused:
        fit = "string" if kind is DataType.STRING else "date" if kind.is_time else "null"
        raise PlanError(
            f"The filter on {on.name} does not fit: its values are of type {kind.wire}.",
            fix=f'Use a filter of type "{fit}".',
        )


_NEVER_NUMBERS = frozenset({DataType.STRING, DataType.ARRAY, DataType.INTERVAL})
_TIMES = frozenset(kind for kind in DataType if kind.is_time)
_REFUSED: dict[type[Filter], frozenset[DataType]] = {
    NumberFilter: _NEVER_NUMBERS | _TIMES,
    BooleanFilter: _NEVER_NUMBERS | _TIMES,
    DateFilter: _NEVER_NUMBERS | {DataType.NUMBER, DataType.BOOLEAN},
}


@dataclass(frozen=True, slots=True)
class _Reading:
    text: str

    def __call__(self) -> str:
        return self.text


def _known(on: Operand) -> Operand | None:
    """The operand without a question behind it; None where it, or what it is cut from, has no
    reading."""
    whole = on.whole and _known(on.whole)
    if on.whole is not None and whole is None:
        return None
    try:
        return replace(on, reading=_Reading(on.reading()), whole=whole)
    except NotExpressible:
        return None


def _truth(on: Operand, value: Value) -> bool:
    found = _TRUTHS.get(str(value).lower())
    if found is None:
        raise PlanError(f"{on.name} is true or false: {str(value)[:40]!r} is neither.")
    return found


_TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_DAY_AND_QUARTER = (Unit.DAY, Unit.QUARTER)


def _first_day_from(local: datetime) -> date:
    """The first day that begins at that reading or later."""
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight if local == midnight else midnight + timedelta(days=1)).date()


def _one_of(x: str, literals: Sequence[str]) -> list[str]:
    if not literals:
        return []
    return [f"{x} = {literals[0]}" if len(literals) == 1 else f"{x} IN ({', '.join(literals)})"]


def _any_of(conditions: Sequence[str]) -> str:
    return conditions[0] if len(conditions) == 1 else f"({' OR '.join(conditions)})"


def _all_of(conditions: Sequence[str]) -> str:
    return conditions[0] if len(conditions) == 1 else f"({' AND '.join(conditions)})"
