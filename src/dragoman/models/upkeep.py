"""Work on a whole model: find and replace names, migrate it (contract §3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dragoman.access.policy import Permission, admits
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, Forbidden, NotFound
from dragoman.models import access, branches, creation, files
from dragoman.models.composing import parents
from dragoman.models.objects import Change
from dragoman.models.records import Kind, Model
from dragoman.models.renaming import Name, Named, place, references, uses
from dragoman.models.rules import RULES, Intent
from dragoman.models.saving import Save, lock, save
from dragoman.semantics.model.references import field_ref, is_name
from dragoman.store import UnitOfWork


def name(kind: str, text: str) -> Name:
    """A checked name. Raises `BadRequest`."""
    found = Name(Named(kind), text)
    if found.kind is Named.FIELD:
        reference = field_ref(text)
        if reference is None or reference.view is None or reference.bracket is not None:
            raise BadRequest("Bad Request: a FIELD must be scoped by its view: view.field")
    elif not is_name(text):
        raise BadRequest(f"Bad Request: {text[:80]!r} cannot name a {kind.lower()}")
    return found


def places(unit: UnitOfWork, model: Model, wanted: Name) -> dict[str, list[str]]:
    """Where the files of a model or branch use a name: path to places inside."""
    found: dict[str, list[str]] = {}
    stored = files.all_files(unit, model).values()
    inherited = parents(unit, model).view_definition(wanted.view) if wanted.field else None
    for mention in uses(references(stored, {}, wanted, inherited), wanted):
        found.setdefault(mention.file, []).append(place(mention))
    return found


def replace_name(
    unit: UnitOfWork,
    principal: Principal,
    model_id: str,
    branch_id: str | None,
    names: tuple[Name, Name],
) -> int:
    """Replace a name (the first) by another wherever the files of a model or branch use it; returns
    how many files changed. Its definition, where it has one, is left alone."""
    old, new = names
    message = f"Replace {old.kind.lower()} {old.text} by {new.text}"
    change = Change(unit, principal, model_id, branch_id, message)
    count = change.replace(old, new)
    change.save()
    return count


@dataclass(frozen=True, slots=True)
class Migration:
    """`branch_name`: of the target, made when it is not there; none: the target itself.
    `delete_missing`: views and topics of the target that the source does not have go."""

    target_id: str
    branch_name: str | None = None
    message: str = ""
    delete_missing: bool = True


def migrate(
    unit: UnitOfWork,
    principal: Principal,
    source_id: str,
    wanted: Migration,
    texts: Mapping[str, str] | None = None,
) -> int:
    """Give a model the files of another; `texts`: those that the source had at some moment, else
    as it has them now. Returns the version. Raises `BadRequest`, `Forbidden`, `NotFound`.
    """
    if not admits(principal, Permission.MODELS_MIGRATE):
        raise Forbidden("Forbidden: migrating models needs an organization API key")
    source = access.get(unit, principal, source_id, missing="Not Found: Source model not found")
    target = access.get(unit, principal, wanted.target_id, Permission.MODELS_EDIT)
    if target.kind not in (Kind.SHARED, Kind.SHARED_EXTENSION):
        raise BadRequest("Bad Request: targetModelId: must be a shared model or an extension")
    branch = _branch(unit, principal, target, wanted.branch_name)
    intent = Intent(target, branch, wanted.message)
    RULES.check_migration(unit, principal, intent)
    RULES.check_save(unit, principal, intent)
    held = lock(unit, (branch or target).id)
    given = texts if texts is not None else _texts(unit, source)
    changes: dict[str, str | None] = dict(given)
    if wanted.delete_missing:
        for path, file in files.all_files(unit, held).items():
            if file.kind in (files.VIEW, files.TOPIC):
                changes.setdefault(path, None)
    message = wanted.message or f"Migrate from {source.name or source.id}"
    return save(unit, principal, held, Save(changes, message))


def _texts(unit: UnitOfWork, model: Model) -> dict[str, str]:
    return {path: file.text or "" for path, file in files.all_files(unit, model).items()}


def _branch(
    unit: UnitOfWork, principal: Principal, target: Model, name: str | None
) -> Model | None:
    if name is None:
        return None
    try:
        return branches.find(unit, target, name)
    except NotFound:
        wanted = creation.NewModel(target.connection_id, Kind.BRANCH, name, target.id)
        return creation.create(unit, principal, wanted)
