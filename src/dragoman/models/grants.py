"""Access grants of a new model, as its first model file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.models.records import Kind, Model
from dragoman.models.saving import Save, lock, save
from dragoman.models.schemas import AccessGrant
from dragoman.semantics.files import write
from dragoman.store import UnitOfWork


def save_grants(
    unit: UnitOfWork, principal: Principal, model: Model, grants: Sequence[AccessGrant]
) -> None:
    """Write the grants into the model's file. Raises `BadRequest` for a schema model."""
    if not grants:
        return
    if model.kind is Kind.SCHEMA:
        raise BadRequest("Bad Request: accessGrants: a schema model has none")
    comments = [
        f"# {grant.name}.{key}: {line}\n"
        for grant in grants
        for key, text in grant.code_comments.items()
        for line in text.splitlines()
    ]
    definition = {"access_grants": {grant.name: _definition(grant) for grant in grants}}
    text = "".join(comments) + write(definition)
    save(unit, principal, lock(unit, model.id), Save({"model": text}, "Access grants"))


def _definition(grant: AccessGrant) -> dict[str, Any]:
    found: dict[str, Any] = {
        "user_attribute": grant.user_attribute,
        "allowed_values": grant.allowed_values or None,
        "access_boostable": grant.access_boostable or None,
        "ignored": grant.ignored or None,
    }
    return {key: value for key, value in found.items() if value is not None}
