"""A plan as the text of a statement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dragoman.dialects.sql import SqlFunctions
from dragoman.dialects.sql.kinds import CastType
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.expressions import Expr
from dragoman.semantics.compiler.fanout import Guarded
from dragoman.semantics.compiler.measures import Formula, GroupPart, Leaf
from dragoman.semantics.compiler.metrics import OwnMetrics, asks_own_metrics
from dragoman.semantics.compiler.pivots import Pivot, hidden_orders
from dragoman.semantics.compiler.plan import Group, Having, Measured, Order, Plan
from dragoman.semantics.compiler.sets import Sets
from dragoman.semantics.compiler.tables import Tables
from dragoman.semantics.composing.joins import Edge
from dragoman.semantics.model.fields import Aggregate
from dragoman.semantics.model.relationships import JoinType

LIST_SEPARATOR = ", "
_KEYWORDS = {
    JoinType.ALWAYS_LEFT: "LEFT JOIN",
    JoinType.ALWAYS_RIGHT: "RIGHT JOIN",
    JoinType.INNER: "INNER JOIN",
    JoinType.FULL_OUTER: "FULL JOIN",
    JoinType.CROSS: "CROSS JOIN",
}
_CALLS = {
    Aggregate.COUNT: "COUNT({})",
    Aggregate.COUNT_DISTINCT: "COUNT(DISTINCT {})",
    Aggregate.SUM: "SUM({})",
    Aggregate.MIN: "MIN({})",
    Aggregate.MAX: "MAX({})",
}
_PERCENTILES = (Aggregate.MEDIAN, Aggregate.PERCENTILE)


class Renderer:
    """Writes one plan. `on`: the text of a join's condition."""

    def __init__(
        self, plan: Plan, tables: Tables, on: Callable[[Edge], str], having: Sequence[Having]
    ) -> None:
        self.plan = plan
        self.tables = tables
        self.sql: SqlFunctions = tables.sql
        self.on = on
        self.having = having
        self.ranked = self._needs_ranks()

    def statement(self, *, names: Sequence[str] = ()) -> str:
        """The statement. Its columns are c0, c1, … or `names`."""
        own = asks_own_metrics(self.plan, self.tables)
        if not self.plan.grouped and not own:
            return self._rows(names)
        form = self._form(own=own)
        steps = form.steps()
        body = self._grouped(names, form, steps)
        if self.plan.pivots:
            steps += Pivot(self.plan, self.sql).steps(body)
            body = Pivot(self.plan, self.sql).statement()
        if not steps:
            return body
        written = ",\n".join(f"{self.sql.name(name)} AS (\n{text}\n)" for name, text in steps)
        return f"WITH {written}\n{body}"

    def _form(self, *, own: bool) -> Form:
        if own:
            return OwnMetrics(self.plan, self.tables)
        if not self.ranked:
            return _Direct(self)
        guards = self.plan.guards.values()
        emulated = any(_is_emulated(guard.leaf, self.sql) for guard in guards)
        if self.sql.grouping_sets and not emulated and any(guard.once for guard in guards):
            sets = Sets(self.plan, self.sql, self.source(), written, _taken)
            if sets.fits:
                return sets
        return _Ranked(self)

    def _needs_ranks(self) -> bool:
        guards = self.plan.guards.values()
        constant = any(group.value.constant for group in self.plan.groups)
        return constant or any(guard.once or _is_emulated(guard.leaf, self.sql) for guard in guards)

    # rows without groups

    def _rows(self, names: Sequence[str]) -> str:
        columns = [
            f"{group.value.text} AS {self.alias(n, names)}"
            for n, group in enumerate(self.plan.groups)
        ]
        orders = [self._row_order(order) for order in self.plan.orders]
        return self._assembled(columns, self.source(), [], [], orders)

    def _row_order(self, order: Order) -> str:
        value = order.by if isinstance(order.by, Expr) else getattr(order.by, "value", None)
        if value is None:
            raise PlanError("A measure cannot order rows that are not grouped.")
        return self.sql.order(value.text, descending=order.descending, nulls_last=order.nulls_last)

    # groups

    def _grouped(self, names: Sequence[str], form: Form, steps: list[tuple[str, str]]) -> str:
        plan = self.plan
        texts = {id(m): self.measure(m.formula, form) for m in [*plan.measures, *plan.hidden]}
        places = {name: n for n, name in enumerate(each.name for each in plan.columns)}
        columns: dict[int, str] = {}
        for n, group in enumerate(plan.groups):
            at = places[group.name]
            columns[at] = f"{form.group(n)} AS {self.alias(at, names)}"
        for measured in plan.measures:
            at = places[measured.name]
            columns[at] = f"{texts[id(measured)]} AS {self.alias(at, names)}"
        beside = [
            f"MIN({form.sorted_by(value)}) AS {self.sql.name(f'o{n}')}"
            for n, value in enumerate(hidden_orders(plan))
        ]
        having = [
            text
            for each in self.having
            if (text := each.condition(texts[id(each.measure)])) is not None
        ]
        orders = [self._group_order(order, form, texts) for order in self._orders()]
        groups = [form.group(n) for n in range(len(plan.groups))]
        source = self.source() if not steps else f"FROM {self.sql.name(steps[-1][0])}"
        return self._assembled(
            [columns[n] for n in sorted(columns)] + beside, source, groups, having, orders
        )

    def measure(self, formula: Formula, form: Form) -> str:
        """A measure's text over aggregates written in one form."""
        if formula.raw and not isinstance(form, _Direct):
            raise PlanError(
                f"{formula.name} aggregates in its own way, which cannot stand beside measures"
                " that joins repeat.",
                fix="Give it an aggregate_type and leave the aggregate out of its SQL.",
            )
        return "".join(
            part if isinstance(part, str) else self._part(formula, part, form)
            for part in formula.parts
        )

    def _part(self, formula: Formula, part: Leaf | GroupPart, form: Form) -> str:
        if isinstance(part, Leaf):
            return form.aggregate(self.plan.guards[part])
        for n, group in enumerate(self.plan.groups):
            if group.name == part.name:
                return form.group(n)
        raise PlanError(f"{formula.name} reads {part.name}, which a total does not group by.")

    def _group_order(self, order: Order, form: Form, texts: dict[int, str]) -> str:
        if isinstance(order.by, Measured):
            text = texts[id(order.by)]
        elif isinstance(order.by, Group):
            text = form.group(self.plan.groups.index(order.by))
        else:
            text = f"MIN({form.sorted_by(order.by)})"
        return self.sql.order(text, descending=order.descending, nulls_last=order.nulls_last)

    def _orders(self) -> list[Order]:
        """Those that the statement itself has; a pivot orders what comes out of it."""
        return [] if self.plan.pivots else self.plan.orders

    # clauses

    def source(self) -> str:
        """FROM with its joins, and WHERE."""
        plan = self.plan
        lines = [f"FROM {self.tables.target(plan.tree.base)}"]
        elements: list[str] = []
        for edge in plan.tree.edges:
            nested = self.tables.names.of_elements(edge.target)
            if nested is not None:
                elements.append(self.tables.elements(edge.target, nested))
                continue
            on = "" if edge.join_type is JoinType.CROSS else f" ON {self.on(edge)}"
            target = self.tables.target(edge.target)
            lines.append(f"{_KEYWORDS[edge.join_type]} {target}{on}")
        lines += [*self.tables.beside, *elements]
        if plan.where:
            lines.append("WHERE " + "\n  AND ".join(f"({each.text})" for each in plan.where))
        return "\n".join(lines)

    def alias(self, at: int, names: Sequence[str]) -> str:
        """The name of a column."""
        return self.sql.name(names[at] if names else f"c{at}")

    def _assembled(
        self,
        columns: list[str],
        source: str,
        groups: list[str],
        having: list[str],
        orders: list[str],
    ) -> str:
        lines = ["SELECT", ",\n".join(f"  {each}" for each in columns), source]
        if groups:
            lines.append("GROUP BY " + ", ".join(groups))
        if having:
            lines.append("HAVING " + "\n  AND ".join(f"({each})" for each in having))
        limit = "" if self.plan.pivots else self.sql.limit(self.plan.limit, self.plan.offset)
        if limit and not orders and self.sql.order_to_limit:
            orders = ["(SELECT NULL)"]
        if orders:
            lines.append("ORDER BY " + ", ".join(orders))
        if limit:
            lines.append(limit)
        if self.sql.settings and not self.plan.pivots:
            lines.append(self.sql.settings)
        return "\n".join(lines)


