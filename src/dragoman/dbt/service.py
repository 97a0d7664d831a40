"""Imports of a dbt project into a model or a branch, and the environment a branch looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import delete, insert, select

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest
from dragoman.catalog import service as catalogs
from dragoman.connections import service as connections
from dragoman.dbt import environments, importing, projects
from dragoman.dbt.facts import facts_of
from dragoman.dbt.importing import Options
from dragoman.dbt.manifest import Manifest
from dragoman.dbt.semantic import Note
from dragoman.dbt.tables import dbt_branches, dbt_imports
from dragoman.dbt.virtual import Target
from dragoman.models import service as models
from dragoman.models.service import Model
from dragoman.semantics.files import CannotEdit, FileKind, edit, write
from dragoman.semantics.plain import is_map
from dragoman.semantics.problems import Edit, YamlPath
from dragoman.store import UnitOfWork

RELATIONSHIPS = "relationships"
# sqlglot's names where they are not ours.
_SQLGLOT = {
    "mssql": "tsql",
    "fabric": "fabric",
    "motherduck": "duckdb",
    "databricks_lakebase": "postgres",
}


@dataclass(frozen=True, slots=True)
class Import:
    """What an import came to. `files`: path to the new text."""

    version: int | None
    files: dict[str, str]
    notes: list[Note]


def import_project(
    unit: UnitOfWork, principal: Principal, model: Model, manifest: Manifest, *, dry_run: bool
) -> Import:
    """Write what a project says into a locked model or branch, as one version."""
    layer = catalogs.SchemaLayer(unit, model.connection_id)
    facts = [found for view in layer.views() if (found := facts_of(view)) is not None]
    project = importing.read_project(manifest, facts, _options(unit, model, manifest))
    last = _last(unit, model)
    mine = models.StoredLayer(unit, model)
    below = {view.path: view.definition for view in facts}
    changes: dict[str, str] = {}
    for key in {*project.files, *last} - {RELATIONSHIPS}:
        known = mine.view(project.names[key]) if key in project.names else None
        path = known.path if known is not None else key
        current: Mapping[str, Any] = known.definition if known is not None else {}
        new = importing.applied(
            current, last.get(key, {}), project.files.get(key, {}), below.get(key, {})
        )
        if new != current:
            changes[path] = _text(mine.text(path), current, new, project.names.get(key))
    joins = importing.applied_joins(
        mine.relationships(), last.get(RELATIONSHIPS, []), project.relationships,
        layer.relationships(),
    )  # fmt: skip
    if joins != list(mine.relationships()):
        changes[RELATIONSHIPS] = _joins_text(mine.text(RELATIONSHIPS), mine.relationships(), joins)
    if dry_run:
        return Import(None, changes, project.notes)
    said = "Import from dbt"
    version = models.save(unit, principal, model, models.Save(dict(changes), said))
    _note(unit, model, {**project.files, RELATIONSHIPS: project.relationships})
    detail = {"files": sorted(changes)[:100], "notes": len(project.notes), "version": version}
    audit.record(unit, principal, "dbt.import", ("model", model.id), after=detail)
    return Import(version, changes, project.notes)


def bind(
    unit: UnitOfWork,
    principal: Principal,
    branch: Model,
    environment_id: str,
    git_branch: str | None,
) -> None:
    """Let a branch look at an environment; its virtual views then name that one's tables."""
    environments.find(unit, branch.connection_id, environment_id)
    unit.db.execute(delete(dbt_branches).where(dbt_branches.c.model_id == branch.id))
    row = {"environment_id": environment_id, "git_branch": git_branch}
    unit.db.execute(insert(dbt_branches).values(model_id=branch.id, **row))
    audit.record(unit, principal, "dbt.bind", ("model", branch.id), after=row)
    project = projects.load(unit, branch.connection_id)
    virtual = project is not None and project.enable_virtual_schemas
    if virtual and projects.has_manifest(unit, branch.connection_id):
        manifest = projects.kept_manifest(unit, branch.connection_id)
        import_project(unit, principal, models.lock(unit, branch.id), manifest, dry_run=False)


def _options(unit: UnitOfWork, model: Model, manifest: Manifest) -> Options:
    connection = connections.load(unit, model.connection_id)
    project = projects.load(unit, model.connection_id)
    dialect = connection.dialect if connection is not None else manifest.metadata.adapter_type
    default = environments.default(unit, model.connection_id)
    compiled = Target(default.target_schema, default.target_database) if default else None
    if compiled is None:
        compiled = Target(_own_schema(manifest))
    target = compiled
    bound = unit.db.execute(
        select(dbt_branches.c.environment_id).where(dbt_branches.c.model_id == model.id)
    ).scalar()
    if bound is not None:
        chosen = environments.find(unit, model.connection_id, bound)
        target = Target(chosen.target_schema, chosen.target_database)
    return Options(
        relationships=project.autogen_relationships if project else True,
        semantic_layer=project.enable_semantic_layer if project else True,
        virtual_schemas=project.enable_virtual_schemas if project else False,
        dialect=_SQLGLOT.get(dialect or "", dialect),
        compiled=compiled,
        target=target,
    )


def _own_schema(manifest: Manifest) -> str:
    """The target's schema where no environment says it: the one that others begin with."""
    schemas = sorted({node.schema or "" for node in manifest.tables()}, key=len)
    return schemas[0] if schemas else ""


def _last(unit: UnitOfWork, model: Model) -> dict[str, Any]:
    """What the last import said; a branch begins with that of its model."""
    for model_id in (model.id, model.base_model_id if model.is_branch else None):
        mine = select(dbt_imports).where(dbt_imports.c.model_id == model_id)
        found = {row.path: msgspec.json.decode(row.definition) for row in unit.db.execute(mine)}
        if found:
            return found
    return {}


def _note(unit: UnitOfWork, model: Model, said: Mapping[str, Any]) -> None:
    unit.db.execute(delete(dbt_imports).where(dbt_imports.c.model_id == model.id))
    rows = [
        {"model_id": model.id, "path": path, "definition": msgspec.json.encode(each).decode()}
        for path, each in said.items()
    ]
    unit.db.execute(insert(dbt_imports), rows)


def _text(
    text: str | None, current: Mapping[str, Any], new: Mapping[str, Any], name: str | None
) -> str:
    """The file with what differs changed in place; a new one says which view it is about."""
    if text is None:
        head = f"# Reference this view as {name}\n" if name else ""
        return head + write(dict(new), FileKind.VIEW)
    try:
        return edit(text, edits(current, new))
    except CannotEdit as error:
        raise BadRequest(f"Bad Request: a file cannot be changed in place: {error}") from None


def edits(current: Mapping[str, Any], new: Mapping[str, Any], path: YamlPath = ()) -> list[Edit]:
    """The changes that lead from one definition to another."""
    found = [Edit((*path, key), delete=True) for key in current if key not in new]
    for key, value in new.items():
        before = current.get(key)
        if is_map(before) and is_map(value) and before and value:
            found += edits(before, value, (*path, key))
        elif key not in current or before != value:
            found.append(Edit((*path, key), value))
    return found


def _joins_text(text: str | None, current: Any, new: list[Any]) -> str:
    """The list of relationships; comments stay where joins are only added."""
    before = list(current)
    if text is not None and before and new[: len(before)] == before:
        return text.rstrip("\n") + "\n" + write(new[len(before) :], FileKind.RELATIONSHIPS)
    return write(new, FileKind.RELATIONSHIPS)
