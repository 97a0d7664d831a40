"""Answers questions by brute force in plain Python: rows in lists, joins by nested loops.

Written from the definition of a measure (a value over the distinct (group, key) pairs among the
joined rows that pass), not from the compiler.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Row = Mapping[str, Any]
Joined = dict[str, Row | None]  # view to its row, None where the join found none


@dataclass(frozen=True)
class Join:
    parent: str
    child: str
    columns: tuple[tuple[str, str], ...]  # parent's column = child's column
    kind: str = "left"  # left, inner, right, full


@dataclass(frozen=True)
class Total:
    """`value`: what is aggregated; None: the rows themselves. `counted`: the views whose keys tell
    the counted rows apart."""

    host: str
    kind: str
    value: Callable[[Joined], Any] | None = None
    predicate: Callable[[Joined], bool] | None = None
    counted: tuple[str, ...] = ()


def joined_rows(
    base: str, joins: Sequence[Join], tables: Mapping[str, Sequence[Row]]
) -> list[Joined]:
    rows: list[Joined] = [{base: row} for row in tables[base]]
    views = [base]
    for join in joins:
        rows = _join(rows, join, tables[join.child], views)
        views.append(join.child)
    return rows


def _join(
    rows: list[Joined], join: Join, table: Sequence[Row], views: Sequence[str]
) -> list[Joined]:
    found: list[Joined] = []
    used: set[int] = set()
    for row in rows:
        matches = [n for n, child in enumerate(table) if _fits(row[join.parent], child, join)]
        used |= set(matches)
        found += [{**row, join.child: table[n]} for n in matches]
        if not matches and join.kind in ("left", "full"):
            found.append({**row, join.child: None})
    if join.kind in ("right", "full"):
        empty: Joined = dict.fromkeys(views)
        found += [{**empty, join.child: child} for n, child in enumerate(table) if n not in used]
    return found


def _fits(parent: Row | None, child: Row, join: Join) -> bool:
    if parent is None:
        return False
    pairs = [(parent[mine], child[theirs]) for mine, theirs in join.columns]
    return all(a is not None and a == b for a, b in pairs)


def value(row: Joined, view: str, column: str) -> Any:
    own = row.get(view)
    return None if own is None else own[column]


def answer(
    rows: Iterable[Joined],
    groups: Sequence[tuple[str, str]],
    totals: Sequence[Total],
    keys: Mapping[str, Sequence[str]],
    passes: Callable[[Joined], bool],
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    kept = [row for row in rows if passes(row)]
    by_group: dict[tuple[Any, ...], list[Joined]] = {}
    for row in kept:
        by_group.setdefault(tuple(value(row, v, c) for v, c in groups), []).append(row)
    if not groups and not by_group:
        by_group[()] = []
    return {
        group: tuple(_total(total, inside, keys) for total in totals)
        for group, inside in by_group.items()
    }


def _total(total: Total, rows: Sequence[Joined], keys: Mapping[str, Sequence[str]]) -> Any:
    counted: dict[tuple[Any, ...], Joined] = {}
    for row in rows:
        if total.predicate is not None and not total.predicate(row):
            continue
        views = total.counted or (total.host,)
        key = tuple(value(row, view, column) for view in views for column in keys[view])
        if all(part is not None for part in key):
            counted.setdefault(key, row)
    if total.value is None:
        return len(counted)
    values = [found for row in counted.values() if (found := total.value(row)) is not None]
    return _aggregate(total.kind, values)


def _aggregate(kind: str, values: list[Any]) -> Any:
    if kind in ("count", "count_distinct", "sum"):
        return {"count": len, "count_distinct": lambda v: len(set(v)), "sum": sum}[kind](values)
    if not values:
        return None
    return _OF_SOME[kind](values)


def _percentile(values: list[Any], part: Fraction) -> Fraction:
    place = part * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


_OF_SOME: dict[str, Callable[[list[Any]], Any]] = {
    "average": lambda values: sum(values) / len(values),
    "median": statistics.median,
    "percentile": lambda values: _percentile(sorted(values), Fraction(9, 10)),
    "min": min,
    "max": max,
    "list": lambda values: ", ".join(sorted({str(v) for v in values})),
}
