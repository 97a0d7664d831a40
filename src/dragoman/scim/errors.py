"""Errors in the form of SCIM (RFC 7644 section 3.12).

They keep `error` and `message` of the house's errors; `status` is text there, as the RFC has it.
"""

from __future__ import annotations

from typing import Any

from dragoman.api.errors import ApiError, BadRequest, Conflict

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
MEDIA_TYPE = "application/scim+json"
_TYPE = "scimType"
# Of errors that name none themselves (RFC 7644 table 9).
_TYPES: dict[type[ApiError], str] = {Conflict: "uniqueness", BadRequest: "invalidValue"}


def body(error: ApiError) -> dict[str, Any]:
    """The JSON body of an error."""
    name = _TYPES.get(type(error))
    kind = {} if name is None else {_TYPE: name}
    return {"schemas": [ERROR], **kind, **error.body(), "status": str(error.code)}


def bad_filter(what: str) -> BadRequest:
    """The filter cannot be read, or asks for what cannot be compared."""
    return _bad("invalidFilter", what)


def bad_path(what: str) -> BadRequest:
    """No such attribute to change."""
    return _bad("invalidPath", what)


def bad_value(what: str) -> BadRequest:
    """A value that the attribute does not take, or a required one that is missing."""
    return _bad("invalidValue", what)


def bad_syntax(what: str) -> BadRequest:
    """The body is not what the operation takes."""
    return _bad("invalidSyntax", what)


def no_target(what: str) -> BadRequest:
    """The path of a PATCH leads to nothing."""
    return _bad("noTarget", what)


def read_only(what: str) -> BadRequest:
    """The attribute cannot be changed."""
    return _bad("mutability", what)


def _bad(kind: str, what: str) -> BadRequest:
    return BadRequest(f"Bad Request: {what}", extra={_TYPE: kind})
