"""The stored files of a model: those of a branch stand over those of its base model."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, func, select

from dragoman.models.records import Model
from dragoman.models.tables import model_file_versions, model_files
from dragoman.semantics.files import FilePath, parse_path, with_reference
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow

# Kinds as they are stored: a view over a query is a view, a composite topic a topic.
MODEL, RELATIONSHIPS, VIEW, TOPIC = "model", "relationships", "view", "topic"
_table = model_files
MOST_PARAMETERS = 5_000


@dataclass(frozen=True, eq=False)
class StoredFile:
    """A file as it is now. `name`: the qualified name of a view, the name of a topic, else empty.

    `text` is None for a file that is gone in a branch. `base_version`: of a file of a branch, the
    version of the base model that it was taken from.
    """

    model_id: str
    path: str
    kind: str
    name: str | None
    text: str | None
    checksum: str
    version: int
    base_version: int | None
    updated_at: str
    encoded: str | None = None

    @functools.cached_property
    def definition(self) -> Any:
        """What the text says, as plain JSON types."""
        return msgspec.json.decode(self.encoded) if self.encoded is not None else {}


def stored_kind(path: FilePath) -> str:
    """The kind of a file as it is stored."""
    if path.kind.is_view:
        return VIEW
    return TOPIC if path.kind.is_topic else path.kind.value


def checksum_of(text: str) -> str:
    """SHA-256 of the text, in hexadecimal: what clients send back to say what they saw."""
    return hashlib.sha256(text.encode()).hexdigest()


def all_files(unit: UnitOfWork, model: Model) -> dict[str, StoredFile]:
    """Every file of a model by its path, those that are gone left out."""
    return _overlaid(model, _rows(unit, model))


def some_files(unit: UnitOfWork, model: Model, paths: Iterable[str]) -> dict[str, StoredFile]:
    """The files of these paths that there are."""
    found: dict[str, StoredFile] = {}
    for batch in batches(paths):
        found |= _overlaid(model, _rows(unit, model, _table.c.path.in_(batch)))
    return found


def paths_of(unit: UnitOfWork, model: Model, kind: str, names: Iterable[str]) -> dict[str, str]:
    """Where views or topics are defined: name to path, of those that there are."""
    found: dict[str, str] = {}
    for batch in batches(names):
        same = and_(_table.c.kind == kind, _table.c.name.in_(batch))
        paths = select(_table.c.path).where(same, _table.c.model_id.in_(_sources(model)))
        for path, file in _overlaid(model, _rows(unit, model, _table.c.path.in_(paths))).items():
            if file.name is not None and file.kind == kind:
                found[file.name] = path
    return found


def batches(values: Iterable[str]) -> Iterator[list[str]]:
    """Lists that a statement takes as parameters."""
    rest = iter(values)
    while batch := list(itertools.islice(rest, MOST_PARAMETERS)):
        yield batch


def of_kind(unit: UnitOfWork, model: Model, kind: str) -> dict[str, StoredFile]:
    """The files of a stored kind, by path."""
    return _overlaid(model, _rows(unit, model, _table.c.kind == kind))


def named(unit: UnitOfWork, model: Model, kind: str, name: str) -> StoredFile | None:
    """The file that defines a view or a topic; of the one kind of file that has no name, that."""
    same = and_(_table.c.kind == kind, _table.c.name == name)
    if not model.is_branch:
        return next(iter(_overlaid(model, _rows(unit, model, same)).values()), None)
    # The branch may have moved it, or taken it away, under the path that the base model has.
    paths = select(_table.c.path).where(same, _table.c.model_id.in_(_sources(model)))
    found = _overlaid(model, _rows(unit, model, _table.c.path.in_(paths)))
    return next((f for f in found.values() if f.kind == kind and f.name == name), None)


def names_of(unit: UnitOfWork, model: Model, kind: str) -> list[str]:
    """The names of all views or topics."""
    columns = (_table.c.model_id, _table.c.path, _table.c.name)
    statement = select(*columns).where(
        _table.c.kind == kind, _table.c.model_id.in_(_sources(model))
    )
    found: dict[str, str | None] = {}
    own: set[str] = set()
    for model_id, path, name in unit.db.execute(statement):
        if model_id == model.id:
            own.add(path)
            found[path] = name
        elif path not in own:
            found[path] = name
    return [name for name in found.values() if name is not None]


def own_files(unit: UnitOfWork, model: Model) -> dict[str, StoredFile]:
    """What a model itself stores: of a branch what differs, with the files that are gone."""
    rows = unit.db.execute(_SELECT.where(_table.c.model_id == model.id).order_by(_table.c.path))
    return {row.path: _file(row) for row in rows}


def text_at(unit: UnitOfWork, model_id: str, path: str, version: int) -> str | None:
    """The text of a file as it was at a version of the model; None where there was none."""
    table = model_file_versions
    statement = (
        select(table.c.text)
        .where(table.c.model_id == model_id, table.c.path == path, table.c.version <= version)
        .order_by(table.c.version.desc())
        .limit(1)
    )
    return unit.db.execute(statement).scalar()


def texts_there_were(unit: UnitOfWork, model_id: str, texts: Mapping[str, str]) -> set[str]:
    """Those of the paths at which a model once had the very text that is given."""
    table = model_file_versions
    wanted = {(path, checksum_of(text)) for path, text in texts.items()}
    statement = select(table.c.path, table.c.checksum).where(
        table.c.model_id == model_id, table.c.path.in_(list(texts)), table.c.text.is_not(None)
    )
    rows = unit.db.execute(statement)
    return {row.path for row in rows if (row.path, row.checksum) in wanted}


def version_of(unit: UnitOfWork, model: Model, path: str, checksum: str) -> int | None:
    """The newest of the last hundred versions of a file whose text has this checksum, as it is
    stored or as it is shown, with the name of its view at the head."""
    table = model_file_versions
    ids = [each for each in (model.id, model.base_model_id) if each is not None]
    statement = select(table.c.version, table.c.text).where(
        table.c.model_id.in_(ids), table.c.path == path, table.c.text.is_not(None)
    )
    rows = unit.db.execute(statement.order_by(table.c.version.desc()).limit(100)).all()
    name = next((file.name for file in some_files(unit, model, [path]).values()), None)
    for version, text in rows:
        shown = with_reference(text, name) if name and parse_path(path).kind.is_view else text
        if checksum in (checksum_of(text), checksum_of(shown)):
            return version
    return None


def texts_at(unit: UnitOfWork, model_id: str, version: int) -> dict[str, str | None]:
    """What a model itself had at one of its versions: path to text, None for a file that it had
    deleted by then."""
    table = model_file_versions
    newest = (
        select(table.c.path, func.max(table.c.version).label("version"))
        .where(table.c.model_id == model_id, table.c.version <= version)
        .group_by(table.c.path)
        .subquery()
    )
    statement = select(table.c.path, table.c.text).where(
        table.c.model_id == model_id,
        table.c.path == newest.c.path,
        table.c.version == newest.c.version,
    )
    return {row.path: row.text for row in unit.db.execute(statement)}


_SELECT = select(
    _table.c.model_id,
    _table.c.path,
    _table.c.kind,
    _table.c.name,
    _table.c.text,
    _table.c.checksum,
    _table.c.version,
    _table.c.base_version,
    _table.c.updated_at,
    _table.c.definition,
)


def _sources(model: Model) -> list[str]:
    """Whose rows make up the files of a model."""
    if model.is_branch and model.base_model_id is not None:
        return [model.base_model_id, model.id]
    return [model.id]


def _rows(unit: UnitOfWork, model: Model, *conditions: ColumnElement[bool]) -> Iterable[AnyRow]:
    statement = _SELECT.where(_table.c.model_id.in_(_sources(model)), *conditions)
    # Sorted here: asked for an order, SQLite reads all rows of a model along their paths.
    return sorted(unit.db.execute(statement), key=lambda row: row.path)


def _overlaid(model: Model, rows: Iterable[AnyRow]) -> dict[str, StoredFile]:
    found: dict[str, StoredFile] = {}
    for row in rows:
        if row.path not in found or row.model_id == model.id:
            found[row.path] = _file(row)
    return {path: file for path, file in found.items() if file.text is not None}


def _file(row: AnyRow) -> StoredFile:
    return StoredFile(*row)
