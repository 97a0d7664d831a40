"""Rows for what is missing: steps of time between the first and the last, and values that a column
is known to have, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman.dialects.arrow import pyarrow
from dragoman.dialects.sql import table
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.expressions import bin_labels
from dragoman.semantics.compiler.pivots import COLUMN_NUMBER
from dragoman.semantics.compiler.plan import Group, Order, Plan
from dragoman.semantics.compiler.timeframes import DAYS, MONTHS
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Dimension
from dragoman.semantics.model.grains import Grain
from dragoman.semantics.query.request import Query

# ruff: noqa: S608 - every name is quoted

MAX_ROWS = 1_000_000
_STEPS: dict[str, str] = {
    Grain.DATE: "1 DAY",
    Grain.WEEK: "7 DAY",
    Grain.MONTH: "1 MONTH",
    Grain.QUARTER: "3 MONTH",
    Grain.YEAR: "1 YEAR",
    Grain.FISCAL_QUARTER: "3 MONTH",
    Grain.FISCAL_YEAR: "1 YEAR",
}

_SQL = table("duckdb")
_quoted = _SQL.name
_PARTS: dict[str, tuple[object, ...]] = {
    Grain.HOUR_OF_DAY: tuple(range(24)),
    Grain.DAY_OF_WEEK_NAME: DAYS,
    Grain.DAY_OF_WEEK_NUM: tuple(range(7)),
    Grain.DAY_OF_MONTH: tuple(range(1, 32)),
    Grain.MONTH_NAME: MONTHS,
    Grain.MONTH_NUM: tuple(range(1, 13)),
    Grain.QUARTER_OF_YEAR: tuple(range(1, 5)),
}


def can_fill(group: Group) -> bool:
    """Whether it is known what may be missing of a group."""
    return _step(group) is not None or bool(known_values(group))


def _step(group: Group) -> str | None:
    return None if group.value.constant else _STEPS.get(group.bracket or "")


def filled(work: Any, rows: Any, names: Sequence[str], query: Query, plan: Plan) -> Any:
    """The rows and those that are missing, for each of the other dimensions' groups; measures are
    NULL in new rows. Raises `PlanError` for too many."""
    groups = {group.name: group for group in plan.groups if group.name in rows.schema.names}
    for name in names:
        if rows.num_rows:
            rows = _Filling(work, rows, groups, name, query).rows()
    return _numbered(work, rows, names, plan) if names and plan.pivots else rows


class _Filling:
    """Fills one column of an Arrow table."""

    def __init__(
        self, work: Any, rows: Any, groups: dict[str, Group], name: str, query: Query
    ) -> None:
        self.work = work
        self.given = rows
        self.name = name
        self.group = groups[name]
        self.query = query
        self.keys = list(groups)
        work.register("gapped", rows)

    def rows(self) -> Any:
        """The filled table."""
        grid = self._values()
        others = [_quoted(each) for each in self.keys if each != self.name]
        size = f"SELECT COUNT(*) FROM {grid}"
        if others:
            listed = f"(SELECT DISTINCT {', '.join(others)} FROM gapped)"
            grid = f"(SELECT * FROM {grid} CROSS JOIN {listed})"
            size += f" CROSS JOIN {listed}"
        ((count,),) = self.work.sql(size).fetchall()
        if count > MAX_ROWS:
            raise PlanError(
                f"Filling {self.name} makes {count:,} rows, more than {MAX_ROWS:,}.",
                fix="Ask for a shorter time, a coarser time frame or fewer groups.",
            )
        same = [f"s.{q} IS NOT DISTINCT FROM g.{q}" for q in map(_quoted, self.keys)]
        chosen = [
            f"COALESCE(s.{q}, g.{q}) AS {q}" if name in self.keys else f"g.{q}"
            for name in self.given.schema.names
            if (q := _quoted(name))
        ]
        statement = (
            f"SELECT {', '.join(chosen)} FROM {grid} s FULL JOIN gapped g"
            f" ON {' AND '.join(same)} ORDER BY {', '.join(self._order())}"
        )
        return self.work.sql(statement).to_arrow_table().cast(self.given.schema)

    def _values(self) -> str:
        """All values, and their places where they have some of their own."""
        column, step = _quoted(self.name), _step(self.group)
        if step is None:
            kind = self.given.schema.field(self.name).type
            values = pyarrow().array(known_values(self.group)).cast(kind)
            places = list(range(len(values)))
            self.work.register("known", pyarrow().table({"value": values, "__at": places}))
            return f"(SELECT value AS {column}, __at FROM known)"
        span = f"(SELECT MIN({column}) AS lo, MAX({column}) AS hi FROM gapped)"
        steps = f"UNNEST(GENERATE_SERIES(lo, hi, INTERVAL {step}))"
        return f"(SELECT CAST({steps} AS DATE) AS {column}, NULL AS __at FROM {span})"

    def _order(self) -> list[str]:
        """The question's own order as far as it goes by dimensions, and by the values."""
        sorts = {each.column: each for each in self.query.sorts if each.column in self.keys}
        ways = {
            name: f"{'DESC' if each.descending else 'ASC'}"
            f" NULLS {'LAST' if each.nulls_last else 'FIRST'}"
            for name, each in sorts.items()
        }
        own = [] if self.name in sorts else [self.name]
        rest = [name for name in self.keys if name not in sorts and name != self.name]
        terms = ["s.__at NULLS LAST"] if own else []
        for name in [*own, *sorts, *rest]:
            q = _quoted(name)
            terms.append(f"COALESCE(s.{q}, g.{q}) {ways.get(name, 'ASC NULLS LAST')}")
        return terms


def _numbered(work: Any, rows: Any, names: Sequence[str], plan: Plan) -> Any:
    """The numbers of a pivot's columns, those of filled rows too; all anew where columns came."""
    number = _quoted(COLUMN_NUMBER.name)
    across = [group for group in plan.groups if group.name in plan.pivots]
    listed = ", ".join(_quoted(group.name) for group in across)
    found = f"MAX({number}) OVER (PARTITION BY {listed})"
    if any(group.name in names for group in across):
        given = {o.by.name: o for o in plan.orders if isinstance(o.by, Group)}
        terms = [_term(group, given.get(group.name)) for group in across]
        found = f"DENSE_RANK() OVER (ORDER BY {', '.join(terms)})"
    work.register("unnumbered", rows)
    place = "ROW_NUMBER() OVER () AS __place"
    statement = (
        f"SELECT * EXCLUDE (__place) REPLACE ({found} AS {number})"
        f" FROM (SELECT *, {place} FROM unnumbered) ORDER BY __place"
    )
    return work.sql(statement).to_arrow_table().cast(rows.schema)


def _term(group: Group, order: Order | None) -> str:
    descending = order is not None and order.descending
    nulls_last = order is None or order.nulls_last
    return _SQL.order(_quoted(group.name), descending=descending, nulls_last=nulls_last)


def known_values(group: Group) -> tuple[object, ...]:
    """All values of a group that the model knows of; empty where it knows none. Of a masked field
    none are told."""
    if group.value.constant:
        return ()
    if group.bracket is not None:
        return _PARTS.get(group.bracket, ())
    if group.value.type is DataType.BOOLEAN:
        return (False, True)
    return _texts(group.field) if group.value.type is DataType.STRING else ()


def _texts(found: Dimension) -> tuple[str, ...]:
    if found.groups:
        named = [each.name for each in found.groups]
        return tuple(dict.fromkeys([*named, *([found.otherwise] if found.otherwise else [])]))
    return bin_labels(found) if found.bins else tuple(each.value for each in found.suggestion_list)
