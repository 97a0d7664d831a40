"""Files as clients write them, in each mode (contract §3.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dragoman import clock
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, NotFound
from dragoman.models import access, files, naming
from dragoman.models.composing import (
    composed,
    is_right_below,
    parents,
    topic_sources,
    view_sources,
)
from dragoman.models.difference import reduced, reduced_joins
from dragoman.models.files import StoredFile
from dragoman.models.records import Model
from dragoman.models.resolving import Target, file_path, resolve
from dragoman.models.saving import Save, knower, save, stale
from dragoman.models.yaml_files import Mode, Reader, Shown
from dragoman.semantics.composing.sources import Merged
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.files import FileKind, FilePath, SourceFile, edit, read, write
from dragoman.semantics.files.naming import view_name, with_reference, without_reference
from dragoman.semantics.layers import Definition
from dragoman.semantics.problems import Edit
from dragoman.store import UnitOfWork

IGNORED, SHALLOW = "ignored: true\n", "shallow_ignored: true\n"


@dataclass(frozen=True, slots=True)
class Write:
    """A file as a client sends it. `text` blank: it shall go. `previous`: the checksum of what the
    client saw; `fetched_at`: when it saw it, ISO 8601 UTC."""

    file_name: str
    text: str
    mode: Mode = Mode.COMBINED
    branch_id: str | None = None
    message: str = ""
    previous: str | None = None
    fetched_at: str | None = None
    fully_resolved: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """What a write came to: the version, and the file as it is read now (None: gone)."""

    version: int
    path: str
    shown: Shown | None


def write_file(unit: UnitOfWork, principal: Principal, model_id: str, wanted: Write) -> Written:
    """Write a file, or take it away. Raises `BadRequest`, `Conflict`, `Forbidden`, `NotFound`."""
    mode = _writable(wanted)
    model = access.editable(unit, principal, model_id, wanted.branch_id, wanted.message)
    reader = Reader(unit, model, mode, fully_resolved=wanted.fully_resolved)
    path = file_path(wanted.file_name)
    target = resolve(reader.whole, path, wanted.text)
    own = files.some_files(unit, model, [target.path.key]).get(target.path.key)
    informed = _check_seen(unit, model, reader, target, own, wanted)
    text = _own_text(unit, model, target, wanted, mode, informed=informed)
    if text is not None and target.kind == files.VIEW:
        text = _headed(composed(unit, model), target, text)
    changes = {target.path.key: text}
    version = save(unit, principal, model, Save(changes, wanted.message))
    again = Reader(unit, model, mode, fully_resolved=wanted.fully_resolved)
    return Written(version, target.path.key, again.one(target.path))


def own_texts(unit: UnitOfWork, model: Model, texts: Mapping[str, str]) -> dict[str, str | None]:
    """Whole texts, by path, as the model's own layer would say them: without what the layers below
    say already; None where nothing is left. One that cannot be read stays as it is."""
    below = parents(unit, model)
    knows = knower(below, len(texts))
    made: dict[str, str | None] = {}
    for path, text in texts.items():
        source = read(file_path(path), text)
        made[path] = text
        if all(problem.is_warning for problem in source.problems):
            name = naming.name_of(source, None, knows)
            target = Target(files.stored_kind(source.path), name, source.path, known=True)
            inherited = _below(unit, model, below, target, None)
            made[path] = _reduced(below, source, inherited)
    return made


def delete_file(
    unit: UnitOfWork,
    principal: Principal,
    model_id: str,
    file_name: str,
    mode: Mode = Mode.COMBINED,
    branch_id: str | None = None,
    message: str = "",
) -> int:
    """Take a view or topic away: in extension mode the file of this layer, else the thing itself,
    which is marked as ignored where a layer below has it. Returns the version.

    Raises `BadRequest` for other files, `NotFound` for one that is not there.
    """
    path = file_path(file_name)
    if not path.kind.is_topic and not path.kind.is_view:
        raise BadRequest("Bad Request: fileName: must end with .topic, .composite_topic or .view")
    model = access.editable(unit, principal, model_id, branch_id, message)
    reader = Reader(unit, model, mode)
    if reader.one(path) is None:
        raise NotFound("File does not exist")
    target = resolve(reader.whole, path)
    key = target.path.key
    marked = _mark(unit, model, target, mode)
    if marked is not None:
        text: str | None = marked
        if target.kind == files.VIEW:
            text = _headed(reader.whole, target, marked)
    elif key in files.some_files(unit, model, [key]):
        text = None
    else:
        raise NotFound("File does not exist")
    return save(unit, principal, model, Save({key: text}, message))


def _mark(unit: UnitOfWork, model: Model, target: Target, mode: Mode) -> str | None:
    """What stands in the place of a deleted file, where layers below have the thing too."""
    if mode is Mode.MERGED and target.kind == files.VIEW:
        return SHALLOW if is_right_below(unit, model, target.name) else None
    whole = mode not in (Mode.EXTENSION, Mode.STAGED)
    return IGNORED if whole and _inherited(parents(unit, model), target) else None


def _writable(wanted: Write) -> Mode:
    if wanted.mode is Mode.HISTORY:
        raise BadRequest("Bad Request: mode: history is for reading")
    if wanted.fully_resolved and wanted.mode is not Mode.COMBINED:
        raise BadRequest("Bad Request: fullyResolved is only valid with mode=combined")
    return wanted.mode


def _check_seen(
    unit: UnitOfWork,
    model: Model,
    reader: Reader,
    target: Target,
    own: StoredFile | None,
    wanted: Write,
) -> bool:
    """Whether the client has seen the file as it is now. Raises `Conflict` for another state."""
    key = target.path.key
    if wanted.previous is not None:
        shown = reader.one(file_path(wanted.file_name))
        seen = None if shown is None else shown.checksum
        stored = None if own is None else own.checksum
        if (wanted.previous or None) not in (seen, stored):
            raise stale(unit, model, key, wanted.previous, seen or stored, own)
        return wanted.previous == seen
    if wanted.fetched_at is not None and own is not None and own.updated_at > wanted.fetched_at:
        raise stale(unit, model, key, None, own.checksum, own)
    return False


def _own_text(
    unit: UnitOfWork,
    model: Model,
    target: Target,
    wanted: Write,
    mode: Mode,
    *,
    informed: bool,
) -> str | None:
    """What this layer will hold of the file; None: nothing."""
    whole = mode is Mode.COMBINED or (mode is Mode.MERGED and not model.is_branch)
    below = parents(unit, model)
    if not wanted.text.strip():
        return IGNORED if whole and _inherited(below, target) else None
    if not whole:
        return wanted.text
    source = read(target.path, wanted.text)
    if any(not problem.is_warning for problem in source.problems):
        return wanted.text  # refused when it is saved, with all that is wrong
    extends = _extends(unit, model, target) if wanted.fully_resolved else None
    inherited = _below(unit, model, below, target, extends)
    return _reduced(below, source, inherited, informed=informed, extends=extends)


def _reduced(
    below: ComposedModel,
    source: SourceFile,
    inherited: Definition | None,
    *,
    informed: bool = False,
    extends: Any = None,
) -> str | None:
    """The text of a file without what the layers below say; None: nothing is left of it."""
    if source.path.kind is FileKind.RELATIONSHIPS:
        return _joins(below, source.data, source.text, informed=informed)
    if not inherited:
        return source.text
    edits = reduced(inherited, source.data, informed=informed)
    if extends is not None:
        edits.append(Edit(("extends",), extends))
    text = edit(source.text, edits)
    return None if _is_empty(source.path, text) else text


def _extends(unit: UnitOfWork, model: Model, target: Target) -> Any:
    """What the own layer's view extends: a text in which that is written out does not say it."""
    own = composed(unit, model).layers[-1].view(target.name)
    return None if own is None else own.definition.get("extends")


