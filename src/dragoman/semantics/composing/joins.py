"""Which views can be joined to which, and over which others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dragoman.semantics.model.relationships import Cardinality, JoinType, Relationship
from dragoman.semantics.model.topics import JoinNode


@dataclass(frozen=True, slots=True)
class Edge:
    """A relationship as it is walked. `reverse`: from its right side to its left."""

    relationship: Relationship
    reverse: bool = False

    @property
    def source(self) -> str:
        """The view (or alias) that it leads from."""
        return self.relationship.right if self.reverse else self.relationship.left

    @property
    def target(self) -> str:
        """The view (or alias) that it leads to."""
        return self.relationship.left if self.reverse else self.relationship.right

    @property
    def cardinality(self) -> Cardinality:
        """Rows of the source to rows of the target."""
        said = self.relationship.cardinality
        return said.inverse if self.reverse else said

    @property
    def join_type(self) -> JoinType:
        """LEFT, RIGHT, INNER, FULL or CROSS, seen from the source."""
        said = self.relationship.join_type
        left = said in (JoinType.ALWAYS_LEFT, JoinType.LEFT_RIGHT)
        if said in (JoinType.LEFT_RIGHT, JoinType.RIGHT_LEFT):
            return JoinType.ALWAYS_LEFT if left != self.reverse else JoinType.ALWAYS_RIGHT
        return said

    @property
    def keeps_target(self) -> bool:
        """Whether all rows of the target stay, also those without a match (RIGHT, FULL)."""
        return self.join_type in (JoinType.ALWAYS_RIGHT, JoinType.FULL_OUTER)


Edges = Callable[[str], Sequence[Edge]]


@dataclass(frozen=True, slots=True)
class JoinMap:
    """The views that can be reached from `base`, in the order of their first mention.

    `via`: view to the edges from the base to it, in order; the base has none. `ambiguous`: views
    that two equally short ways lead to; `via` has the first of them. `missing`: views of a topic's
    `joins` without a relationship to the view above them, with that view.
    """

    base: str
    via: Mapping[str, tuple[Edge, ...]]
    ambiguous: frozenset[str] = frozenset()
    missing: Mapping[str, str] = field(default_factory=dict[str, str])


def reachable(base: str, edges: Edges, allow: Callable[[Edge], bool]) -> JoinMap:
    """Every view that edges lead to which `allow` lets be walked, by the fewest of them."""
    via: dict[str, tuple[Edge, ...]] = {base: ()}
    ambiguous: set[str] = set()
    waiting = deque([base])
    while waiting:
        at = waiting.popleft()
        for edge in edges(at):
            if not allow(edge):
                continue
            way = (*via[at], edge)
            known = via.get(edge.target)
            if known is None:
                via[edge.target] = way
                waiting.append(edge.target)
                if at in ambiguous:
                    ambiguous.add(edge.target)
            elif known and len(known) == len(way):
                ambiguous.add(edge.target)
    return JoinMap(base, via, frozenset(ambiguous))


def without_fan_out(edge: Edge) -> bool:
    """Whether walking it leaves every row of the source at most once."""
    return not edge.cardinality.fans_out and edge.relationship.join_type is not JoinType.CROSS


def along_tree(base: str, tree: Sequence[JoinNode], edges: Edges) -> JoinMap:
    """The views of a topic's `joins`, each joined to the one above it.

    A view joins by the relationship that leads to it; where none does, by one that leads from it:
    the topic lists it, so it may be walked back.
    """
    via: dict[str, tuple[Edge, ...]] = {base: ()}
    missing: dict[str, str] = {}
    ambiguous: set[str] = set()

    def walk(above: str, nodes: Sequence[JoinNode]) -> None:
        for node in nodes:
            found = [edge for edge in edges(above) if edge.target == node.view]
            ways = [edge for edge in found if not edge.reverse] or found
            if not ways:
                missing[node.view] = above
                continue
            if len(ways) > 1 or node.view in via:
                ambiguous.add(node.view)
            via.setdefault(node.view, (*via[above], ways[0]))
            walk(node.view, node.children)

    walk(base, tree)
    return JoinMap(base, via, frozenset(ambiguous), missing)
