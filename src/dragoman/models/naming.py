"""Which view or topic a file defines."""

from __future__ import annotations

import re

from dragoman.connections import service as connections
from dragoman.models import files
from dragoman.models.records import Model
from dragoman.semantics.files import FilePath, SourceFile
from dragoman.store import UnitOfWork

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def name_of(unit: UnitOfWork, model: Model, source: SourceFile) -> str:
    """The qualified name of a view, the name of a topic; empty for other kinds of file.

    A view that is stored under this path keeps its name; else the comment at the head of the file
    says it (every file that the API gives has one), else its folder.
    """
    path = source.path
    if path.kind.is_topic:
        return path.name
    if not path.kind.is_view:
        return ""
    known = files.some_files(unit, model, [path.key]).get(path.key)
    if known is not None and known.name:
        return known.name
    said = source.reference
    if said is not None and _NAME.fullmatch(said):
        return said
    return _by_folder(unit, model, path)


def _by_folder(unit: UnitOfWork, model: Model, path: FilePath) -> str:
    connection = connections.load(unit, model.connection_id)
    settings = {} if connection is None else connection.settings
    default = settings.get("defaultSchema") or "public"
    if not path.folder or (path.folder == default and not settings.get("alwaysScopeViewNames")):
        return path.name
    schema = re.sub(r"\W", "_", path.folder.rpartition("/")[2]).lower()
    return f"{schema}__{path.name}"
