"""What of a resource is answered: `attributes` and `excludedAttributes` (RFC 7644 section 3.9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from dragoman.scim.attributes import Kind
from dragoman.scim.documents import Document

# They are in every answer.
_ALWAYS = ("schemas", "id")


@dataclass(frozen=True, slots=True)
class Projection:
    """Paths in lower case; no `only`: everything."""

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @classmethod
    def asked(cls, query: Mapping[str, str], kind: Kind) -> Projection:
        """What a request asks for."""
        return cls(
            _paths(query.get("attributes"), kind), _paths(query.get("excludedattributes"), kind)
        )

    def leaves(self, name: str) -> bool:
        """Whether a top-level attribute is answered at all."""
        lowered = name.lower()
        if self.only:
            return any(path == lowered or path.startswith(f"{lowered}.") for path in self.only)
        return lowered not in self.without

    def of(self, document: Document) -> Document:
        """The document as it is answered."""
        if not self.only and not self.without:
            return document
        return {
            name: value if name in _ALWAYS else self._parts(name, value)
            for name, value in document.items()
            if name in _ALWAYS or self.leaves(name)
        }

    def _parts(self, name: str, value: Any) -> Any:
        lowered = name.lower()
        if isinstance(value, list):
            return [self._parts(name, item) for item in cast("list[Any]", value)]
        if not isinstance(value, dict) or lowered in self.only:
            return cast("object", value)
        parts = cast("Document", value)
        return {
            part: inner
            for part, inner in parts.items()
            if (not self.only or f"{lowered}.{part.lower()}" in self.only)
            and f"{lowered}.{part.lower()}" not in self.without
        }


def _paths(text: str | None, kind: Kind) -> tuple[str, ...]:
    """Comma-separated paths; those of an extension become `urn.name`, those of the core bare."""
    found: list[str] = []
    for path in (text or "").split(","):
        lowered = path.strip().lower().removeprefix(f"{kind.schema.lower()}:")
        for urn in (*kind.extensions, kind.any_name):
            if lowered.startswith(f"{urn.lower()}:"):
                lowered = f"{urn.lower()}.{lowered[len(urn) + 1 :]}"
        if lowered:
            found.append(lowered)
    return tuple(found)