def _is_empty(path: FilePath, text: str) -> bool:
    """Whether nothing is left: no property, and no comment but the head of a view."""
    if read(path, text).data:
        return False
    return without_reference(text).removeprefix("\ufeff").strip() in ("", "{}")


def _headed(model: ComposedModel, target: Target, text: str) -> str:
    """The text as it is kept: with the head that says the view's name only where the path does not
    say it, since every reading puts it there."""
    bare = without_reference(text)
    if view_name(target.path, bare, lambda name: model.merged(name) is not None) == target.name:
        return bare
    return with_reference(text, target.name)


def _joins(below: ComposedModel, written: Any, text: str, *, informed: bool) -> str | None:
    inherited = below.relationship_definitions()
    kept = reduced_joins(list(inherited), written, informed=informed)
    if kept == written:
        return text
    return write(kept) if kept else None


def _below(
    unit: UnitOfWork, model: Model, below: ComposedModel, target: Target, extends: Any
) -> Definition | None:
    """What the layers below say, merged, with what `extends` brings."""
    if target.kind == files.MODEL:
        return below.settings_definition
    if target.kind == files.TOPIC:
        return below.topic_definition(target.name)
    if extends is None:
        return below.view_definition(target.name)
    start = below.merged(target.name) or Merged(target.name, target.path.key, {}, ())
    start = replace(start, definition={**start.definition, "extends": extends})
    whole = composed(unit, model).extender.extended(start).definition
    return {key: value for key, value in whole.items() if key != "extends"}


def _inherited(below: ComposedModel, target: Target) -> bool:
    """Whether a layer below has the view or topic."""
    sources = topic_sources if target.kind == files.TOPIC else view_sources
    named = target.kind in (files.TOPIC, files.VIEW)
    return named and next(iter(sources(below, target.name)), None) is not None


def fetched_at(milliseconds: float) -> str:
    """A client's time of reading in the stored form. Raises `BadRequest`."""
    from datetime import UTC, datetime

    try:
        return clock.wire(datetime.fromtimestamp(milliseconds / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        raise BadRequest("Bad Request: fetchedAtMillis: not a time") from None
