"""From the body of a change to a draft of the whole connection as it shall be."""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman.api.errors import BadRequest, FieldError
from dragoman.connections import drafts, service
from dragoman.connections.records import Connection
from dragoman.connections.schemas import EnvironmentUserAttribute
from dragoman.dialects import registry
from dragoman.dialects.properties import SECRETS
from dragoman.dialects.validation import Draft
from dragoman.house import House
from dragoman.store import UnitOfWork


def draft(
    house: House, unit: UnitOfWork, found: Connection, body: dict[str, Any], *, strict: bool
) -> Draft:
    """The draft of a stored connection with a body's changes over it. Raises `BadRequest`."""
    service.require_same_dialect(found, body.get("dialect"))
    _require_used_secrets(found, body)
    stored, sent = service.stored_body(found), present(body)
    kept = service.secret_names(unit, found) - set(sent)
    problems = service.role_problems(unit, sent)
    if strict:
        said = {**_applicable(found, stored), **sent}
        drafts.check(house, said, strict=True, kept=kept, problems=problems)
    return drafts.check(house, {**stored, **sent}, kept=kept, problems=problems)


def present(body: dict[str, Any]) -> dict[str, Any]:
    """A body without its nulls, which mean absent."""
    return {name: value for name, value in body.items() if value is not None}


def environment(body: dict[str, Any]) -> EnvironmentUserAttribute | msgspec.UnsetType | None:
    """Take `environmentUserAttribute` out of a body; null clears it, absence leaves it."""
    if "environmentUserAttribute" not in body:
        return msgspec.UNSET
    try:
        return msgspec.convert(
            body.pop("environmentUserAttribute"), EnvironmentUserAttribute | None
        )
    except msgspec.ValidationError as error:
        message = str(error)
        problem = FieldError("environmentUserAttribute", message, "Send null to clear it.")
        raise BadRequest(f"Bad Request: {problem.field}: {message}", errors=[problem]) from None


def _applicable(found: Connection, stored: dict[str, Any]) -> dict[str, Any]:
    declared = registry.get(found.dialect).declaration
    return {name: value for name, value in stored.items() if declared.use(name) is not None}


def _require_used_secrets(found: Connection, body: dict[str, Any]) -> None:
    """A change of a secret that the dialect never uses is a mistake (contract §2.5)."""
    declared = registry.get(found.dialect).declaration
    useless = [n for n in sorted(SECRETS & set(body)) if body[n] is not None]
    problems = [
        drafts.Problem(name, f"does not apply to {declared.label}", "Leave it out.")
        for name in useless
        if declared.use(name) is None
    ]
    if problems:
        raise drafts.refusal(problems)
