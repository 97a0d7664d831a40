"""Query parameters that operations of models share. Two spellings of the branch are in use."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.api.call import uuid_of
from dragoman.api.errors import BadRequest
from dragoman.api.routing import Parameter
from dragoman.models.records import Kind

_UUID = {"type": "string", "format": "uuid"}
BRANCH = (
    Parameter("branch_id", "The branch's id.", _UUID),
    Parameter("branchId", "The same.", _UUID),
)
# Later contracts list kinds that no list has.
MODEL_KINDS = (*Kind, "TOPIC", "FIELD_PICKER_TOPIC")
_MOST_DIGITS = 9


def branch_id(query: Mapping[str, str], in_body: str | None = None) -> str | None:
    """The branch that a request names, in either spelling, or in its body as well: where the
    contract has it in the one place, clients send it in the other. Raises `BadRequest`."""
    named = {uuid_of(query[name], name) for name in ("branch_id", "branchId") if name in query}
    if in_body is not None:
        named.add(uuid_of(in_body, "branchId"))
    if len(named) > 1:
        raise BadRequest("Bad Request: branch_id and branchId name two branches")
    return next(iter(named), None)


def whole_number(values: Mapping[str, str], name: str) -> int | None:
    """A whole number from 0; None when absent. Raises `BadRequest`."""
    text = values.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > _MOST_DIGITS:
        raise BadRequest(f"Bad Request: {name}: Expected a whole number")
    return int(text)
