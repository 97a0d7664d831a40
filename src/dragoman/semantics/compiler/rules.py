"""Conditions of a question: its filters, the rules of its topic, and of the joins it uses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from dragoman.semantics.compiler.access import Access
from dragoman.semantics.compiler.conditions import Operand
from dragoman.semantics.compiler.errors import ErrorType, PlanError
from dragoman.semantics.compiler.expressions import Expressions
from dragoman.semantics.compiler.fragments import Fragment
from dragoman.semantics.compiler.joins import JoinTree
from dragoman.semantics.compiler.measures import Leaf, Measures
from dragoman.semantics.compiler.names import dimension_of
from dragoman.semantics.compiler.plan import Having, Measured, Order, Where
from dragoman.semantics.compiler.reads import Filters, settled, unread
from dragoman.semantics.compiler.selectors import selects
from dragoman.semantics.compiler.yamlfilters import to_filter
from dragoman.semantics.composing.joins import Edge
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Dimension, Field, FilterField, Measure
from dragoman.semantics.model.filters import FieldFilter
from dragoman.semantics.model.references import FieldRef, SqlText, field_ref
from dragoman.semantics.model.views import View
from dragoman.semantics.query.filters import Filter


class Rules:
    """Writes the conditions of one question. `only_inside`: whether a filter of that name holds in
    query views alone. `reaches`: whether these views can be joined. `having`, `hidden`: conditions
    on measures, and measures that are worked out and not answered; `begin` empties both. `of_rows`:
    conditions on measures are left out, since the groups are not those that they speak of."""

    def __init__(self, expressions: Expressions, measures: Measures, access: Access) -> None:
        self.expressions = expressions
        self.measures = measures
        self.access = access
        self.names = expressions.names
        self.topic = self.names.topic
        self.conditions = expressions.conditions
        self.having: list[Having] = []
        self.hidden: list[Measured] = []
        self.of_rows = False
        expressions.templates.picked = self.picked
        self.only_inside: Callable[[str], bool] = lambda _: False
        self.reaches: Callable[[Collection[str]], bool] = lambda _: True

    def begin(self) -> None:
        """Forget the measures of an earlier plan."""
        self.having, self.hidden = [], []

    def ref(self, name: str) -> FieldRef:
        """The address that a name of the question is. Raises `PlanError`."""
        ref = field_ref(name)
        if ref is None or ref.view is None:
            raise PlanError(f'"{name[:80]}" is not the name of a field.', fix="Write view.field.")
        return ref

    def field(
        self, name: str, *, check: bool = True, offered: bool = True
    ) -> tuple[Field, FieldRef]:
        """A field that the question names itself. `check`: whether the asker may; `offered`:
        whether it must be one of those that the topic offers. Raises `PlanError`."""
        ref = self.ref(name)
        found = self.names.field(ref)
        if not check:
            return found, ref
        view = self.names.view(found.view)
        if offered and self.topic is not None and not selects(self.topic, view, found):
            raise PlanError(f'The topic "{self.topic.name}" has no field "{found.address}".')
        self.access.check_field(view, found)
        return found, ref

    def picked(self, ref: FieldRef) -> FieldRef | None:
        """A field that the asker picks for a template; None for one that is masked. Raises
        `PlanError` for one that the asker may not name."""
        found, ref = self.field(str(ref))
        return None if self.access.masks(found) else ref

    def where(
        self, filters: Filters, any_of: Sequence[Mapping[str, Filter]], own: set[str]
    ) -> list[Where]:
        """Conditions on rows: of the topic, of the asker, of filters, and of groups of filters of
        which any may hold (MULTI_FIELD_FILTER). `own`: filters that the asker chose; the others are
        the model's, which may speak of masked fields. Raises `PlanError`."""
        found = [*self._topic_rules(), *self._access_rules()]
        for name, each in filters.unread():
            found += self._filtered(name, each, name in own)
        for each in any_of:
            found += self._alternatives(each)
        return found

    def _filtered(
        self, name: str, given: Filter, own: bool, *, bound: bool = False
    ) -> Iterable[Where]:
        """The condition of one filter; one on a measure goes to HAVING. `bound`: the model says
        that a filter-only field means this one, which the topic need not offer; nor need it those
        whose defaults hold."""
        try:
            found, ref = self.field(name, offered=own and not bound)
        except PlanError as problem:
            if given.ignore_if_unjoinable and problem.error_type is ErrorType.PLAN:
                return
            raise
        if isinstance(found, FilterField):
            for each in found.bind_to:
                address = str(each.within(found.view))
                yield from self._filtered(address, given, own, bound=True)
            return
        if own:
            self.access.check_values(found)
        if self.only_inside(name):
            return
        if isinstance(found, Measure):
            views = self.measures.formula(found).views
            if not given.ignore_if_unjoinable or self.reaches(views):
                self._filter_measure(found, given)
            return
        rule = self._condition(dimension_of(found), ref.bracket, given)
        if rule is not None and (not given.ignore_if_unjoinable or self.reaches(rule.views)):
            yield rule

    def _condition(self, found: Dimension, bracket: str | None, given: Filter) -> Where | None:
        raw = self.expressions.dimension(found, bracket, shown=False)
        text = self.conditions.of_filter(given, self.expressions.operand(found, raw, bracket))
        return None if text is None else Where(text, raw.views, found.address)

    def _filter_measure(self, found: Measure, given: Filter) -> None:
        if self.of_rows:
            return
        measured = self.hide(found)
        kind = measured.formula.type

        def condition(text: str) -> str | None:
            operand = Operand(found.address, text, kind, lambda: text, measured.formula.stored_time)
            return self.conditions.of_filter(given, operand)

        self.having.append(Having(measured, condition))

    def hide(self, found: Measure) -> Measured:
        """A measure that is worked out and not answered."""
        measured = Measured(found.address, found, self.measures.formula(found))
        self.hidden.append(measured)
        return measured

    def _alternatives(self, filters: Mapping[str, Filter]) -> Iterable[Where]:
        found: list[Where] = []
        for name, given in unread(filters):
            target, ref = self.field(name)
            self.access.check_values(target)
            rule = self._condition(dimension_of(target), ref.bracket, given)
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
            rule = self.rule(topic.always_where_sql, base)
            yield rule
        for each in topic.always_where_filters:
            yield from self._field_filter(each, base)
        for each in topic.always_having_filters:
            found = self.names.field(each.field.within(base.name))
            if not isinstance(found, Measure):
                raise PlanError(f"{found.address} is no measure: it cannot stand in always_having.")
            if each.expression is not None:
                self._filter_measure(found, to_filter(each.expression, DataType.NUMBER))
        if topic.always_having_sql is not None and not self.of_rows:
            self._having_sql(topic.always_having_sql, base)

    def _having_sql(self, sql: SqlText, base: View) -> None:
        """A condition over measures, as a measure whose own text is the condition."""
        made = Measure(view=base.name, name="always_having_sql", sql=sql)
        measured = self.hide(made)
        self.having.append(Having(measured, lambda text: text))

    def rule(self, sql: SqlText, view: View, *others: str) -> Where:
        """A condition in a person's SQL. `others`: views that may stand before a dot."""
        return self.condition(self.expressions.fragment(sql, view, *others), view)

    def condition(self, piece: Fragment, view: View) -> Where:
        """A piece of SQL as a condition. What is one already is not made a value and compared with
        true first: no database would use an index, or hash a join, for that."""
        found = self.expressions.expand(replace(piece, condition=False), view, DataType.BOOLEAN)
        known = piece.condition or piece.opaque
        return Where(
            found.text if known else self.conditions.sql.condition(found.text), found.views
        )

    def _field_filter(self, given: FieldFilter, base: View) -> Iterable[Where]:
        if given.expression is None:
            return
        found = dimension_of(self.names.field(given.field.within(base.name)))
        bracket = given.field.bracket
        raw = self.expressions.dimension(found, bracket, shown=False)
        operand = self.expressions.operand(found, raw, bracket)
        text = self.conditions.of_expression(given.expression, operand)
        if text is not None:
            yield Where(text, raw.views)

    def _access_rules(self) -> Iterable[Where]:
        for rule in self.topic.access_filters if self.topic else ():
            values = self.access.row_values(rule)
            if values is None:
                continue
            base = self.topic.base_view if self.topic else ""
            found = dimension_of(self.names.field(rule.field.within(base)))
            raw = self.expressions.dimension(found, rule.field.bracket, shown=False)
            operand = self.expressions.operand(found, raw)
            if rule.enable_sql_like_wildcards:
                likes = [self.conditions.sql.like(raw.text, str(value)) for value in values]
                yield Where(" OR ".join(likes), raw.views)
            else:
                yield Where(self.conditions.equals(operand, values), raw.views)

    def of_edges(self, tree: JoinTree) -> list[Where]:
        """The conditions that joins bring with them."""
        return [
            self.rule(edge.relationship.where_sql, self._left_of(edge), edge.source, edge.target)
            for edge in tree.edges
            if edge.relationship.where_sql is not None
        ]

    def _left_of(self, edge: Edge) -> View:
        return self.names.view(edge.relationship.left)

    def views_of(self, sql: SqlText, edge: Edge) -> set[str]:
        """More views that a join's condition reads."""
        view = self._left_of(edge)
        found = self.expressions.expand(
            self.expressions.fragment(sql, view, edge.source, edge.target), view, DataType.BOOLEAN
        ).views
        return set(found) - {edge.source, edge.target}

    def on(self, edge: Edge) -> str:
        """The condition of a join. Raises `PlanError`."""
        if edge.relationship.on_sql is None:
            raise PlanError(
                f'The relationship of "{edge.source}" and "{edge.target}" has no on_sql.'
            )
        left = self._left_of(edge)
        return self.rule(edge.relationship.on_sql, left, edge.source, edge.target).text

    def cancelled(
        self, where: list[Where], measured: list[Measured], orders: list[Order]
    ) -> list[Where]:
        """Filters that some measure does not obey leave WHERE and go into all other measures; these
        take the place of what they were in the lists. WHERE keeps the rows that the filters let
        through, and those that such a measure counts."""
        leaves = [leaf for each in [*measured, *self.hidden] for leaf in each.formula.leaves]
        cancels = {name for leaf in leaves for name in leaf.cancels}
        moved = [self._settled(rule) for rule in where if rule.field and rule.field in cancels]
        if not moved:
            return where
        now: dict[int, Measured] = {}
        for place in (measured, self.hidden):
            for n, each in enumerate(place):
                place[n] = now[id(each)] = _with_rules(each, moved)
        self.having = [replace(each, measure=now[id(each.measure)]) for each in self.having]
        for n, each in enumerate(orders):
            if isinstance(each.by, Measured):
                orders[n] = replace(each, by=now[id(each.by)])
        left = [rule for rule in where if not rule.field or rule.field not in cancels]
        counted = _counted(moved, [leaf for leaf in leaves if leaf.cancels])
        return left if counted is None else [*left, counted]

    def _settled(self, rule: Where) -> Where:
        """The rule with its condition: texts of measures are compared with each other."""
        return replace(rule, text=settled(rule.text, self.conditions.asking))


