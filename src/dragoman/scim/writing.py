"""How resources are made and changed, whatever the request: one of its own, or one of many in a
bulk request. A way works in an open unit of work; `at` is the server's address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dragoman.access.principal import Principal
from dragoman.api.errors import NotFound
from dragoman.scim.attributes import Kind
from dragoman.scim.documents import Document, canonical
from dragoman.scim.patching import patched
from dragoman.scim.versions import Condition
from dragoman.store import UnitOfWork


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways of one kind of resource, whose own type is `Any` here.

    `hold` finds it by its id for a change that nobody else makes meanwhile; `show` is its document,
    `stored` what of it was said; `save` makes it what a document says; `check` raises `BadRequest`
    for a document that may not replace another.
    """

    kind: Kind
    make: Callable[[UnitOfWork, Principal, Document, str], Document]
    hold: Callable[[UnitOfWork, str], Any]
    show: Callable[[UnitOfWork, Any, str], Document]
    stored: Callable[[UnitOfWork, Any, str], Document]
    save: Callable[[UnitOfWork, Principal, Any, Document, str], Document]
    drop: Callable[[UnitOfWork, Principal, Any], None]
    check: Callable[[Document], None] | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a resource that is there. Raises `NotFound`, `PreconditionFailed`, and what the
    ways raise."""

    ways: Ways
    actor: Principal
    resource_id: str
    at: str
    condition: Condition

    def replace(self, unit: UnitOfWork, body: Any) -> Document:
        """PUT: what the body does not say is unset."""
        document = canonical(self.ways.kind, body)
        if self.ways.check is not None:
            self.ways.check(document)
        return self.ways.save(unit, self.actor, self._found(unit), document, self.at)

    def update(self, unit: UnitOfWork, body: Any) -> Document:
        """PATCH: the operations of the body, on what there is."""
        found = self._found(unit)
        document = patched(self.ways.kind, self.ways.stored(unit, found, self.at), body)
        return self.ways.save(unit, self.actor, found, document, self.at)

    def delete(self, unit: UnitOfWork) -> None:
        """DELETE."""
        self.ways.drop(unit, self.actor, self._found(unit))

    def _found(self, unit: UnitOfWork) -> Any:
        if "\0" in self.resource_id:  # no store can hold it
            raise NotFound(f"No {self.ways.kind.name.lower()} of that id")
        found = self.ways.hold(unit, self.resource_id)
        if self.condition:
            self.condition.require(self.ways.show(unit, found, self.at)["meta"]["version"])
        return found


def create(ways: Ways, unit: UnitOfWork, actor: Principal, body: Any, at: str) -> Document:
    """POST: a new resource."""
    return ways.make(unit, actor, canonical(ways.kind, body), at)
