"""Calculations: columns worked out from the answer's other columns, as expressions of DuckDB.

The contract's tree (contract 4.2) becomes an expression over a table whose columns are quoted
names; values are literals. Windows run along the order of the answer, within a pivot's column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from dragoman.dialects.sql import table
from dragoman.semantics.compiler.errors import ErrorType, PlanError

MAX_DEPTH = 100
ROW_NUMBER = "__omni_row"
_SQL = table("duckdb")
Operands = Sequence[str]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where windows run. `ordered`: the answer has an order. `partition`: names of the columns
    that part it (a pivot's)."""

    columns: frozenset[str]
    ordered: bool
    partition: tuple[str, ...] = ()

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


class Calculator:
    """Writes one calculation. `known`: expressions of calculations that were written before."""

    def __init__(self, name: str, frame: Frame, known: Mapping[str, str]) -> None:
        self.name = name
        self.frame = frame
        self.known = known

    def write(self, node: Any, depth: int = 0) -> str:
        """The expression of a tree. Raises `PlanError`."""
        if depth > MAX_DEPTH:
            raise self._bad(f"it is more than {MAX_DEPTH} deep")
        if not isinstance(node, dict):
            raise self._bad("a node is an object with a type")
        given = cast("dict[str, Any]", node)
        match given.get("type"):
            case "literal":
                return self._literal(given)
            case "field":
                return self._field(str(given.get("field_name")))
            case "reference":
                path = given.get("column_ref")
                first = cast("list[Any]", path)[0] if isinstance(path, list) and path else None
                return self._field(str(first))
            case "call":
                return self._call(given, depth)
            case kind:
                raise self._bad(f"it has a node of type {str(kind)[:40]!r}")

    def _literal(self, node: Mapping[str, Any]) -> str:
        value = node.get("value", node.get("string_value"))
        if value is not None and not isinstance(value, str | int | float | bool):
            raise self._bad("a literal is a text, a number, or true or false")
        return _SQL.literal(value)

    def _field(self, name: str) -> str:
        if name in self.known:
            return self.known[name]
        if name not in self.frame.columns:
            raise self._bad(f"it uses {name[:80]!r}, which is not in the answer")
        return _SQL.name(name)

    def _call(self, node: Mapping[str, Any], depth: int) -> str:
        operator = str(node.get("operator", "")).rpartition(".")[2]
        operands = node.get("operands", [])
        if not isinstance(operands, list):
            raise self._bad("operands are an array")
        given = cast("list[Any]", operands)
        if operator == "CAST":
            return self._cast(given, depth)
        ranged = self._ranged(operator, given, depth)
        if ranged is not None:
            return ranged
        write = _OPERATORS.get(operator)
        if write is None:
            raise self._bad(f"it uses {operator[:60]!r}, which is not known")
        if operator in _ALONG and not self.frame.ordered:
            raise PlanError(
                f'The calculation "{self.name}" runs along rows, which have no order.',
                fix="Sort the question.",
                error_type=ErrorType.SORT_REQUIRED,
            )
        texts = [self.write(each, depth + 1) for each in given]
        try:
            return write(self.frame, texts)
        except (IndexError, ValueError):
            raise self._bad(f"{operator} has the wrong number of operands") from None

    def _cast(self, operands: list[Any], depth: int) -> str:
        if len(operands) != 2 or not isinstance(operands[1], dict):
            raise self._bad("CAST takes a value and a type")
        named = cast("dict[str, Any]", operands[1])
        wanted = str(named.get("sql_type") or named.get("type_name") or named.get("value")).upper()
        if wanted not in _TYPES:
            raise self._bad(f"it casts to {wanted[:40]!r}")
        return f"CAST({self.write(operands[0], depth + 1)} AS {_TYPES[wanted]})"

    def _ranged(self, operator: str, operands: list[Any], depth: int) -> str | None:
        """An aggregate of rows around each row: `OMNI_FX_AVERAGE(OMNI_OFFSET_MULTI(x, -2, 0))`."""
        aggregate = _COLUMN_AGGREGATES.get(operator)
        if operator == "OMNI_OFFSET_MULTI":
            aggregate, inner = "ANY_VALUE", operands
        elif aggregate and len(operands) == 1 and _is_offset(operands[0]):
            inner = cast("list[Any]", operands[0]["operands"])
        else:
            return None
        if not self.frame.ordered:
            raise PlanError(
                f'The calculation "{self.name}" runs along rows, which have no order.',
                fix="Sort the question.",
                error_type=ErrorType.SORT_REQUIRED,
            )
        numbers = [_whole(each) for each in inner[1:3]]
        if not inner or None in numbers or not numbers:
            raise self._bad("an offset takes a column and whole numbers")
        first = numbers[0] or 0
        last = numbers[1] if len(numbers) > 1 and numbers[1] is not None else first
        rows = f"ROWS BETWEEN {_bound(min(first, last))} AND {_bound(max(first, last))}"
        value = self.write(inner[0], depth + 1)
        return f"{aggregate}({value}) {self.frame.over(rows)}"

    def _bad(self, message: str) -> PlanError:
        return PlanError(f'The calculation "{self.name}" cannot be worked out: {message}.')


