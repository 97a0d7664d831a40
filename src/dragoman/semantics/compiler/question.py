"""One question on its way from names to statements: bind, authorise, join, guard, render."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dragoman.semantics.compiler import binding
from dragoman.semantics.compiler.access import Access
from dragoman.semantics.compiler.asking import Asking
from dragoman.semantics.compiler.compiled import Compiled
from dragoman.semantics.compiler.earlier import earlier
from dragoman.semantics.compiler.errors import ErrorType, PlanError, expressible
from dragoman.semantics.compiler.expressions import Expr, Expressions
from dragoman.semantics.compiler.fanout import FanOut, leaves_of
from dragoman.semantics.compiler.inner import Inner
from dragoman.semantics.compiler.joins import Joins, JoinTree
from dragoman.semantics.compiler.labels import column_of
from dragoman.semantics.compiler.levels import Levels
from dragoman.semantics.compiler.measures import Formula, Measures
from dragoman.semantics.compiler.names import dimension_of
from dragoman.semantics.compiler.pivots import COLUMN_NUMBER
from dragoman.semantics.compiler.plan import Column, Group, Measured, Order, Plan, Where
from dragoman.semantics.compiler.render import Renderer
from dragoman.semantics.compiler.rules import Rules
from dragoman.semantics.compiler.shapes import all_filters, queried, shape_of
from dragoman.semantics.compiler.tables import Tables
from dragoman.semantics.compiler.totals import Totals
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Dimension, Measure
from dragoman.semantics.model.references import FieldRef, field_ref
from dragoman.semantics.query.request import Query, Sort

if TYPE_CHECKING:
    from dragoman.semantics.compiler.compile import Compiler

MAX_NESTED = 10


class Question:
    """Compiles one question. `depth`: how many questions it stands in. `added`: measures that it
    answers besides those that it names. `trusted`: its fields, and they alone, need no grants.
    `stored`: times come out as the database has them, not as the asker reads them."""

    def __init__(self, compiler: Compiler, query: Query, asking: Asking, depth: int = 0) -> None:
        if depth > MAX_NESTED:
            raise PlanError(f"Questions stand in each other more than {MAX_NESTED} deep.")
        self.compiler = compiler
        self.model = compiler.model
        self.query = query
        self.asking = asking
        self.depth = depth
        self.warnings: list[str] = list(query.warnings)
        self.missing: list[str] = []
        self.added: list[Measure] = []
        self.trusted = False
        self.stored = False
        bench = compiler.bench(query.topic, asking)
        self.names = bench.names
        self.topic = self.names.topic
        self.access = Access(self.model.settings, asking)
        if self.topic is not None and not self.access.allows(self.topic.required_access_grants):
            raise compiler.no_such_topic(self.topic.name, asking)
        self.filters = all_filters(self.names, query)
        self.shape = shape_of(self.names, query, self.filters)
        self.expressions = Expressions(self.names, asking, self.shape, bench.expressions)
        self.conditions = self.expressions.conditions
        inside = Inner(self)
        self.inside = inside
        self.conditions.subquery = inside.values
        self.expressions.levels = self.levels = Levels(
            asking.functions, self._queried(query), inside.level, self._of_grain
        )
        self.measures = Measures(self.expressions, bench.formulas)
        self.rules = Rules(self.expressions, self.measures, self.access)
        self.rules.only_inside = partial(binding.only_inside, self)

    def _queried(self, query: Query) -> tuple[str, ...]:
        """The question's dimensions, as it writes them; a masked one is the same for every row."""
        found = queried(self.names, query)
        return tuple(name for name, each in found.items() if not self.access.masks(each))

    def inner(self, query: Query, asking: Asking | None = None) -> Question:
        """A question inside this one."""
        return Question(self.compiler, query, asking or self.asking, self.depth + 1)

    def compile(self) -> Compiled:
        """All statements of the question. Raises `PlanError`."""
        with expressible():
            return self._compiled()

    def _compiled(self) -> Compiled:
        groups, measured = self._selected()
        for group in groups:
            if group.name in self.query.transposed:
                raise PlanError(f"{group.name} is no measure: it cannot be turned to rows.")
        pivots = frozenset(self.query.pivots) - set(self.missing)
        plan = self.plan(groups, measured, pivots)
        if pivots:
            plan.columns.append(COLUMN_NUMBER)
        sql = self.renderer(plan).statement()
        return Compiled(
            sql,
            tuple(plan.columns),
            plan,
            # Of a pivot the limit counts rows of the pivoted table, each of several cells.
            None if pivots else plan.limit,
            tuple(self.missing),
            tuple(dict.fromkeys(self.warnings)),
            tuple(Totals(self, plan, pivots).all()),
            tuple(earlier(self, each, plan) for each in self.query.comparisons),
            (self._limit(), self.query.offset) if self.query.ordered_late else None,
        )

    def nested(self, names: Sequence[str]) -> str:
        """The statement with these names for its columns: for a question inside another."""
        self.stored = True
        groups, measured = self._selected()
        if self.missing:
            raise PlanError(f'No such field "{self.missing[0]}".')
        plan = self.plan(groups, measured, frozenset())
        plan.limit = self.query.limit
        return self.renderer(plan).statement(names=names)

    def plan(
        self,
        groups: list[Group],
        measured: list[Measured],
        pivots: frozenset[str],
        like: JoinTree | None = None,
    ) -> Plan:
        """The plan for these columns. `like`: the joins, of which it may use some only; else those
        that it uses."""
        rules = self.rules
        rules.begin()
        rules.reaches = partial(self._reaches, self._base(groups, measured))
        where = self._where()
        orders = self._orders(groups, measured)
        tree = self._joined(groups, measured, where, orders) if like is None else like
        where += rules.of_edges(tree)
        measured = list(measured)
        where = rules.cancelled(where, measured, orders)
        plan = Plan(
            tree,
            self._columns(groups, measured),
            groups,
            measured,
            rules.hidden,
            where,
            grouped=self.query.group or bool(measured or rules.having),
            orders=orders,
            limit=None if self.query.ordered_late else self._limit(),
            offset=0 if self.query.ordered_late else self.query.offset,
            pivots=pivots,
            column_limit=self.query.column_limit,
            warnings=self.warnings,
            missing=self.missing,
        )
        self._guard(plan)
        return plan

    def _where(self) -> list[Where]:
        own = {str(field_ref(name)) for name in self.query.filters}
        return self.rules.where(self.filters, self.query.any_of, own)

    # fields

    def _selected(self) -> tuple[list[Group], list[Measured]]:
        calculated = {each.name for each in self.query.calculations}
        groups: list[Group] = []
        measured: list[Measured] = []
        for name in dict.fromkeys(self.query.fields):
            if name in calculated:
                continue
            try:
                found, ref = self.rules.field(name, check=not self.trusted)
            except PlanError as problem:
                if problem.error_type is not ErrorType.PLAN:
                    raise
                self.missing.append(name)
                self.warnings.append(str(problem))
                continue
            if isinstance(found, Dimension):
                groups.append(self._group(name, found, ref))
            elif isinstance(found, Measure):
                measured.append(self._measured(name, found))
            else:
                raise PlanError(f"{found.address} can only be filtered by.")
        measured += self._unselected(calculated)
        for each in self.added:
            address = f"{each.view}.{each.name} of each"
            measured.append(Measured(address, each, self.measures.formula(each)))
        if not groups and not measured:
            raise PlanError(self.warnings[-1] if self.missing else "The question names no field.")
        if measured and not self.query.group:
            raise PlanError(
                f"{measured[0].name} is a measure: rows that are not grouped have none."
            )
        return groups, measured

    def _unselected(self, calculated: Collection[str]) -> Iterator[Measured]:
        """Measures that calculations may use though the question does not select them."""
        named = [
            name
            for each in self.query.calculations
            if each.may_use_unselected
            for name in each.named()
        ]
        for name in dict.fromkeys(named):
            if name in calculated or name in self.query.fields:
                continue
            found, _ = self.rules.field(name, check=not self.trusted)
            if not isinstance(found, Measure):
                raise PlanError(
                    f"{name} is no measure: rows would be grouped by it.", fix="Add it to fields."
                )
            yield self._measured(name, found)

    def _group(self, name: str, found: Dimension, ref: FieldRef) -> Group:
        if self.access.masks(found) and not self.trusted:
            return Group(name, found, ref.bracket, Expr("NULL", type=found.type))
        value = self.expressions.dimension(found, ref.bracket, shown=not self.stored)
        if value.type is DataType.JSON and self.query.group:
            value = replace(value, text=self.asking.functions.groupable(value.text))
        return Group(name, found, ref.bracket, value)

    def _measured(self, name: str, found: Measure) -> Measured:
        if self.access.masks(found):
            # An aggregate, so that the groups are those of the measure.
            nothing = ("MAX(CASE WHEN 1 = 0 THEN 1 END)",)
            hidden = Formula(found.address, found.view, nothing, frozenset({found.view}))
            return Measured(name, found, hidden)
        formula = self.measures.formula(found)
        return Measured(name, found, formula if self.stored else self._read(formula))

    def _read(self, formula: Formula) -> Formula:
        """The first or the last time as the asker reads it, as times that are grouped are read."""
        if not formula.stored_time:
            return formula
        place = "\0"
        shown = self.expressions.shown(Expr(place, type=formula.type), convert=True)
        first, *rest = shown.text.split(place)
        parts = [first, *(part for text in rest for part in (*formula.parts, text))]
        return replace(formula, parts=tuple(parts), type=shown.type)

    def again(self, each: Measured) -> Measured:
        """A measure whose levels of detail are those of a total."""
        return self._measured(each.name, each.field)

    def _columns(self, groups: Sequence[Group], measured: Sequence[Measured]) -> list[Column]:
        found = {each.name: column_of(each, self.names) for each in [*groups, *measured]}
        order = [name for name in dict.fromkeys(self.query.fields) if name in found]
        return [found[name] for name in [*order, *(n for n in found if n not in order)]]

    def _limit(self) -> int | None:
        if not self.query.default_limit:
            return self.query.limit
        own = self.topic.default_row_limit if self.topic else None
        return own if own is not None else self.model.settings.default_row_limit

    def _base(self, groups: Sequence[Group], measured: Sequence[Measured]) -> str:
        if self.topic is not None:
            return self.topic.base_view
        if self.query.table:
            return self.names.view(self.query.table).name
        views = [each.field.view for each in measured] + [g.field.view for g in groups]
        if not views:
            raise PlanError("The question names no table, no topic and no field.")
        return views[0]

    def _joined(
        self,
        groups: Sequence[Group],
        measured: Sequence[Measured],
        where: Sequence[Where],
        orders: Sequence[Order],
    ) -> JoinTree:
        joins = Joins(self.names, self._base(groups, measured), self.query.join_via)
        return self._tree(joins, self._needed(groups, measured, where, orders))

    def _reaches(self, base: str, views: Collection[str]) -> bool:
        try:
            self._tree(Joins(self.names, base, self.query.join_via), set(views))
        except PlanError:
            return False
        return True

    def _needed(
        self,
        groups: Sequence[Group],
        measured: Sequence[Measured],
        where: Sequence[Where],
        orders: Sequence[Order],
    ) -> set[str]:
        needed = {view for group in groups for view in group.value.views}
        for each in [*measured, *self.rules.hidden]:
            needed |= each.formula.views
        for rule in where:
            needed |= rule.views
        for order in orders:
            if isinstance(order.by, Expr):
                needed |= order.by.views
        return needed

    def _tree(self, joins: Joins, needed: set[str]) -> JoinTree:
        """The joins; a condition of one may read views that more joins bring."""
        while True:
            tree = joins.tree(needed)
            more = set(needed)
            for edge in tree.edges:
                for sql in (edge.relationship.on_sql, edge.relationship.where_sql):
                    if sql is not None:
                        more |= self.rules.views_of(sql, edge)
            if more == needed:
                return tree
            needed = more

    def _guard(self, plan: Plan) -> None:
        fan_out = FanOut(plan.tree, self.expressions, self.warnings)
        formulas = [each.formula for each in [*plan.measures, *plan.hidden]]
        for formula in formulas:
            fan_out.check_raw(formula)
        plan.guards = {leaf: fan_out.guard(leaf) for leaf in leaves_of(formulas)}

    # order

    def _orders(self, groups: Sequence[Group], measured: Sequence[Measured]) -> list[Order]:
        calculated = {each.name for each in self.query.calculations}
        late = [each.column for each in self.query.sorts if each.column in calculated]
        if late and self.query.pivots:
            self.warnings.append(f"{late[0]} is a calculation, which does not order a pivot.")
        return [
            self._order(sort, groups, measured)
            for sort in self.query.sorts
            if sort.column not in calculated and sort.column not in self.missing
        ]

    def _order(self, sort: Sort, groups: Sequence[Group], measured: Sequence[Measured]) -> Order:
        for each in [*groups, *measured]:
            if each.name == sort.column:
                by: Group | Measured | Expr = each
                masked = self.access.masks(each.field)
                if isinstance(each, Group) and each.field.order_by_field and not masked:
                    by = self._order_by(each, each.field.order_by_field)
                return Order(by, sort.descending, sort.nulls_last, sort.of_pivot, sort.column)
        found, ref = self.rules.field(sort.column)
        self.access.check_values(found)
        if isinstance(found, Measure):
            return Order(self.rules.hide(found), sort.descending, sort.nulls_last)
        value = self.expressions.dimension(dimension_of(found), ref.bracket)
        return Order(value, sort.descending, sort.nulls_last)

    def _order_by(self, group: Group, by: FieldRef) -> Expr:
        ref = by.within(group.field.view)
        return self.expressions.dimension(dimension_of(self.names.field(ref)), ref.bracket)

    def _of_grain(self, ref: FieldRef) -> Expr:
        """A dimension of the grain, as the rows have it."""
        found = dimension_of(self.names.field(ref))
        if found.level_of_detail is None and found.dynamic_top_n is None:
            return self.expressions.dimension(found, ref.bracket, shown=False)
        outside = Expressions(self.names, self.asking, self.shape)
        outside.plain = frozenset({found.address})
        return outside.dimension(found, ref.bracket, shown=False)

    def renderer(self, plan: Plan, join: str | None = None) -> Renderer:
        """`join`: one more, after all others."""
        beside = self.levels.joins() + ([join] if join else [])
        tables = Tables(self.expressions, self.inside.view, beside)
        return Renderer(plan, tables, self.rules.on, self.rules.having)
