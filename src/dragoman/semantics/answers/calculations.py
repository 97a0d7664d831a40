"""Calculations: columns worked out from the answer's other columns, as expressions of DuckDB.

The contract's tree (contract 4.2) becomes an expression over a table whose columns are quoted
names; values are literals. Windows run along the order of the answer, within a pivot's column.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from dragoman.dialects.sql import table
from dragoman.semantics.answers import lookups, texts
from dragoman.semantics.answers.operators import (
    ALONG,
    COLUMN_AGGREGATES,
    OPERATORS,
    TYPES,
    Frame,
    ranked,
)
from dragoman.semantics.answers.trees import (
    field_name,
    is_call,
    literal_of,
    text_of,
    whole_number,
)
from dragoman.semantics.answers.windows import BadWindow, Window
from dragoman.semantics.compiler.errors import ErrorType, PlanError
from dragoman.semantics.compiler.pivots import COLUMN_NUMBER

MAX_DEPTH = 100
# Rows of no answer: an offset that is as far means all of them.
WHOLE = 1 << 28
PIVOT_NUMBER = COLUMN_NUMBER.name
_CONDITIONAL = {
    "OMNI_FX_SUM_IF": "SUM",
    "OMNI_FX_COUNT_IF": "COUNT",
    "OMNI_FX_AVERAGE_IF": "AVG",
}
# Those of several criteria, after the column that they aggregate; COUNT_IFS has none.
_CONDITIONAL_MANY = {
    "OMNI_FX_SUM_IFS": "SUM",
    "OMNI_FX_COUNT_IFS": "COUNT",
    "OMNI_FX_AVERAGE_IFS": "AVG",
    "OMNI_FX_MIN_IFS": "MIN",
    "OMNI_FX_MAX_IFS": "MAX",
}
_SQL = table("duckdb")


class Calculator:
    """Writes one calculation. `known`: expressions of calculations that were written before;
    `totals`: those of the totals of columns."""

    def __init__(
        self,
        name: str,
        frame: Frame,
        known: Mapping[str, str],
        totals: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.frame = frame
        self.known = known
        self.totals = totals or {}

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
                return self._reference(given.get("column_ref"))
            case "call":
                return self._call(given, depth)
            case "window_call":
                return self._window(given, depth)
            case "sub_query":
                raise self._bad(
                    "it looks up in the answer of another question (sub_query), which cannot be"
                    " done: join the views, or filter by the other question"
                )
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

    def _reference(self, path: Any) -> str:
        """A column, or the total of one: `[name]`, `[name, "column_total"]`."""
        name, *rest = cast("list[Any]", path) if isinstance(path, list) and path else [None]
        if not rest:
            return self._field(str(name))
        if rest != ["column_total"]:
            raise self._bad(f"it refers to {str(rest)[:60]} of a column")
        if str(name) not in self.totals:
            raise self._bad(f"it uses the total of {str(name)[:80]!r}, which has none")
        return self.totals[str(name)]

    def _call(self, node: Mapping[str, Any], depth: int) -> str:
        operator = str(node.get("operator", "")).rpartition(".")[2]
        operands = node.get("operands", [])
        if not isinstance(operands, list):
            raise self._bad("operands are an array")
        given = cast("list[Any]", operands)
        if operator == "CAST":
            return self._cast(given, depth)
        for special in (self._ranged, self._looked_up):
            text = special(operator, given, depth)
            if text is not None:
                return text
        write = OPERATORS.get(operator)
        if write is None:
            raise self._bad(f"it uses {operator[:60]!r}, which is not known")
        if operator in ALONG:
            self._check_order()
        texts = [self.write(each, depth + 1) for each in given]
        try:
            return write(self.frame, texts)
        except (IndexError, ValueError):
            raise self._bad(f"{operator} has the wrong number of operands") from None

    def _window(self, node: Mapping[str, Any], depth: int) -> str:
        def write(operand: Any) -> str:
            return self.write(operand, depth + 1)

        try:
            return Window(write, self._check_order).text(node)
        except BadWindow as bad:
            raise self._bad(str(bad)) from None

    def _cast(self, operands: list[Any], depth: int) -> str:
        if len(operands) != 2 or not isinstance(operands[1], dict):
            raise self._bad("CAST takes a value and a type")
        named = cast("dict[str, Any]", operands[1])
        said = [named.get(key) for key in ("sql_type", "type_name", "type_name_name", "value")]
        wanted = str(next(filter(None, said), None)).upper()
        if wanted not in TYPES:
            raise self._bad(f"it casts to {wanted[:40]!r}")
        return f"CAST({self.write(operands[0], depth + 1)} AS {TYPES[wanted]})"

    def _ranged(self, operator: str, operands: list[Any], depth: int) -> str | None:
        """An aggregate of rows around each row: `OMNI_FX_AVERAGE(OMNI_OFFSET_MULTI(x, -2, 0, 3))`;
        or of the columns of a pivot."""
        aggregate = COLUMN_AGGREGATES.get(operator)
        if operator == "OMNI_OFFSET_MULTI":
            aggregate, inner = "ANY_VALUE", operands
        elif aggregate and len(operands) == 1 and is_call(operands[0], "OMNI_OFFSET_MULTI"):
            inner = cast("list[Any]", operands[0]["operands"])
        elif aggregate and len(operands) == 1 and is_call(operands[0], "OMNI_PIVOT_OFFSET"):
            return self._across(aggregate, operands[0]["operands"], depth)
        else:
            return None
        if not inner:
            raise self._bad("an offset takes a column and whole numbers")
        value = self.write(inner[0], depth + 1)
        first, last = self._bounds(inner)
        if first <= -WHOLE and last >= WHOLE:
            return f"{aggregate}({value}) {self.frame.whole()}"
        self._check_order()
        rows = f"ROWS BETWEEN {_bound(first)} AND {_bound(last)}"
        return f"{aggregate}({value}) {self.frame.over(rows)}"

    def _column(self, node: Any) -> Any:
        """The column of a range, which must be the whole of one; other nodes as they are."""
        if not is_call(node, "OMNI_OFFSET_MULTI"):
            return node
        operands = cast("list[Any]", node["operands"])
        first, last = self._bounds(operands) if operands else (0, 0)
        if first > -WHOLE or last < WHOLE:
            raise self._bad("a range that is looked up in, or counted, is a whole column")
        return operands[0]

    def _bounds(self, operands: list[Any]) -> tuple[int, int]:
        """The first and the last row, from the row itself. After the column: the first row, or
        `ABSOLUTE_POSITION(1)`; the last one; and how many rows, which goes before the last one."""
        anchored = len(operands) > 1 and is_call(operands[1], "ABSOLUTE_POSITION")
        if anchored and [whole_number(each) for each in operands[1].get("operands", [])] != [1]:
            raise self._bad("a position that is fixed is that of the first row")
        numbers = [-WHOLE if anchored else whole_number(operands[1])] if len(operands) > 1 else []
        numbers += [whole_number(each) for each in operands[2:4]]
        if not numbers or None in numbers:
            raise self._bad("an offset takes a column and whole numbers")
        given = [number for number in numbers if number is not None]
        first = given[0]
        if len(given) == 3 and not anchored:
            if given[2] < 1:
                raise self._bad("an offset has one row at least")
            return first, first + given[2] - 1
        last = given[1] if len(given) > 1 else first
        return min(first, last), max(first, last)

    def _across(self, aggregate: str, operands: list[Any], depth: int) -> str:
        """An aggregate over some of the columns of a pivot, in the row of the pivoted table."""
        rows = self.frame.rows
        if rows is None or self.frame.partition:
            raise self._bad("OMNI_PIVOT_OFFSET needs a pivot, and outside_pivot")
        numbers = [whole_number(each) for each in operands[1:]]
        if len(numbers) != 4 or None in numbers or numbers[:2] != [0, 0]:
            raise self._bad("OMNI_PIVOT_OFFSET takes a column, 0, 0, and the first and last column")
        value = self.write(operands[0], depth + 1)
        listed = ", ".join(_SQL.name(name) for name in rows)
        over = f"PARTITION BY {listed}" if listed else ""
        chosen = f"{_SQL.name(PIVOT_NUMBER)} BETWEEN {numbers[2]} AND {numbers[3]}"
        return f"{aggregate}({value}) FILTER (WHERE {chosen}) OVER ({over})"

    def _check_order(self) -> None:
        if not self.frame.ordered:
            raise PlanError(
                f'The calculation "{self.name}" runs along rows, which have no order.',
                fix="Sort the question.",
                error_type=ErrorType.SORT_REQUIRED,
            )

    # look-ups

    def _looked_up(self, operator: str, operands: list[Any], depth: int) -> str | None:
        """What looks at other rows by their values, or by their place."""
        write = {
            "OMNI_FX_VLOOKUP": self._vlookup,
            "OMNI_FX_XLOOKUP": self._xlookup,
            "OMNI_FX_MATCH": self._match,
            "OMNI_FX_INDEX": self._index,
            "OMNI_FX_DATEDIF": self._datedif,
            "OMNI_FX_RANK": self._rank,
            "OMNI_FX_TEXT": self._formatted,
        }.get(operator)
        if write is not None:
            return write(operands, depth + 1)
        if operator in _CONDITIONAL:
            return self._if(operator, operands, depth + 1)
        return self._ifs(operator, operands, depth + 1) if operator in _CONDITIONAL_MANY else None

    def _vlookup(self, operands: list[Any], depth: int) -> str:
        """Value, key column, the range (which is the key column's), and the number of the result's
        column, the key's own being 1."""
        numbers = [n for each in operands[2:] if (n := whole_number(each)) is not None]
        key = field_name(self._column(operands[1])) if len(operands) > 2 else None
        if key is None or len(numbers) != 1 or key not in self.frame.columns:
            raise self._bad("VLOOKUP takes a value, a column of the answer, and a column's number")
        place = self.frame.columns.index(key) + numbers[0] - 1
        if numbers[0] < 1 or place >= len(self.frame.columns):
            raise self._bad(f"VLOOKUP has no column {numbers[0]}")
        result = self._field(self.frame.columns[place])
        value = self.write(operands[0], depth)
        return lookups.found(value, self._field(key), result, self.frame.partition)

    def _xlookup(self, operands: list[Any], depth: int) -> str:
        """Value, key column, result column; and, where they are given, what stands for no result,
        and the mode: 0 equal, -1 or the next smaller, 1 or the next greater."""
        if not 3 <= len(operands) <= 5:
            raise self._bad("XLOOKUP takes a value and two columns")
        value, key, result, *more = [self.write(self._column(each), depth) for each in operands[:4]]
        mode = whole_number(operands[4]) if len(operands) == 5 else 0
        if mode is None or mode not in (-1, 0, 1):
            raise self._bad("XLOOKUP compares with the modes -1, 0 and 1")
        otherwise = more[0] if more else None
        nearest = lookups.Nearest(mode)
        return lookups.found(value, key, result, self.frame.partition, nearest, otherwise)

    def _match(self, operands: list[Any], depth: int) -> str:
        """The place of a value in a column, from 1. The mode as spreadsheets have it: 1, or none,
        the greatest that is not greater; 0 equal; -1 the least that is not less."""
        mode = whole_number(operands[2]) if len(operands) == 3 else 1
        if len(operands) not in (2, 3) or mode is None or mode not in (-1, 0, 1):
            raise self._bad("MATCH takes a value, a column, and -1, 0 or 1")
        value, key = [self.write(self._column(each), depth) for each in operands[:2]]
        nearest = lookups.Nearest(-mode)
        return lookups.found(value, key, None, self.frame.partition, nearest)

    def _index(self, operands: list[Any], depth: int) -> str:
        if len(operands) != 2:
            raise self._bad("INDEX takes a column and a row's number")
        result, place = [self.write(self._column(each), depth) for each in operands]
        return lookups.at(place, result, self.frame.partition)

    def _datedif(self, operands: list[Any], depth: int) -> str:
        unit = text_of(operands[0]) if len(operands) == 3 else None
        if unit is None or unit.upper() not in lookups.UNITS:
            raise self._bad("DATEDIF takes a unit such as DAY, and two times")
        return lookups.difference(unit, *[self.write(each, depth) for each in operands[1:]])

    def _formatted(self, operands: list[Any], depth: int) -> str:
        form = text_of(operands[1]) if len(operands) == 2 else None
        found = None if not form else texts.text(self.write(operands[0], depth), form)
        if found is None:
            raise self._bad("TEXT takes a value and a format such as '#,##0.00' or 'yyyy-mm-dd'")
        return found

    def _rank(self, operands: list[Any], depth: int) -> str:
        """A value, its column, and the way: 0 the greatest first, as without it; else the least."""
        way = whole_number(operands[2]) if len(operands) == 3 else 0
        if not 1 <= len(operands) <= 3 or way is None:
            raise self._bad("RANK takes a value, its column, and 0 or 1")
        value, *column = [self.write(self._column(each), depth) for each in operands[:2]]
        if column and column != [value]:
            raise self._bad("RANK gives the place of a value in its own column")
        return ranked(self.frame, value, ascending=way != 0)

    def _if(self, operator: str, operands: list[Any], depth: int) -> str:
        """An aggregate of the rows whose value meets a criterion, beside every row."""
        if not 2 <= len(operands) <= 3:
            raise self._bad(f"{operator} takes a column, a value such as '>= 10', and a column")
        of = self.write(self._column(operands[0 if len(operands) == 2 else 2]), depth)
        return self._chosen(operator, _CONDITIONAL[operator], of, operands[:2], depth)

    def _ifs(self, operator: str, operands: list[Any], depth: int) -> str:
        """As `_if`, of the rows that meet all criteria: pairs of a column and a criterion."""
        aggregate = _CONDITIONAL_MANY[operator]
        of, pairs = "*", operands
        if aggregate != "COUNT" and operands:
            of, pairs = self.write(self._column(operands[0]), depth), operands[1:]
        if not pairs or len(pairs) % 2:
            raise self._bad(f"{operator} takes columns, each with a value such as '>= 10'")
        return self._chosen(operator, aggregate, of, pairs, depth)

    def _chosen(self, operator: str, aggregate: str, of: str, pairs: list[Any], depth: int) -> str:
        conditions: list[str] = []
        for column, criterion in zip(pairs[::2], pairs[1::2], strict=True):
            wanted = literal_of(criterion)
            if wanted is None:
                raise self._bad(f"{operator} takes a column, and a value such as '>= 10'")
            cells = self.write(self._column(column), depth)
            conditions.append(f"({lookups.criterion(cells, wanted)})")
        chosen = f"FILTER (WHERE {' AND '.join(conditions)})"
        text = f"{aggregate}({of}) {chosen} {self.frame.whole()}"
        return f"COALESCE({text}, 0)" if aggregate == "SUM" else text

    def _bad(self, message: str) -> PlanError:
        return PlanError(f'The calculation "{self.name}" cannot be worked out: {message}.')


def _bound(offset: int) -> str:
    if offset == 0:
        return "CURRENT ROW"
    if abs(offset) >= WHOLE:
        return f"UNBOUNDED {'PRECEDING' if offset < 0 else 'FOLLOWING'}"
    return f"{abs(offset)} {'PRECEDING' if offset < 0 else 'FOLLOWING'}"
