"""What a question does, between its names and its SQL; a person can print it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dragoman.semantics.compiler.expressions import Expr
from dragoman.semantics.compiler.fanout import Guarded
from dragoman.semantics.compiler.joins import JoinTree
from dragoman.semantics.compiler.measures import Formula, Leaf
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Dimension, Measure


@dataclass(frozen=True, slots=True)
class Group:
    """A dimension, or a grain of one. `name`: as the question writes it."""

    name: str
    field: Dimension
    bracket: str | None
    value: Expr


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure of the question."""

    name: str
    field: Measure
    formula: Formula


@dataclass(frozen=True, slots=True)
class Having:
    """A condition on a measure: the text of the condition, given the measure's."""

    measure: Measured
    condition: Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Where:
    """A condition on rows. `field`: the address that the question filters; empty for rules."""

    text: str
    views: frozenset[str]
    field: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """`by`: a group, a measure, or an expression that is not in the answer (its least value).
    `column`: what the question sorts by."""

    by: Group | Measured | Expr
    descending: bool
    nulls_last: bool
    of_pivot: bool = False
    column: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the answer, as people and programs see it."""

    name: str
    label: str
    type: DataType
    is_dimension: bool
    format: str | None = None
    view: str = ""
    field: str = ""


@dataclass(slots=True)
class Plan:
    """`groups` and `measures`: in the order of the question; `columns`: all of them as they come
    out. `having`: conditions on measures, as texts made with the measures' own. `grouped`: rows
    are brought together; else each row is answered. `pivots`: names of groups whose values become
    columns, at most `column_limit` of them; then `limit` counts rows of the pivoted table."""

    tree: JoinTree
    columns: list[Column]
    groups: list[Group]
    measures: list[Measured]
    hidden: list[Measured] = field(default_factory=list[Measured])
    where: list[Where] = field(default_factory=list[Where])
    guards: dict[Leaf, Guarded] = field(default_factory=dict[Leaf, Guarded])
    grouped: bool = True
    orders: list[Order] = field(default_factory=list[Order])
    limit: int | None = None
    offset: int = 0
    pivots: frozenset[str] = frozenset()
    column_limit: int = 0
    warnings: list[str] = field(default_factory=list[str])
    missing: list[str] = field(default_factory=list[str])

    @property
    def pivoted_rows(self) -> tuple[str, ...]:
        """The columns that tell rows of the pivoted table apart."""
        return tuple(each.name for each in self.groups if each.name not in self.pivots)

    def describe(self) -> str:
        """The stages as text, one a line."""
        lines = [f"scan {self.tree.base}"]
        for edge in self.tree.edges:
            kind = edge.join_type.value.replace("always_", "")
            lines.append(f"join {kind} {edge.target} on {edge.source} ({edge.cardinality.value})")
        lines += [f"filter {each.text}" for each in self.where]
        for guard in self.guards.values():
            if guard.once:
                key = ", ".join(each.text for each in guard.key)
                lines.append(f"once {guard.leaf.name} for each {key}")
        if self.grouped:
            lines.append("group " + (", ".join(each.name for each in self.groups) or "all rows"))
            lines += [f"measure {each.name}" for each in self.measures]
        lines += [f"order {self._order(each)}" for each in self.orders]
        if self.pivots:
            lines.append(f"pivot {', '.join(sorted(self.pivots))} to {self.column_limit} columns")
        if self.limit is not None or self.offset:
            lines.append(f"limit {self.limit} offset {self.offset}")
        return "\n".join(lines)

    def _order(self, order: Order) -> str:
        name = order.by.text if isinstance(order.by, Expr) else order.by.name
        return f"{name} {'descending' if order.descending else 'ascending'}"
