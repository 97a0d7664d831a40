"""Reads the trees of calculations: what a node is, and what stands in it."""

from __future__ import annotations

from typing import Any, cast


def is_call(node: Any, operator: str) -> bool:
    """Whether a node calls that operator, of whatever namespace."""
    if not isinstance(node, dict):
        return False
    given = cast("dict[str, Any]", node)
    has_operands = isinstance(given.get("operands"), list)
    return has_operands and str(given.get("operator", "")).rpartition(".")[2] == operator


def field_name(node: Any) -> str | None:
    """The name of a field; None for other nodes."""
    given = cast("dict[str, Any]", node) if isinstance(node, dict) else {}
    return str(given.get("field_name")) if given.get("type") == "field" else None


def literal_of(node: Any) -> str | float | None:
    """A text or a number that is written out; None for other nodes."""
    given = cast("dict[str, Any]", node) if isinstance(node, dict) else {}
    value = (
        given.get("value", given.get("string_value")) if given.get("type") == "literal" else None
    )
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def text_of(node: Any) -> str | None:
    """A text that is written out; None for other nodes."""
    value = literal_of(node)
    return value if isinstance(value, str) else None


def whole_number(node: Any) -> int | None:
    """The whole number of a literal, a minus before it included."""
    if not isinstance(node, dict):
        return None
    given = cast("dict[str, Any]", node)
    if given.get("type") == "call" and str(given.get("operator", "")).endswith("UNARY_MINUS"):
        inner = whole_number(cast("list[Any]", given.get("operands") or [None])[0])
        return None if inner is None else -inner
    value = given.get("value", given.get("string_value"))
    try:
        return int(str(value))
    except ValueError:
        return None
