"""Versions of a model: who saved what and when, and going back to one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from dragoman.access.principal import Principal
from dragoman.api.errors import NotFound
from dragoman.models import files
from dragoman.models.composing import composed
from dragoman.models.overlay import under
from dragoman.models.records import Model
from dragoman.models.resolving import file_path, resolve
from dragoman.models.saving import Save, save
from dragoman.models.tables import model_file_versions, model_versions
from dragoman.store import UnitOfWork


@dataclass(frozen=True, slots=True)
class Version:
    """One save. `files`: path to whether it was written (True) or deleted."""

    version: int
    author_id: str | None
    author_name: str
    message: str
    created_at: str
    files: dict[str, bool]


def history(
    unit: UnitOfWork,
    model: Model,
    *,
    path: str | None = None,
    before: int | None = None,
    size: int = 100,
) -> list[Version]:
    """The newest versions first, at most `size`; with `path` only those that touched that file,
    with `before` only older ones. `path` may name a view that is there, as everywhere."""
    statement = _VERSIONS.where(model_versions.c.model_id == model.id)
    if before is not None:
        statement = statement.where(model_versions.c.version < before)
    if path is not None:
        path = _key(unit, model, path)
        touched = select(model_file_versions.c.version).where(
            model_file_versions.c.model_id == model.id, model_file_versions.c.path == path
        )
        statement = statement.where(model_versions.c.version.in_(touched))
    rows = unit.db.execute(statement.limit(size)).all()
    touches = _touches(unit, model.id, [row.version for row in rows])
    return [Version(*row, files=touches.get(row.version, {})) for row in rows]


def get(unit: UnitOfWork, model: Model, version: int) -> Version:
    """One version. Raises `NotFound`."""
    found = history(unit, model, before=version + 1, size=1)
    if not found or found[0].version != version:
        raise NotFound(f"Version {version} of model {model.id} does not exist")
    return found[0]


def texts(unit: UnitOfWork, model: Model, version: int) -> dict[str, str | None]:
    """What the model itself had at a version (0: before the first save); None: deleted by then."""
    if version:
        get(unit, model, version)
    return files.texts_at(unit, model.id, version)


def restore(
    unit: UnitOfWork,
    principal: Principal,
    model: Model,
    version: int,
    message: str = "",
    paths: Sequence[str] = (),
) -> int:
    """Make the files of a locked model what they were at a version, as a new version; with `paths`
    only those. Nothing of what came between is lost: it stays in the history.

    Returns the version there is then. Raises `NotFound`, also for a file that has no version.
    """
    then = texts(unit, model, version)
    known = files.texts_at(unit, model.id, model.version)
    touched = sorted({_key(unit, model, path) for path in paths} or known)
    for path in touched:
        if path not in known:
            raise NotFound(f"The model has no version of {path}")
    # What a branch had not touched is as the base model has it.
    base = under(unit, model, touched).files
    otherwise = {path: base[path].text for path in touched if path in base}
    changes = {path: then.get(path, otherwise.get(path)) for path in touched}
    return save(unit, principal, model, Save(changes, message or f"Restore version {version}"))


def _key(unit: UnitOfWork, model: Model, name: str) -> str:
    """The path of a file by its name; as it is where the model has no such view or topic now."""
    return resolve(composed(unit, model), file_path(name)).path.key


_VERSIONS = select(
    model_versions.c.version,
    model_versions.c.author_id,
    model_versions.c.author_name,
    model_versions.c.message,
    model_versions.c.created_at,
).order_by(model_versions.c.version.desc())


def _touches(
    unit: UnitOfWork, model_id: str, versions: Sequence[int]
) -> dict[int, dict[str, bool]]:
    table = model_file_versions
    written = table.c.text.is_not(None).label("written")
    statement = select(table.c.version, table.c.path, written).where(
        table.c.model_id == model_id, table.c.version.in_(versions)
    )
    found: dict[int, dict[str, bool]] = {}
    for version, path, was_written in unit.db.execute(statement.order_by(table.c.path)):
        found.setdefault(version, {})[path] = bool(was_written)
    return found
