"""One JSON Schema document for each kind of file."""

from __future__ import annotations

import copy
import functools
from typing import Any

from dragoman.semantics.files.paths import FileKind
from dragoman.semantics.schema import fields, filters, models, relationships, topics, views
from dragoman.semantics.schema.shapes import Schema, ref

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFINITIONS: dict[str, Schema] = {
    **filters.DEFINITIONS,
    **fields.DEFINITIONS,
    **views.DEFINITIONS,
    **relationships.DEFINITIONS,
    **topics.DEFINITIONS,
}
_ROOTS: dict[FileKind, tuple[str, Schema]] = {
    FileKind.MODEL: ("The model file", models.MODEL),
    FileKind.RELATIONSHIPS: (
        "The relationships file",
        {"type": "array", "items": ref("relationship"), "description": "Joins between views."},
    ),
    FileKind.VIEW: ("A view file", views.VIEW),
    FileKind.QUERY_VIEW: ("A query view file", views.VIEW),
    FileKind.TOPIC: ("A topic file", topics.TOPIC),
    FileKind.COMPOSITE_TOPIC: ("A composite topic file", topics.COMPOSITE),
}


@functools.cache
def shared(kind: FileKind) -> Schema:
    """The document of a kind; not to be changed."""
    title, root = _ROOTS[kind]
    document: Schema = {
        "$schema": DIALECT,
        "$id": f"urn:dragoman:schema:{kind.value}",
        "title": title,
        **root,
    }
    if used := _used(root):
        document["$defs"] = {name: _DEFINITIONS[name] for name in _DEFINITIONS if name in used}
    return document


def document(kind: FileKind) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a kind of file, complete in itself."""
    return copy.deepcopy(shared(kind))


def _used(root: Schema) -> set[str]:
    """The names of `$defs` that a schema needs, also through others."""
    found: set[str] = set()
    waiting: list[Any] = [root]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            said: Schema = one  # pyright: ignore[reportUnknownVariableType]
            if "$ref" in said and isinstance(said["$ref"], str):
                name = said["$ref"].rpartition("/")[2]
                if name not in found:
                    found.add(name)
                    waiting.append(_DEFINITIONS[name])
            waiting.extend(said.values())
        elif isinstance(one, list):
            waiting.extend(one)  # pyright: ignore[reportUnknownArgumentType]
    return found
