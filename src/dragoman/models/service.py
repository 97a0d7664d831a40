"""The rules of models. Every function takes an open unit of work and a principal.

What other rooms may use of this one, in one place: they import no other module of it.
"""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import select, update

from dragoman import audit
from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, NotFound
from dragoman.models import names
from dragoman.models.access import bearer, branch_of, check, editable, get, on_branch, rights_on
from dragoman.models.branches import (
    base_of,
    branches_of,
    changed,
    delete_branch,
    find,
    merge_branch,
    preview,
    update_branch,
)
from dragoman.models.cache_resets import last_reset
from dragoman.models.composing import composed, layers
from dragoman.models.creation import NewModel, bearers, create, follow_connection, shared_models
from dragoman.models.extending import makeup
from dragoman.models.files import (
    StoredFile,
    all_files,
    checksum_of,
    some_files,
    text_at,
    texts_there_were,
)
from dragoman.models.layers import StoredLayer
from dragoman.models.listing import ListFilter, Page, page
from dragoman.models.records import Kind, Model, lineage, load
from dragoman.models.rules import Intent, not_in_git
from dragoman.models.saving import Save, lock, save, save_files
from dragoman.models.tables import models as table
from dragoman.models.threeway import Conflict, Merged, merge
from dragoman.models.versions import Version, history, restore
from dragoman.models.yaml_saving import own_texts
from dragoman.store import UnitOfWork

__all__ = [
    "Conflict",
    "Intent",
    "Kind",
    "ListFilter",
    "Merged",
    "Model",
    "NewModel",
    "Page",
    "Save",
    "StoredFile",
    "StoredLayer",
    "Version",
    "all_files",
    "base_of",
    "bearer",
    "bearers",
    "branch_of",
    "branches_of",
    "changed",
    "check",
    "checksum_of",
    "composed",
    "create",
    "delete",
    "delete_branch",
    "editable",
    "files",
    "find",
    "follow_connection",
    "get",
    "history",
    "last_reset",
    "layers",
    "lineage",
    "load",
    "lock",
    "makeup",
    "merge",
    "merge_branch",
    "not_in_git",
    "on_branch",
    "own_texts",
    "page",
    "preview",
    "rename",
    "restore",
    "rights_on",
    "save",
    "save_files",
    "shared_models",
    "some_files",
    "text_at",
    "texts_there_were",
    "update_branch",
]

_NOT_FOUND = "Model not found"
_IDS = select(table.c.id)


def files(unit: UnitOfWork, model_id: str) -> dict[str, str]:
    """The text of every file of a model or branch by its path, as this layer has it."""
    model = load(unit, model_id)
    if model is None:
        return {}
    return {path: file.text for path, file in all_files(unit, model).items() if file.text}


def rename(unit: UnitOfWork, principal: Principal, model_id: str, name: str) -> Model:
    """Rename a model or branch. Raises `BadRequest`, `Forbidden`, `NotFound`."""
    found = get(unit, principal, model_id, missing=_NOT_FOUND)
    branch = found.is_branch
    least = Permission.MODELS_EDIT if branch else Permission.MODELS_ADMIN
    check(unit, principal, found, least, missing=_NOT_FOUND)
    if found.kind not in (Kind.SHARED, Kind.SHARED_EXTENSION, Kind.BRANCH):
        raise BadRequest(f"Bad Request: Cannot rename models of kind {found.kind}")
    names.check_text(name)
    parent = found.base_model_id or found.connection_id
    if branch:
        names.check_branch(unit, parent, name, besides=found.id)
    key = names.claim(unit, found.kind, parent, name, besides=found.id)
    values = {"name": name, "name_key": key, "updated_at": unit.now}
    unit.db.execute(update(table).where(table.c.id == found.id).values(values))
    resource = ("model", found.id)
    audit.record(unit, principal, "model.rename", resource, {"name": found.name}, {"name": name})
    return replace(found, name=name, updated_at=unit.now)


def delete(unit: UnitOfWork, principal: Principal, model_id: str) -> None:
    """Archive a shared model or an extension, with the models that stand on it.

    Raises `BadRequest` for other kinds, `NotFound` also the second time.
    """
    found = load(unit, model_id)
    if found is None:
        raise NotFound(_NOT_FOUND)
    check(unit, principal, found, Permission.MODELS_ADMIN, missing=_NOT_FOUND)
    if found.kind is Kind.SCHEMA:
        raise BadRequest("Bad Request: Cannot delete a model with kind SCHEMA")
    if found.kind not in (Kind.SHARED, Kind.SHARED_EXTENSION):
        raise BadRequest("Bad Request: Cannot delete models of this kind")
    if found.deleted_at is not None:
        raise NotFound("Model already deleted")
    gone = {"deleted_at": unit.now, "updated_at": unit.now, "name_key": None}
    generation = [found.id]
    while generation:
        of_these = table.c.id.in_(generation) & table.c.deleted_at.is_(None)
        unit.db.execute(update(table).where(of_these).values(gone))
        children = table.c.base_model_id.in_(generation) & table.c.deleted_at.is_(None)
        generation = list(unit.db.execute(_IDS.where(children)).scalars())
    audit.record(unit, principal, "model.delete", ("model", found.id), before={"name": found.name})
