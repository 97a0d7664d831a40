"""What the requests of SCIM have in common: the parameters of lists, bodies, answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.responses import Response

from dragoman.api.call import Call
from dragoman.api.errors import ApiError, BadRequest, NotFound
from dragoman.scim import errors
from dragoman.scim.attributes import Kind
from dragoman.scim.documents import Document
from dragoman.scim.errors import MEDIA_TYPE, bad_filter, bad_value
from dragoman.scim.grammar import Filter, Path, parse_filter, split_path
from dragoman.scim.projection import Projection
from dragoman.scim.versions import Condition
from dragoman.scim.writing import Change, Ways, create
from dragoman.store import UnitOfWork

LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
DEFAULT_COUNT = 100
MOST = 1000
_NUMBER = re.compile(r"-?\d{0,12}(?:\.?\d{1,12})?")
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list asks for. `start` counts from 0."""

    wanted: Filter | None
    sort: Path | None
    descending: bool
    start: int
    count: int
    projection: Projection


def listing(call: Call, kind: Kind) -> Listing:
    """The parameters of a list. Those that are not known are left alone: identity providers add
    flags of their own to the address. Raises `BadRequest`."""
    query = parameters(call)
    text, sort = query.get("filter"), query.get("sortby")
    return Listing(
        parse_filter(text) if text and text.strip() else None,
        split_path(sort) if sort else None,
        query.get("sortorder", "").lower() == "descending",
        max(_number(query, "startIndex", 1) - 1, 0),
        min(max(_number(query, "count", DEFAULT_COUNT), 0), MOST),
        Projection.asked(query, kind),
    )


def parameters(call: Call) -> dict[str, str]:
    """The query parameters, their names in lower case. Raises `BadRequest` for a NUL."""
    found = {name.lower(): value for name, value in call.request.query_params.multi_items()}
    if any("\0" in value for value in found.values()):
        raise bad_value("a parameter must not have the character NUL")
    return found


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name.lower(), "").strip()
    if not text:
        return default
    if not _NUMBER.fullmatch(text) or text in ("-", "."):
        raise bad_value(f"{name} is a number")
    return int(float(text))


async def body(call: Call) -> dict[str, Any]:
    """The body as a JSON object. Raises `BadRequest` (`invalidSyntax`)."""
    try:
        return await call.json()
    except BadRequest as error:
        error.extra.setdefault("scimType", "invalidSyntax")
        raise


def answer(
    call: Call, content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer, as `application/json` to who accepts only that."""
    media_type = _media_type(call.request.headers.get("accept", ""))
    return Response(_encoder.encode(content), status, headers, media_type)


def one(call: Call, document: Document, kind: Kind, status: int = 200) -> Response:
    """One resource with its entity tag, of it what the request asks for; 304 to a reader who has
    this version."""
    meta = document["meta"]
    version: str | None = meta.get("version")
    headers = {} if version is None else {"ETag": version}
    if status == 201:
        headers["Location"] = meta["location"]
    reads = call.request.method in ("GET", "HEAD")
    if reads and Condition.of(call.request).unchanged(version):
        return Response(status_code=304, headers=headers)
    shown = Projection.asked(parameters(call), kind).of(document)
    return answer(call, shown, status, headers)


async def made(call: Call, ways: Ways) -> Response:
    """The answer of a POST."""
    sent, at = await body(call), base(call)
    document = await call.write(lambda unit: create(ways, unit, call.principal, sent, at))
    return one(call, document, ways.kind, 201)


async def changed(
    call: Call, ways: Ways, resource_id: str, how: Callable[[Change, UnitOfWork, Any], Document]
) -> Response:
    """The answer of a PUT or a PATCH."""
    sent, change = await body(call), _change(call, ways, resource_id)
    return one(call, await call.write(lambda unit: how(change, unit, sent)), ways.kind)


async def deleted(call: Call, ways: Ways, resource_id: str) -> Response:
    """The answer of a DELETE."""
    await call.write(_change(call, ways, resource_id).delete)
    return Response(status_code=204)


def _change(call: Call, ways: Ways, resource_id: str) -> Change:
    return Change(ways, call.principal, resource_id, base(call), Condition.of(call.request))


def _media_type(accepted: str) -> str:
    wanted = accepted.lower()
    return "application/json" if "json" in wanted and "scim" not in wanted else MEDIA_TYPE


def failed(error: ApiError) -> Response:
    """The answer of an error, of routes and of paths that are none."""
    return Response(_encoder.encode(errors.body(error)), error.code, error.headers, MEDIA_TYPE)


def listed(call: Call, asked: Listing, total: int, found: Iterable[Document]) -> Response:
    """One page of a list."""
    resources = [asked.projection.of(document) for document in found]
    return answer(
        call,
        {
            "schemas": [LIST],
            "totalResults": total,
            "startIndex": asked.start + 1,
            "itemsPerPage": len(resources),
            "Resources": resources,
        },
    )


def in_order(
    asked: Listing, documents: list[Document], value_of: Callable[[Document, Path], Any]
) -> list[Document]:
    """The page of documents that were read whole; those without a value of the sort come last."""
    if asked.sort is not None:
        path = asked.sort
        keyed = [(value_of(document, path), document) for document in documents]
        there = [pair for pair in keyed if pair[0] is not None]
        there.sort(key=lambda pair: str(pair[0]).casefold(), reverse=asked.descending)
        documents = [each for _, each in there] + [each for key, each in keyed if key is None]
    return documents[asked.start : asked.start + asked.count]


def path_id(call: Call, name: str, what: str) -> str:
    """The id in the path. What no store can hold is nobody's id: raises `NotFound`."""
    text = call.parameters[name]
    if "\0" in text:
        raise NotFound(f"No {what} of that id")
    return text


def base(call: Call) -> str:
    """The address of the server as this client reaches it."""
    public = call.house.settings.public_url
    return (public or str(call.request.base_url)).rstrip("/")


__all__ = [
    "Listing",
    "answer",
    "bad_filter",
    "base",
    "body",
    "changed",
    "deleted",
    "failed",
    "in_order",
    "listed",
    "listing",
    "made",
    "one",
    "parameters",
]