def _is_emulated(leaf: Leaf, sql: SqlFunctions) -> bool:
    if leaf.kind in _PERCENTILES:
        return not sql.native_percentile
    return leaf.kind is Aggregate.LIST and not sql.native_list


class _Direct:
    """Aggregates over the joined rows themselves: nothing repeats them."""

    def __init__(self, renderer: Renderer) -> None:
        self.plan = renderer.plan
        self.sql = renderer.sql

    def group(self, n: int) -> str:
        return self.plan.groups[n].value.text

    def sorted_by(self, value: Expr) -> str:
        return value.text

    def steps(self) -> list[tuple[str, str]]:
        return []

    def aggregate(self, guard: Guarded) -> str:
        value = guard.leaf.value.text if guard.leaf.value else None
        return written(guard.leaf, value, _taken(guard), self.sql)


class _Ranked:
    """Aggregates over rows that were numbered first, so that each counts once."""

    def __init__(self, renderer: Renderer) -> None:
        self.renderer = renderer
        self.plan = renderer.plan
        self.sql = renderer.sql
        self.guards = list(self.plan.guards.values())
        self.extras = [o.by for o in self.plan.orders if isinstance(o.by, Expr)]
        ranks = [self._rank_key(guard) for guard in self.guards if guard.once]
        self.ranks = list(dict.fromkeys(ranks))
        # The same value, or the same condition, of several measures is worked out once.
        texts = [each.leaf.value.text for each in self.guards if each.leaf.value is not None]
        self.values = list(dict.fromkeys(texts))
        conditions = [taken for each in self.guards if (taken := _taken(each)) is not None]
        self.conditions = list(dict.fromkeys(conditions))
        self.emulated = [g for g in self.guards if _is_emulated(g.leaf, self.sql)]

    def group(self, n: int) -> str:
        return self.sql.name(f"g{n}")

    def sorted_by(self, value: Expr) -> str:
        return self.sql.name(f"x{self.extras.index(value)}")

    def steps(self) -> list[tuple[str, str]]:
        """The named subqueries that the answer is made of, in order."""
        found = [("numbered", self._numbered())]
        if self.emulated:
            found += [("taken", self._taken_values()), ("placed", self._placed())]
        return found

    def aggregate(self, guard: Guarded) -> str:
        at = self.guards.index(guard)
        if guard in self.emulated:
            return self._emulated(guard, at)
        return written(guard.leaf, self._value(guard.leaf), self._counts(guard), self.sql)

    def _value(self, leaf: Leaf) -> str | None:
        return leaf.value and self.sql.name(f"v{self.values.index(leaf.value.text)}")

    def _counts(self, guard: Guarded) -> str | None:
        """The condition under which a numbered row counts."""
        conditions: list[str] = []
        taken = _taken(guard)
        if taken is not None:
            conditions.append(f"{self.sql.name(f'p{self.conditions.index(taken)}')} = 1")
        if guard.once:
            rank = self.ranks.index(self._rank_key(guard))
            conditions.append(f"{self.sql.name(f'r{rank}')} = 1")
        return " AND ".join(conditions) or None

    def _rank_key(self, guard: Guarded) -> tuple[tuple[str, ...], str | None, str | None]:
        """Keys, the condition of rows that count, and what tells rows of one key apart: a key that
        the measure names need not be that of its rows, of whose values the least is taken."""
        leaf = guard.leaf
        value = leaf.value.text if leaf.value is not None and leaf.key is not None else None
        return tuple(each.text for each in guard.key), leaf.predicate, value

    def _numbered(self) -> str:
        """Joined and filtered rows: groups, values, whether they count, and their numbers."""
        name = self.sql.name
        columns = [f"{g.value.text} AS {name(f'g{n}')}" for n, g in enumerate(self.plan.groups)]
        columns += [f"{text} AS {name(f'v{n}')}" for n, text in enumerate(self.values)]
        columns += [
            f"CASE WHEN {text} THEN 1 ELSE 0 END AS {name(f'p{n}')}"
            for n, text in enumerate(self.conditions)
        ]
        columns += [f"{each.text} AS {name(f'x{n}')}" for n, each in enumerate(self.extras)]
        columns += [f"{self._rank(rank)} AS {name(f'r{n}')}" for n, rank in enumerate(self.ranks)]
        if not columns:
            columns = [f"1 AS {name('one')}"]
        listed = ",\n".join(f"  {each}" for each in columns)
        return f"SELECT\n{listed}\n{self.renderer.source()}"

    def _rank(self, rank: tuple[tuple[str, ...], str | None, str | None]) -> str:
        keys, predicate, value = rank
        parts = [group.value.text for group in self.plan.groups if not group.value.constant]
        parts += keys
        if predicate is not None:
            parts.append(f"CASE WHEN {predicate} THEN 1 ELSE 0 END")
        orders = list(keys)
        if value is not None:
            orders.append(self.sql.order(value, descending=False, nulls_last=True))
        return f"ROW_NUMBER() OVER (PARTITION BY {', '.join(parts)} ORDER BY {', '.join(orders)})"

    # percentiles and lists of databases that have no such aggregate

    def _taken_values(self) -> str:
        """The values that count, NULL where a row does not."""
        columns = ["n.*"]
        for guard in self.emulated:
            at = self.guards.index(guard)
            value = f"{self._value(guard.leaf)}"
            if guard.leaf.kind in _PERCENTILES:
                value = self.sql.cast(value, CastType.DOUBLE)
            counts = self._counts(guard)
            text = value if counts is None else f"CASE WHEN {counts} THEN {value} END"
            columns.append(f"{text} AS {self.sql.name(f't{at}')}")
        listed = ",\n".join(f"  {each}" for each in columns)
        return f"SELECT\n{listed}\nFROM {self.sql.name('numbered')} n"

    def _placed(self) -> str:
        """Each counting value's place among those of its group, and how many there are."""
        columns = ["t.*"]
        groups = [self.group(n) for n in range(len(self.plan.groups))]
        for guard in self.emulated:
            at = self.guards.index(guard)
            value = self.sql.name(f"t{at}")
            own = [*groups, value] if guard.leaf.kind is Aggregate.LIST else groups
            inside = [*own, f"CASE WHEN {value} IS NULL THEN 1 ELSE 0 END"]
            number = f"ROW_NUMBER() OVER (PARTITION BY {', '.join(inside)} ORDER BY {value})"
            columns.append(f"{number} AS {self.sql.name(f'k{at}')}")
            over = f"PARTITION BY {', '.join(groups)}" if groups else ""
            columns.append(f"COUNT({value}) OVER ({over}) AS {self.sql.name(f'n{at}')}")
        listed = ",\n".join(f"  {each}" for each in columns)
        return f"SELECT\n{listed}\nFROM {self.sql.name('taken')} t"

    def _emulated(self, guard: Guarded, at: int) -> str:
        value, place, count = (self.sql.name(f"{kind}{at}") for kind in "tkn")
        if guard.leaf.kind is Aggregate.LIST:
            chosen = f"CASE WHEN {place} = 1 THEN {value} END"
            return self.sql.list_all(chosen, LIST_SEPARATOR)
        position = f"({guard.leaf.fraction} * ({count} - 1))"
        low = f"MAX(CASE WHEN {place} = FLOOR({position}) + 1 THEN {value} END)"
        high = f"MAX(CASE WHEN {place} = {self.sql.ceiling(position)} + 1 THEN {value} END)"
        rest = f"MAX({position} - FLOOR({position}))"
        return f"({low} + ({high} - {low}) * {rest})"


