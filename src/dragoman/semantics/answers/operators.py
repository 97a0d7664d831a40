"""The operators of calculations, as expressions of DuckDB over operands written before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dragoman.dialects.sql import table
from dragoman.semantics.answers.lookups import ROW_NUMBER

_SQL = table("duckdb")
Operands = Sequence[str]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where windows run. `columns`: in the order of the question. `ordered`: the answer has an
    order. `partition`: names of the columns that part it (a pivot's). `rows`: those that part it
    into rows of the pivoted table; None where nothing is pivoted."""

    columns: tuple[str, ...]
    ordered: bool
    partition: tuple[str, ...] = ()
    rows: tuple[str, ...] | None = None

    def over(self, rows: str = "", *, order: str | None = None) -> str:
        """An OVER clause along the answer, or along `order`."""
        parts: list[str] = []
        if self.partition:
            listed = ", ".join(_SQL.name(name) for name in self.partition)
            parts.append(f"PARTITION BY {listed}")
        parts.append(f"ORDER BY {order or _SQL.name(ROW_NUMBER)}")
        return f"OVER ({' '.join([*parts, rows]).strip()})"

    def whole(self) -> str:
        """An OVER clause over all rows."""
        listed = ", ".join(_SQL.name(name) for name in self.partition)
        return f"OVER (PARTITION BY {listed})" if listed else "OVER ()"


Write = Callable[[Frame, Operands], str]


def _infix(sign: str) -> Write:
    def write(_frame: Frame, given: Operands) -> str:
        if len(given) < 2:
            raise ValueError
        return "(" + f" {sign} ".join(given) + ")"

    return write


def _function(name: str, least: int = 1) -> Write:
    def write(_frame: Frame, given: Operands) -> str:
        if len(given) < least:
            raise ValueError
        return f"{name}({', '.join(given)})"

    return write


def _aggregate(name: str) -> Write:
    """Of a whole column; of several values, among them."""

    def write(frame: Frame, given: Operands) -> str:
        if len(given) == 1:
            return f"{name}({given[0]}) {frame.whole()}"
        listed = ", ".join(given)
        return f"list_aggregate([{listed}], '{name.lower()}')"

    return write


def _case(_frame: Frame, given: Operands) -> str:
    pairs = list(zip(given[0::2], given[1::2], strict=False))
    if not pairs:
        raise ValueError
    whens = " ".join(f"WHEN {condition} THEN {value}" for condition, value in pairs)
    otherwise = f" ELSE {given[-1]}" if len(given) % 2 else ""
    return f"(CASE {whens}{otherwise} END)"


def _divide(_frame: Frame, given: Operands) -> str:
    return f"(CAST({given[0]} AS DOUBLE) / NULLIF({given[1]}, 0))"


def _of_total(frame: Frame, given: Operands) -> str:
    return f"(CAST({given[0]} AS DOUBLE) / NULLIF(SUM({given[0]}) {frame.whole()}, 0))"


def _of_previous(frame: Frame, given: Operands) -> str:
    return f"(CAST({given[0]} AS DOUBLE) / NULLIF(LAG({given[0]}) {frame.over()}, 0))"


def _change(frame: Frame, given: Operands) -> str:
    before = f"LAG({given[0]}) {frame.over()}"
    return f"((CAST({given[0]} AS DOUBLE) - {before}) / NULLIF({before}, 0))"


def _running(frame: Frame, given: Operands) -> str:
    return f"SUM({given[0]}) {frame.over('ROWS UNBOUNDED PRECEDING')}"


def _rank(frame: Frame, given: Operands) -> str:
    return ranked(frame, given[0], ascending=False)


def ranked(frame: Frame, value: str, *, ascending: bool) -> str:
    """The place of a value in its column, the greatest or the least first; NULL has none."""
    way = "ASC" if ascending else "DESC"
    place = f"RANK() {frame.over(order=f'{value} {way} NULLS LAST')}"
    return f"CASE WHEN {value} IS NOT NULL THEN {place} END"


def _modulo(_frame: Frame, given: Operands) -> str:
    """With the sign of the divisor, as spreadsheets have it."""
    value, divisor = given[0], f"NULLIF({given[1]}, 0)"
    return f"FMOD(FMOD({value}, {divisor}) + {divisor}, {divisor})"


def _to_multiple(name: str) -> Write:
    """Rounded to whole numbers, or to multiples of the second operand."""

    def write(_frame: Frame, given: Operands) -> str:
        value, *step = given
        if not step:
            return f"{name}({value})"
        (size,) = step
        return f"({name}({value} / NULLIF({size}, 0)) * {size})"

    return write


def _row_number(frame: Frame, _given: Operands) -> str:
    return f"ROW_NUMBER() {frame.over()}"


