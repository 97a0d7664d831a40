"""Measures as expressions over aggregates of rows, before it is known how rows are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from dragoman.semantics.compiler.aggregates import RawAggregate, taken_apart
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.expressions import Expr, Expressions
from dragoman.semantics.compiler.fragments import column
from dragoman.semantics.compiler.yamlfilters import earlier, is_offset
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Aggregate, Dimension, LevelOfDetail, Measure
from dragoman.semantics.model.filters import FieldFilter
from dragoman.semantics.model.references import FieldRef, Reference, SqlText
from dragoman.semantics.model.views import View
from dragoman.semantics.query.dates import BadDate
from dragoman.semantics.query.filters import DateFilter, Filter

_NUMERIC = {
    *(Aggregate.COUNT, Aggregate.COUNT_DISTINCT, Aggregate.SUM, Aggregate.AVERAGE),
    *(Aggregate.MEDIAN, Aggregate.PERCENTILE),
}
_ON_KEY = {
    Aggregate.SUM_DISTINCT_ON: Aggregate.SUM,
    Aggregate.AVERAGE_DISTINCT_ON: Aggregate.AVERAGE,
    Aggregate.MEDIAN_DISTINCT_ON: Aggregate.MEDIAN,
    Aggregate.PERCENTILE_DISTINCT_ON: Aggregate.PERCENTILE,
}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One aggregate of rows.

    `host`: the view whose rows it counts, each once. `value` None: the rows themselves (COUNT(*)).
    `predicate`: the rows that count, a condition; `views`: those that value and predicate read.
    `key`: what tells the host's rows apart, where the measure itself says it. `zero`: 0 and not
    NULL where there are no rows. `fraction`: of a percentile, a literal. `cancels`: fields whose
    filters in the question do not count for it.
    """

    host: str
    kind: Aggregate
    name: str
    value: Expr | None
    predicate: str | None = None
    views: frozenset[str] = frozenset()
    key: Expr | None = None
    zero: bool = False
    fraction: str = "0.5"
    cancels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class GroupPart:
    """The value of one of the question's groups, by name, in a formula of that question."""

    name: str


@dataclass(frozen=True, slots=True)
class Formula:
    """A measure: SQL texts and groups between aggregates. `raw`: the text aggregates rows itself in
    a way that cannot be taken apart; `host`: its view; `views`: those that must be joined."""

    name: str
    host: str
    parts: tuple[str | Leaf | GroupPart, ...]
    views: frozenset[str]
    type: DataType = DataType.NUMBER
    raw: bool = False
    counts_rows: bool = False

    @property
    def leaves(self) -> list[Leaf]:
        """Its aggregates."""
        return [part for part in self.parts if isinstance(part, Leaf)]

    @property
    def stored_time(self) -> bool:
        """Whether it is a time as the database has it, which the asker reads in another zone."""
        values = [leaf.value for leaf in self.leaves]
        return self.type.is_time and bool(values) and not any(v is None or v.shown for v in values)