def _counted(moved: Sequence[Where], disobeying: Sequence[Leaf]) -> Where | None:
    """Rows that some measure counts, so that groups without any do not come out; None for all."""
    ways = [" AND ".join(f"({rule.text})" for rule in moved)]
    views = {view for rule in moved for view in rule.views}
    for leaf in disobeying:
        predicate = _obeyed(leaf, moved)
        if predicate is None:
            return None
        ways.append(predicate)
        views |= leaf.views
    return Where(" OR ".join(f"({way})" for way in dict.fromkeys(ways)), frozenset(views))


def _obeyed(leaf: Leaf, rules: Sequence[Where]) -> str | None:
    """The condition of rows that count: an aggregate's own, and the rules that it obeys."""
    own = [] if leaf.predicate is None else [leaf.predicate]
    own += [f"({rule.text})" for rule in rules if rule.field not in leaf.cancels]
    return " AND ".join(own) or None


def _with_rules(measured: Measured, rules: Sequence[Where]) -> Measured:
    if measured.formula.raw:
        raise PlanError(
            f"{measured.name} aggregates in its own way, and stands beside a measure that does not"
            f" obey the filter on {rules[0].field}.",
            fix="Give it an aggregate_type and leave the aggregate out of its SQL.",
        )
    parts = tuple(
        replace(part, predicate=_obeyed(part, rules)) if isinstance(part, Leaf) else part
        for part in measured.formula.parts
    )
    return replace(measured, formula=replace(measured.formula, parts=parts))
