"""Redshift's catalog by a fixed number of statements, whatever the number of tables.

One statement over everything would be shorter, but Redshift runs some catalog functions on its
leader node only and refuses to join them with what runs elsewhere. So: the tables, the late-binding
views' columns, the keys, and then the columns of all else, which stream. Redshift sorts text by
its bytes, which is the order that is asked for here. Keys are declared, never enforced.
Sources: Amazon Redshift Database Developer Guide, "SVV_ALL_TABLES", "SVV_ALL_COLUMNS",
"PG_GET_LATE_BINDING_VIEW_COLS", "System catalog tables", "Collation sequences".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from dragoman.dialects.catalog import CatalogFilter, Column, ForeignKey, Table, TableKind
from dragoman.dialects.names import LikePattern
from dragoman.dialects.sql.redshift import FUNCTIONS

_ESCAPE: Final = "!"
Row = tuple[Any, ...]
Name = tuple[str, str]
"""Schema and table."""

SCHEMAS: Final = """
SELECT nspname FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'catalog_history')
  AND has_schema_privilege(nspname, 'usage')
ORDER BY 1"""
_SYSTEM: Final = (
    "{schema} NOT IN ('information_schema', 'catalog_history') AND {schema} NOT LIKE 'pg!_%' ESCAPE"
    " '!'"
)
_TABLES: Final = """
SELECT schema_name, table_name, table_type, remarks
FROM svv_all_tables
WHERE database_name = {database} AND {condition}
ORDER BY schema_name, table_name"""
_COLUMNS: Final = """
SELECT schema_name, table_name, column_name, ordinal_position, data_type,
  character_maximum_length, numeric_precision, numeric_scale, is_nullable, column_default, remarks
FROM svv_all_columns
WHERE database_name = {database} AND {condition}
ORDER BY schema_name, table_name, ordinal_position"""
_LATE_BINDING: Final = """
SELECT view_schema, view_name, col_name, col_num, col_type
FROM pg_get_late_binding_view_cols()
  cols(view_schema name, view_name name, col_name name, col_type varchar, col_num int)
ORDER BY view_schema, view_name, col_num"""
# A row for each column of a key, on either side: Redshift has no unnest.
_KEYS: Final = """
SELECT n.nspname, c.relname, k.conname, k.contype, k.conkey, k.confkey, fn.nspname, fc.relname,
  a.attrelid = k.conrelid, a.attrelid = k.confrelid, a.attnum, a.attname
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON (a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey))
  OR (a.attrelid = k.confrelid AND a.attnum = ANY (k.confkey))
