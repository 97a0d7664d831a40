"""From a question in fields to SQL text: bind, authorise, expand, join, guard, render.

Pure: the same model, question and asker give the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dragoman.semantics.compiler.access import Access
from dragoman.semantics.compiler.asking import Asking
from dragoman.semantics.compiler.conditions import Conditions, Operand
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.expressions import Expr, Expressions, Key
from dragoman.semantics.compiler.fanout import FanOut, leaves_of
from dragoman.semantics.compiler.joins import Joins, JoinTree
from dragoman.semantics.compiler.labels import column_of
from dragoman.semantics.compiler.measures import Formula, Leaf, Measures
from dragoman.semantics.compiler.names import Names, suggestion
from dragoman.semantics.compiler.plan import Column, Group, Measured, Order, Plan, Where
from dragoman.semantics.compiler.render import Having, Renderer
from dragoman.semantics.compiler.selectors import selects
from dragoman.semantics.compiler.tables import Tables
from dragoman.semantics.compiler.templates import Shape
from dragoman.semantics.compiler.yamlfilters import to_filter
from dragoman.semantics.composing.joins import Edge
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.fields import Dimension, Field, FilterField, FilterType, Measure
from dragoman.semantics.model.filters import FieldFilter
from dragoman.semantics.model.references import FieldRef, SqlText, field_ref
from dragoman.semantics.model.topics import Topic
from dragoman.semantics.model.views import QuerySpec, View
from dragoman.semantics.query.filters import BadQuery, Filter, QueryFilter
from dragoman.semantics.query.request import Query, Sort, read_query

MAX_NESTED = 10
MAX_BENCHES = 50


@dataclass(frozen=True, slots=True)
class Compiled:
    """`sql`: its columns are c0, c1, … in the order of `columns`. `limit`: the greatest number of
    rows, None for all. `missing`: names of the question that mean nothing; they are left out.
    `good_until`: when words such as `last month` begin to mean another time; None: never."""

    sql: str
    columns: tuple[Column, ...]
    plan: Plan
    limit: int | None
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    good_until: datetime | None = None


class Compiler:
    """Compiles questions on one model; what it expanded once it keeps. Not safe for threads."""

    def __init__(self, model: ComposedModel) -> None:
        self.model = model
        self._benches: dict[tuple[object, ...], Bench] = {}

    def compile(self, query: Query, asking: Asking) -> Compiled:
        """Compile a question. Raises `PlanError`."""
        return _Question(self, query, asking, 0).compile()

    def bench(self, topic_name: str, asking: Asking) -> Bench:
        """What askers of one kind share. Raises `PlanError` for a topic that is not there."""
        key = (
            *(topic_name, asking.functions, asking.timezone, asking.system_timezone),
            asking.fiscal_offset(self.model.settings),
        )
        known = self._benches.get(key)
        if known is None:
            if len(self._benches) >= MAX_BENCHES:
                self._benches.clear()
            known = self._benches[key] = Bench(Names(self.model, self._topic(topic_name)), {}, {})
        return known

    def _topic(self, name: str) -> Topic | None:
        if not name:
            return None
        try:
            found = self.model.topic(name)
        except BadDefinition as bad:
            raise PlanError(f'The topic "{name}" cannot be understood: {bad}') from None
        if not isinstance(found, Topic):
            near = suggestion(name, self.model.topic_names())
            raise PlanError(f'No such topic "{name}".', fix=near)
        return found


@dataclass(frozen=True, slots=True)
class Bench:
    """Names of a topic, and fields that are expanded already."""

    names: Names
    expressions: dict[Key, Expr]
    formulas: dict[str, Formula]


class _Question:
    def __init__(self, compiler: Compiler, query: Query, asking: Asking, depth: int) -> None:
        if depth > MAX_NESTED:
            raise PlanError(f"Questions stand in each other more than {MAX_NESTED} deep.")
        self.compiler = compiler
        self.model = model = compiler.model
        self.query = query
        self.asking = asking
        self.depth = depth
        self.warnings: list[str] = list(query.warnings)
        self.missing: list[str] = []
        bench = compiler.bench(query.topic, asking)
        self.names = bench.names
        self.topic = self.names.topic
        self.access = Access(model.settings, asking)
        if self.topic is not None:
            self.access.check_topic(self.topic)
        self.filters = self._all_filters()
        self.expressions = Expressions(self.names, asking, self._shape(), bench.expressions)
        self.conditions: Conditions = self.expressions.conditions
        self.conditions.subquery = self._subquery
        self.measures = Measures(self.expressions, bench.formulas)
        self.having: list[Having] = []
        self.hidden: list[Measured] = []

    # bind

    def _base(self, groups: Sequence[Group], measured: Sequence[Measured]) -> str:
        if self.topic is not None:
            return self.topic.base_view
        if self.query.table:
            return self.names.view(self.query.table).name
        views = [measured_.field.view for measured_ in measured] + [g.field.view for g in groups]
        if not views:
            raise PlanError("The question names no table, no topic and no field.")
        return views[0]

    def _ref(self, name: str) -> FieldRef:
        ref = field_ref(name)
        if ref is None or ref.view is None:
            raise PlanError(f'"{name[:80]}" is not the name of a field.', fix="Write view.field.")
        return ref

    def field(self, name: str) -> tuple[Field, FieldRef]:
        """A field that the question names itself. Raises `PlanError`."""
        ref = self._ref(name)
        found = self.names.field(ref)
        view = self.names.view(found.view)
        if self.topic is not None and not selects(self.topic, view, found):
            raise PlanError(f'The topic "{self.topic.name}" has no field "{found.address}".')
        self.access.check_field(view, found)
        return found, ref

    def _all_filters(self) -> dict[str, Filter]:
        """The question's filters, and the defaults of filter-only fields that it does not name."""
        found: dict[str, Filter] = {}
        for name, each in self.query.filters.items():
            ref = self._ref(name)
            bracket = f"[{ref.bracket}]" if ref.bracket else ""
            found[f"{ref.view}.{ref.name}{bracket}"] = each
        views = {name.partition(".")[0] for name in [*found, *self.query.fields]}
        for name in sorted(views):
            view = self.names.model.view(name)
            for each in view.filters.values() if view else ():
                if each.default_filter is not None and each.address not in found:
                    found[each.address] = to_filter(each.default_filter, DataType.UNKNOWN)
        return found

    def _shape(self) -> Shape:
        columns = [
            each.address
            for name in {address.partition(".")[0] for address in self.filters}
            if (view := self.model.view(name)) is not None
            for each in view.filters.values()
            if each.type is FilterType.COLUMN
        ]
        selected = frozenset(name.partition("[")[0] for name in self.query.fields)
        return Shape(self.filters, selected, frozenset(columns))

    # the whole

    def compile(self) -> Compiled:
        groups, measured = self._selected()
        where = self._where()
        orders = self._orders(groups, measured)
        columns = self._columns(groups, measured)
        base = self._base(groups, measured)
        joins = Joins(self.names, base, self.query.join_via)
        tree = self._tree(joins, self._needed(groups, measured, where, orders))
        where += self._edge_rules(tree)
        where = self._cancelled(where, measured)
        plan = Plan(
            tree,
            columns,
            groups,
            measured,
            self.hidden,
            where,
            grouped=self.query.group or bool(measured or self.having),
            orders=orders,
            limit=self._limit(),
            offset=self.query.offset,
            warnings=self.warnings,
            missing=self.missing,
        )
        self._guard(plan)
        sql = self._renderer(plan).statement()
        return Compiled(
            sql,
            tuple(columns),
            plan,
            plan.limit,
            tuple(self.missing),
            tuple(dict.fromkeys(self.warnings)),
            self.conditions.calendar.good_until(),
        )

    def nested(self, names: Sequence[str]) -> str:
        """The statement with these names for its columns: for a question inside another."""
        groups, measured = self._selected()
        if self.missing:
            raise PlanError(f'No such field "{self.missing[0]}".')
        where = self._where()
        orders = self._orders(groups, measured)
        columns = self._columns(groups, measured)
        joins = Joins(self.names, self._base(groups, measured), self.query.join_via)
        tree = self._tree(joins, self._needed(groups, measured, where, orders))
        where = self._cancelled(where + self._edge_rules(tree), measured)
        plan = Plan(tree, columns, groups, measured, self.hidden, where, orders=orders)
        plan.limit, plan.offset = self.query.limit, self.query.offset
        self._guard(plan)
        return self._renderer(plan).statement(names=names)

    def _selected(self) -> tuple[list[Group], list[Measured]]:
        calculated = {each.name for each in self.query.calculations}
        groups: list[Group] = []
        measured: list[Measured] = []
        for name in dict.fromkeys(self.query.fields):
            if name in calculated:
                continue
            try:
                found, ref = self.field(name)
            except PlanError as problem:
                if problem.error_type != "PLAN":
                    raise
                self.missing.append(name)
                self.warnings.append(str(problem))
                continue
            if isinstance(found, Dimension):
                groups.append(self._group(name, found, ref))
            elif isinstance(found, Measure):
                measured.append(Measured(name, found, self.measures.formula(found)))
            else:
                raise PlanError(f"{found.address} can only be filtered by.")
        if not groups and not measured:
            raise PlanError(self.warnings[-1] if self.missing else "The question names no field.")
        if measured and not self.query.group:
            raise PlanError(
                f"{measured[0].name} is a measure: rows that are not grouped have none."
            )
        return groups, measured

    def _group(self, name: str, found: Dimension, ref: FieldRef) -> Group:
        if self.access.masks(found):
            return Group(name, found, ref.bracket, Expr("NULL", type=found.type))
        return Group(name, found, ref.bracket, self.expressions.dimension(found, ref.bracket))

    def _columns(self, groups: Sequence[Group], measured: Sequence[Measured]) -> list[Column]:
        found = {each.name: column_of(each, self.names) for each in [*groups, *measured]}
        return [found[name] for name in dict.fromkeys(self.query.fields) if name in found]

    def _limit(self) -> int | None:
        if not self.query.default_limit:
            return self.query.limit
        own = self.topic.default_row_limit if self.topic else None
        return own if own is not None else self.model.settings.default_row_limit

    # rows

    def _where(self) -> list[Where]:
        return [
            *self._topic_rules(),
            *self._access_rules(),
            *(rule for name, each in self.filters.items() for rule in self._filtered(name, each)),
            *self._alternatives(),
        ]

    def _filtered(self, name: str, given: Filter) -> Iterable[Where]:
        """The condition of one filter; one on a measure goes to HAVING."""
        try:
            found, ref = self.field(name)
        except PlanError:
            if given.ignore_if_unjoinable:
                return
            raise
        if isinstance(found, FilterField):
            for bound in found.bind_to:
                address = str(bound.within(found.view))
                yield from self._filtered(address, given)
            return
        if isinstance(found, Measure):
            self._filter_measure(found, given)
            return
        rule = self._condition(_dimension(found), ref.bracket, given)
        if rule is not None:
            yield rule

    def _condition(self, found: Dimension, bracket: str | None, given: Filter) -> Where | None:
        raw = self.expressions.dimension(found, bracket, shown=False)
        text = self.conditions.of_filter(given, self.expressions.operand(found, raw))
        return None if text is None else Where(text, raw.views, found.address)

    def _filter_measure(self, found: Measure, given: Filter) -> None:
        measured = self._hidden(found)
        kind = measured.formula.type

        def condition(text: str) -> str | None:
            operand = Operand(found.address, text, kind, lambda: text)
            return self.conditions.of_filter(given, operand)

        self.having.append(Having(measured, condition))

    def _hidden(self, found: Measure) -> Measured:
        """A measure that is worked out and not answered."""
        measured = Measured(found.address, found, self.measures.formula(found))
        self.hidden.append(measured)
        return measured

    def _alternatives(self) -> Iterable[Where]:
        """Filters on several fields of which any may hold (MULTI_FIELD_FILTER)."""
        for filters in self.query.any_of:
            found: list[Where] = []
            for name, given in filters.items():
                target, ref = self.field(name)
                rule = self._condition(_dimension(target), ref.bracket, given)
                if rule is not None:
                    found.append(rule)
            if found:
                text = " OR ".join(f"({each.text})" for each in found)
                yield Where(text, frozenset(v for each in found for v in each.views))

    def _topic_rules(self) -> Iterable[Where]:
        topic = self.topic
        if topic is None:
            return
        base = self.names.view(topic.base_view)
        if topic.always_where_sql is not None:
            rule = self._rule(topic.always_where_sql, base)
            yield rule
        for each in topic.always_where_filters:
            yield from self._field_filter(each, base)
        for each in topic.always_having_filters:
            found = self.names.field(each.field.within(base.name))
            if not isinstance(found, Measure):
                raise PlanError(f"{found.address} is no measure: it cannot stand in always_having.")
            if each.expression is not None:
                self._filter_measure(found, to_filter(each.expression, DataType.NUMBER))
        if topic.always_having_sql is not None:
            self._having_sql(topic.always_having_sql, base)

    def _having_sql(self, sql: SqlText, base: View) -> None:
        """A condition over measures, as a measure whose own text is the condition."""
        made = Measure(view=base.name, name="always_having_sql", sql=sql)
        measured = self._hidden(made)
        self.having.append(Having(measured, lambda text: text))

    def _rule(self, sql: SqlText, view: View, *others: str) -> Where:
        piece = self.expressions.fragment(sql, view, *others)
        found = self.expressions.expand(piece, view, DataType.BOOLEAN)
        text = found.text
        if piece.condition and not self.asking.functions.boolean_values:
            text = self.conditions.sql.condition(text)
        return Where(text, found.views)

    def _field_filter(self, given: FieldFilter, base: View) -> Iterable[Where]:
        if given.expression is None:
            return
        found = _dimension(self.names.field(given.field.within(base.name)))
        raw = self.expressions.dimension(found, given.field.bracket, shown=False)
        operand = self.expressions.operand(found, raw)
        text = self.conditions.of_expression(given.expression, operand)
        if text is not None:
            yield Where(text, raw.views)

    def _access_rules(self) -> Iterable[Where]:
        for rule in self.topic.access_filters if self.topic else ():
            values = self.access.row_values(rule)
            if values is None:
                continue
            base = self.topic.base_view if self.topic else ""
            found = _dimension(self.names.field(rule.field.within(base)))
            raw = self.expressions.dimension(found, rule.field.bracket, shown=False)
            operand = self.expressions.operand(found, raw)
            if rule.enable_sql_like_wildcards:
                likes = [self.conditions.sql.like(raw.text, str(value)) for value in values]
                yield Where(" OR ".join(likes), raw.views)
            else:
                yield Where(self.conditions.equals(operand, values), raw.views)

    def _edge_rules(self, tree: JoinTree) -> list[Where]:
        return [
            self._rule(edge.relationship.where_sql, self._left_of(edge), edge.source, edge.target)
            for edge in tree.edges
            if edge.relationship.where_sql is not None
        ]

    def _left_of(self, edge: Edge) -> View:
        return self.names.view(edge.relationship.left)

    # joins

    def _needed(
        self,
        groups: Sequence[Group],
        measured: Sequence[Measured],
        where: Sequence[Where],
        orders: Sequence[Order],
    ) -> set[str]:
        needed = {view for group in groups for view in group.value.views}
        for each in [*measured, *self.hidden]:
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
                        more |= self._views_of(sql, edge)
            if more == needed:
                return tree
            needed = more

    def _views_of(self, sql: SqlText, edge: Edge) -> set[str]:
        view = self._left_of(edge)
        found = self.expressions.expand(
            self.expressions.fragment(sql, view, edge.source, edge.target), view, DataType.BOOLEAN
        ).views
        return set(found) - {edge.source, edge.target}

    def _on(self, edge: Edge) -> str:
        if edge.relationship.on_sql is None:
            raise PlanError(
                f'The relationship of "{edge.source}" and "{edge.target}" has no on_sql.'
            )
        left = self._left_of(edge)
        return self._rule(edge.relationship.on_sql, left, edge.source, edge.target).text

    # measures

    def _guard(self, plan: Plan) -> None:
        fan_out = FanOut(plan.tree, self.expressions, self.warnings)
        formulas = [each.formula for each in [*plan.measures, *plan.hidden]]
        for formula in formulas:
            fan_out.check_raw(formula)
        plan.guards = {leaf: fan_out.guard(leaf) for leaf in leaves_of(formulas)}

    def _cancelled(self, where: list[Where], measured: list[Measured]) -> list[Where]:
        """Filters that some measure does not obey leave WHERE and go into all other measures."""
        every = [*measured, *self.hidden]
        cancels = {name for each in every for leaf in each.formula.leaves for name in leaf.cancels}
        moved = [rule for rule in where if rule.field and rule.field in cancels]
        if not moved:
            return where
        for place in (measured, self.hidden):
            for n, each in enumerate(place):
                place[n] = self._with_rules(each, moved)
        self.having = [
            replace(each, measure=self._with_rules(each.measure, moved)) for each in self.having
        ]
        return [rule for rule in where if rule not in moved]

    def _with_rules(self, measured: Measured, rules: Sequence[Where]) -> Measured:
        parts: list[str | Leaf] = []
        for part in measured.formula.parts:
            if isinstance(part, str):
                parts.append(part)
                continue
            own = [f"({rule.text})" for rule in rules if rule.field not in part.cancels]
            predicate = " AND ".join([*([part.predicate] if part.predicate else []), *own])
            parts.append(replace(part, predicate=predicate or None))
        return replace(measured, formula=replace(measured.formula, parts=tuple(parts)))

    # order

    def _orders(self, groups: Sequence[Group], measured: Sequence[Measured]) -> list[Order]:
        calculated = {each.name for each in self.query.calculations}
        return [
            self._order(sort, groups, measured)
            for sort in self.query.sorts
            if sort.column not in calculated and sort.column not in self.missing
        ]

    def _order(self, sort: Sort, groups: Sequence[Group], measured: Sequence[Measured]) -> Order:
        for each in [*groups, *measured]:
            if each.name == sort.column:
                by: Group | Measured | Expr = each
                if isinstance(each, Group) and each.field.order_by_field is not None:
                    by = self._order_by(each, each.field.order_by_field)
                return Order(by, sort.descending, sort.nulls_last)
        found, ref = self.field(sort.column)
        if isinstance(found, Measure):
            return Order(self._hidden(found), sort.descending, sort.nulls_last)
        value = self.expressions.dimension(_dimension(found), ref.bracket)
        return Order(value, sort.descending, sort.nulls_last)

    def _order_by(self, group: Group, by: FieldRef) -> Expr:
        ref = by.within(group.field.view)
        return self.expressions.dimension(_dimension(self.names.field(ref)), ref.bracket)

    # other questions

    def _renderer(self, plan: Plan) -> Renderer:
        tables = Tables(self.expressions, self._query_view)
        return Renderer(plan, tables, self._on, self.having)

    def _query_view(self, view: View, spec: QuerySpec) -> str:
        """The statement of a query view; its columns have the names of the view's dimensions."""
        names = [each.output or _output_name(each.field) for each in spec.fields]
        query = Query(
            fields=tuple(str(each.field) for each in spec.fields),
            table=spec.base_view or "",
            topic=spec.topic or "",
            filters={
                str(each.field): to_filter(each.expression, self._type_of(each.field))
                for each in spec.filters
                if each.expression is not None
            },
            sorts=tuple(Sort(str(each.field), each.desc) for each in spec.sorts),
            limit=spec.limit,
            default_limit=False,
        )
        asking = replace(self.asking, timezone=None)
        return _Question(self.compiler, query, asking, self.depth + 1).nested(names)

    def _type_of(self, ref: FieldRef) -> DataType:
        view = self.model.view(ref.view or "")
        found = view.field(ref.name) if view else None
        return found.type if isinstance(found, Dimension) else DataType.NUMBER

    def _subquery(self, given: QueryFilter) -> str:
        try:
            query = read_query(dict(given.query))
        except BadQuery as bad:
            raise PlanError(f"The question inside a filter cannot be read: {bad}.") from None
        column = given.column or (query.fields[0] if query.fields else "")
        if column not in query.fields:
            raise PlanError(f"The question inside a filter does not answer {column[:60]!r}.")
        limit = None if given.disregard_limit else query.limit
        query = replace(query, limit=limit, default_limit=False)
        names = [f"c{n}" for n in range(len(query.fields))]
        inner = _Question(self.compiler, query, self.asking, self.depth + 1).nested(names)
        name = self.conditions.sql.name
        at = name(names[query.fields.index(column)])
        asked = f"({inner}) {name('asked')}"
        return f"SELECT {at} FROM {asked} WHERE {at} IS NOT NULL"  # noqa: S608 - our own names


def _dimension(found: Field) -> Dimension:
    if not isinstance(found, Dimension):
        raise PlanError(f"{found.address} is no dimension.")
    return found


def _output_name(ref: FieldRef) -> str:
    return f"{ref.name}_{ref.bracket}" if ref.bracket else ref.name
