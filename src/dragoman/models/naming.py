"""Which view or topic a file defines."""

from __future__ import annotations

from collections.abc import Callable

from dragoman.models.files import StoredFile
from dragoman.semantics.files import SourceFile
from dragoman.semantics.files.naming import view_name


def name_of(source: SourceFile, known: StoredFile | None, knows: Callable[[str], bool]) -> str:
    """The qualified name of a view, the name of a topic; empty for other kinds of file.

    The comment at the head of a view's file says it (every one that the API gives has it); else the
    view that is stored under this path (`known`) keeps its name; else its folder says it, and which
    views the layers below have (`knows`).
    """
    path = source.path
    if path.kind.is_topic:
        return path.name
    if not path.kind.is_view:
        return ""
    if source.reference is not None:
        return source.reference
    if known is not None and known.name:
        return known.name
    return view_name(path, source.text, knows)