LEFT JOIN pg_class fc ON fc.oid = k.confrelid
LEFT JOIN pg_namespace fn ON fn.oid = fc.relnamespace
WHERE k.contype IN ('p', 'f')
ORDER BY n.nspname, c.relname, k.conname"""
_KINDS: Final = {
    "VIEW": TableKind.VIEW,
    "EXTERNAL TABLE": TableKind.FOREIGN_TABLE,
    "MATERIALIZED VIEW": TableKind.MATERIALIZED_VIEW,
}
# The table behind a materialized view.
_BEHIND_VIEW: Final = re.compile(r"mv_tbl__.*__\d+")


@dataclass(slots=True)
class Keys:
    """The keys of one table."""

    primary: list[str] = field(default_factory=list[str])
    foreign: list[ForeignKey] = field(default_factory=list[ForeignKey])


def tables(
    rows: Callable[[str], Iterable[Row]], database: str, wanted: CatalogFilter
) -> Iterator[Table]:
    """The tables as their columns arrive. `rows` runs a statement; its iterable is read whole."""
    wants = wanted.memo()
    condition = _condition(database, wanted)
    head: dict[Name, Row] = {}
    for row in rows(_TABLES.format(database=FUNCTIONS.string(database), condition=condition)):
        if wants(row[0], database) and not _BEHIND_VIEW.fullmatch(row[1]):
            head[row[0], row[1]] = row
    late = _late_columns(rows(_LATE_BINDING))
    keys = keys_of(rows(_KEYS))

    def table(name: Name, columns: list[Column]) -> Table:
        return _table(database, head[name], columns or late.get(name, []), keys.get(name, Keys()))

    waiting = sorted(head, reverse=True)
    columns = rows(_COLUMNS.format(database=FUNCTIONS.string(database), condition=condition))
    for name, group in groupby(columns, lambda row: (row[0], row[1])):
        while waiting and waiting[-1] < name:
            yield table(waiting.pop(), [])
        if waiting and waiting[-1] == name:
            yield table(waiting.pop(), [_column(row) for row in group])
    while waiting:
        yield table(waiting.pop(), [])


def keys_of(rows: Iterable[Row]) -> dict[Name, Keys]:
    """Primary and foreign keys by table, from the rows of the statement about keys."""
    found: defaultdict[Name, Keys] = defaultdict(Keys)
    for (schema, table, name), group in groupby(rows, lambda row: (row[0], row[1], row[2])):
        written = list(group)
        _, _, _, kind, own, other, other_schema, other_table, *_ = written[0]
        columns = _named(own, {row[10]: row[11] for row in written if row[8]})
        keys = found[schema, table]
        if kind == "p":
            keys.primary = columns
            continue
        referenced = _named(other, {row[10]: row[11] for row in written if row[9]})
        keys.foreign.append(ForeignKey(name, columns, other_schema, other_table, referenced))
    return found


def count_statement(database: str, schemas: list[str]) -> str:
    """How many tables and views may be read; a placeholder for each schema, none for all."""
    names = f" AND schema_name IN ({', '.join(['%s'] * len(schemas))})" if schemas else ""
    system = _SYSTEM.format(schema="schema_name")
    if schemas:  # a percent sign is a placeholder's where there are some
        system, database = system.replace("%", "%%"), database.replace("%", "%%")
    return (
        f"SELECT count(*) FROM svv_all_tables WHERE database_name = {FUNCTIONS.string(database)}"  # noqa: S608
        f" AND {system}{names}"
    )


def _table(database: str, head: Row, columns: list[Column], keys: Keys) -> Table:
    schema, name, kind, comment = head
    by_name = {column.name: column for column in columns}
    for place, key in enumerate(keys.primary, 1):
        if key in by_name:
            by_name[key].primary_key_position = place
    primary = [key for key in keys.primary if key in by_name]
    kind = _KINDS.get(kind, TableKind.TABLE)
    return Table(
        database, schema, name, kind, comment or None, columns, primary, keys.foreign, None
    )


def _column(row: Row) -> Column:
    _, _, name, position, kind, length, precision, scale, nullable, default, comment = row
    return Column(
        name,
        int(position),
        _type(kind, length, precision, scale),
        str(nullable).upper() not in {"NO", "N", "FALSE"},
        default or None,
        comment or None,
        None,
    )


def _late_columns(rows: Iterable[Row]) -> dict[Name, list[Column]]:
    """A late-binding view says of its columns no more than name and type."""
    found: defaultdict[Name, list[Column]] = defaultdict(list)
    for schema, view, name, position, kind in rows:
        found[schema, view].append(Column(name, int(position), kind, True, None, None, None))
    return found


def _type(kind: str, length: Any, precision: Any, scale: Any) -> str:
    if kind in {"character varying", "character", "varchar", "char"} and length is not None:
        return f"{kind}({length})"
    if kind in {"numeric", "decimal"} and precision is not None:
        return f"{kind}({precision},{scale or 0})"
    return kind


def _named(numbers: str, names: dict[int, str]) -> list[str]:
    """`numbers`: an array's text, such as {1,2}."""
    return [names[int(number)] for number in re.findall(r"\d+", numbers) if int(number) in names]


def _condition(database: str, wanted: CatalogFilter) -> str:
    """What the server leaves out; the rest is left out here."""
    parts = [_SYSTEM.format(schema="schema_name")]
    if wanted.include.patterns:
        include = wanted.include_like(_ESCAPE)
        parts.append(f"({_any_of(include, database, fold=wanted.include.fold)})")
    if leave_out := wanted.leave_out_like(_ESCAPE):
        parts.append(f"NOT ({_any_of(leave_out, database, fold=False)})")
    return " AND ".join(parts)


def _any_of(patterns: list[LikePattern], database: str, *, fold: bool) -> str:
    return " OR ".join(_fits(pattern, database, fold=fold) for pattern in patterns)


def _fits(pattern: LikePattern, database: str, *, fold: bool) -> str:
    schema = _like("lower(schema_name)" if fold else "schema_name", pattern.schema)
    if pattern.catalog is None:
        return schema
    literal = FUNCTIONS.string(database)
    return f"({_like(f'lower({literal})' if fold else literal, pattern.catalog)} AND {schema})"


def _like(name: str, pattern: str) -> str:
    return f"{name} LIKE {FUNCTIONS.string(pattern)} ESCAPE '{_ESCAPE}'"
