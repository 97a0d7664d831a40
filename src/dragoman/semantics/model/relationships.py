"""Joins between views."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dragoman.semantics.model.references import SqlText


class JoinType(StrEnum):
    """Which rows stay. `LEFT_RIGHT`: LEFT from→to and RIGHT back; `RIGHT_LEFT` the opposite."""

    ALWAYS_LEFT = "always_left"
    INNER = "inner"
    FULL_OUTER = "full_outer"
    CROSS = "cross"
    RIGHT_LEFT = "right_left"
    LEFT_RIGHT = "left_right"
    ALWAYS_RIGHT = "always_right"


# Other spellings that are in use.
JOIN_SYNONYMS = {"always_inner": JoinType.INNER, "always_full": JoinType.FULL_OUTER}


class Cardinality(StrEnum):
    """How many rows of one side fit one row of the other."""

    ONE_TO_ONE = "one_to_one"
    MANY_TO_ONE = "many_to_one"
    ONE_TO_MANY = "one_to_many"
    MANY_TO_MANY = "many_to_many"

    @property
    def fans_out(self) -> bool:
        """Whether a row of the left side may come out several times."""
        return self in (Cardinality.ONE_TO_MANY, Cardinality.MANY_TO_MANY)

    @property
    def inverse(self) -> Cardinality:
        """The same join walked the other way."""
        return _INVERSE.get(self, self)


_INVERSE = {
    Cardinality.MANY_TO_ONE: Cardinality.ONE_TO_MANY,
    Cardinality.ONE_TO_MANY: Cardinality.MANY_TO_ONE,
}
ASSUMED = "assumed_many_to_one"


@dataclass(frozen=True, slots=True)
class Relationship:
    """An edge from one view to another.

    `from_as`, `to_as`: aliases, which are views of their own in everything else. `assumed`: it was
    made from names, nobody said it. `on_sql` is None only for a cross join.
    """

    from_view: str
    to_view: str
    cardinality: Cardinality
    on_sql: SqlText | None
    join_type: JoinType = JoinType.ALWAYS_LEFT
    from_as: str | None = None
    to_as: str | None = None
    from_label: str | None = None
    to_label: str | None = None
    where_sql: SqlText | None = None
    reversible: bool = False
    assumed: bool = False
    explicit_id: str | None = None

    @property
    def left(self) -> str:
        """The name of the left side: its alias, or the view."""
        return self.from_as or self.from_view

    @property
    def right(self) -> str:
        """The name of the right side: its alias, or the view."""
        return self.to_as or self.to_view

    @property
    def id(self) -> str:
        """What tells it from other joins between the same two."""
        return self.explicit_id or f"{self.left}_{self.right}"
