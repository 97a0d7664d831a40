"""Which view or topic a file name means, and under which path it is kept.

Clients name a view by its path in any reading mode, by its qualified name or by its table alone;
they all mean the view that there is. Only a name that means none makes a new file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dragoman.api.errors import BadRequest
from dragoman.models.composing import topic_sources, view_sources
from dragoman.models.files import stored_kind
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.files import BadPath, FilePath, parse_path
from dragoman.semantics.files.naming import view_name
from dragoman.semantics.files.reading import view_reference
from dragoman.semantics.inference.names import SCOPE, clean


@dataclass(frozen=True, slots=True)
class Target:
    """A file of a model: its kind as it is stored, the view or topic, and its path. `known`: some
    layer has it."""

    kind: str
    name: str
    path: FilePath
    known: bool


def file_path(text: str) -> FilePath:
    """A file name taken apart. Raises `BadRequest`."""
    try:
        return parse_path(text)
    except BadPath as bad:
        raise BadRequest(f"Bad Request: fileName: {bad.message}", extra={"fix": bad.fix}) from None


def resolve(model: ComposedModel, path: FilePath, text: str | None = None) -> Target:
    """What a file name means in the model; `text`: that is to be written, whose head may say it.

    Raises `BadRequest` where several views could be meant.
    """
    kind = stored_kind(path)
    if path.kind.is_topic:
        topic = next(topic_sources(model, path.name), None)
        return Target(kind, path.name, parse_path(topic.path) if topic else path, bool(topic))
    if not path.kind.is_view:
        return Target(kind, "", path, known=True)
    said = view_reference(text) if text is not None else None
    name = said or _known_name(model, path)
    if name is None:
        return Target(kind, view_name(path, text or ""), path, known=False)
    view = next(view_sources(model, name), None)
    return Target(kind, name, parse_path(view.path) if view else path, bool(view))


def _known_name(model: ComposedModel, path: FilePath) -> str | None:
    for name in _spellings(path):
        for view in view_sources(model, name):
            if view.path == path.key or not path.folder or SCOPE in name:
                return name
    return _by_table(model, path)


def _spellings(path: FilePath) -> Iterator[str]:
    """Names that a view of this path may have; no layer has to list its views for them."""
    yield path.name
    yield clean(path.name)
    if path.folder:
        yield f"{clean(path.folder)}{SCOPE}{clean(path.name)}"
        yield view_name(path, "", lambda _: True)


def _by_table(model: ComposedModel, path: FilePath) -> str | None:
    """The view whose file is called so, wherever it lies; with a folder only the one in it."""
    ending = SCOPE + clean(path.name)
    scoped = [name for name in model.view_names() if name.endswith(ending)]
    found = [(name, view.path) for name in scoped for view in view_sources(model, name)]
    if path.folder:
        return next((name for name, key in found if key == path.key), None)
    names = sorted({name for name, _ in found})
    if len(names) > 1:
        raise BadRequest(
            f"Bad Request: fileName: {path.key} may mean {', '.join(names[:10])}",
            extra={"fix": "Write the folder, or the whole name of the view, before .view."},
        )
    return next(iter(names), None)
