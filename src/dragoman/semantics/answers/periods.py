"""Rows of an earlier period beside those of the question: times moved forward, the same limits."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from dragoman.dialects.sql import table
from dragoman.semantics.compiler.compiled import Compiled, Earlier
from dragoman.semantics.compiler.pivots import COLUMN_NUMBER

# ruff: noqa: S608 - every name is quoted

_quoted = table("duckdb").name


def beside(work: Any, main: Any, rows: Any, period: Earlier, compiled: Compiled) -> Any:
    """The earlier rows of the groups that stand in the question's answer. `main`, `rows`: Arrow
    tables with the question's columns, the second of the earlier period."""
    rows = _forward(work, rows, period)
    work.register("main_period", main)
    plan = compiled.plan
    dimensions = [group.name for group in plan.groups if group.name in rows.schema.names]
    across = [name for name in dimensions if name in plan.pivots]
    moved = {name for name, _ in period.moved}
    down = [name for name in dimensions if name not in plan.pivots]
    if _cut(work, down, plan.limit):
        rows = _kept(work, rows, [name for name in down if name not in moved] or down)
    if across:
        if _cut(work, across, plan.column_limit):
            rows = _kept(work, rows, across)
        rows = _numbered(work, rows, across)
    return rows


def _forward(work: Any, rows: Any, period: Earlier) -> Any:
    """Times where they stand beside those of the question."""
    if not period.moved:
        return rows
    work.register("earlier", rows)
    spans = {name: f"INTERVAL {span.count} {span.unit.value}" for name, span in period.moved}
    columns = [
        f"{_quoted(name)} + {spans[name]} AS {_quoted(name)}" if name in spans else _quoted(name)
        for name in rows.schema.names
    ]
    moved = work.sql(f"SELECT {', '.join(columns)} FROM earlier").to_arrow_table()
    return moved.cast(rows.schema)


def _cut(work: Any, names: Sequence[str], limit: int | None) -> bool:
    """Whether a limit may have left groups of the question out."""
    if limit is None or not names:
        return False
    listed = ", ".join(_quoted(name) for name in names)
    distinct = f"SELECT DISTINCT {listed} FROM main_period"
    ((count,),) = work.sql(f"SELECT COUNT(*) FROM ({distinct})").fetchall()
    return bool(count >= limit)


def _kept(work: Any, rows: Any, names: Collection[str]) -> Any:
    """The rows whose groups the question's answer has."""
    work.register("earlier", rows)
    same = _same(names, "m", "e")
    exists = f"EXISTS (SELECT 1 FROM main_period m WHERE {same})"
    return work.sql(f"SELECT * FROM earlier e WHERE {exists}").to_arrow_table()


def _numbered(work: Any, rows: Any, across: Sequence[str]) -> Any:
    """The columns of the pivot under the numbers that they have in the question, others behind."""
    work.register("earlier", rows)
    number = _quoted(COLUMN_NUMBER.name)
    listed = ", ".join(_quoted(name) for name in across)
    known = f"SELECT DISTINCT {listed}, {number} AS __known FROM main_period"
    last = f"(SELECT COALESCE(MAX({number}), 0) FROM main_period)"
    rank = f"DENSE_RANK() OVER (PARTITION BY m.__known IS NULL ORDER BY e.{number})"
    statement = (
        f"SELECT e.* REPLACE (COALESCE(m.__known, {last} + {rank}) AS {number})"
        f" FROM earlier e LEFT JOIN ({known}) m ON {_same(across, 'm', 'e')}"
    )
    return work.sql(statement).to_arrow_table().cast(rows.schema)


def _same(names: Collection[str], one: str, other: str) -> str:
    return " AND ".join(
        f"{one}.{_quoted(name)} IS NOT DISTINCT FROM {other}.{_quoted(name)}" for name in names
    )
