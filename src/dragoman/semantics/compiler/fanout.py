"""Which aggregates must be protected, since joins repeat the rows that they count.

An aggregate counts each row of its host once. Walked away from the host, a join to many rows
repeats it; then one row of each (group, key, predicate) is taken and the others are left out
(modeling reference 4.5). Where nothing tells the host's rows apart, that is an error and never a
number.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.semantics.compiler.errors import ErrorType, PlanError
from dragoman.semantics.compiler.expressions import Expr, Expressions
from dragoman.semantics.compiler.joins import JoinTree
from dragoman.semantics.compiler.measures import Formula, Leaf, key_of
from dragoman.semantics.compiler.names import Names
from dragoman.semantics.model.fields import Aggregate

# Repeated values change nothing.
_INDIFFERENT = (Aggregate.MIN, Aggregate.MAX, Aggregate.COUNT_DISTINCT)


@dataclass(frozen=True, slots=True)
class Guarded:
    """An aggregate and its protection.

    `key`: what tells the rows apart; empty where it is not needed. `once`: one row of each key is
    taken. Rows whose key is NULL, of joins that found none, never count where there is a key.
    """

    leaf: Leaf
    key: tuple[Expr, ...] = ()
    once: bool = False


@dataclass(slots=True)
class FanOut:
    """Decides for one join tree. `warnings`: what a person should know."""

    tree: JoinTree
    expressions: Expressions
    warnings: list[str]

    @property
    def _names(self) -> Names:
        return self.expressions.names

    def guard(self, leaf: Leaf) -> Guarded:
        """The protection of one aggregate. Raises `PlanError`."""
        if leaf.kind is Aggregate.SEMANTIC_VIEW_AGG:
            return Guarded(leaf)  # the database joins and protects what it defines itself
        if leaf.key is not None:
            return Guarded(leaf, (leaf.key,), once=True)
        together, added = self._counted(leaf)
        repeated = leaf.kind not in _INDIFFERENT and self.tree.multiplies(together)
        if not repeated:
            # An element has no key of its own, and needs none where nothing repeats it.
            added = [view for view in added if self._names.of_elements(view) is None]
        missing = leaf.host in self.tree.nullable() and not (leaf.value and leaf.value.strict)
        if not repeated and not missing and not added:
            return Guarded(leaf)
        if leaf.kind in _INDIFFERENT and not missing:
            return Guarded(leaf)
        key: list[Expr] = []
        for view in [leaf.host, *added]:
            key += self._key(view, leaf)
        return Guarded(leaf, tuple(dict.fromkeys(key)), once=repeated)

    def check_raw(self, formula: Formula) -> None:
        """An aggregate that is left as it is written has no protection. Raises `PlanError`."""
        if not formula.raw:
            return
        if self.tree.multiplies({formula.host}):
            raise PlanError(
                f"Joins repeat the rows of {formula.host}, which {formula.name} aggregates itself.",
                fix="Give the measure an aggregate_type and leave the aggregate out of its SQL.",
                error_type=ErrorType.KEY_REQUIRED,
            )
        if formula.counts_rows and formula.host in self.tree.nullable():
            raise PlanError(
                f"{formula.name} counts rows of {formula.host}, which a join may not find.",
                fix="Give it aggregate_type: count.",
            )

    def _counted(self, leaf: Leaf) -> tuple[set[str], list[str]]:
        """The views whose rows are counted together, and those of them besides the host.

        A value that reads a view with many rows for one of the host's has one value for each of
        those rows: they are told apart by that view's key as well.
        """
        together = {leaf.host}
        added: list[str] = []
        read = leaf.value.views if leaf.value else frozenset[str]()
        for view in sorted(read - {leaf.host}):
            way = self.tree.between(leaf.host, view)
            many = self.tree.to_many(leaf.host)
            steps = itertools.pairwise(way)
            if not any(step in many for step in steps):
                continue
            if self._names.of_elements(view) is None:
                self.warnings.append(
                    f"{leaf.name} of {leaf.host} reads {view}, which has many rows for one: "
                    "it takes each of them."
                )
            added += [each for each in way[1:] if each not in together]
            together |= set(way)
        return together, added

    def _key(self, view: str, leaf: Leaf) -> list[Expr]:
        elements = self._names.of_elements(view)
        if elements is not None:
            number = self.expressions.sql.elements("", view).number
            return [*self._key(elements.parent, leaf), Expr(number, frozenset({view}))]
        found = key_of(self._names.view(view), self.expressions)
        if found is None:
            wanted = f'"{view}" needs one for {leaf.name}.'
            raise PlanError(
                f"Joins fan out the data without a primary key: {wanted}",
                fix=f"Mark a dimension of {view} with primary_key: true,"
                " or set custom_compound_primary_key_sql.",
                error_type=ErrorType.KEY_REQUIRED,
            )
        return found


def leaves_of(formulas: Sequence[Formula]) -> list[Leaf]:
    """All different aggregates, in order."""
    return list(dict.fromkeys(leaf for formula in formulas for leaf in formula.leaves))
