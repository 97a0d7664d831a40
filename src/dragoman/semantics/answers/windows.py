"""Windows that a calculation writes out (`window_call`), as expressions of DuckDB.

They hold to the letter, within a pivot too: what parts the rows is in `partition_args` and nowhere
else. Rows that are equal in the order stand as the answer has them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dragoman.dialects.sql import table
from dragoman.semantics.answers.lookups import ROW_NUMBER
from dragoman.semantics.answers.operators import COLUMN_AGGREGATES
from dragoman.semantics.answers.trees import is_call, whole_number
from dragoman.semantics.plain import is_list, items, mapping

_SQL = table("duckdb")
_AGGREGATES = {
    **{name: name for name in ("SUM", "COUNT", "AVG", "MIN", "MAX", "FIRST_VALUE", "LAST_VALUE")},
    **COLUMN_AGGREGATES,
}
_RANKS = ("RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST")
# How many operands each takes, from and to, where that is not one.
_OPERANDS = {
    "COUNT": (0, 1),
    "LAG": (1, 3),
    "LEAD": (1, 3),
    "NTILE": (1, 1),
    **dict.fromkeys(("ROW_NUMBER", *_RANKS), (0, 0)),
}
_BOUNDS = ("UNBOUNDED PRECEDING", "CURRENT ROW", "UNBOUNDED FOLLOWING")


class BadWindow(ValueError):
    """A window that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Window:
    """Reads one window. `write`: the expression of an operand; `check_order`: raises where the
    answer, along which a window without an order of its own runs, has none."""

    write: Callable[[Any], str]
    check_order: Callable[[], None]

    def text(self, node: Mapping[str, Any]) -> str:
        """The expression of a `window_call`. Raises `BadWindow`."""
        called = mapping(node.get("aggregate"))
        name = str(called.get("operator", "")).rpartition(".")[2]
        function = _AGGREGATES.get(name, name if name in _OPERANDS else None)
        if function is None:
            raise BadWindow(f"no window runs with {name[:60]!r}")
        operands = items(called.get("operands"))
        least, most = _OPERANDS.get(name, (1, 1))
        if not least <= len(operands) <= most:
            raise BadWindow(f"{name} has the wrong number of operands in a window")
        listed = ", ".join(self.write(each) for each in operands) or (
            "*" if name == "COUNT" else ""
        )
        rows = self._rows(node) if name in _AGGREGATES else ""
        parts = [self._partition(node), self._order(node, name, rows), rows]
        return f"{function}({listed}) OVER ({' '.join(part for part in parts if part)})"

    def _partition(self, node: Mapping[str, Any]) -> str:
        listed = [self.write(each) for each in _listed(node, "partition_args")]
        return f"PARTITION BY {', '.join(listed)}" if listed else ""

    def _order(self, node: Mapping[str, Any], name: str, rows: str) -> str:
        terms = [self._term(each) for each in _listed(node, "order_by_args")]
        if not terms:
            if name in _AGGREGATES and not rows:
                return ""  # all rows of the part, in whatever order
            self.check_order()
        # Equal values share a rank, and a range; elsewhere one of them has to be the first.
        shared = name in _RANKS or (name in _AGGREGATES and not rows.startswith("ROWS"))
        if not terms or not shared:
            terms.append(_SQL.name(ROW_NUMBER))
        return f"ORDER BY {', '.join(terms)}"

    def _term(self, node: Any) -> str:
        nulls, way = "LAST", "ASC"
        for operator in ("NULLS_FIRST", "NULLS_LAST", "DESC"):
            if not is_call(node, operator):
                continue
            if operator == "DESC":
                way = "DESC"
            else:
                nulls = operator.removeprefix("NULLS_")
            (node,) = items(mapping(node).get("operands")) or [None]
        return f"{self.write(node)} {way} NULLS {nulls}"

    def _rows(self, node: Mapping[str, Any]) -> str:
        """The rows around each row; empty where neither end is said."""
        lower, upper = node.get("lower_bound"), node.get("upper_bound")
        if lower is None and upper is None:
            return ""
        by_rows = node.get("is_rows") is True
        first = _BOUNDS[0] if lower is None else _bound(lower, by_rows)
        last = _BOUNDS[1] if upper is None else _bound(upper, by_rows)
        return f"{'ROWS' if by_rows else 'RANGE'} BETWEEN {first} AND {last}"


def _listed(node: Mapping[str, Any], key: str) -> Sequence[Any]:
    given = node.get(key)
    if given is not None and not is_list(given):
        raise BadWindow(f"{key} is an array")
    return items(given)


def _bound(node: Any, by_rows: bool) -> str:
    """An end of the rows: a name, or `PRECEDING(2)`."""
    for way in ("PRECEDING", "FOLLOWING"):
        if is_call(node, way):
            number = whole_number((items(mapping(node).get("operands")) or [None])[0])
            if number is None or number < 0 or not by_rows:
                raise BadWindow("so many rows before or after are a whole number, with is_rows")
            return f"{number} {way}"
    value = mapping(node).get("value")
    said = mapping(value).get("name", value)
    text = str(said).upper().replace("_", " ")
    if text not in _BOUNDS:
        raise BadWindow(f"a window ends at {', '.join(_BOUNDS)}, PRECEDING(n) or FOLLOWING(n)")
    return text
