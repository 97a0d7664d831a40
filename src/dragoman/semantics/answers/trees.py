"""Reads the trees of calculations: what a node is, and what stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.semantics.plain import is_list, items, mapping


def is_call(node: Any, operator: str) -> bool:
    """Whether a node calls that operator, of whatever namespace."""
    given = mapping(node)
    return (
        is_list(given.get("operands"))
        and str(given.get("operator", "")).rpartition(".")[2] == operator
    )


def field_name(node: Any) -> str | None:
    """The name of a field; None for other nodes."""
    given = mapping(node)
    return str(given.get("field_name")) if given.get("type") == "field" else None


def literal_of(node: Any) -> str | float | None:
    """A text or a number that is written out; None for other nodes."""
    given = mapping(node)
    value = _written(given) if given.get("type") == "literal" else None
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def text_of(node: Any) -> str | None:
    """A text that is written out; None for other nodes."""
    value = literal_of(node)
    return value if isinstance(value, str) else None


def whole_number(node: Any) -> int | None:
    """The whole number of a literal, a minus before it included."""
    given = mapping(node)
    if given.get("type") == "call" and str(given.get("operator", "")).endswith("UNARY_MINUS"):
        inner = whole_number((items(given.get("operands")) or [None])[0])
        return None if inner is None else -inner
    try:
        return int(str(_written(given)))
    except ValueError:
        return None


def _written(literal: Mapping[str, Any]) -> Any:
    return literal.get("value", literal.get("string_value"))