Form = _Direct | _Ranked | Sets | OwnMetrics


def _taken(guard: Guarded) -> str | None:
    """The condition under which a joined row may count: the predicate, and a key that is there."""
    conditions = [f"{each.text} IS NOT NULL" for each in guard.key]
    if guard.leaf.predicate is not None:
        conditions.insert(0, guard.leaf.predicate)
    return " AND ".join(conditions) or None


def written(leaf: Leaf, value: str | None, counts: str | None, sql: SqlFunctions) -> str:
    """An aggregate. `value` None: rows are counted; `counts`: those that count, None is all."""
    if value is None:
        return "COUNT(*)" if counts is None else f"COUNT(CASE WHEN {counts} THEN 1 END)"
    chosen = value if counts is None else f"CASE WHEN {counts} THEN {value} END"
    if leaf.kind is Aggregate.SUM and leaf.zero:
        return f"COALESCE(SUM({chosen}), 0)"
    if leaf.kind in _PERCENTILES:
        return sql.percentile(chosen, leaf.fraction)
    if leaf.kind is Aggregate.LIST:
        return sql.list_distinct(chosen, LIST_SEPARATOR)
    if leaf.kind is Aggregate.AVERAGE:
        return sql.average(chosen)
    return _CALLS[leaf.kind].replace("{}", chosen)
