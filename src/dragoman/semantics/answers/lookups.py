"""Look-ups and conditional sums as spreadsheets have them, over the rows of the answer.

A look-up is a subquery over the numbered rows, which DuckDB joins by hash: its cost grows with the
rows, not with their square. Values are compared exactly, upper and lower case apart. Within a pivot
each of its columns is looked up in by itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from enum import IntEnum

from dragoman.dialects.sql import table

# ruff: noqa: S608 - every name is quoted, every value a literal

ROWS, ROW_NUMBER = "numbered_rows", "__omni_row"
_SQL = table("duckdb")
_CRITERION = re.compile(r"(<=|>=|<>|<|>|=)?(.*)", re.DOTALL)
UNITS = ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "HOUR", "MINUTE", "SECOND")


class Nearest(IntEnum):
    """What stands in where no key is equal: nothing, the next smaller, or the next greater."""

    NOTHING = 0
    SMALLER = -1
    GREATER = 1


def found(
    value: str,
    key: str,
    result: str | None,
    partition: Sequence[str],
    nearest: Nearest = Nearest.NOTHING,
    otherwise: str | None = None,
) -> str:
    """The first row whose key is the value: its result, or its place from 1 where `result` is None.
    `otherwise`: where there is none, instead of NULL."""
    inner = _rows(partition, key=key, result="NULL" if result is None else result)
    wanted = "__n" if result is None else "__r"
    sign = {Nearest.NOTHING: "=", Nearest.SMALLER: "<=", Nearest.GREATER: ">="}[nearest]
    # A struct is there also where the value in it is NULL; of equal keys the first row counts.
    place = "struct_pack(k := __k, n := __n)"
    best = f"arg_min(struct_pack(v := {wanted}), {place})"
    if nearest is Nearest.SMALLER:
        best = f"arg_max(struct_pack(v := {wanted}), struct_pack(k := __k, n := -__n))"
    cell = f"(SELECT {best} FROM {inner} WHERE __k {sign} {value}{_same(partition)})"
    text = f"struct_extract({cell}, 'v')"
    return (
        text if otherwise is None else f"CASE WHEN {cell} IS NULL THEN {otherwise} ELSE {text} END"
    )


def at(place: str, result: str, partition: Sequence[str]) -> str:
    """The result of the row at a place from 1; NULL where there is none."""
    inner = _rows(partition, key="NULL", result=result)
    return f"(SELECT any_value(__r) FROM {inner} WHERE __n = {place}{_same(partition)})"


def _rows(partition: Sequence[str], *, key: str, result: str) -> str:
    parts = "".join(f", {_SQL.name(name)} AS __p{n}" for n, name in enumerate(partition))
    listed = ", ".join(_SQL.name(name) for name in partition)
    by = f"PARTITION BY {listed} " if listed else ""
    number = f"ROW_NUMBER() OVER ({by}ORDER BY {_SQL.name(ROW_NUMBER)})"
    return f"(SELECT {key} AS __k, {result} AS __r, {number} AS __n{parts} FROM {ROWS})"


def _same(partition: Sequence[str]) -> str:
    return "".join(
        f" AND __p{n} IS NOT DISTINCT FROM {_SQL.name(name)}" for n, name in enumerate(partition)
    )


def criterion(cells: str, wanted: str | float) -> str:
    """A criterion of SUMIF and the like as a condition: a value, or a text such as `>= 10`."""
    parts = _CRITERION.fullmatch(str(wanted))
    sign, rest = ((parts[1] or "="), parts[2]) if parts else ("=", "")
    try:
        number = Decimal(rest.strip())
    except InvalidOperation:
        text = _SQL.string(rest.strip() if sign != "=" else rest)
        return f"CAST({cells} AS VARCHAR) {sign} {text}"
    if not number.is_finite():
        return f"CAST({cells} AS VARCHAR) {sign} {_SQL.string(rest)}"
    return f"TRY_CAST({cells} AS DOUBLE) {sign} {_SQL.number(number)}"


def difference(unit: str, start: str, end: str) -> str:
    """Whole units from one time to another."""
    return f"date_sub('{unit.lower()}', CAST({start} AS TIMESTAMP), CAST({end} AS TIMESTAMP))"
