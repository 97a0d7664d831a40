"""Saving files: every save is one version, made by one writer at a time (docs/decisions/0006)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, Conflict, FieldError, NotFound
from dragoman.models import extending, files, naming
from dragoman.models.composing import parents
from dragoman.models.files import StoredFile
from dragoman.models.overlay import under
from dragoman.models.records import Kind, Model, load
from dragoman.models.tables import model_file_versions, model_files, model_versions
from dragoman.models.tables import models as table
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.files import BadPath, FilePath, parse_path, read
from dragoman.semantics.plain import mapping, texts
from dragoman.store import UnitOfWork

MAX_PATH = 400
MAX_MESSAGE = 10_000
MANY = 50


@dataclass(frozen=True, slots=True)
class Save:
    """What is to be saved: the new text of each file, None to delete it.

    `expected`: the checksum that the writer last saw of a file (None: it was not there); a file
    that is another by now refuses the whole save. `taken_from`: for files of a branch, the version
    of the base model that their texts are based on from now on.
    """

    changes: Mapping[str, str | None]
    message: str = ""
    expected: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    taken_from: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class _Ready:
    """A file that was read and may be stored."""

    path: str
    kind: str
    name: str
    text: str
    definition: Any


def save_files(
    unit: UnitOfWork,
    principal: Principal,
    model_id: str,
    changes: Mapping[str, str | None],
    message: str = "",
    *,
    expected: Mapping[str, str | None] | None = None,
) -> int:
    """Save files of a model or a branch as one version; see `save`."""
    return save(unit, principal, lock(unit, model_id), Save(changes, message, expected or {}))


# Before the branch's own lock, as merging does it: else two could wait for each other.
_SHARED = select(table.c.id).where(table.c.id == bindparam("base")).with_for_update(read=True)


def lock(unit: UnitOfWork, model_id: str) -> Model:
    """The model, for this unit of work alone until it ends: other writers wait, and then see what
    was written. What a branch writes it takes from its base model, which stays as it is meanwhile.
    Raises `NotFound`."""
    # PostgreSQL: an UPDATE takes the row's lock. SQLite: there is one writer anyway.
    asked = load(unit, model_id)
    if asked is not None and asked.is_branch:
        unit.db.execute(_SHARED, {"base": asked.base_model_id})
    mine = (table.c.id == model_id) & table.c.deleted_at.is_(None)
    held = unit.db.execute(update(table).where(mine).values(version=table.c.version)).rowcount
    found = load(unit, model_id) if held else None
    if found is None:
        raise NotFound(f"Model with id {model_id} does not exist")
    return found


def save(unit: UnitOfWork, principal: Principal, model: Model, wanted: Save) -> int:
    """Save files of a locked model as one version; returns it, or the version there is when
    nothing differs.

    The caller has checked what the principal may do. Raises `BadRequest` for a file that cannot be
    read or named so, `Conflict` when a file is not what the writer expected.
    """
    if model.kind is Kind.SCHEMA:
        raise BadRequest(
            "Bad Request: a schema model mirrors the database and takes no files",
            extra={"fix": "Write to a shared model of the connection."},
        )
    if len(wanted.message) > MAX_MESSAGE:
        raise BadRequest(f"Bad Request: commitMessage: at most {MAX_MESSAGE} characters")
    changes = {_path(path).key: text for path, text in wanted.changes.items()}
    _require_visible(changes)
    now = files.some_files(unit, model, {*changes, *wanted.expected})
    for path, checksum in wanted.expected.items():
        require(unit, model, now.get(path), path, checksum)
    differing = {
        path: text
        for path, text in changes.items()
        if path in wanted.taken_from or _text(now.get(path)) != text
    }
    if not differing:
        return model.version
    ready = _readied(unit, model, differing, now)
    for file in ready:
        if file.kind == files.MODEL:
            extending.check(unit, principal, model, texts(mapping(file.definition).get("extends")))
    version = model.version + 1
    _write(unit, model, version, differing, ready, wanted.taken_from)
    _note(unit, principal, model, version, wanted.message, sorted(differing))
    return version


def require(
    unit: UnitOfWork, model: Model, found: StoredFile | None, path: str, checksum: str | None
) -> None:
    """Raise `Conflict`, naming both versions, unless the file is what the writer saw."""
    current = None if found is None else found.checksum
    if current != checksum:
        raise stale(unit, model, path, checksum, current, found)


def stale(
    unit: UnitOfWork,
    model: Model,
    path: str,
    seen: str | None,
    current: str | None,
    found: StoredFile | None,
) -> Conflict:
    """The refusal of a save that was based on another state of a file, naming both. Which version
    was seen is known of a layer's own text; a combined one may also have changed below."""
    state = "is not here any more"
    if found is not None:
        state = f"was changed in version {found.version}"
    elif current is not None:
        state = "was changed below this model"
    before = None if seen is None else files.version_of(unit, model, path, seen)
    known = f"; what you saw was of version {before}" if before is not None else ""
    return Conflict(
        f"Checksum mismatch: File has been modified since it was fetched: {path} {state}{known}",
        extra={
            "code": "checksum_mismatch",
            "fileName": path,
            "previousChecksum": seen,
            "previousVersion": before,
            "currentChecksum": current,
            "currentVersion": None if found is None else found.version,
            "fix": "Read the file again, repeat your change on it, and save that.",
        },
    )


