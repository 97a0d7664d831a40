"""Measures turned into rows: the name, the place and the value of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman.dialects.arrow import pyarrow
from dragoman.dialects.sql import table
from dragoman.semantics.answers.lookups import ROW_NUMBER
from dragoman.semantics.compiler.plan import Column
from dragoman.semantics.datatypes import DataType

# ruff: noqa: S608 - every name is quoted, every value a literal

_SQL = table("duckdb")
_NUMBERS = (DataType.NUMBER, DataType.UNKNOWN)
# Digits of a whole number of 64 bits.
_WHOLE_DIGITS = 19
_DIGITS = 38
_TEXT = "VARCHAR"


def transposed_columns(found: Sequence[Column], measures: Sequence[str]) -> list[Column]:
    """The columns of an answer whose measures are rows."""
    turned = [column.type for column in found if column.name in measures]
    if not turned:
        return list(found)
    numbers = all(kind in _NUMBERS for kind in turned)
    value = DataType.NUMBER if numbers else DataType.STRING
    return [
        *(column for column in found if column.name not in measures),
        Column("measure_name", "Measure", DataType.STRING, is_dimension=True),
        Column("measure_order", "Order", DataType.NUMBER, is_dimension=True),
        Column("measure_value", "Value", value, is_dimension=False),
    ]


def transposed(work: Any, found: Any, measures: Sequence[str], columns: Sequence[Column]) -> Any:
    """Each measure of an Arrow table as a row of its own. `columns`: of the table, with labels."""
    present = [name for name in measures if name in found.schema.names]
    if not present:
        return found
    labels = {column.name: column.label for column in columns}
    kind = _kind([found.schema.field(name).type for name in present])
    kept = [_SQL.name(name) for name in found.schema.names if name not in present]
    work.register("wide_rows", found)
    number = _SQL.name(ROW_NUMBER)
    numbered = f"(SELECT *, ROW_NUMBER() OVER () AS {number} FROM wide_rows)"
    parts: list[str] = []
    for order, name in enumerate(present):
        label = _SQL.string(labels.get(name, name))
        value = _value(_SQL.name(name), found.schema.field(name).type, kind)
        made = [f"{label} AS measure_name", f"{order} AS measure_order"]
        made += [f"{value} AS measure_value", number]
        parts.append(f"SELECT {', '.join([*kept, *made])} FROM {numbered}")
    listed = ", ".join([*kept, "measure_name", "measure_order", "measure_value"])
    union = f"SELECT {listed} FROM ({' UNION ALL '.join(parts)})"
    return work.sql(f"{union} ORDER BY {number}, measure_order").to_arrow_table()


def _value(column: str, own: Any, kind: str | None) -> str:
    """A column as the type that holds all values; DuckDB writes -0.5 as `-.5` where it has no room
    for a digit before the point."""
    if kind is None:
        return column
    if kind == _TEXT and pyarrow().types.is_decimal(own) and own.scale < _DIGITS:
        column = f"CAST({column} AS DECIMAL({_DIGITS}, {own.scale}))"
    return f"CAST({column} AS {kind})"


def _kind(types: Sequence[Any]) -> str | None:
    """The type that holds values of all these Arrow types, exactly where all are exact; None: they
    need no other."""
    is_ = pyarrow().types
    if all(is_.is_integer(each) for each in types):
        return None
    if all(is_.is_integer(each) or is_.is_decimal(each) for each in types):
        scale = max(each.scale for each in types if is_.is_decimal(each))
        return f"DECIMAL({_DIGITS}, {scale})" if scale <= _DIGITS - _WHOLE_DIGITS else "DOUBLE"
    numbers = (is_.is_integer, is_.is_decimal, is_.is_floating, is_.is_null)
    return "DOUBLE" if all(any(fits(each) for fits in numbers) for each in types) else _TEXT
