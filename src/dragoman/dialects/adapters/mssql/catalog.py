"""The catalog of SQL Server by one statement over its sys views.

The statement is a union of facts (schema, table, column, key column) that one sort brings together.
The views show only what this user has a right on. Descriptions are the property MS_Description.
Source: Microsoft, "System catalog views".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from dragoman.dialects.catalog import CatalogFilter, Column, ForeignKey, Table, TableKind
from dragoman.dialects.names import LikePattern
from dragoman.dialects.sql.mssql import FUNCTIONS

# schema, table, kind of fact, key, position, column, and four values; all text but the position.
Fact = tuple[Any, ...]

_TABLE, _COLUMN, _PRIMARY, _FOREIGN = "1", "2", "3", "4"
_ESCAPE: Final = "!"
_SYSTEM: Final = (
    "('sys', 'INFORMATION_SCHEMA', 'guest', 'db_owner', 'db_accessadmin', 'db_securityadmin',"
    " 'db_ddladmin', 'db_backupoperator', 'db_datareader', 'db_datawriter', 'db_denydatareader',"
    " 'db_denydatawriter')"
)
SCHEMAS: Final = f"SELECT name FROM sys.schemas WHERE name NOT IN {_SYSTEM} ORDER BY name"  # noqa: S608
_BINARY: Final = "COLLATE Latin1_General_BIN2"
_COMMENT: Final = (
    "LEFT JOIN sys.extended_properties p ON p.class = 1 AND p.name = 'MS_Description'"
    " AND p.major_id = o.object_id AND p.minor_id = "
)
_READABLE: Final = (
    "o.type IN ('U', 'V') AND o.is_ms_shipped = 0"
    " AND HAS_PERMS_BY_NAME(QUOTENAME(s.name) + '.' + QUOTENAME(o.name), 'OBJECT', 'SELECT') = 1"
)
_OBJECTS: Final = "sys.objects o JOIN sys.schemas s ON s.schema_id = o.schema_id"
_ROWS: Final = (
    "(SELECT SUM(r.rows) FROM sys.partitions r"
    " WHERE r.object_id = o.object_id AND r.index_id IN (0, 1))"
)
_TYPE: Final = (
    "t.name + CASE WHEN t.name IN ('nvarchar', 'nchar', 'varchar', 'char', 'varbinary', 'binary')"
    " THEN '(' + CASE WHEN c.max_length = -1 THEN 'max' WHEN t.name IN ('nvarchar', 'nchar')"
    " THEN CAST(c.max_length / 2 AS varchar(10)) ELSE CAST(c.max_length AS varchar(10)) END + ')'"
    " WHEN t.name IN ('decimal', 'numeric')"
    " THEN '(' + CAST(c.precision AS varchar(5)) + ',' + CAST(c.scale AS varchar(5)) + ')'"
    " WHEN t.name IN ('datetime2', 'datetimeoffset', 'time')"
    " THEN '(' + CAST(c.scale AS varchar(5)) + ')' ELSE '' END"
)


def _text(expression: str) -> str:
    return f"CAST({expression} AS nvarchar(max)) {_BINARY}"


def _name(expression: str) -> str:
    return f"CAST({expression} AS nvarchar(128)) {_BINARY}"


def _fact(kind: str, key: str, position: str, column: str, values: tuple[str, ...]) -> str:
    listed = [_text(value) for value in (*values, *["NULL"] * (4 - len(values)))]
    named = [_name("s.name"), _name("o.name"), f"'{kind}'", _name(key), position, _name(column)]
    return ", ".join([*named, *listed])


_NONE: Final = "''"
_TABLE_FACT: Final = _fact(_TABLE, _NONE, "0", _NONE, ("o.type", "p.value", _ROWS))
_COLUMN_FACT: Final = _fact(
    *(_COLUMN, _NONE, "c.column_id", "c.name"),
    (_TYPE, "c.is_nullable", "d.definition", "p.value"),
)
_PRIMARY_FACT: Final = _fact(_PRIMARY, "i.name", "k.key_ordinal", "c.name", ())
_FOREIGN_FACT: Final = _fact(
    *(_FOREIGN, "f.name", "k.constraint_column_id", "c.name"),
    ("rs.name", "ro.name", "rc.name"),
)
_PARTS: Final = (
    f"{_TABLE_FACT} FROM {_OBJECTS} {_COMMENT} 0 WHERE {_READABLE}",
    f"{_COLUMN_FACT}"
    f" FROM {_OBJECTS} JOIN sys.columns c ON c.object_id = o.object_id"
    " JOIN sys.types t ON t.user_type_id = c.user_type_id"
    " LEFT JOIN sys.default_constraints d ON d.object_id = c.default_object_id"
    f" {_COMMENT} c.column_id WHERE {_READABLE}",
    f"{_PRIMARY_FACT}"
    f" FROM {_OBJECTS} JOIN sys.indexes i ON i.object_id = o.object_id AND i.is_primary_key = 1"
    " JOIN sys.index_columns k ON k.object_id = i.object_id AND k.index_id = i.index_id"
    " AND k.key_ordinal > 0"
    " JOIN sys.columns c ON c.object_id = k.object_id AND c.column_id = k.column_id"
    f" WHERE {_READABLE}",
    f"{_FOREIGN_FACT}"
    f" FROM {_OBJECTS} JOIN sys.foreign_keys f ON f.parent_object_id = o.object_id"
    " JOIN sys.foreign_key_columns k ON k.constraint_object_id = f.object_id"
    " JOIN sys.columns c ON c.object_id = k.parent_object_id AND c.column_id = k.parent_column_id"
    " JOIN sys.objects ro ON ro.object_id = k.referenced_object_id"
    " JOIN sys.schemas rs ON rs.schema_id = ro.schema_id"
    " JOIN sys.columns rc ON rc.object_id = k.referenced_object_id"
    " AND rc.column_id = k.referenced_column_id"
    f" WHERE {_READABLE}",
)


def statement(wanted: CatalogFilter) -> str:
    """The statement; patterns stand in it as literals."""
    condition = _condition(wanted)
    parts = [f"SELECT {part} AND {condition}" for part in _PARTS]
    return " UNION ALL ".join(parts) + " ORDER BY 1, 2, 3, 4, 5"


def count(schemas: list[str]) -> str:
    """A statement that counts the tables and views of these schemas (all when empty)."""
    chosen = f"s.name IN ({', '.join(map(FUNCTIONS.string, schemas))})" if schemas else "1 = 1"
    return (
        f"SELECT COUNT(*) FROM {_OBJECTS}"  # noqa: S608 - literals
        f" WHERE o.type IN ('U', 'V') AND {chosen}"
    )


def tables(facts: Iterable[Any], wanted: CatalogFilter) -> Iterator[Table]:
    """Tables of the statement's rows, one at a time."""
    wants = wanted.memo()
    for (schema, name), group in groupby(facts, key=itemgetter(0, 1)):
        if wants(schema, None) and (table := _table(schema, name, group)) is not None:
            yield table