def _is_offset(node: Any) -> bool:
    if not isinstance(node, dict):
        return False
    operator = str(cast("dict[str, Any]", node).get("operator", ""))
    return operator.endswith("OMNI_OFFSET_MULTI")


def _whole(node: Any) -> int | None:
    """The whole number of a literal, a minus before it included."""
    if not isinstance(node, dict):
        return None
    given = cast("dict[str, Any]", node)
    if given.get("type") == "call" and str(given.get("operator", "")).endswith("UNARY_MINUS"):
        inner = _whole(cast("list[Any]", given.get("operands") or [None])[0])
        return None if inner is None else -inner
    value = given.get("value", given.get("string_value"))
    try:
        return int(str(value))
    except ValueError:
        return None


def _bound(offset: int) -> str:
    if offset == 0:
        return "CURRENT ROW"
    return f"{abs(offset)} {'PRECEDING' if offset < 0 else 'FOLLOWING'}"


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
    return f"RANK() {frame.over(order=f'{given[0]} DESC NULLS LAST')}"


def _row_number(frame: Frame, _given: Operands) -> str:
    return f"ROW_NUMBER() {frame.over()}"


def _negative(_frame: Frame, given: Operands) -> str:
    return f"(-{given[0]})"


def _negated(_frame: Frame, given: Operands) -> str:
    return f"(NOT {given[0]})"


_COLUMN_AGGREGATES = {
    "OMNI_FX_SUM": "SUM",
    "OMNI_FX_AVERAGE": "AVG",
    "OMNI_FX_MIN": "MIN",
    "OMNI_FX_MAX": "MAX",
    "OMNI_FX_MEDIAN": "MEDIAN",
    "OMNI_FX_COUNT": "COUNT",
    "OMNI_FX_COUNTA": "COUNT",
}
# Operators that need the rows in an order.
_ALONG = {
    *("OMNI_RUNNING_TOTAL", "OMNI_PERCENT_OF_PREVIOUS", "OMNI_PERCENT_CHANGE_FROM_PREVIOUS"),
    "ROW_NUMBER",
}
_TYPES = {
    **dict.fromkeys(("VARCHAR", "CHAR", "STRING", "TEXT"), "VARCHAR"),
    **dict.fromkeys(("DOUBLE", "FLOAT", "REAL", "NUMBER"), "DOUBLE"),
    **dict.fromkeys(("INTEGER", "BIGINT", "INT"), "BIGINT"),
    "DECIMAL": "DECIMAL(38, 10)",
    "DATE": "DATE",
    "TIMESTAMP": "TIMESTAMP",
    "BOOLEAN": "BOOLEAN",
}
_OPERATORS: dict[str, Write] = {
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
    "OMNI_FX_RANK": _rank,
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
    "OMNI_FX_FLOOR": _function("FLOOR"),
    "OMNI_FX_CEILING": _function("CEIL"),
    "OMNI_FX_SQRT": _function("SQRT"),
    "OMNI_FX_LN": _function("LN"),
    "OMNI_FX_EXP": _function("EXP"),
    "OMNI_FX_MOD": _function("FMOD", 2),
    "OMNI_FX_UPPER": _function("UPPER"),
    "OMNI_FX_LOWER": _function("LOWER"),
    "OMNI_FX_LEN": _function("LENGTH"),
    "OMNI_FX_LEFT": _function("LEFT", 2),
    "OMNI_FX_RIGHT": _function("RIGHT", 2),
    "OMNI_FX_TRIM": _function("TRIM"),
    "OMNI_FX_COALESCE": _function("COALESCE"),
    **{name: _aggregate(aggregate) for name, aggregate in _COLUMN_AGGREGATES.items()},
}
