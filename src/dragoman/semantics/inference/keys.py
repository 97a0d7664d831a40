"""Primary keys: declared ones, and a careful guess where none is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dragoman.dialects.catalog import Table
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.inference.stems import TableStem
from dragoman.semantics.inference.types import data_type

_IDENTIFIES: Final = (DataType.NUMBER, DataType.STRING)


def primary_key(table: Table, fields: Sequence[str], stem: TableStem, dialect: str) -> list[str]:
    """Fields of the primary key, in the key's order, and nothing where there is none to trust.

    Declared, or guessed: `declared` tells which.
    """
    if table.primary_key:
        by_name = dict(zip((c.name for c in table.columns), fields, strict=True))
        return [by_name[name] for name in table.primary_key if name in by_name]
    candidates = {"id", *(f"{word}_id" for word in stem.words)}
    found = [
        field
        for column, field in zip(table.columns, fields, strict=True)
        if field in candidates and data_type(column.type, dialect) in _IDENTIFIES
    ]
    return found if len(found) == 1 else []


def declared(table: Table) -> bool:
    """Whether the database itself says what the key is."""
    return bool(table.primary_key)
