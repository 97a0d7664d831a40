"""What stands beside the question in `POST /v1/query/run` (contract §4.1)."""

from __future__ import annotations

import uuid
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from dragoman.api.errors import BadRequest
from dragoman.queries.kinds import CACHE_MODES, RESULT_TYPES, CacheMode
from dragoman.semantics.query.filters import BadQuery
from dragoman.semantics.query.request import Query, read_query


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `body`: the question as it was sent, to be sent back. `result_type` None: the
    stream of lines. `acting_for`: the user whose permissions and attributes count. `suggestions`:
    it asks for values to choose from, which live longer."""

    query: Query
    body: Mapping[str, Any]
    model_id: str
    branch_id: str | None = None
    environment_id: str | None = None
    acting_for: str | None = None
    cache: CacheMode = CacheMode.USE
    result_type: str | None = None
    format_results: bool = False
    plan_only: bool = False
    timezone: str | None = None
    suggestions: bool = False


def read(body: Mapping[str, Any], parameters: Mapping[str, str], *, lenient: bool) -> Ask:
    """The request of a body and its query parameters. Raises `BadRequest`."""
    given = body.get("query")
    if not isinstance(given, dict):
        raise BadRequest("Bad Request: query: Invalid input: expected object")
    question = cast("dict[str, Any]", given)
    if "branchId" in question:
        raise BadRequest("Bad Request: branchId stands beside the query, not inside it")
    try:
        query = read_query(question, lenient=lenient)
    except BadQuery as bad:
        raise BadRequest(f"Bad Request: {bad}") from None
    ask = Ask(
        query,
        question,
        _id("query.modelId", question.get("modelId"), needed=True) or "",
        _id("branchId", body.get("branchId") or parameters.get("branch_id")),
        _id(
            "connectionEnvironmentId",
            body.get("connectionEnvironmentId") or body.get("environmentConnectionId"),
        ),
        _acting(body, parameters),
        _cache(body.get("cache")),
        _result_type(body.get("resultType")),
        _flag(body, "formatResults"),
        _flag(body, "planOnly"),
        _timezone(body.get("timezone")),
    )
    _check(ask)
    return ask


def _check(ask: Ask) -> None:
    if ask.plan_only and ask.result_type:
        raise BadRequest("Bad Request: planOnly and resultType exclude each other")
    if ask.format_results and not ask.result_type:
        raise BadRequest("Bad Request: formatResults needs resultType")


def _id(name: str, value: object, *, needed: bool = False) -> str | None:
    if value is None and not needed:
        return None
    if not isinstance(value, str):
        shown = "undefined" if value is None else type(value).__name__
        raise BadRequest(f"Bad Request: {name}: Invalid input: expected string, received {shown}")
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise BadRequest(f"Bad Request: {name}: Invalid UUID") from None


def _acting(body: Mapping[str, Any], parameters: Mapping[str, str]) -> str | None:
    if "userId" in parameters and body.get("userId") is not None:
        raise BadRequest("Bad Request: userId stands in the query or in the body, not in both")
    return _id("userId", parameters.get("userId") or body.get("userId"))


def _cache(value: object) -> CacheMode:
    if value is None:
        return CacheMode.USE
    if not isinstance(value, str) or value not in CACHE_MODES:
        raise BadRequest(f"Bad Request: cache: one of {', '.join(CACHE_MODES)} is expected")
    return CACHE_MODES[value]


def _result_type(value: object) -> str | None:
    if value is not None and value not in RESULT_TYPES:
        raise BadRequest(f"Bad Request: resultType: one of {', '.join(RESULT_TYPES)} is expected")
    return cast("str | None", value)


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequest(f"Bad Request: {name}: Invalid input: expected boolean")
    return bool(value)


def _timezone(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or value not in zoneinfo.available_timezones():
        raise BadRequest("Bad Request: timezone: Use an IANA name such as Europe/Berlin")
    return value
