"""The wire shape of a question: `{"sql", "limit", "timezone"}`, closed, checked all at once."""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.api.errors import BadRequest, FieldError

SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["sql"],
    "properties": {
        "sql": {
            "type": "string",
            "minLength": 1,
            "description": "One reading statement in the connection's own SQL.",
        },
        "limit": {
            "type": ["integer", "null"],
            "minimum": 0,
            "description": "After so many rows the answer ends. Null or absent: all rows.",
        },
        "timezone": {
            "type": ["string", "null"],
            "description": "IANA name; used if the connection allows user-specific time zones.",
            "examples": ["Europe/Berlin"],
        },
    },
}


class Question(msgspec.Struct, frozen=True):
    """What is asked. `limit` counts rows, None means all; `timezone` is a known IANA name."""

    sql: str
    limit: int | None = None
    timezone: str | None = None


def question(body: Mapping[str, Any]) -> Question:
    """The question that a body asks. Raises `BadRequest` with every problem of every field."""
    problems = [
        FieldError(str(key)[:60], "Unrecognized key", "Send sql, limit and timezone only.")
        for key in body
        if key not in SCHEMA["properties"]
    ]
    for name, check in (("sql", _sql), ("limit", _limit), ("timezone", _timezone)):
        problems += check(name, body.get(name))
    if problems:
        listed = "; ".join(f"{problem.field}: {problem.message}" for problem in problems)
        raise BadRequest(f"Bad Request: {listed}", errors=problems)
    return Question(body["sql"], body.get("limit"), body.get("timezone"))


def _sql(name: str, value: object) -> list[FieldError]:
    if value is None:
        return [FieldError(name, "Required", "Send the statement as text.")]
    if not isinstance(value, str):
        return [FieldError(name, "Expected string", "Send the statement as text.")]
    if not value.strip():
        return [FieldError(name, "Must not be empty", "Send the statement as text.")]
    return []


def _limit(name: str, value: object) -> list[FieldError]:
    if value is None or (type(value) is int and value >= 0):
        return []
    return [FieldError(name, "Expected a whole number of 0 or more", "Leave it out for all rows.")]


def _timezone(name: str, value: object) -> list[FieldError]:
    if value is None or (isinstance(value, str) and value in _zones()):
        return []
    shown = f" '{value[:60]}'" if isinstance(value, str) else ""
    fix = "Use an IANA name such as Europe/Berlin."
    return [FieldError(name, f"Unknown time zone{shown}", fix)]


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
