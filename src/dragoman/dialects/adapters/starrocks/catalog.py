"""The catalog of StarRocks by one statement over information_schema of the default catalog.

Primary Key and Unique Key tables have a key that is unique; the keys of the other kinds only sort
and are not reported. There are no foreign keys.

Source: StarRocks documentation, "Information Schema": columns, tables, tables_config.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from dragoman.dialects.catalog import CatalogFilter, Column, Table, TableKind
from dragoman.dialects.names import LikePattern

SYSTEM: Final = "('information_schema', '_statistics_', 'sys')"
# LIKE knows no ESCAPE clause here: the backslash is fixed.
_ESCAPE: Final = "\\"
_KEY_COLUMN: Final = re.compile(r"`([^`]+)`|([^`,\s]+)")

_SELECT: Final = (
    "SELECT c.table_schema, c.table_name, t.table_type, t.table_comment, t.table_rows,"
    " k.primary_key, c.column_name, c.ordinal_position, c.column_type, c.is_nullable,"
    " c.column_default, c.column_comment"
    " FROM information_schema.columns AS c"
    " JOIN information_schema.tables AS t"
    " ON t.table_schema = c.table_schema AND t.table_name = c.table_name"
    " LEFT JOIN information_schema.tables_config AS k"
    " ON k.table_schema = c.table_schema AND k.table_name = c.table_name"
)
_ORDER: Final = "ORDER BY c.table_schema, c.table_name, c.ordinal_position"


def statement(wanted: CatalogFilter) -> tuple[str, list[str]]:
    """The statement and its values."""
    conditions, values = [f"c.table_schema NOT IN {SYSTEM}"], list[str]()
    if wanted.include.patterns:
        condition, bound = _any_of(wanted.include_like(_ESCAPE), wanted.include.fold)
        conditions.append(condition)
        values += bound
    if left_out := wanted.leave_out_like(_ESCAPE):
        condition, bound = _any_of(left_out, fold=False)
        conditions.append(f"NOT {condition}")
        values += bound
    return f"{_SELECT} WHERE {' AND '.join(conditions)} {_ORDER}", values


def tables(rows: Iterable[tuple[Any, ...]], wanted: CatalogFilter) -> Iterator[Table]:
    """Tables of the statement's rows, one at a time."""
    wants = wanted.memo()
    for (schema, name), group in groupby(rows, key=itemgetter(0, 1)):
        found = list(group)
        if wants(schema, None):
            yield _table(schema, name, found)


def _table(schema: str, name: str, rows: list[tuple[Any, ...]]) -> Table:
    _, _, kind, comment, count, key, *_ = rows[0]
    columns = [_column(row[6:]) for row in rows]
    by_name = {column.name: column for column in columns}
    keyed = [name for name in _names(key or "") if name in by_name]
    for place, column in enumerate(keyed, 1):
        by_name[column].primary_key_position = place
    view = kind == "VIEW"
    return Table(
        None,
        schema,
        name,
        TableKind.VIEW if view else TableKind.TABLE,
        comment or None,
        columns,
        keyed,
        [],
        None if view or count is None else int(count),
    )


def _column(row: tuple[Any, ...]) -> Column:
    name, position, kind, nullable, default, comment = row
    return Column(name, int(position), kind, nullable == "YES", default, comment or None, None)


def _names(key: str) -> list[str]:
    """`a`, `b` as the server lists them."""
    return [quoted or plain for quoted, plain in _KEY_COLUMN.findall(key)]


def _any_of(patterns: list[LikePattern], fold: bool) -> tuple[str, list[str]]:
    """A pattern with a catalog fits nothing: only the default catalog is read."""
    values = [pattern.schema for pattern in patterns if pattern.catalog is None]
    if not values:
        return "FALSE", []
    schema, pattern = ("LOWER(c.table_schema)", "LOWER(%s)") if fold else ("c.table_schema", "%s")
    return f"({' OR '.join([f'{schema} LIKE {pattern}'] * len(values))})", values
