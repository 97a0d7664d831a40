"""Pivots: groups in rows and columns, each numbered, cut to so many rows and so many columns.

The answer stays long, a row for each cell, with the number of its column beside it; a limit counts
rows of the pivoted table (modeling reference 4.9).
"""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.dialects.sql import SqlFunctions
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.expressions import Expr
from dragoman.semantics.compiler.plan import Column, Measured, Order, Plan
from dragoman.semantics.datatypes import DataType

COLUMN_NUMBER = Column("$omni_pivot_col_num", "Column", DataType.NUMBER, is_dimension=True)


@dataclass(frozen=True, slots=True)
class Pivot:
    """Writes the statements around a grouped one whose columns are c0, c1, …"""

    plan: Plan
    sql: SqlFunctions

    def steps(self, grouped: str) -> list[tuple[str, str]]:
        """The named subqueries: the groups, what whole rows and columns are ordered by, and
        numbers."""
        name = self.sql.name
        sums = [
            f"{_of_row(order.by, order)}({self._column(order.by.name)}) OVER ({self._within()})"
            f" AS {name(f's{n}')}"
            for n, order in enumerate(self._row_orders())
            if isinstance(order.by, Measured)
        ]
        sums += [
            f"MIN({name(f'o{n}')}) OVER ({self._within(of_columns=self._of_columns(order))})"
            f" AS {name(f'h{n}')}"
            for n, order in enumerate(_hidden(self.plan))
        ]
        columns = ",\n".join(f"  {each}" for each in ["g.*", *sums])
        summed = f"SELECT\n{columns}\nFROM {name('grouped')} g"
        ranks = [
            f"DENSE_RANK() OVER (ORDER BY {', '.join(terms)}) AS {name(rank)}"
            for rank, terms in (("row_num", self._row_terms()), ("col_num", self._column_terms()))
            if terms
        ]
        if not self._row_terms():
            ranks.insert(0, f"1 AS {name('row_num')}")
        columns = ",\n".join(f"  {each}" for each in ["s.*", *ranks])
        numbered = f"SELECT\n{columns}\nFROM {name('summed')} s"
        return [("grouped", grouped), ("summed", summed), ("cells", numbered)]

    def statement(self) -> str:
        """The cells within the limits, by row and column."""
        name = self.sql.name
        row, column = name("row_num"), name("col_num")
        count = len(self.plan.columns) - 1
        listed = [name(f"c{n}") for n in range(count)] + [f"{column} AS {name(f'c{count}')}"]
        kept = [f"{column} <= {self.plan.column_limit}"]
        if self.plan.offset:
            kept.append(f"{row} > {self.plan.offset}")
        if self.plan.limit is not None:
            kept.append(f"{row} <= {self.plan.offset + self.plan.limit}")
        lines = [
            "SELECT",
            ",\n".join(f"  {each}" for each in listed),
            f"FROM {name('cells')}",
            f"WHERE {' AND '.join(kept)}",
            f"ORDER BY {row}, {column}",
            self.sql.settings,
        ]
        return "\n".join(line for line in lines if line)

    def _column(self, column: str) -> str:
        for at, each in enumerate(self.plan.columns):
            if each.name == column:
                return self.sql.name(f"c{at}")
        raise PlanError(f"{column} orders a pivot and is not in it.", fix="Add it to fields.")

    def _within(self, *, of_columns: bool = False) -> str:
        """The cells of a row, or of a column."""
        groups = [g.name for g in self.plan.groups if (g.name in self.plan.pivots) is of_columns]
        return f"PARTITION BY {', '.join(map(self._column, groups))}" if groups else ""

    def _of_columns(self, order: Order) -> bool:
        by = order.column if isinstance(order.by, Expr) else order.by.name
        return by in self.plan.pivots

    def _row_orders(self) -> list[Order]:
        orders = self.plan.orders
        return [each for each in orders if not (each.of_pivot or self._of_columns(each))]

    def _row_terms(self) -> list[str]:
        terms: list[str] = []
        for n, order in enumerate(self._row_orders()):
            summed = isinstance(order.by, Measured)
            terms.append(self._term(self.sql.name(f"s{n}") if summed else self._text(order), order))
        groups = [self._column(g.name) for g in self.plan.groups if g.name not in self.plan.pivots]
        rest = [self.sql.order(each, descending=False, nulls_last=True) for each in groups]
        return terms + rest

    def _column_terms(self) -> list[str]:
        terms: list[str] = []
        for group in self.plan.groups:
            if group.name in self.plan.pivots:
                own = Order(group, descending=False, nulls_last=True)
                orders = [o for o in self.plan.orders if group.name in (o.column, _name(o))]
                terms += [self._term(self._text(each), each) for each in orders[:1]]
                # Values of one place among others stand in columns of their own.
                if not orders or isinstance(orders[0].by, Expr):
                    terms.append(self._term(self._column(group.name), own))
        return terms

    def _text(self, order: Order) -> str:
        """What orders rows, or columns, besides measures."""
        if not isinstance(order.by, Expr):
            return self._column(order.by.name)
        hidden = _hidden(self.plan)
        return self.sql.name(f"h{next(n for n, each in enumerate(hidden) if each is order)}")

    def _term(self, text: str, order: Order) -> str:
        return self.sql.order(text, descending=order.descending, nulls_last=order.nulls_last)


def _of_row(by: Measured, order: Order) -> str:
    """What makes one value of a row's cells: their sum, or of what has none the one that comes
    first."""
    if by.formula.type in (DataType.NUMBER, DataType.UNKNOWN):
        return "SUM"
    return "MAX" if order.descending else "MIN"


def hidden_orders(plan: Plan) -> list[Expr]:
    """What a pivot is ordered by and has no column of."""
    return [each.by for each in _hidden(plan) if isinstance(each.by, Expr)]


def _hidden(plan: Plan) -> list[Order]:
    return [each for each in plan.orders if isinstance(each.by, Expr)] if plan.pivots else []


def _name(order: Order) -> str:
    return "" if isinstance(order.by, Expr) else order.by.name
