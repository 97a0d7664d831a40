"""Plain data with a shape that is only hoped for: what is there, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard


def is_map(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is a map; keys of plain data are text."""
    # The first question is cheap, and nearly always enough.
    return type(value) is dict or isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[Any]]:
    """Whether it is a list."""
    return isinstance(value, list)


def is_dict(value: object) -> TypeGuard[dict[Any, Any]]:
    """Whether it is a map that may be changed: a copy that somebody made."""
    return isinstance(value, dict)


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is a map, else an empty one."""
    return value if is_map(value) else {}


def items(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if is_list(value) else []


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list; one text alone counts as a list of it."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    return tuple(item for item in items(value) if isinstance(item, str))


def text(value: object) -> str | None:
    """The value if it is text, or a number or boolean written where text is meant."""
    if value is None or is_map(value) or is_list(value):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def same(one: Any, other: Any) -> bool:
    """Equal in value and type: 1, 1.0 and true are three values."""
    if type(one) is not type(other):
        return False
    if is_map(one):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if is_list(one):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
