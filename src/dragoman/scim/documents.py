"""Bodies of requests as documents: canonical names, values of the right type, nothing else.

Identity providers send truths as text (`"False"`), one value where several are meant, and a bare
value where a complex one is; all of that is understood (RFC 7643 section 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from dragoman.scim.attributes import Attribute, Kind
from dragoman.scim.errors import bad_value

Document = dict[str, Any]
TRUTHS = {"true": True, "false": False}


def canonical(kind: Kind, body: Mapping[str, Any]) -> Document:
    """A body as a document; what is not known here is left out. Raises `BadRequest`."""
    found: Document = {}
    for key, value in body.items():
        urn = kind.extension(key)
        if urn is not None:
            found[urn] = extension(kind, urn, value)
        elif (known := kind.attribute(key)) is not None:
            put(found, known, value)
    return found


def extension(kind: Kind, urn: str, value: object) -> Document:
    """The object of an extension. Raises `BadRequest`."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise bad_value(f"{urn} is an object")
    given = cast("Mapping[str, Any]", value)
    if urn == kind.any_name:
        return {name: each for name, each in given.items() if name.lower() != "schemas"}
    found: Document = {}
    for known in kind.extensions[urn]:
        for key, each in given.items():
            if key.lower() == known.name.lower():
                put(found, known, each)
    return found


def put(into: Document, known: Attribute, value: object) -> None:
    """Set an attribute, or unset it where the value is none. Raises `BadRequest`."""
    made = coerced(known, value)
    if made is None:
        into.pop(known.name, None)
    else:
        into[known.name] = made


def coerced(known: Attribute, value: object) -> Any:
    """The value as the attribute has it; None for nothing. Raises `BadRequest`."""
    if value is None:
        return None
    if not known.several:
        return _single(known, value)
    items: Iterable[object] = cast("list[object]", value) if isinstance(value, list) else [value]
    return [made for item in items if (made := _single(known, item)) is not None]


def _single(known: Attribute, value: object) -> Any:
    """One value; a list of one stands for it, as does an object with a `value`."""
    if isinstance(value, list):
        items = cast("list[object]", value)
        if known.several or len(items) != 1:
            raise bad_value(f"{known.name} has one value")
        return _single(known, items[0])
    if known.type == "complex":
        return _complex(known, value)
    if isinstance(value, Mapping):
        value = cast("Mapping[str, object]", value).get("value")
    return _truth(known, value) if known.type == "boolean" else _text(known, value)


def _complex(known: Attribute, value: object) -> Document | None:
    if not isinstance(value, Mapping):
        if known.sub("value") is None:
            raise bad_value(f"{known.name} is an object")
        value = {"value": value}
    found: Document = {}
    for key, each in cast("Mapping[str, object]", value).items():
        part = known.sub(key)
        if part is not None:
            put(found, part, each)
    return found or None


def _truth(known: Attribute, value: object) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    truth = TRUTHS.get(value.lower()) if isinstance(value, str) else None
    if truth is None:
        raise bad_value(f"{known.name} is true or false")
    return truth


def _text(known: Attribute, value: object) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or "\0" in value:
        raise bad_value(f"{known.name} is text")
    return value