def _path(path: str) -> FilePath:
    try:
        found = parse_path(path)
    except BadPath as bad:
        raise BadRequest(f"Bad Request: fileName: {bad.message}", extra={"fix": bad.fix}) from None
    if len(found.key) > MAX_PATH:
        raise BadRequest(f"Bad Request: fileName: at most {MAX_PATH} characters")
    return found


def _require_visible(changes: Mapping[str, str | None]) -> None:
    """Raise `BadRequest` for a new file that a folder on disk and git would not show, or take for
    something else: `.git/config.view`, `.github/workflows/x.view`."""
    for path, text in changes.items():
        if text is not None and any(part.startswith(".") for part in path.split("/")):
            raise BadRequest(
                f"Bad Request: fileName: a part of {path[:200]!r} begins with a dot",
                extra={"fix": "Such files are hidden in folders and in git: call it otherwise."},
            )


def _text(found: StoredFile | None) -> str | None:
    return None if found is None else found.text


def _readied(
    unit: UnitOfWork,
    model: Model,
    changes: Mapping[str, str | None],
    now: Mapping[str, StoredFile],
) -> list[_Ready]:
    """The files as they will be stored. Raises `BadRequest` with everything that is wrong."""
    below = parents(unit, model)
    knows = knower(below, len(changes))
    problems: list[FieldError] = []
    ready: list[_Ready] = []
    for path, text in changes.items():
        if text is None:
            continue
        source = read(_path(path), text)
        for problem in source.problems:
            if not problem.is_warning:
                where = f"{path}:{problem.line}:{problem.column}"
                problems.append(FieldError(where, problem.message, problem.fix))
        name = naming.name_of(source, now.get(path), knows)
        ready.append(_Ready(path, files.stored_kind(source.path), name, text, source.data))
    if problems:
        first = problems[0]
        raise BadRequest(f"Bad Request: {first.field}: {first.message}", errors=problems)
    _require_unique(unit, model, changes, ready)
    return ready


def knower(below: ComposedModel, files_saved: int) -> Callable[[str], bool]:
    """Whether the layers below have a view; of a save of many files they are asked once."""
    if files_saved > MANY:
        return set(below.view_names()).__contains__

    def knows(name: str) -> bool:
        return below.merged(name) is not None

    return knows


def _require_unique(
    unit: UnitOfWork, model: Model, changes: Mapping[str, str | None], ready: list[_Ready]
) -> None:
    """Raise `BadRequest` where two files would define one view or topic."""
    taken: dict[tuple[str, str], str] = {}
    stored = {
        kind: files.paths_of(unit, model, kind, [file.name for file in ready if file.kind == kind])
        for kind in (files.VIEW, files.TOPIC)
    }
    for file in ready:
        other = taken.setdefault((file.kind, file.name), file.path)
        if other == file.path:
            found = stored.get(file.kind, {}).get(file.name)
            if found is None or found == file.path or found in changes:
                continue
            other = found
        raise BadRequest(
            f"Bad Request: Duplicate {file.kind} {file.name}: {file.path} and {other}",
            extra={"fix": f"Write to {other}, or delete it in the same save."},
        )


def _write(
    unit: UnitOfWork,
    model: Model,
    version: int,
    changes: Mapping[str, str | None],
    ready: list[_Ready],
    taken_from: Mapping[str, int],
) -> None:
    base = under(unit, model, changes)
    rows = [
        {
            "model_id": model.id,
            "path": file.path,
            "kind": file.kind,
            "name": file.name,
            "text": file.text,
            "definition": msgspec.json.encode(file.definition).decode(),
            "checksum": files.checksum_of(file.text),
            "version": version,
            "base_version": base.version_of(file.path, taken_from),
            "updated_at": unit.now,
        }
        for file in ready
        if not base.has(file.path, file.text)
    ]
    rows += [
        {"model_id": model.id, **base.gone(path, version, unit.now, taken_from)}
        for path in base.hidden(changes)
    ]
    for batch in files.batches(changes):
        mine = (model_files.c.model_id == model.id) & model_files.c.path.in_(batch)
        unit.db.execute(delete(model_files).where(mine))
    if rows:
        unit.db.execute(insert(model_files), rows)
    unit.db.execute(
        insert(model_file_versions),
        [
            {
                "model_id": model.id,
                "path": path,
                "version": version,
                "text": text,
                "checksum": "" if text is None else files.checksum_of(text),
            }
            for path, text in changes.items()
        ],
    )


def _note(
    unit: UnitOfWork,
    principal: Principal,
    model: Model,
    version: int,
    message: str,
    paths: list[str],
) -> None:
    values = {"version": version, "updated_at": unit.now}
    unit.db.execute(update(table).where(table.c.id == model.id).values(values))
    said = message.strip() or _sentence(paths)
    unit.db.execute(
        insert(model_versions).values(
            model_id=model.id,
            version=version,
            author_id=principal.user_id,
            author_name=principal.name,
            message=said,
            created_at=unit.now,
        )
    )
    after = {"version": version, "message": said, "files": paths[:100], "count": len(paths)}
    audit.record(unit, principal, "model.save", ("model", model.id), after=after)


def _sentence(paths: list[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"Update {paths[0]}{more}"
