"""The catalog of Exasol by one statement over its system tables.

The statement is a union of facts (schema, table, column, key column) that one sort brings together.
An empty string is null in Exasol, so every fact is numbered rather than left empty.
Source: Exasol documentation, "Metadata System Tables".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from dragoman.dialects.catalog import CatalogFilter, Column, ForeignKey, Table, TableKind
from dragoman.dialects.names import LikePattern
from dragoman.dialects.sql.exasol import FUNCTIONS

# schema, table, kind of fact, key, position, column, and four values.
Fact = tuple[Any, ...]

_TABLE, _VIEW, _COLUMN, _KEY = "1", "2", "3", "4"
_ESCAPE: Final = "!"
# A name that no table has, so that a schema's comment comes before its tables.
_OF_SCHEMA: Final = " "
_NULL: Final = "CAST(NULL AS VARCHAR(2000000))"


def _text(word: str) -> str:
    """A word as VARCHAR: a bare literal is CHAR, which would pad what stands above and below."""
    return f"CAST('{word}' AS VARCHAR(128))"


_PARTS: Final = (
    (
        "SCHEMA_NAME",
        f"{_text(_OF_SCHEMA)}, {_text('0')}, {_text('-')}, 0, {_text('-')},"
        f" SCHEMA_COMMENT, {_NULL}, {_NULL}, {_NULL}"
        " FROM EXA_ALL_SCHEMAS WHERE SCHEMA_COMMENT IS NOT NULL",
    ),
    (
        "TABLE_SCHEMA",
        f"TABLE_NAME, {_text(_TABLE)}, {_text('-')}, 0, {_text('-')},"
        f" TABLE_COMMENT, CAST(TABLE_ROW_COUNT AS VARCHAR(40)), {_NULL}, {_NULL}"
        " FROM EXA_ALL_TABLES WHERE 1 = 1",
    ),
    (
        "VIEW_SCHEMA",
        f"VIEW_NAME, {_text(_VIEW)}, {_text('-')}, 0, {_text('-')},"
        f" VIEW_COMMENT, {_NULL}, {_NULL}, {_NULL} FROM EXA_ALL_VIEWS WHERE 1 = 1",
    ),
    (
        "COLUMN_SCHEMA",
        f"COLUMN_TABLE, {_text(_COLUMN)}, {_text('-')}, COLUMN_ORDINAL_POSITION, COLUMN_NAME,"
        f" COLUMN_TYPE, CASE WHEN COLUMN_IS_NULLABLE THEN {_text('1')}"
        f" WHEN NOT COLUMN_IS_NULLABLE THEN {_text('0')} END,"
        " COLUMN_DEFAULT, COLUMN_COMMENT FROM EXA_ALL_COLUMNS WHERE 1 = 1",
    ),
    (
        "CONSTRAINT_SCHEMA",
        f"CONSTRAINT_TABLE, {_text(_KEY)}, CONSTRAINT_NAME, ORDINAL_POSITION, COLUMN_NAME,"
        f" REFERENCED_SCHEMA, REFERENCED_TABLE, REFERENCED_COLUMN, {_NULL}"
        " FROM EXA_ALL_CONSTRAINT_COLUMNS WHERE CONSTRAINT_TYPE IN ('PRIMARY KEY', 'FOREIGN KEY')",
    ),
)


def statement(wanted: CatalogFilter) -> str:
    """The statement; patterns stand in it as literals."""
    parts = [f"SELECT {schema}, {rest} AND {_condition(wanted, schema)}" for schema, rest in _PARTS]
    return " UNION ALL ".join(parts) + " ORDER BY 1, 2, 3, 4, 5"


def count(schemas: list[str]) -> str:
    """A statement that counts the tables and views of these schemas (all when empty)."""
    chosen = f"IN ({', '.join(map(FUNCTIONS.string, schemas))})" if schemas else "IS NOT NULL"
    return (
        "SELECT COUNT(*) FROM (SELECT TABLE_NAME FROM EXA_ALL_TABLES"  # noqa: S608 - literals
        f" WHERE TABLE_SCHEMA {chosen}"
        f" UNION ALL SELECT VIEW_NAME FROM EXA_ALL_VIEWS WHERE VIEW_SCHEMA {chosen}) AS T"
    )


def tables(facts: Iterable[Fact], wanted: CatalogFilter) -> Iterator[Table]:
    """Tables of the statement's rows, one at a time."""
    wants = wanted.memo()
    comments: dict[str, str] = {}
    for (schema, name), group in groupby(facts, key=itemgetter(0, 1)):
        if name == _OF_SCHEMA:
            comments = {schema: next(group)[6]}
        elif wants(schema, None):
            table = _table(schema, name, group)
            if table is not None:
                table.schema_comment = comments.get(schema)
                yield table


def _table(schema: str, name: str, facts: Iterable[Fact]) -> Table | None:
    """None where table and columns are not both there: dropped or made meanwhile."""
    table: Table | None = None
    for _, _, kind, key, position, column, *values in facts:
        if kind in (_TABLE, _VIEW):
            table = _begun(schema, name, kind, *values)
        elif table is None:
            return None
        elif kind == _COLUMN:
            table.columns.append(_column(column, int(position), *values))
        else:
            _add_key(table, key, column, *values)
    if table is None or not table.columns:
        return None
    _number_key(table)
    return table


def _begun(schema: str, name: str, kind: str, comment: str | None, rows: Any, *_: Any) -> Table:
    of = TableKind.VIEW if kind == _VIEW else TableKind.TABLE
    estimate = None if rows is None else int(rows)
    return Table(None, schema, name, of, comment, [], [], [], estimate)


def _column(
    name: str, position: int, kind: str, nullable: str | None, default: str | None, comment: Any
) -> Column:
    """Of a view the server does not say what may be null: anything may."""
    return Column(name, position, kind, nullable != "0", default, comment, None)


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
    by_name = {column.name: column for column in table.columns}
    for place, name in enumerate(table.primary_key, 1):
        if name in by_name:
            by_name[name].primary_key_position = place


def _condition(wanted: CatalogFilter, schema: str) -> str:
    include = _any_of(wanted.include_like(_ESCAPE), schema, fold=wanted.include.fold)
    leave_out = _any_of(wanted.leave_out_like(_ESCAPE), schema, fold=False)
    return f"{include if wanted.include.patterns else '1 = 1'} AND NOT {leave_out}"


def _any_of(patterns: list[LikePattern], schema: str, *, fold: bool) -> str:
    """A pattern with a catalog fits nothing: there is nothing above the schemas."""
    name = f"LOWER({schema})" if fold else schema
    conditions = [
        f"{name} LIKE {FUNCTIONS.string(pattern.schema)} ESCAPE '{_ESCAPE}'"
        for pattern in patterns
        if pattern.catalog is None
    ]
    return f"({' OR '.join(conditions)})" if conditions else "(1 = 0)"
