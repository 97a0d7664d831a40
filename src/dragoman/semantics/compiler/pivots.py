"""Pivots: groups in rows and columns, each numbered, cut to so many rows and so many columns.

The answer stays long, a row for each cell, with the number of its column beside it; a limit counts
rows of the pivoted table (modeling reference 4.9).
"""

from __future__ import annotations

from dataclasses import dataclass

from dragoman.dialects.sql import SqlFunctions
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.plan import Column, Measured, Order, Plan
from dragoman.semantics.datatypes import DataType

COLUMN_NUMBER = Column("$omni_pivot_col_num", "Column", DataType.NUMBER, is_dimension=True)


@dataclass(frozen=True, slots=True)
class Pivot:
    """Writes the statements around a grouped one whose columns are c0, c1, …"""

    plan: Plan
    sql: SqlFunctions

    def steps(self, grouped: str) -> list[tuple[str, str]]:
        """The named subqueries: the groups, sums of whole rows to order by, and numbers."""
        name = self.sql.name
        sums = [
            f"{_of_row(order.by, order)}({self._column(order.by.name)}) OVER ({self._by_row()})"
            f" AS {name(f's{n}')}"
            for n, order in enumerate(self._row_orders())
            if isinstance(order.by, Measured)
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
        if not column:
            raise PlanError(
                "A pivot is ordered by what is in it: not by another field (order_by_field).",
                fix="Add the field to fields, and sort by it.",
            )
        raise PlanError(f"{column} orders a pivot and is not in it.", fix="Add it to fields.")

    def _by_row(self) -> str:
        rows = [self._column(g.name) for g in self.plan.groups if g.name not in self.plan.pivots]
        return f"PARTITION BY {', '.join(rows)}" if rows else ""

    def _row_orders(self) -> list[Order]:
        return [order for order in self.plan.orders if not order.of_pivot and self._of_rows(order)]

    def _of_rows(self, order: Order) -> bool:
        return getattr(order.by, "name", "") not in self.plan.pivots

    def _row_terms(self) -> list[str]:
        terms: list[str] = []
        for n, order in enumerate(self._row_orders()):
            if isinstance(order.by, Measured):
                text = self.sql.name(f"s{n}")
            else:
                text = self._column(getattr(order.by, "name", ""))
            terms.append(self._term(text, order))
        groups = [self._column(g.name) for g in self.plan.groups if g.name not in self.plan.pivots]
        rest = [self.sql.order(each, descending=False, nulls_last=True) for each in groups]
        return terms + rest

    def _column_terms(self) -> list[str]:
        orders = [order for order in self.plan.orders if not isinstance(order.by, Measured)]
        given = {getattr(o.by, "name", ""): o for o in orders}
        terms: list[str] = []
        for group in self.plan.groups:
            if group.name in self.plan.pivots:
                order = given.get(group.name) or Order(group, descending=False, nulls_last=True)
                terms.append(self._term(self._column(group.name), order))
        return terms

    def _term(self, text: str, order: Order) -> str:
        return self.sql.order(text, descending=order.descending, nulls_last=order.nulls_last)


def _of_row(by: Measured, order: Order) -> str:
    """What makes one value of a row's cells: their sum, or of what has none the one that comes
    first."""
    if by.formula.type in (DataType.NUMBER, DataType.UNKNOWN):
        return "SUM"
    return "MAX" if order.descending else "MIN"
