"""Paths of no kind of resource: what the server can do (RFC 7644 section 4), and bulk requests."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from dragoman.api.call import Call
from dragoman.api.errors import NotFound, Unsupported
from dragoman.identity import service as identity
from dragoman.scim import discovery, shapes
from dragoman.scim.bulk import bulk
from dragoman.scim.documents import Document
from dragoman.scim.requests import LIST, answer, base


async def config(call: Call) -> Response:
    most = call.house.settings.max_body_bytes
    return answer(call, discovery.service_provider_config(base(call), most))


async def types(call: Call) -> Response:
    return _list(call, discovery.resource_types(base(call)))


async def one_type(call: Call) -> Response:
    return _one(call, discovery.resource_types(base(call)), call.parameters["name"])


async def schemas(call: Call) -> Response:
    return _list(call, await _schemas(call))


async def one_schema(call: Call) -> Response:
    return _one(call, await _schemas(call), call.parameters["urn"])


async def search(call: Call) -> Response:
    """RFC 7644 section 3.4.3 for several kinds at once; section 3.12 for the answer."""
    del call
    raise Unsupported("Users and groups are listed at /Users and /Groups")


async def _schemas(call: Call) -> list[Document]:
    known = await call.read(identity.custom)
    return discovery.schemas(known.values(), base(call))


def _list(call: Call, found: list[Document]) -> Response:
    count = len(found)
    head = {"schemas": [LIST], "totalResults": count, "startIndex": 1, "itemsPerPage": count}
    return answer(call, {**head, "Resources": found})


def _one(call: Call, known: Iterable[Document], wanted: str) -> Response:
    for each in known:
        if each["id"].lower() == wanted.lower():
            return answer(call, each)
    raise NotFound(f"There is no {wanted[:120]}")


_PREFIX = discovery.PREFIX

ROUTES = (
    shapes.route(
        "POST",
        f"{_PREFIX}/Bulk",
        bulk,
        "scimBulk",
        "Make many changes at once",
        body=shapes.BULK,
        answer=shapes.BULK_ANSWER,
        errors=(400, 413),
        extension=True,
    ),
    shapes.route(
        "POST",
        f"{_PREFIX}/.search",
        search,
        "scimSearch",
        "Search everything",
        501,
        body=shapes.ANY,
        extension=True,
    ),
    shapes.route(
        "GET",
        f"{_PREFIX}/ServiceProviderConfig",
        config,
        "scimServiceProviderConfig",
        "What of SCIM is there",
        answer=shapes.ANY,
        extension=True,
    ),
    shapes.route(
        "GET",
        f"{_PREFIX}/ResourceTypes",
        types,
        "scimResourceTypes",
        "List resource types",
        answer=shapes.ANY_LIST,
        extension=True,
    ),
    shapes.route(
        "GET",
        _PREFIX + "/ResourceTypes/{name}",
        one_type,
        "scimResourceType",
        "Get a resource type",
        answer=shapes.ANY,
        errors=(404,),
        extension=True,
    ),
    shapes.route(
        "GET",
        f"{_PREFIX}/Schemas",
        schemas,
        "scimSchemas",
        "List schemas",
        answer=shapes.ANY_LIST,
        extension=True,
    ),
    shapes.route(
        "GET",
        _PREFIX + "/Schemas/{urn}",
        one_schema,
        "scimSchema",
        "Get a schema",
        answer=shapes.ANY,
        errors=(404,),
        extension=True,
    ),
)
