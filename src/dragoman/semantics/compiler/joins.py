"""The join tree of a question: only the views that it uses, by one way that is never guessed."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.names import Names
from dragoman.semantics.composing.joins import Edge, JoinMap
from dragoman.semantics.model.relationships import Cardinality, JoinType, Relationship

MAX_HOPS = 12


KEYWORDS = {
    JoinType.ALWAYS_LEFT: "LEFT",
    JoinType.ALWAYS_RIGHT: "RIGHT",
    JoinType.INNER: "INNER",
    JoinType.FULL_OUTER: "FULL",
    JoinType.CROSS: "CROSS",
}


@dataclass(slots=True)
class JoinTree:
    """`edges`: each after the one that brings its parent."""

    base: str
    edges: list[Edge] = field(default_factory=list["Edge"])
    _steps: dict[str, list[tuple[str, bool]]] | None = None
    _nullable: set[str] | None = None
    _multiplied: dict[frozenset[str], bool] = field(default_factory=dict[frozenset[str], bool])

    @property
    def views(self) -> list[str]:
        """All views, the base first."""
        return [self.base, *(edge.target for edge in self.edges)]

    def to_many(self, view: str) -> set[tuple[str, str]]:
        """The steps (from, to) that multiply the rows of `view` when walked away from it."""
        return {(here, there) for here, there, many in self._walk({view}) if many}

    def multiplies(self, views: Iterable[str]) -> bool:
        """Whether a row of these views together may come out several times."""
        together = frozenset(views)
        known = self._multiplied.get(together)
        if known is None:
            known = any(many for _, _, many in self._walk(set(together)))
            self._multiplied[together] = known
        return known

    def between(self, one: str, other: str) -> list[str]:
        """The views on the way, both ends included."""
        ways = [self._up(one), self._up(other)]
        shared = [view for view in ways[0] if view in ways[1]]
        top = shared[0]
        left = ways[0][: ways[0].index(top)]
        right = ways[1][: ways[1].index(top)]
        return [*left, top, *reversed(right)]

    def nullable(self) -> set[str]:
        """The views that may have no row in a joined row. Errs on the side of "may"."""
        if self._nullable is not None:
            return self._nullable
        found: set[str] = set()
        seen = {self.base}
        for edge in self.edges:
            if edge.join_type in (JoinType.ALWAYS_RIGHT, JoinType.FULL_OUTER):
                found |= seen
            if (
                edge.join_type in (JoinType.ALWAYS_LEFT, JoinType.FULL_OUTER)
                or edge.source in found
            ):
                found.add(edge.target)
            seen.add(edge.target)
        self._nullable = found
        return found

    def _up(self, view: str) -> list[str]:
        parents = {edge.target: edge.source for edge in self.edges}
        way = [view]
        while way[-1] != self.base:
            way.append(parents[way[-1]])
        return way

    def _neighbours(self) -> dict[str, list[tuple[str, bool]]]:
        if self._steps is None:
            self._steps = {}
            for edge in self.edges:
                down = edge.cardinality
                self._steps.setdefault(edge.source, []).append((edge.target, down.fans_out))
                back = (edge.source, down.inverse.fans_out)
                self._steps.setdefault(edge.target, []).append(back)
        return self._steps

    def _walk(self, inside: set[str]) -> Iterator[tuple[str, str, bool]]:
        """Steps away from a connected set of views, and whether each multiplies."""
        steps = self._neighbours()
        reached = set(inside)
        ahead = list(inside)
        while ahead:
            here = ahead.pop()
            for there, many in steps.get(here, ()):
                if there not in reached:
                    yield here, there, many
                    reached.add(there)
                    ahead.append(there)


class Joins:
    """Finds the joins that a question needs. `base`: the view after FROM."""

    def __init__(
        self, names: Names, base: str, via: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    ) -> None:
        self.names = names
        self.base = base
        self.via = via
        self._map = names.join_map if names.topic is not None else None

    def tree(self, needed: Iterable[str]) -> JoinTree:
        """The tree that reaches every needed view. Raises `PlanError`."""
        views = sorted(set(needed))
        edges = self._edges(views)
        if self._map is not None and any(edge.keeps_target for edge in edges):
            # Beside such a join an inner one takes other rows away before it than after it.
            used = {*views, *(edge.target for edge in edges)}
            edges = self._edges([view for view in self._map.via if view in used])
        return JoinTree(self.base, edges)

    def _edges(self, views: Iterable[str]) -> list[Edge]:
        found: dict[str, Edge] = {}
        for view in views:
            for edge in self._way(view):
                found.setdefault(edge.target, edge)
        return list(found.values())

    def _way(self, view: str) -> Sequence[Edge]:
        if view == self.base:
            return ()
        elements = self.names.of_elements(view)
        if elements is not None:
            return [*self._way(elements.parent), _to_elements(elements.parent, view)]
        self.names.view(view)
        if view in self.via:
            return self._along([self.base, *self.via[view], view])
        return self._shortest(view) if self._map is None else self._of_topic(self._map, view)

    def _of_topic(self, joins: JoinMap, view: str) -> Sequence[Edge]:
        if view in joins.ambiguous:
            raise PlanError(
                f'The topic joins "{view}" in more than one way.',
                fix="Say which in the topic's joins.",
            )
        if view not in joins.via:
            above = joins.missing.get(view)
            if above is not None:
                raise _no_relationship(above, view)
            raise PlanError(
                f'The topic does not join the view "{view}".', fix="Add it to the topic's joins."
            )
        return joins.via[view]

    def _along(self, way: list[str]) -> list[Edge]:
        return [self._edge(here, there) for here, there in itertools.pairwise(way)]

    def _edge(self, here: str, there: str) -> Edge:
        """The join between two views that somebody put side by side: backwards only if need be."""
        found = [
            Edge(each, reverse=each.left != here)
            for each in self.names.relationships_of(here)
            if (each.left, each.right) in ((here, there), (there, here))
        ]
        if not found:
            raise _no_relationship(here, there)
        return min(found, key=lambda edge: edge.reverse)

    def _shortest(self, view: str) -> list[Edge]:
        """The one shortest way over the model's relationships; two of a length are an error."""
        done = {self.base}
        ways: dict[str, list[list[Edge]]] = {self.base: [[]]}
        for _ in range(MAX_HOPS):
            ahead: dict[str, list[list[Edge]]] = {}
            for here, found in ways.items():
                for edge in self.names.edges(here):
                    if edge.target not in done:
                        # Two ways are enough to know that there is not one.
                        both = [[*way, edge] for way in found] + ahead.get(edge.target, [])
                        ahead[edge.target] = both[:2]
            if view in ahead:
                return self._only(view, ahead[view])
            done |= set(ahead)
            ways = ahead
        raise PlanError(
            f'No join path from "{self.base}" to "{view}".', fix="Add a relationship between them."
        )

    def _only(self, view: str, ways: list[list[Edge]]) -> list[Edge]:
        if len(ways) > 1:
            shown = " or ".join(" → ".join([self.base, *(e.target for e in w)]) for w in ways)
            raise PlanError(
                f'The join path from "{self.base}" to "{view}" is ambiguous: {shown}.',
                fix="Ask in a topic whose joins say which, or give join_via_map.",
            )
        return ways[0]


def _to_elements(parent: str, elements: str) -> Edge:
    return Edge(Relationship(parent, elements, Cardinality.ONE_TO_MANY, None))


def _no_relationship(here: str, there: str) -> PlanError:
    return PlanError(
        f'No relationship joins "{here}" and "{there}".', fix="Add one to relationships."
    )
