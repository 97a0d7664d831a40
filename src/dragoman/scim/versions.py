"""Entity tags (RFC 7644 section 3.14): the version of a resource, and what a request asks of it.

A version is a hash of all that the resource shows but its address, so that it cannot be forgotten
by whoever changes a resource, and is the same after a change that changed nothing.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request

from dragoman.api.errors import PreconditionFailed

_encoder = msgspec.json.Encoder(order="deterministic")


def version_of(detail: Any) -> str:
    """The weak entity tag of what a resource is made of (any msgspec value)."""
    made = hashlib.sha256(_encoder.encode(detail)).digest()[:12]
    return f'W/"{base64.urlsafe_b64encode(made).decode()}"'


@dataclass(frozen=True, slots=True)
class Condition:
    """What a request says of versions: the tags of `If-Match` and of `If-None-Match`, without
    `W/`, since SCIM compares weak ones (RFC 7644 section 3.14)."""

    match: frozenset[str] = frozenset()
    none_match: frozenset[str] = frozenset()

    @classmethod
    def of(cls, request: Request) -> Condition:
        """Those of the headers of a request."""
        return cls(_sent(request, "if-match"), _sent(request, "if-none-match"))

    @classmethod
    def version(cls, text: str | None) -> Condition:
        """That of an operation in a bulk request, which names the version it is meant for."""
        return cls(_tags([text])) if text else cls()

    def __bool__(self) -> bool:
        """Whether anything is asked."""
        return bool(self.match or self.none_match)

    def unchanged(self, version: str | None) -> bool:
        """Whether a reader has this version already."""
        return version is not None and _among(version, self.none_match)

    def require(self, version: str) -> None:
        """Raise `PreconditionFailed` where a change is meant for another version."""
        if (self.match and not _among(version, self.match)) or self.unchanged(version):
            raise PreconditionFailed(
                "Precondition Failed: it was changed since it was read; read it again",
                headers={"ETag": version},
            )


def _sent(request: Request, header: str) -> frozenset[str]:
    return _tags(request.headers.getlist(header))


def _tags(texts: list[str]) -> frozenset[str]:
    found = (part.strip() for text in texts for part in text.split(","))
    return frozenset(tag.removeprefix("W/") for tag in found if tag)


def _among(version: str, tags: frozenset[str]) -> bool:
    return "*" in tags or version.removeprefix("W/") in tags
