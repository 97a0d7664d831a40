"""The catalog of MySQL and MariaDB by one statement over information_schema.

The statement is a union of facts (schema, table, column, key column) that one sort brings together.
Joining these views on the server instead costs the square of the number of tables, and gathering
keys by group_concat cuts them at group_concat_max_len.

Of a table on which only single columns are granted, MariaDB shows no keys.

Sources: MySQL manual, "INFORMATION_SCHEMA Tables"; MariaDB, "Information Schema".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from dragoman.dialects.catalog import CatalogFilter, Column, ForeignKey, Table, TableKind
from dragoman.dialects.names import LikePattern

# schema, table, kind of fact, key, position, column, and four values; all text.
Fact = tuple[Any, ...]

# 1 or 2: names are kept or compared in lower case.
FOLDING: Final = "SELECT @@lower_case_table_names"
_SCHEMA, _TABLE, _COLUMN, _KEY = "0", "1", "2", "3"
_VIEW: Final = "VIEW"
_ESCAPE: Final = "!"
_SYSTEM: Final = "('mysql', 'information_schema', 'performance_schema', 'sys')"
_SCHEMA_COMMENTS_SINCE: Final = (10, 5)


@dataclass(frozen=True, slots=True)
class Server:
    """What of the server matters here. `version`: as in its greeting."""

    version: str
    folds: bool

    @property
    def mariadb(self) -> bool:
        """MariaDB shows an absent default as the word NULL, and quotes those that are text."""
        return "mariadb" in self.version.lower()

    @property
    def schema_comments(self) -> bool:
        """Whether schemas have comments: MariaDB's do, MySQL's do not."""
        if not self.mariadb:
            return False
        # An old prefix makes MariaDB acceptable to replicas: 5.5.5-10.11.6-MariaDB.
        numbers = self.version.removeprefix("5.5.5-").split(".")
        return tuple(int(n) for n in numbers[:2] if n.isdigit()) >= _SCHEMA_COMMENTS_SINCE


def statement(wanted: CatalogFilter, server: Server) -> tuple[str, list[str]]:
    """The statement and its values."""
    parts = [_TABLES, _COLUMNS, _KEYS]
    if server.schema_comments:
        parts.append(_SCHEMAS)
    sql: list[str] = []
    values: list[str] = []
    for part in parts:
        condition, bound = _condition(wanted, part.schema, server)
        sql.append(f"SELECT {part.select} AND {condition}")
        values += bound
    return " UNION ALL ".join(sql) + " ORDER BY 1, 2, 3, 4, 5", values


def tables(facts: Iterable[Fact], wanted: CatalogFilter, server: Server) -> Iterator[Table]:
    """Tables of the statement's rows, one at a time."""
    # Where the server folds names, its own comparison decides.
    wants = wanted.memo()
    comment: str | None = None
    of_schema: str | None = None
    for (schema, name), group in groupby(facts, key=itemgetter(0, 1)):
        if not name:
            of_schema, comment = schema, next(group)[6] or None
        elif server.folds or wants(schema, None):
            table = _table(schema, name, group, server)
            if table is not None:
                table.schema_comment = comment if of_schema == schema else None
                yield table


def _table(schema: str, name: str, facts: Iterable[Fact], server: Server) -> Table | None:
    """None where table and columns are not both there: dropped or made meanwhile."""
    table: Table | None = None
    for _, _, kind, key, position, column, *values in facts:
        if kind == _TABLE:
            table = _begun(schema, name, *values)
        elif table is None:
            return None
        elif kind == _COLUMN:
            table.columns.append(_column(table, column, position, values, server))
        else:
            _add_key(table, key, column, *values)
    if table is None or not table.columns:
        return None
    _number_key(table)
    return table


def _begun(
    schema: str, name: str, kind: str, comment: str, rows: str | None, options: str
) -> Table:
    if kind == _VIEW:
        # A view's comment is the word VIEW, or what is wrong with it.
        return Table(None, schema, name, TableKind.VIEW, None, [], [], [], None)
    parted = "partitioned" in (options or "")
    return Table(
        None,
        schema,
        name,
        TableKind.PARTITIONED_TABLE if parted else TableKind.TABLE,
        comment or None,
        [],
        [],
        [],
        None if rows is None else int(rows),
    )


