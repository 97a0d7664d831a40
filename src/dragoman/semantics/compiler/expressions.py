"""Dimensions as SQL: references expanded, time frames cut, groups and bins spelt out."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from dragoman.dialects.sql.kinds import Part, TimeKind
from dragoman.semantics.compiler import timeframes
from dragoman.semantics.compiler.asking import Asking
from dragoman.semantics.compiler.conditions import Conditions, Operand
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.fragments import Fragment, column, fragment
from dragoman.semantics.compiler.names import Names
from dragoman.semantics.compiler.templates import Shape, Templates
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Dimension, Duration, Measure
from dragoman.semantics.model.grains import Grain, Interval
from dragoman.semantics.model.references import Reference, SqlText
from dragoman.semantics.model.views import ElementsSource, TableSource, View

if TYPE_CHECKING:
    from dragoman.semantics.compiler.levels import Levels

NO_VIEWS: frozenset[str] = frozenset()
NO_SHAPE = Shape()
Key = tuple[str, str, "str | None", bool]
MAX_DEPTH = 200


@dataclass(frozen=True, slots=True)
class Expr:
    """A piece of SQL that stands as one operand.

    `views`: whose rows it reads. `strict`: NULL wherever those rows are missing. `constant`: the
    same for every row. `shown`: a reading in the asker's zone already.
    """

    text: str
    views: frozenset[str] = NO_VIEWS
    type: DataType = DataType.UNKNOWN
    strict: bool = False
    shown: bool = False

    @property
    def constant(self) -> bool:
        """Whether no row is read."""
        return not self.views


class Expressions:
    """Expands the fields of one model for one question.

    `shared`: what was expanded before and holds for every question of askers like this one; fields
    whose SQL depends on the clock or on the question itself are never put there.
    """

    def __init__(
        self,
        names: Names,
        asking: Asking,
        shape: Shape = NO_SHAPE,
        shared: dict[Key, Expr] | None = None,
    ) -> None:
        self.names = names
        self.asking = asking
        self.sql = asking.functions
        calendar = asking.calendar(names.settings, names.week_start)
        self.conditions = Conditions(asking, calendar)
        self.templates = Templates(self.conditions, shape)
        self._shared: dict[Key, Expr] = {} if shared is None else shared
        self._known: dict[Key, Expr] = {}
        self.passing = 0  # how many passing things (clock, templates) were met
        self._open: list[str] = []
        self.levels: Levels | None = None
        self.plain: frozenset[str] = frozenset()  # addresses that are taken without a level

    # dimensions

    def dimension(
        self, found: Dimension, bracket: str | None = None, *, shown: bool = True
    ) -> Expr:
        """A dimension, or a grain of it. `shown`: as the answer shows it, a bare time in the
        asker's zone; else as it is stored. Raises `PlanError`."""
        key = (found.view, found.name, bracket, shown)
        known = self._shared.get(key)
        if known is not None:
            return known
        known = self._known.get(key)
        if known is not None:
            self.passing += 1
            return known
        before = self.passings()
        known = self._dimension(found, bracket, shown)
        lasting = self.passings() == before
        (self._shared if lasting else self._known)[key] = known
        return known

    def passings(self) -> int:
        """Grows whenever something is met that holds for this question alone."""
        return self.passing + len(self.conditions.calendar.asked)

    def _dimension(self, found: Dimension, bracket: str | None, shown: bool) -> Expr:
        address = found.address
        if address in self._open or len(self._open) > MAX_DEPTH:
            chain = " → ".join([*self._open[self._open.index(address) :], address])
            raise PlanError(f"The field {address} refers to itself: {chain}.")
        self._open.append(address)
        try:
            if found.duration is not None:
                return self._duration(found, found.duration, bracket)
            raw = self._leveled(found, bracket)
            if not found.convert_tz:
                raw = replace(raw, shown=True)
        finally:
            self._open.pop()
        if found.dynamic_top_n is not None:
            return raw
        if bracket is None or bracket == Grain.RAW:
            return self.shown(raw, convert=found.convert_tz) if shown else raw
        return self._grain(found, raw, bracket)

    def _leveled(self, found: Dimension, bracket: str | None) -> Expr:
        """The value, at a grain of its own where it has one: that holds for this question only."""
        levels = self.levels
        if found.level_of_detail is None and found.dynamic_top_n is None:
            return self._value(found)
        self.passing += 1  # the field without its level is of this question only, too
        if levels is None or found.address in self.plain:
            return self._value(found)
        if found.level_of_detail is not None:
            kind = found.level_of_detail.aggregate_type
            measure = Measure(view=found.view, name=found.name, sql=found.sql, aggregate_type=kind)
            level = levels.value(found, measure, levels.grain_of(found))
            if found.type is not DataType.UNKNOWN:
                return levels.column(level, "v", found.type)
            return levels.result(level, kind, self._value(found))
        if found.dynamic_top_n is not None:
            top = found.dynamic_top_n
            by = self.names.field(top.by.within(found.view))
            if not isinstance(by, Measure):
                raise PlanError(f"{found.address} is ranked by {by.address}, which is no measure.")
            # What is ranked has a type of its own; the names of its groups are texts.
            plain = found if found.sql is None else replace(found, type=DataType.UNKNOWN)
            own = self._value(plain)
            level = levels.ranking(found, top, by, own.type)
            count = int(bracket) if bracket is not None and bracket.isdigit() else top.n
            return levels.greatest(own, level, count, top)
        return self._value(found)

    def _value(self, found: Dimension) -> Expr:
        nested = found.nested_on_field is not None
        view = self.names.elements(found) if nested else self.names.view(found.view)
        grouped = found.sql is not None and (found.groups or found.bins)
        # What is grouped has a type of its own; the names of its groups are texts.
        kind = DataType.UNKNOWN if grouped else found.type
        own = self.expand(self._fragment(view, found), view, kind)
        if found.groups:
            return self._groups(found, own)
        if found.bins:
            return self._bins(found, own)
        return own

    def _fragment(self, view: View, found: Dimension) -> Fragment:
        qualifier = self.qualifier(view)
        if found.sql is None:
            return column(qualifier, self.sql.name(found.name))
        return self.fragment(found.sql, view)

    def qualifier(self, view: View) -> str:
        """What stands before a column of a view."""
        if isinstance(view.source, ElementsSource):
            return self.sql.elements("", view.name).element
        if isinstance(view.source, TableSource) and view.source.logical is not None:
            return self.sql.name(view.source.logical)
        return self.sql.name(view.name)

    def fragment(self, sql: SqlText, view: View, *others: str) -> Fragment:
        """The piece of a field's SQL in its view. `others`: views that may stand before a dot."""
        if "{{" in sql.text:
            self.passing += 1
        own = view.alias_of or view.name
        named = tuple((name, self.qualifier(self.names.view(name))) for name in others)
        qualifier = self.qualifier(view)
        return fragment(self.templates.render(sql), own, qualifier, self.sql.parser, named)

    def expand(self, piece: Fragment, view: View, kind: DataType) -> Expr:
        """A piece with its references filled in. Raises `PlanError`."""
        text: list[str] = []
        views: set[str] = {view.name, *piece.others} if piece.own else set(piece.others)
        strict = piece.strict
        only: Expr | None = None
        for part in piece.parts:
            if isinstance(part, str):
                text.append(part)
                continue
            only = self.reference(part, view)
            text.append(only.text)
            views |= only.views
            strict = strict and only.strict
        if only is not None and len(piece.parts) == 1:
            return only if kind is DataType.UNKNOWN else replace(only, type=kind)
        if kind is DataType.UNKNOWN:
            kind = piece.type
        joined = "".join(text)
        if piece.condition and not self.sql.boolean_values:
            joined = self.sql.value(joined)
        elif not piece.atomic:
            joined = f"({joined})"
        return Expr(joined, frozenset(views), kind, strict)

    def reference(self, part: Reference, view: View) -> Expr:
        """What a `${…}` stands for inside row-level SQL. Raises `PlanError`."""
        found = self.names.referred(part, view)
        if isinstance(found, Dimension):
            return self.dimension(found, part.field.bracket if part.field else None, shown=False)
        kind = "an aggregate" if isinstance(found, Measure) else "a filter"
        raise PlanError(f"{part.text} in {view.name} is {kind}: it cannot stand in a row's value.")

    # times

    def shown(self, raw: Expr, *, convert: bool) -> Expr:
        """A time as the asker reads it."""
        zone = self.asking.timezone
        kind = timeframes.kind_of(raw.type)
        if raw.shown or zone is None or not convert or kind in (None, TimeKind.DATE):
            return raw
        text = self.sql.local(raw.text, kind, self.asking.system_timezone, zone)
        return replace(raw, text=text, type=DataType.TIMESTAMP, shown=True)

    def instant(self, raw: Expr, convert: bool) -> Expr:
        """A time as a reading in UTC, whoever asks: to count the seconds since 1970."""
        kind = timeframes.kind_of(raw.type)
        if raw.shown or kind in (None, TimeKind.DATE):
            return raw
        if kind is not TimeKind.ZONED and (self.asking.timezone is None or not convert):
            return raw
        text = self.sql.local(raw.text, kind, self.asking.system_timezone, "UTC")
        return replace(raw, text=text, type=DataType.TIMESTAMP, shown=True)

    def reading(self, raw: Expr, convert: bool) -> Expr:
        """A time as a day or a reading without a zone, to cut and to read numbers off."""
        read = self.shown(raw, convert=convert)
        if timeframes.kind_of(read.type) is not TimeKind.ZONED:
            return read
        text = self.sql.local(read.text, TimeKind.ZONED, "UTC", self.asking.system_timezone)
        return replace(read, text=text, type=DataType.TIMESTAMP, shown=True)

    def _grain(self, found: Dimension, raw: Expr, bracket: str) -> Expr:
        try:
            grain = Grain(bracket)
        except ValueError:
            raise PlanError(f"{found.address} has no time frame [{bracket}].") from None
        if not raw.type.is_time:
            raise PlanError(f"{found.address} is not a time: it has no time frame [{bracket}].")
        read = (self.instant if grain is Grain.EPOCH else self.reading)(raw, found.convert_tz)
        frames = timeframes.Timeframes(
            self.sql, self.names.week_start, self.asking.fiscal_offset(self.names.settings)
        )
        text, kind = frames.cut(read.text, read.type, grain, found.address)
        return replace(read, text=text, type=kind, strict=False, shown=True)

    def operand(self, found: Dimension, raw: Expr, bracket: str | None = None) -> Operand:
        """A dimension's stored value, or a grain of it, as something to filter."""
        whole: Operand | None = None
        if bracket is not None and found.duration is None and found.dynamic_top_n is None:
            whole = self.operand(found, self.dimension(found, shown=False))
        return Operand(
            found.address,
            raw.text,
            raw.type,
            lambda: self.reading(raw, found.convert_tz).text,
            found.convert_tz,
            whole,
        )

    def member_of(self, x: Expr) -> Callable[[str], str]:
        """Gives the condition that a value is one of a SELECT's."""

        def member(values: str) -> str:
            levels = self.levels
            return f"{x.text} IN ({values})" if levels is None else levels.member(x, values)

        return member

    # groups, bins, durations

    def _groups(self, found: Dimension, own: Expr) -> Expr:
        cases: list[str] = []
        operand = self.operand(found, own)
        for group in found.groups:
            with self.conditions.joining(self.member_of(own)):
                condition = self.conditions.of_expression(group.filter, operand)
            if condition is not None:
                cases.append(f"WHEN {condition} THEN {self.sql.string(group.name)}")
        otherwise = "" if found.otherwise is None else f" ELSE {self.sql.string(found.otherwise)}"
        if not cases:
            return Expr(self.sql.literal(found.otherwise), own.views, DataType.STRING)
        text = f"CASE {' '.join(cases)}{otherwise} END"
        return Expr(text, own.views, DataType.STRING)

    def _bins(self, found: Dimension, own: Expr) -> Expr:
        bounds = [self.sql.number(Decimal(_plain(Decimal(str(each))))) for each in found.bins]
        first, *labels = [self.sql.string(label) for label in bin_labels(found)]
        cases = [f"WHEN {own.text} < {bounds[0]} THEN {first}"]
        cases += [
            f"WHEN {own.text} < {upper} THEN {label}"
            for label, upper in zip(labels, bounds[1:], strict=False)
        ]
        cases.append(f"WHEN {own.text} >= {bounds[-1]} THEN {labels[-1]}")
        return Expr(f"CASE {' '.join(cases)} END", own.views, DataType.STRING)

    def _duration(self, found: Dimension, duration: Duration, bracket: str | None) -> Expr:
        view = self.names.view(found.view)
        wanted = bracket or duration.intervals[0].value
        if wanted not in [each.value for each in duration.intervals]:
            raise PlanError(f"{found.address} has no interval [{wanted}].")
        ends = [
            self.expand(self.fragment(sql, view), view, DataType.UNKNOWN)
            for sql in (duration.start, duration.end)
        ]
        text = self._difference(Interval(wanted), ends[0].text, ends[1].text)
        return Expr(text, ends[0].views | ends[1].views, DataType.NUMBER)

    def _difference(self, interval: Interval, start: str, end: str) -> str:
        """Whole seconds to weeks of elapsed time; months to years by the calendar."""
        sql = self.sql
        months = {Interval.MONTHS: 1, Interval.QUARTERS: 3, Interval.YEARS: 12}.get(interval)
        if months is None:
            seconds = f"({sql.part(end, Part.EPOCH)} - {sql.part(start, Part.EPOCH)})"
            size = _SECONDS[interval]
            return seconds if size == 1 else sql.divide_whole(seconds, size)
        if months == 12:
            return f"({sql.part(end, Part.YEAR)} - {sql.part(start, Part.YEAR)})"
        part, number = (Part.MONTH, 12) if months == 1 else (Part.QUARTER, 4)
        years = f"({sql.part(end, Part.YEAR)} - {sql.part(start, Part.YEAR)}) * {number}"
        return f"({years} + {sql.part(end, part)} - {sql.part(start, part)})"


_SECONDS = {
    Interval.SECONDS: 1,
    Interval.MINUTES: 60,
    Interval.HOURS: 3600,
    Interval.DAYS: 86_400,
    Interval.WEEKS: 604_800,
}


def bin_labels(found: Dimension) -> tuple[str, ...]:
    """The tiers, as the reference calls them: `below 18`, `>= 18 and < 35`, `65 and above`."""
    shown = [_plain(Decimal(str(bound))) for bound in found.bins]
    between = [f">= {low} and < {high}" for low, high in itertools.pairwise(shown)]
    return (f"below {shown[0]}", *between, f"{shown[-1]} and above")


def _plain(value: Decimal) -> str:
    return format(value.normalize() if value == value.to_integral() else value, "f")
