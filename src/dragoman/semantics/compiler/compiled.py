"""What a compiled question is: statements, their columns, and what is left to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dragoman.semantics.compiler.plan import Column, Plan
from dragoman.semantics.query.dates import Length


class TotalKind(StrEnum):
    """Totals below the columns, beside the rows, and of everything."""

    COLUMN = "column_total"
    ROW = "row_total"
    BOTH = "::total::"


@dataclass(frozen=True, slots=True)
class Total:
    """A statement whose rows are totals; its columns are some of the question's."""

    kind: TotalKind
    sql: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Earlier:
    """The question for the filter's time moved back. `sql`: its columns are the question's, and it
    has rows enough to stand beside those; `moved`: columns whose times go forward again, and how
    far."""

    sql: str
    moved: tuple[tuple[str, Length], ...]


@dataclass(frozen=True, slots=True)
class Compiled:
    """`sql`: its columns are c0, c1, … in the order of `columns`. `limit`: the greatest number of
    rows that it gives, None for no such number. `missing`: names of the question that mean nothing;
    they are left out.
    `cut_late`: the limit and the offset that hold once calculations have ordered the rows.
    Compiled questions share the lists of their plans: nobody changes them."""

    sql: str
    columns: tuple[Column, ...]
    plan: Plan
    limit: int | None
    missing: tuple[str, ...]
    warnings: tuple[str, ...]
    totals: tuple[Total, ...] = ()
    earlier: tuple[Earlier, ...] = ()
    cut_late: tuple[int | None, int] | None = None