class Measures:
    """Makes formulas of measures."""

    def __init__(self, expressions: Expressions, shared: dict[str, Formula] | None = None) -> None:
        self.expressions = expressions
        self._shared: dict[str, Formula] = {} if shared is None else shared
        self.names = expressions.names
        self.sql = expressions.sql
        self._known: dict[str, Formula] = {}
        self._open: list[str] = []

    def formula(self, found: Measure) -> Formula:
        """The formula of a measure. Raises `PlanError`."""
        known = self._shared.get(found.address)
        if known is not None:
            return known
        known = self._known.get(found.address)
        if known is not None:
            self.expressions.passing += 1
            return known
        before = self.expressions.passings()
        if found.address in self._open:
            chain = " → ".join([*self._open, found.address])
            raise PlanError(f"The measure {found.address} refers to itself: {chain}.")
        self._open.append(found.address)
        try:
            known = self._formula(found)
        finally:
            self._open.pop()
        lasting = self.expressions.passings() == before
        (self._shared if lasting else self._known)[found.address] = known
        return known

    def forget(self) -> None:
        """Forget the formulas that hold for this question alone."""
        self._known.clear()

    def _formula(self, found: Measure) -> Formula:
        if found.address in self.expressions.plain:
            self.expressions.passing += 1  # what is inside a level is not the measure itself
        elif found.level_of_detail is not None:
            return self._of_level(found, found.level_of_detail)
        if found.aggregate_type is None:
            return self._derived(found)
        leaf = self._leaf(found, found.aggregate_type)
        return Formula(found.address, found.view, (leaf,), leaf.views, type_of(leaf))

    def _of_level(self, found: Measure, detail: LevelOfDetail) -> Formula:
        """An aggregate of aggregates: one value for each row of the level."""
        levels = self.expressions.levels
        if levels is None or found.aggregate_type is None:
            raise PlanError(
                f"{found.address} has a level of detail, and nothing that joins its values.",
                fix="Set aggregate_type.",
            )
        self.expressions.passing += 1
        inner = replace(found, aggregate_type=detail.aggregate_type, level_of_detail=None)
        level = levels.value(found, inner, levels.grain_of(found))
        row = self._measured(found, detail.aggregate_type, self.names.view(found.view))
        value = levels.result(level, detail.aggregate_type, row)
        key = levels.column(level, "k", DataType.NUMBER)
        kind = _ON_KEY.get(found.aggregate_type, found.aggregate_type)
        leaf = Leaf(
            *(found.view, kind, found.address, value),
            views=value.views | {found.view},
            key=key,
            zero=kind is Aggregate.SUM,
            fraction=self._fraction(found, kind),
            cancels=_cancelled(found.filters, found.view),
        )
        return Formula(found.address, found.view, (leaf,), leaf.views, type_of(leaf))

    # one aggregate

    def _leaf(self, found: Measure, aggregate: Aggregate) -> Leaf:
        view = self.names.view(found.view)
        value = self._measured(found, aggregate, view)
        key = self._own_key(found, view)
        kind = _ON_KEY.get(aggregate, aggregate)
        leaf = Leaf(
            found.view,
            kind,
            found.address,
            value,
            views=frozenset({found.view}).union(*[each.views for each in (value, key) if each]),
            key=key,
            zero=kind is Aggregate.SUM,
            fraction=self._fraction(found, kind),
        )
        return self._filtered(leaf, found.filters, view)

    def _measured(self, found: Measure, aggregate: Aggregate, view: View) -> Expr | None:
        if found.sql is not None:
            return self.row_value(found.sql, view)
        if aggregate is Aggregate.COUNT:
            return None
        piece = column(self.expressions.qualifier(view), self.sql.name(found.name))
        return self.expressions.expand(piece, view, DataType.UNKNOWN)

    def row_value(self, sql: SqlText, view: View) -> Expr:
        """A value of each row in a view's SQL. Raises `PlanError`."""
        piece = self.expressions.fragment(sql, view)
        if piece.aggregate:
            raise PlanError(
                f"The SQL {sql.text[:60]!r} in {view.name} aggregates what is aggregated already.",
                fix="Leave aggregate_type out, or the aggregate in the SQL.",
            )
        return self.expressions.expand(piece, view, DataType.UNKNOWN)

    def _own_key(self, found: Measure, view: View) -> Expr | None:
        if found.custom_primary_key_sql is not None:
            return self.row_value(found.custom_primary_key_sql, view)
        if found.aggregate_type is not None and found.aggregate_type.distinct_on:
            raise PlanError(
                f"{found.address} takes one value for each key, and has no key.",
                fix="Set custom_primary_key_sql.",
            )
        return None

    def _fraction(self, found: Measure, kind: Aggregate) -> str:
        if kind is not Aggregate.PERCENTILE:
            return "0.5"
        if found.percentile is None:
            raise PlanError(f"{found.address} has no percentile.", fix="Set percentile, 0 to 100.")
        return self.sql.number((Decimal(str(found.percentile)) / 100).normalize() + 0)

    def _filtered(self, leaf: Leaf, filters: Sequence[FieldFilter], view: View) -> Leaf:
        """The aggregate over the rows that the measure's own filters let through."""
        conditions: list[str] = []
        views: set[str] = set()
        for each in filters:
            ref = each.field.within(view.name)
            if each.expression is None:
                continue
            found = self.names.field(ref)
            if not isinstance(found, Dimension):
                raise PlanError(
                    f"{leaf.name} is filtered by {found.address}, which is no dimension."
                )
            raw = self.expressions.dimension(found, ref.bracket, shown=False)
            operand = self.expressions.operand(found, raw, ref.bracket)
            write = self.expressions.conditions
            if is_offset(each.expression):
                condition = write.of_filter(self._moved(leaf, each, found), operand)
            else:
                with write.joining(self.expressions.member_of(raw)):
                    condition = write.of_expression(each.expression, operand)
            views |= raw.views
            if condition is not None:
                conditions.append(condition)
        return replace(
            leaf,
            predicate=" AND ".join(f"({each})" for each in conditions) or None,
            views=leaf.views | views,
            cancels=_cancelled(filters, view.name),
        )

    def _moved(self, leaf: Leaf, given: FieldFilter, found: Dimension) -> Filter:
        """The question's own time, moved back (`date_offset_from_query`). Raises `PlanError` where
        the question has none: there is no earlier period of all times."""
        asked = self.expressions.templates.shape.filters.get(found.address)
        self.expressions.passing += 1
        conditions = self.expressions.conditions
        start, end = None, None
        try:
            if isinstance(asked, DateFilter) and not (asked.numbers or asked.negative):
                start, end = conditions.bounds(asked)
            if start is None or end is None:
                raise BadDate("the question does not say from when to when")
            return earlier(given.expression, start, end)
        except BadDate as bad:
            raise PlanError(
                f"{leaf.name} is of an earlier time of {found.address}: {bad}.",
                fix=f"Filter {found.address} by a time from when to when.",
            ) from None

    # arithmetic over aggregates

    def _derived(self, found: Measure) -> Formula:
        if found.sql is None:
            raise PlanError(
                f"{found.address} has neither an aggregate_type nor SQL.",
                fix="Set aggregate_type, or sql with an aggregate.",
            )
        view = self.names.view(found.view)
        sql = self.expressions.templates.render(found.sql)
        pieces = taken_apart(sql, self.sql.parser)
        if pieces is None or self._stays_raw(sql, view, pieces):
            return self._raw(found, sql, view)
        parts: list[str | Leaf | GroupPart] = ["("]
        views: set[str] = set()
        for piece in pieces:
            if isinstance(piece, str):
                parts.append(piece)
            elif isinstance(piece, RawAggregate):
                leaf = self._raw_leaf(found, piece, view)
                parts.append(leaf)
                views |= leaf.views
            else:
                inner = self._referred(found, piece, view)
                parts += ["(", *inner.parts, ")"]
                views |= inner.views
        parts.append(")")
        formula = Formula(found.address, found.view, tuple(parts), frozenset(views))
        if not formula.leaves:
            raise PlanError(f"{found.address} aggregates nothing.", fix="Set aggregate_type.")
        return self._with_filters(formula, found, view)

    def _stays_raw(
        self, sql: SqlText, view: View, pieces: tuple[str | Reference | RawAggregate, ...]
    ) -> bool:
        """Whether aggregates, or columns, stand outside what was taken apart."""
        rest = [p for p in pieces if not isinstance(p, RawAggregate)]
        if not any(isinstance(p, RawAggregate) for p in pieces):
            return self.expressions.fragment(sql, view).aggregate
        from dragoman.semantics.model.references import sql_text

        blank = "".join("0" if isinstance(p, Reference | RawAggregate) else p for p in pieces)
        left = self.expressions.fragment(sql_text(blank), view)
        return bool(rest) and (left.aggregate or left.own or left.window)

    def _raw_leaf(self, found: Measure, piece: RawAggregate, view: View) -> Leaf:
        value = None if piece.argument is None else self.row_value(piece.argument, view)
        views = frozenset({view.name}).union(value.views if value else ())
        return Leaf(view.name, piece.kind, found.address, value, views=views)

    def _referred(self, found: Measure, part: Reference, view: View) -> Formula:
        other = self.names.referred(part, view)
        if isinstance(other, Measure):
            return self.formula(other)
        raise PlanError(
            f"{found.address} uses {part.text}, which is no measure, outside an aggregate.",
            fix="Aggregate it.",
        )

    def _with_filters(self, formula: Formula, found: Measure, view: View) -> Formula:
        """A derived measure's own filters apply to each of its aggregates."""
        if not found.filters:
            return formula
        parts = tuple(
            self._and_filtered(part, found, view) if isinstance(part, Leaf) else part
            for part in formula.parts
        )
        views = frozenset(v for p in parts if isinstance(p, Leaf) for v in p.views)
        return replace(formula, parts=parts, views=views)

    def _and_filtered(self, leaf: Leaf, found: Measure, view: View) -> Leaf:
        more = self._filtered(replace(leaf, predicate=None), found.filters, view)
        both = [each for each in (leaf.predicate, more.predicate) if each]
        return replace(
            more, predicate=" AND ".join(both) or None, cancels=leaf.cancels | more.cancels
        )

    def _raw(self, found: Measure, sql: SqlText, view: View) -> Formula:
        """An aggregate that is left as it is written."""
        if found.filters:
            raise PlanError(
                f"{found.address} has filters, and SQL that cannot be taken apart.",
                fix="Set aggregate_type and leave the aggregate out of the SQL.",
            )
        piece = self.expressions.fragment(sql, view)
        parts: list[str | Leaf | GroupPart] = ["("]
        views = {view.name}
        for part in piece.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            other = self.names.referred(part, view)
            if isinstance(other, Measure):
                inner = self.formula(other)
                parts += ["(", *inner.parts, ")"]
                views |= inner.views
            else:
                value = self.expressions.reference(part, view)
                parts.append(value.text)
                views |= value.views
        parts.append(")")
        return Formula(
            found.address,
            view.name,
            tuple(parts),
            frozenset(views),
            DataType.UNKNOWN,
            raw=True,
            counts_rows=piece.counts_rows,
        )


