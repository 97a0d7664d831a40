"""Totals that are made of what an answer shows (`custom_summary_types`), not worked out anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.dialects.sql import table
from dragoman.semantics.compiler.compiled import TotalKind
from dragoman.semantics.query.request import TOTAL, Query, Summary

# ruff: noqa: S608 - every name is quoted

_SQL = table("duckdb")
_CALLS = {
    Summary.SUM: "SUM({})",
    Summary.AVERAGE: "AVG({})",
    Summary.MIN: "MIN({})",
    Summary.MAX: "MAX({})",
    Summary.MEDIAN: "MEDIAN({})",
    Summary.COUNT: "COUNT({})",
    Summary.COUNT_DISTINCT: "COUNT(DISTINCT {})",
}


def summaries_of(query: Query, kind: TotalKind) -> Mapping[str, Summary]:
    """The columns of a kind of total that are summed up, and with what."""
    asked: list[Sequence[str]] = []
    if kind is not TotalKind.ROW:
        asked.append(query.column_totals)
    if kind is TotalKind.ROW or (kind is TotalKind.BOTH and query.pivots):
        asked.append(query.row_totals)
    return {
        name: each
        for name, each in query.summaries.items()
        if all(TOTAL in names or name in names for names in asked)
    }


def summed_up(
    work: Any, answer: Any, totals: Any, summaries: Mapping[str, Summary], keys: Sequence[str]
) -> Any:
    """The totals with these columns made of the rows of the answer. `keys`: what tells the totals
    apart, and which rows are of each. All are Arrow tables with the same columns."""
    present = {name: each for name, each in summaries.items() if name in totals.schema.names}
    if not present:
        return totals
    work.register("summed_rows", answer)
    work.register("summed_totals", totals)
    quoted = [_SQL.name(key) for key in keys]
    same = " AND ".join(f"s.{key} IS NOT DISTINCT FROM t.{key}" for key in quoted) or "TRUE"
    made = [
        f"(SELECT {_CALLS[each].format(f's.{_SQL.name(name)}')} FROM summed_rows s WHERE {same})"
        f" AS {_SQL.name(name)}"
        for name, each in present.items()
    ]
    statement = f"SELECT t.* REPLACE ({', '.join(made)}) FROM summed_totals t"
    return work.sql(statement).to_arrow_table()
