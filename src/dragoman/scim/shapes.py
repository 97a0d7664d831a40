"""The shapes on the wire, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from dragoman.access.policy import Permission
from dragoman.api.routing import Handler, Parameter, Route, Schema, Wire
from dragoman.scim.attributes import USER_ATTRIBUTE
from dragoman.scim.errors import MEDIA_TYPE

TAG = "SCIM"
_TEXT = {"type": "string"}
_URNS = {"type": "array", "items": _TEXT}
_NUMBER = {"type": "integer"}


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def _list(item: Schema) -> dict[str, Any]:
    shape = _object(
        ("schemas", "totalResults", "startIndex", "itemsPerPage", "Resources"),
        schemas=_URNS,
        totalResults=_NUMBER,
        startIndex=_NUMBER,
        itemsPerPage=_NUMBER,
    )
    shape["properties"]["Resources"] = {"type": "array", "items": dict(item)}
    return shape


# `attributes` and `excludedAttributes` may leave out all but the first two.
USER = _object(
    ("schemas", "id"),
    schemas=_URNS,
    id={"type": "string", "format": "uuid"},
    userName=_TEXT,
    displayName=_TEXT,
    active={"type": "boolean"},
    **{USER_ATTRIBUTE: {"type": "object"}},
)
_MEMBERS = {"type": "array", "items": _object(("value",), value=_TEXT, display=_TEXT)}
GROUP = _object(("schemas", "id"), schemas=_URNS, id=_TEXT, displayName=_TEXT, members=_MEMBERS)
USER_LIST, GROUP_LIST = _list(USER), _list(GROUP)
ANY = _object(("schemas",), schemas=_URNS)
ANY_LIST = _list(ANY)
USER_BODY = _object(
    ("userName",),
    userName={"type": "string", "description": "The e-mail address."},
    displayName=_TEXT,
    active={"type": "boolean", "default": True},
    **{USER_ATTRIBUTE: {"type": "object"}},
)
GROUP_BODY = _object(("displayName",), displayName=_TEXT, members=_MEMBERS)
_OPERATION = _object(("op",), op=_TEXT, path=_TEXT)
_OPERATION["properties"]["value"] = {}
PATCH = _object((), schemas=_URNS)
PATCH["properties"]["Operations"] = {"type": "array", "minItems": 1, "items": _OPERATION}
PATCH["required"] = ["Operations"]
_BULK_OPERATION = _object(
    ("method", "path"),
    method={"enum": ["POST", "PUT", "PATCH", "DELETE"]},
    path=_TEXT,
    bulkId=_TEXT,
    version=_TEXT,
    data={"type": "object"},
)
_BULK_RESULT = _object(
    ("method", "status"),
    method=_TEXT,
    status=_TEXT,
    bulkId=_TEXT,
    location=_TEXT,
    version=_TEXT,
    response={"type": "object"},
)
BULK = _object(("Operations",), schemas=_URNS, failOnErrors={"type": "integer", "minimum": 1})
BULK["properties"]["Operations"] = {"type": "array", "items": _BULK_OPERATION}
BULK_ANSWER = _object(("schemas", "Operations"), schemas=_URNS)
BULK_ANSWER["properties"]["Operations"] = {"type": "array", "items": _BULK_RESULT}

PROJECTION = (
    Parameter("attributes", "Only these attributes, comma-separated."),
    Parameter("excludedAttributes", "All attributes but these, comma-separated."),
)
IF_MATCH = (Parameter("If-Match", "The ETag that was read; 412 when it has changed since."),)
LISTING = (
    Parameter("filter", 'As in RFC 7644 section 3.4.2.2: `userName eq "ann@example.com"`.'),
    Parameter("startIndex", "The first result, counted from 1.", {"type": "integer", "default": 1}),
    Parameter("count", "The most results, up to 1000.", {"type": "integer", "default": 100}),
    Parameter("sortBy", "The attribute to sort by; without it, by when they were made."),
    Parameter("sortOrder", "", {"enum": ["ascending", "descending"], "default": "ascending"}),
    *PROJECTION,
)


_ERROR = _object(
    ("schemas", "status", "detail"),
    schemas=_URNS,
    status={"type": "string", "description": "The status code as text."},
    scimType=_TEXT,
    detail=_TEXT,
    error=_TEXT,
    message=_TEXT,
)
_WIRE = Wire((MEDIA_TYPE, "application/json"), _ERROR)


def route(
    method: str,
    path: str,
    handler: Handler,
    operation_id: str,
    summary: str,
    status: int = 200,
    **more: Any,
) -> Route:
    """A route of SCIM: for organization keys, its segments in any case."""
    permission = Permission.SCIM
    return Route(
        method,
        path,
        handler,
        permission,
        operation_id,
        summary,
        TAG,
        status,
        any_case=True,
        wire=_WIRE,
        **more,
    )
