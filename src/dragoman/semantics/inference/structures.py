"""Columns that hold structures, taken apart: each of their fields can be a dimension.

The fields of an array's structures are nested: whoever asks for one gets a row for each element
(modeling reference 5, RECORD of BigQuery). Arrays inside structures, or inside arrays, stay whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dragoman.semantics.datatypes import DataType
from dragoman.semantics.inference.types import data_type

if TYPE_CHECKING:
    from sqlglot import exp

# Wire names of the dialects whose structures state their fields and give them by a dot.
_DOTTED: Final = frozenset(
    ("athena", "bigquery", "clickhouse", "databricks", "duckdb", "motherduck", "starrocks", "trino")
)
# LEFT ARRAY JOIN of ClickHouse makes up an element, no NULL, where there is none; StarRocks is not
# written here.
_NO_ELEMENTS: Final = frozenset(("clickhouse", "starrocks"))
_SQLGLOT: Final = {"motherduck": "duckdb"}
_DEEP: Final = 15  # as deep as BigQuery nests records
_MANY: Final = 1_000


@dataclass(frozen=True, slots=True)
class Part:
    """A field of a structure. `path`: the column's name is not in it. `type`: in the database's own
    words. `nested`: it is a field of the elements of the column, which is an array."""

    path: tuple[str, ...]
    type: str
    nested: bool = False


def parts(written: str, dialect: str) -> tuple[Part, ...]:
    """The fields of a column's type that hold one value each, structures inside included.

    Nothing for other types, for structures with a field that has no name, and for types that cannot
    be read or have over a thousand fields.
    """
    kind = data_type(written, dialect)
    if dialect not in _DOTTED or kind not in (DataType.JSON, DataType.ARRAY):
        return ()
    if kind is DataType.ARRAY and dialect in _NO_ELEMENTS:
        return ()
    return _parts(written, _SQLGLOT.get(dialect, dialect))


@lru_cache(maxsize=4_096)
def _parts(written: str, parser: str) -> tuple[Part, ...]:
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        found = exp.DataType.build(written, dialect=parser)
        nested = found.is_type(exp.DataType.Type.ARRAY)
        if nested:
            found = found.expressions[0] if found.expressions else found
        if not isinstance(found, exp.DataType) or not found.is_type(exp.DataType.Type.STRUCT):
            return ()
        made = [replace(part, nested=nested) for part in _fields(found, (), parser)]
    except (SqlglotError, RecursionError, _Unnamed):
        return ()
    return tuple(made) if len(made) <= _MANY else ()


class _Unnamed(Exception):
    """A field without a name, or structures too deep."""


def _fields(of: exp.DataType, path: tuple[str, ...], parser: str) -> Iterator[Part]:
    from sqlglot import exp

    if len(path) >= _DEEP:
        raise _Unnamed
    for field in of.expressions:
        kind = field.args.get("kind") if isinstance(field, exp.ColumnDef) else None
        if not isinstance(kind, exp.DataType) or not field.name:
            raise _Unnamed
        own = (*path, field.name)
        if kind.is_type(exp.DataType.Type.STRUCT) and kind.expressions:
            yield from _fields(kind, own, parser)
        else:
            yield Part(own, kind.sql(dialect=parser))