def _cancelled(filters: Sequence[FieldFilter], view: str) -> frozenset[str]:
    """Fields whose filters in the question do not count for a measure with these filters."""
    refs = [
        each.field.within(view)
        for each in filters
        if each.cancel_query_filter or is_offset(each.expression)
    ]
    return frozenset(f"{ref.view}.{ref.name}" for ref in refs)


def type_of(leaf: Leaf) -> DataType:
    """What an aggregate gives."""
    if leaf.kind in _NUMERIC:
        return DataType.NUMBER
    if leaf.kind is Aggregate.LIST:
        return DataType.STRING
    return leaf.value.type if leaf.value else DataType.UNKNOWN


def key_of(view: View, expressions: Expressions) -> list[Expr] | None:
    """What tells a view's rows apart; None where nothing does."""
    if view.primary_key:
        return [expressions.dimension(each, shown=False) for each in view.primary_key]
    if view.compound_primary_key:
        return [_key_part(each, view, expressions) for each in view.compound_primary_key]
    return None


def _key_part(sql: SqlText, view: View, expressions: Expressions) -> Expr:
    """A part of a compound key: the name of a field, or an expression."""
    ref = FieldRef(view.name, sql.text.strip())
    found = view.dimensions.get(ref.name)
    if found is not None:
        return expressions.dimension(found, shown=False)
    return expressions.expand(expressions.fragment(sql, view), view, DataType.UNKNOWN)
