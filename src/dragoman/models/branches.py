"""Branches: by name, brought up to date, merged, deleted (docs/decisions/0006)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, NotFound
from dragoman.models import files
from dragoman.models.files import StoredFile
from dragoman.models.records import ROWS, Kind, Model, load, model_of
from dragoman.models.saving import Save, lock, save
from dragoman.models.tables import models as table
from dragoman.models.threeway import ABSENT, Conflict, Side, merge
from dragoman.store import UnitOfWork


@dataclass(frozen=True, slots=True)
class Merge:
    """What merging comes to: the new text of each file that changes, and what stands in its way."""

    changes: dict[str, str | None]
    conflicts: tuple[Conflict, ...]


def find(unit: UnitOfWork, base: Model, name: str) -> Model:
    """The live branch of that name. Raises `NotFound`."""
    statement = ROWS.where(
        table.c.base_model_id == base.id,
        table.c.kind == Kind.BRANCH.value,
        table.c.name == name,
        table.c.deleted_at.is_(None),
    )
    row = unit.db.execute(statement).first()
    if row is None:
        raise NotFound("Shared model or branch model does not exist")
    return model_of(row)


def branches_of(unit: UnitOfWork, base: Model) -> list[Model]:
    """The live branches of a model, by name."""
    statement = ROWS.where(
        table.c.base_model_id == base.id,
        table.c.kind == Kind.BRANCH.value,
        table.c.deleted_at.is_(None),
    )
    return [model_of(row) for row in unit.db.execute(statement.order_by(table.c.name))]


def base_of(unit: UnitOfWork, branch: Model) -> Model:
    """The model that a branch is of. Raises `NotFound`."""
    base = load(unit, branch.base_model_id) if branch.base_model_id else None
    if base is None or base.deleted_at is not None:
        raise NotFound("Shared model or branch model does not exist")
    return base


def changed(unit: UnitOfWork, branch: Model) -> dict[str, StoredFile]:
    """The files that the branch has otherwise than its base model; no text: gone."""
    return files.own_files(unit, branch)


def preview(unit: UnitOfWork, branch: Model, prefer: Side | None = None) -> Merge:
    """What merging the branch would do to its base model; changes nothing."""
    return _merge(unit, base_of(unit, branch), branch, prefer)


def merge_branch(
    unit: UnitOfWork, principal: Principal, branch: Model, message: str = ""
) -> tuple[int, list[str]]:
    """Write the branch's changes into its base model, as one version; the branch has none then.

    Returns the base model's version and the paths that changed. Raises `BadRequest` with every
    conflict, and then changes nothing.
    """
    base = lock(unit, base_of(unit, branch).id)
    branch = lock(unit, branch.id)
    outcome = preview(unit, branch)
    if outcome.conflicts:
        raise conflict_error(branch, outcome.conflicts)
    said = message.strip() or f"branch {branch.name} merged via API"
    version = save(unit, principal, base, Save(outcome.changes, said))
    _settle(unit, principal, branch, f"Merged into {base.name or base.id}, version {version}")
    detail = {"branch": branch.name, "version": version, "message": said}
    audit.record(unit, principal, "branch.merge", ("model", base.id), after=detail)
    return version, sorted(outcome.changes)


def update_branch(
    unit: UnitOfWork,
    principal: Principal,
    branch: Model,
    prefer: Side | None = None,
    message: str = "",
) -> int:
    """Bring the base model's later changes into the branch's own files; returns its version.

    `prefer`: whose value stands where both changed one ("ours": the base model's). Raises
    `BadRequest` with every conflict when nothing is preferred.
    """
    base = lock(unit, base_of(unit, branch).id)
    branch = lock(unit, branch.id)
    outcome = _merge(unit, base, branch, prefer)
    if outcome.conflicts:
        raise conflict_error(branch, outcome.conflicts)
    touched = changed(unit, branch)
    now = files.some_files(unit, base, touched)
    texts = {
        path: outcome.changes.get(path, now[path].text if path in now else None) for path in touched
    }
    taken = dict.fromkeys(texts, base.version)
    said = message or f"Update from {base.name or base.id}, version {base.version}"
    return save(unit, principal, branch, Save(texts, said, taken_from=taken))


def _merge(unit: UnitOfWork, base: Model, branch: Model, prefer: Side | None) -> Merge:
    touched = changed(unit, branch)
    now = files.some_files(unit, base, touched)
    changes: dict[str, str | None] = {}
    conflicts: list[Conflict] = []
    for path, file in touched.items():
        was = files.text_at(unit, base.id, path, file.base_version or 0)
        current = now[path].text if path in now else None
        merged = merge(path, was, current, file.text, prefer)
        conflicts += merged.conflicts
        if merged.text != current:
            changes[path] = merged.text
    return Merge(changes, tuple(conflicts))


def _settle(unit: UnitOfWork, principal: Principal, branch: Model, message: str) -> None:
    """The branch holds what its base model holds: nothing of its own is left."""
    touched = changed(unit, branch)
    now = files.some_files(unit, base_of(unit, branch), touched)
    texts = {path: now[path].text if path in now else None for path in touched}
    save(unit, principal, branch, Save(texts, message, taken_from=dict.fromkeys(texts, 0)))


def delete_branch(unit: UnitOfWork, principal: Principal, branch: Model) -> None:
    """Delete a branch; its versions stay in the store."""
    values = {"deleted_at": unit.now, "updated_at": unit.now, "name_key": None}
    unit.db.execute(update(table).where(table.c.id == branch.id).values(values))
    detail = {"name": branch.name, "baseModelId": branch.base_model_id}
    audit.record(unit, principal, "branch.delete", ("model", branch.id), before=detail)


def conflict_error(branch: Model, conflicts: Sequence[Conflict]) -> BadRequest:
    """The refusal of a merge: every property that both sides changed, with the three values."""
    files_named = sorted({conflict.file for conflict in conflicts})
    return BadRequest(
        f"Bad Request: Merge conflict: branch {branch.name} and its base model both changed "
        f"{len(conflicts)} of the same properties in {', '.join(files_named[:10])}",
        extra={
            "code": "merge_conflict",
            "conflicts": [shown(conflict) for conflict in conflicts],
            "fix": "Write the wanted values into the branch with branch/{name}/update and "
            "`prefer`, then merge again.",
        },
    )


def shown(conflict: Conflict) -> dict[str, Any]:
    """A conflict as the API gives it; a property that is not there is left out."""
    values = {"base": conflict.base, "shared": conflict.ours, "branch": conflict.theirs}
    there = {side: value for side, value in values.items() if value is not ABSENT}
    return {"fileName": conflict.file, "path": list(conflict.path), **there}
