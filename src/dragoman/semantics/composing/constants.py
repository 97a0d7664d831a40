"""`@{name}` in SQL: a constant of the model file, put in as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.semantics.composing.merging import Definition
from dragoman.semantics.model.references import replace_constants
from dragoman.semantics.plain import is_list, is_map


def with_constants(definition: Definition, constants: Mapping[str, str]) -> Definition:
    """The definition with its constants put in; itself where the model has none."""
    if not constants:
        return definition
    replaced: Definition = _value(definition, constants)
    return replaced


def _value(value: Any, constants: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return replace_constants(value, constants) if "@{" in value else value
    if is_map(value):
        return {key: _value(inner, constants) for key, inner in value.items()}
    return [_value(inner, constants) for inner in value] if is_list(value) else value