def _table(schema: str, name: str, facts: Iterable[Fact]) -> Table | None:
    """None where table and columns are not both there: dropped or made meanwhile."""
    table: Table | None = None
    for _, _, kind, key, position, column, *values in facts:
        if kind == _TABLE:
            table = _begun(schema, name, *values)
        elif table is None:
            return None
        elif kind == _COLUMN:
            table.columns.append(_column(column, int(position), *values))
        elif kind == _PRIMARY:
            table.primary_key.append(column)
        else:
            _add_reference(table, key, column, *values)
    if table is None or not table.columns:
        return None
    _number_key(table)
    return table


def _begun(schema: str, name: str, kind: str, comment: str | None, rows: Any, _: Any) -> Table:
    view = str(kind).strip() == "V"
    of = TableKind.VIEW if view else TableKind.TABLE
    estimate = None if view or rows is None else int(rows)
    return Table(None, schema, name, of, comment or None, [], [], [], estimate)


def _column(
    name: str, position: int, kind: str, nullable: str, default: str | None, comment: str | None
) -> Column:
    return Column(name, position, kind, str(nullable) != "0", default, comment or None, None)


def _add_reference(
    table: Table, key: str, column: str, to_schema: str, to_table: str, to: str, _: Any
) -> None:
    keys = table.foreign_keys
    if not keys or keys[-1].name != key:
        keys.append(ForeignKey(key, [], to_schema, to_table, []))
    keys[-1].columns.append(column)
    keys[-1].referenced_columns.append(to)


def _number_key(table: Table) -> None:
    by_name = {column.name: column for column in table.columns}
    table.primary_key = [name for name in table.primary_key if name in by_name]
    for place, name in enumerate(table.primary_key, 1):
        by_name[name].primary_key_position = place


def _condition(wanted: CatalogFilter) -> str:
    include = "1 = 1"
    if wanted.include.patterns:
        include = _any_of(wanted.include_like(_ESCAPE), wanted.include.fold)
    if left_out := wanted.leave_out_like(_ESCAPE):
        include += f" AND NOT {_any_of(left_out, fold=False)}"
    return include


def _any_of(patterns: list[LikePattern], fold: bool) -> str:
    """A pattern with a catalog fits nothing: one database is read."""
    asked = [
        FUNCTIONS.string(p.schema.replace("[", f"{_ESCAPE}["))
        for p in patterns
        if p.catalog is None
    ]
    if not asked:
        return "(1 = 0)"
    collation = "COLLATE Latin1_General_CI_AI" if fold else _BINARY
    one = " OR ".join(f"s.name {collation} LIKE {text} ESCAPE '{_ESCAPE}'" for text in asked)
    return f"({one})"