def _column(table: Table, name: str, position: str, values: list[Any], server: Server) -> Column:
    kind, nullable, default, comment = values
    if table.kind is TableKind.VIEW or (server.mariadb and default == "NULL"):
        default = None
    return Column(name, int(position), kind, nullable == "YES", default, comment or None, None)


def _add_key(
    table: Table, key: str, column: str, to_schema: str | None, to_table: str, to: str, _: None
) -> None:
    if to_schema is None:
        table.primary_key.append(column)
        return
    keys = table.foreign_keys
    if not keys or keys[-1].name != key:
        keys.append(ForeignKey(key, [], to_schema, to_table, []))
    keys[-1].columns.append(column)
    keys[-1].referenced_columns.append(to)


def _number_key(table: Table) -> None:
    """Numbers the primary key's columns; those that may not be read are left out of it."""
    by_name = {column.name: column for column in table.columns}
    for place, name in enumerate(table.primary_key, 1):
        if name in by_name:
            by_name[name].primary_key_position = place
    table.primary_key = [name for name in table.primary_key if name in by_name]


def _text(expression: str) -> str:
    """One collation for all: a union refuses to mix them. Binary: names differ by case."""
    return f"CONVERT({expression} USING utf8mb4) COLLATE utf8mb4_bin"


@dataclass(frozen=True, slots=True)
class _Part:
    """A SELECT of the union, with the expression of its schema's name."""

    schema: str
    select: str


def _part(source: str, schema: str, kind: str, columns: tuple[str, ...], condition: str) -> _Part:
    name, key, position, column, *values = columns
    written = [_text(c) if c != "NULL" else c for c in (name, key, column, *values)]
    name, key, column, *values = written
    listed = ", ".join([_text(schema), name, f"'{kind}'", key, position, column, *values])
    where = f"{schema} NOT IN {_SYSTEM} AND {condition}"
    return _Part(_text(schema), f"{listed} FROM information_schema.{source} WHERE {where}")


_SCHEMAS = _part(
    "schemata",
    "schema_name",
    _SCHEMA,
    ("''", "''", "0", "''", "schema_comment", "NULL", "NULL", "NULL"),
    "schema_comment <> ''",
)
_TABLES = _part(
    "tables",
    "table_schema",
    _TABLE,
    ("table_name", "''", "0", "''", "table_type", "table_comment", "table_rows", "create_options"),
    "table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW')",
)
_COLUMNS = _part(
    "columns",
    "table_schema",
    _COLUMN,
    (
        *("table_name", "''", "ordinal_position", "column_name"),
        *("column_type", "is_nullable", "column_default", "column_comment"),
    ),
    "FIND_IN_SET('select', privileges) > 0",
)
_KEYS = _part(
    "key_column_usage",
    "table_schema",
    _KEY,
    (
        *("table_name", "constraint_name", "ordinal_position", "column_name"),
        *("referenced_table_schema", "referenced_table_name", "referenced_column_name", "NULL"),
    ),
    "(constraint_name = 'PRIMARY' OR referenced_table_name IS NOT NULL)",
)


def _condition(wanted: CatalogFilter, schema: str, server: Server) -> tuple[str, list[str]]:
    include, values = _any_of(wanted.include_like(_ESCAPE), schema, server, wanted.include.fold)
    if not wanted.include.patterns:
        include = "TRUE"
    leave_out, more = _any_of(wanted.leave_out_like(_ESCAPE), schema, server, fold=False)
    return f"{include} AND NOT {leave_out}", values + more


def _any_of(
    patterns: list[LikePattern], schema: str, server: Server, fold: bool
) -> tuple[str, list[str]]:
    """A pattern with a catalog fits nothing: there is nothing above the schemas."""
    values = [pattern.schema for pattern in patterns if pattern.catalog is None]
    if not values:
        return "FALSE", []
    pattern = "%s"
    if server.folds or fold:
        schema, pattern = f"LOWER({schema})", "LOWER(%s)"
    one = f"{schema} LIKE {pattern} ESCAPE '{_ESCAPE}'"
    return f"({' OR '.join([one] * len(values))})", values
