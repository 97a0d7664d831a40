"""Words for writing JSON Schema briefly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dragoman.semantics.model.references import NAME

Schema = dict[str, Any]
# A number or `true` where text is meant is its text, as a person who writes `label: 2024` expects.
_TEXT = ["string", "number", "boolean"]
NAME_PATTERN = f"^{NAME}$"
FIELD_PATTERN = rf"^({NAME}\.)?{NAME}(\[\s*[A-Za-z0-9_]+\s*\])?$"


def text(description: str, **more: Any) -> Schema:
    """Text, or a value that is read as its text."""
    return {"type": _TEXT, "description": description, **more}


def sql(description: str) -> Schema:
    """SQL of the connection's dialect."""
    return {"type": _TEXT, "description": description}


def name(description: str) -> Schema:
    """The name of a view, field or the like."""
    return {"type": "string", "pattern": NAME_PATTERN, "description": description}


def field_ref(description: str) -> Schema:
    """`field`, `view.field` or `view.field[month]`."""
    return {"type": "string", "pattern": FIELD_PATTERN, "description": description}


def flag(description: str, default: bool = False) -> Schema:
    """`true` or `false`."""
    return {"type": "boolean", "default": default, "description": description}


def number(description: str, **more: Any) -> Schema:
    """A number."""
    return {"type": "number", "description": description, **more}


def whole(description: str, **more: Any) -> Schema:
    """A whole number."""
    return {"type": "integer", "description": description, **more}


def choice(description: str, words: Iterable[str], **more: Any) -> Schema:
    """One of some words."""
    return {"enum": [str(word) for word in words], "description": description, **more}


def listing(description: str, of: Schema, **more: Any) -> Schema:
    """A list."""
    return {"type": "array", "items": of, "description": description, **more}


def texts(description: str, **more: Any) -> Schema:
    """A list of texts."""
    return listing(description, {"type": _TEXT}, **more)


def names(description: str, **more: Any) -> Schema:
    """A list of names of views."""
    return listing(description, {"type": "string", "pattern": NAME_PATTERN}, **more)


def field_refs(description: str, **more: Any) -> Schema:
    """A list of fields."""
    return listing(description, {"type": "string", "pattern": FIELD_PATTERN}, **more)


def map_of(description: str, of: Schema, keys: str | None = NAME_PATTERN) -> Schema:
    """A map whose keys people choose."""
    made: Schema = {"type": "object", "additionalProperties": of, "description": description}
    if keys is not None:
        made["propertyNames"] = {"pattern": keys}
    return made


def record(
    properties: Mapping[str, Schema], description: str = "", required: Iterable[str] = ()
) -> Schema:
    """A map whose keys are known; `x-…` is free for other programs."""
    made: Schema = {
        "type": "object",
        "properties": dict(properties),
        "patternProperties": {"^x-": True},
        "additionalProperties": False,
    }
    if description:
        made["description"] = description
    if names_of := list(required):
        made["required"] = names_of
    return made


def anything(description: str) -> Schema:
    """A value that only user interfaces and assistants read."""
    return {"description": description}


def either(description: str, *of: Schema) -> Schema:
    """One of several shapes."""
    return {"anyOf": list(of), "description": description}


def entry(of: Schema) -> Schema:
    """An entry of a map that may stand without properties (`id:`)."""
    return {"anyOf": [of, {"type": "null"}]}


def ref(definition: str) -> Schema:
    """What `$defs` has under that name."""
    return {"$ref": f"#/$defs/{definition}"}
