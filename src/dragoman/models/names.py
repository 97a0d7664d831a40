"""Names of models: what a branch may be called, and that live names are unique."""

from __future__ import annotations

import re

from sqlalchemy import select

from dragoman.api.errors import BadRequest
from dragoman.models.records import Kind, name_key
from dragoman.models.tables import models as table
from dragoman.store import UnitOfWork

MAX_NAME = 200
_BRANCH = re.compile(r"[\w\-/]+")


def check_text(name: str) -> str:
    """A name without what neither store nor terminal takes. Raises `BadRequest`."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise BadRequest(f"Bad Request: a model's name has 1 to {MAX_NAME} printable characters")
    return name


def check_branch(
    unit: UnitOfWork, base_model_id: str, name: str, besides: str | None = None
) -> None:
    """Raise `BadRequest` unless git could have this branch beside the others of the base model
    (`team` and `team/project` cannot both be files under refs/heads)."""
    parts = name.split("/")
    if not _BRANCH.fullmatch(name) or "" in parts or any(part.startswith("-") for part in parts):
        raise BadRequest(
            r"Bad Request: Branch name must match git-compatible regex [\w\-/]+",
            extra={"fix": "Use letters, digits, _ and -, and / between non-empty parts."},
        )
    statement = select(table.c.id, table.c.name).where(
        table.c.base_model_id == base_model_id,
        table.c.kind == Kind.BRANCH.value,
        table.c.deleted_at.is_(None),
    )
    for other_id, other in unit.db.execute(statement):
        if other_id != besides and (other.startswith(f"{name}/") or name.startswith(f"{other}/")):
            raise BadRequest(
                "Bad Request: Branch name would create git ref path conflict",
                extra={"fix": f"The branch {other} is there: choose a name beside it."},
            )


def claim(
    unit: UnitOfWork, kind: Kind, parent: str, name: str | None, besides: str | None = None
) -> str | None:
    """The unique key of a live name; None for no name. Raises `BadRequest` when it is taken."""
    if name is None:
        return None
    key = name_key(kind, parent, name)
    taken = unit.db.execute(select(table.c.id).where(table.c.name_key == key)).scalar()
    if taken is not None and taken != besides:
        raise BadRequest("Bad Request: Model name must be unique")
    return key
