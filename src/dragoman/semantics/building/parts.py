"""Reading single properties of a definition."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.filters import FieldFilter, FilterExpression
from dragoman.semantics.model.filters import field_filters as parse_filters
from dragoman.semantics.model.filters import filter_expression as parse_expression
from dragoman.semantics.model.references import FieldRef, SqlText, field_ref, sql_text
from dragoman.semantics.plain import is_list, is_map, items, text, texts
from dragoman.semantics.suggest import did_you_mean

Definition = Mapping[str, Any]
E = TypeVar("E", bound=StrEnum)


def flag(of: Definition, key: str, default: bool = False) -> bool:
    """A boolean; anything else counts as not said."""
    value = of.get(key)
    return value if isinstance(value, bool) else default


def number(of: Definition, key: str) -> float | None:
    """A number; anything else counts as not said."""
    value = of.get(key)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def whole(of: Definition, key: str) -> int | None:
    """A whole number; anything else counts as not said."""
    value = number(of, key)
    return value if isinstance(value, int) else None


def sql(of: Definition, key: str) -> SqlText | None:
    """A SQL text. Raises `BadDefinition`: a condition that is lost would show rows."""
    said = of.get(key)
    if is_map(said) or is_list(said):
        raise BadDefinition((key,), f"`{key}` must be SQL", "Write it as text.")
    value = text(said)
    return sql_text(value) if value is not None else None


def reference(value: object, key: str) -> FieldRef:
    """A field's name. Raises `BadDefinition`."""
    found = field_ref(value) if isinstance(value, str) else None
    if found is None:
        fix = "Write `field` or `view.field`."
        raise BadDefinition((key,), f"`{key}` must name a field, not {value!r}"[:200], fix)
    return found


def names(of: Definition, key: str) -> tuple[str, ...]:
    """A list of names. Raises `BadDefinition` for anything else: a lost grant would open a door."""
    said = of.get(key)
    if isinstance(said, str):
        return (said,)
    if said is None or (is_list(said) and all(isinstance(item, str) for item in said)):
        return texts(said)
    raise BadDefinition((key,), f"`{key}` must be a list of names", "Write `[name]`.")


def optional_reference(of: Definition, key: str) -> FieldRef | None:
    """A field's name, where there is one. Raises `BadDefinition`. `${field}` is taken too."""
    value = of.get(key)
    if value is None:
        return None
    if isinstance(value, str) and value.startswith("${") and value.endswith("}"):
        value = value[2:-1]
    return reference(value, key)


def references(of: Definition, key: str) -> tuple[FieldRef, ...]:
    """A list of fields' names. Raises `BadDefinition`."""
    return tuple(reference(item, key) for item in texts(of.get(key)))


def choice(of: Definition, key: str, kind: type[E]) -> E | None:
    """One of the words of an enumeration. Raises `BadDefinition`."""
    value = of.get(key)
    return None if value is None else word(value, key, kind)


def choices(of: Definition, key: str, kind: type[E]) -> tuple[E, ...]:
    """A list of words of an enumeration. Raises `BadDefinition`."""
    return tuple(word(item, key, kind) for item in items(of.get(key)))


def word(value: object, key: str, kind: type[E]) -> E:
    """A word of an enumeration, in any case. Raises `BadDefinition`."""
    allowed = {str(member.value).lower(): member for member in kind}
    found = allowed.get(str(value).lower())
    if found is None:
        words = [str(member.value) for member in kind]
        raise BadDefinition((key,), f"`{key}` cannot be {value!r}"[:200], _fix(str(value), words))
    return found


def _fix(value: str, words: list[str]) -> str:
    near = did_you_mean(value, words)
    return f"Write {near}." if near else f"One of: {', '.join(words)}."


def filters(of: Definition, key: str) -> tuple[FieldFilter, ...]:
    """A map of fields to operators. Raises `BadDefinition`."""
    try:
        return parse_filters(of.get(key))
    except BadDefinition as bad:
        raise bad.under(key) from None


def expression(of: Definition, key: str) -> FilterExpression | None:
    """An operator map. Raises `BadDefinition`."""
    if of.get(key) is None:
        return None
    try:
        return parse_expression(of[key])
    except BadDefinition as bad:
        raise bad.under(key) from None


def rest(of: Definition, known: Collection[str]) -> dict[str, Any]:
    """What else is said."""
    return {key: value for key, value in of.items() if key not in known}