def _negative(_frame: Frame, given: Operands) -> str:
    return f"(-{given[0]})"


def _negated(_frame: Frame, given: Operands) -> str:
    return f"(NOT {given[0]})"


COLUMN_AGGREGATES = {
    "OMNI_FX_SUM": "SUM",
    "OMNI_FX_AVERAGE": "AVG",
    "OMNI_FX_MIN": "MIN",
    "OMNI_FX_MAX": "MAX",
    "OMNI_FX_MEDIAN": "MEDIAN",
    "OMNI_FX_COUNT": "COUNT",
    "OMNI_FX_COUNTA": "COUNT",
}
# Operators that need the rows in an order.
ALONG = {
    *("OMNI_RUNNING_TOTAL", "OMNI_PERCENT_OF_PREVIOUS", "OMNI_PERCENT_CHANGE_FROM_PREVIOUS"),
    "ROW_NUMBER",
}
TYPES = {
    **dict.fromkeys(("VARCHAR", "CHAR", "STRING", "TEXT"), "VARCHAR"),
    **dict.fromkeys(("DOUBLE", "FLOAT", "REAL", "NUMBER"), "DOUBLE"),
    **dict.fromkeys(("INTEGER", "BIGINT", "INT"), "BIGINT"),
    "DECIMAL": "DECIMAL(38, 10)",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
    "BOOLEAN": "BOOLEAN",
}
OPERATORS: dict[str, Write] = {
    "PLUS": _infix("+"),
    "MINUS": _infix("-"),
    "MULTIPLY": _infix("*"),
    "DIVIDE": _divide,
    "POWER": _function("POW", 2),
    "EQUALS": _infix("="),
    "NOT_EQUALS": _infix("<>"),
    "LESS_THAN": _infix("<"),
    "LESS_THAN_OR_EQUAL": _infix("<="),
    "GREATER_THAN": _infix(">"),
    "GREATER_THAN_OR_EQUAL": _infix(">="),
    "AND": _infix("AND"),
    "OR": _infix("OR"),
    "NOT": _negated,
    "UNARY_MINUS": _negative,
    "CASE": _case,
    "TRIM": _function("TRIM"),
    "ROW_NUMBER": _row_number,
    "OMNI_PERCENT_OF_TOTAL": _of_total,
    "OMNI_PERCENT_OF_PREVIOUS": _of_previous,
    "OMNI_PERCENT_CHANGE_FROM_PREVIOUS": _change,
    "OMNI_RUNNING_TOTAL": _running,
    "OMNI_RANK": _rank,
    "OMNI_FX_PLUS": _infix("+"),
    "OMNI_FX_MINUS": _infix("-"),
    "OMNI_FX_MULTIPLY": _infix("*"),
    "OMNI_FX_DIVIDE": _divide,
    "OMNI_FX_SAFE_DIVIDE": _divide,
    "OMNI_FX_POWER": _function("POW", 2),
    "OMNI_FX_EQUALS": _infix("="),
    "OMNI_FX_NOT_EQUALS": _infix("<>"),
    "OMNI_FX_LESS_THAN": _infix("<"),
    "OMNI_FX_LESS_THAN_OR_EQUAL": _infix("<="),
    "OMNI_FX_GREATER_THAN": _infix(">"),
    "OMNI_FX_GREATER_THAN_OR_EQUAL": _infix(">="),
    "OMNI_FX_AND": _infix("AND"),
    "OMNI_FX_OR": _infix("OR"),
    "OMNI_FX_NOT": _negated,
    "OMNI_FX_IF": _case,
    "OMNI_FX_IFS": _case,
    "OMNI_FX_AMPERSAND": _function("CONCAT", 2),
    "OMNI_FX_CONCATENATE": _function("CONCAT"),
    "OMNI_FX_ABS": _function("ABS"),
    "OMNI_FX_ROUND": _function("ROUND"),
    "OMNI_FX_FLOOR": _to_multiple("FLOOR"),
    "OMNI_FX_CEILING": _to_multiple("CEIL"),
    "OMNI_FX_SQRT": _function("SQRT"),
    "OMNI_FX_LN": _function("LN"),
    "OMNI_FX_EXP": _function("EXP"),
    "OMNI_FX_MOD": _modulo,
    "OMNI_FX_UPPER": _function("UPPER"),
    "OMNI_FX_LOWER": _function("LOWER"),
    "OMNI_FX_LEN": _function("LENGTH"),
    "OMNI_FX_LEFT": _function("LEFT", 2),
    "OMNI_FX_RIGHT": _function("RIGHT", 2),
    "OMNI_FX_TRIM": _function("TRIM"),
    "OMNI_FX_COALESCE": _function("COALESCE"),
    **{name: _aggregate(aggregate) for name, aggregate in COLUMN_AGGREGATES.items()},
}
