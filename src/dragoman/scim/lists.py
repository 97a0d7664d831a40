"""Lists of users and of groups: by the store's columns where they do, else by reading all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from dragoman.api.call import Call
from dragoman.identity import service as identity
from dragoman.identity.service import Field, Wanted
from dragoman.scim import searching
from dragoman.scim.attributes import Kind
from dragoman.scim.documents import Document
from dragoman.scim.grammar import Path
from dragoman.scim.matching import fits, values_at
from dragoman.scim.requests import Listing, base, in_order, listed, listing
from dragoman.scim.resources import Definitions
from dragoman.store import UnitOfWork

# A larger page is made beside the event loop.
SMALL = 200
EVERYTHING = 10_000_000
Search = Callable[[UnitOfWork, Wanted], tuple[int, list[Any]]]
Shape = Callable[[Any, Definitions, str], Document]


async def page(call: Call, kind: Kind, search: Search, shape: Shape) -> Response:
    """The page that the request asks for. Raises `BadRequest`."""
    asked, at = listing(call, kind), base(call)
    try:
        wanted = _wanted(kind, asked)
    except LookupError:
        total, found = await call.read_long(
            lambda unit: _read_all(unit, kind, asked, search, shape, at)
        )
        return listed(call, asked, total, found)

    def look(unit: UnitOfWork) -> tuple[int, list[Document]]:
        total, details = search(unit, wanted)
        definitions = identity.custom(unit)
        return total, [shape(detail, definitions, at) for detail in details]

    read = call.read if asked.count <= SMALL else call.read_long
    return listed(call, asked, *await read(look))


def _wanted(kind: Kind, asked: Listing) -> Wanted:
    condition = searching.condition(kind, asked.wanted)
    order = searching.field(kind, asked.sort) if asked.sort else Field.CREATED
    return Wanted(condition, order, asked.descending, asked.start, asked.count)


def _read_all(
    unit: UnitOfWork, kind: Kind, asked: Listing, search: Search, shape: Shape, at: str
) -> tuple[int, list[Document]]:
    definitions = identity.custom(unit)
    documents = [
        shape(detail, definitions, at) for detail in search(unit, Wanted(count=EVERYTHING))[1]
    ]
    if asked.wanted is not None:
        wanted = asked.wanted
        fits(kind, {}, wanted)  # a mistake in the filter shows, whoever is there
        documents = [each for each in documents if fits(kind, each, wanted)]

    def first(document: Document, path: Path) -> Any:
        return next(iter(values_at(kind, document, path)[1]), None)

    return len(documents), in_order(asked, documents, first)
