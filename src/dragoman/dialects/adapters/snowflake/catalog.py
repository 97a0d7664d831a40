"""The catalog of a Snowflake database: information_schema, and SHOW for the keys.

information_schema has no columns of keys, and no tags but those of one table: a database takes four
statements, whatever its size.
Source: Snowflake documentation, "Information Schema", "SHOW PRIMARY KEYS", "SHOW IMPORTED KEYS".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from dragoman.dialects.base import Target
from dragoman.dialects.catalog import CatalogFilter, Column, ForeignKey, Table, TableKind
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.names import LikePattern, split_names
from dragoman.dialects.tags import Tags

Row = tuple[Any, ...]
Ask = Callable[[str, list[str] | None], list[Row]]

_ESCAPE: Final = "!"
_KINDS: Final = {
    "VIEW": TableKind.VIEW,
    "MATERIALIZED VIEW": TableKind.MATERIALIZED_VIEW,
    "EXTERNAL TABLE": TableKind.FOREIGN_TABLE,
}
# SHOW gives no more rows than this.
_SHOW_ROWS: Final = 10_000


@dataclass(slots=True)
class Keys:
    """Keys by schema and table."""

    primary: dict[tuple[str, str], list[str]] = field(
        default_factory=lambda: defaultdict[tuple[str, str], list[str]](list)
    )
    foreign: dict[tuple[str, str], list[ForeignKey]] = field(
        default_factory=lambda: defaultdict[tuple[str, str], list[ForeignKey]](list)
    )


def databases(target: Target) -> list[str]:
    """The connection's own database first, then the others that it names."""
    named = [target.database, *split_names(target.text("includeOtherCatalogs"))]
    return list(dict.fromkeys(name for name in named if name))


def tables(ask: Ask, database: str, wanted: CatalogFilter, notices: list[str]) -> Iterator[Table]:
    """Tables of one database, in the order of schema and name."""
    wants = wanted.memo()
    rows = ask(*_statement(database, wanted))
    keys = _keys(ask, database, notices)
    tagged = tags(ask, database, wanted, notices) if rows else Tags()
    for (schema, name), group in groupby(rows, key=itemgetter(0, 1)):
        if wants(schema, database):
            yield tagged.put_on(_table(database, schema, name, list(group), keys))


def _statement(database: str, wanted: CatalogFilter) -> tuple[str, list[str]]:
    source = f"{named(database)}.information_schema"
    condition, bound = _condition("t.table_schema", wanted)
    sql = f"""
SELECT t.table_schema, t.table_name, t.table_type, t.comment, t.row_count,
  c.column_name, c.ordinal_position, c.data_type, c.is_nullable, c.column_default, c.comment,
  c.numeric_precision, c.numeric_scale, c.character_maximum_length
FROM {source}.tables t
JOIN {source}.columns c ON c.table_schema = t.table_schema AND c.table_name = t.table_name
WHERE t.table_schema <> 'INFORMATION_SCHEMA' AND {condition}
ORDER BY 1, 2, 7"""  # noqa: S608 - quoted and bound
    return sql, bound


def tags(ask: Ask, database: str, wanted: CatalogFilter, notices: list[str]) -> Tags:
    """The tags of one database's tables and columns, up to two hours old; none, and a notice, where
    the role may not see them. Tags that are inherited from a schema or database are not told.

    Source: Snowflake documentation, "TAG_REFERENCES view" (Account Usage), "SNOWFLAKE database
    roles".
    """
    condition, bound = _condition("object_schema", wanted)
    sql = f"""
SELECT object_schema, object_name, CASE domain WHEN 'COLUMN' THEN column_name END,
  tag_name, tag_value
FROM snowflake.account_usage.tag_references
WHERE object_deleted IS NULL AND object_database = ?
  AND (domain = 'COLUMN' OR domain LIKE '%TABLE' OR domain LIKE '%VIEW') AND {condition}"""  # noqa: S608 - bound
    try:
        return Tags(ask(sql, [_stored(database), *bound]))
    except DatabaseFailure as failure:
        if not failure.refuses:
            raise
        notices.append(
            f"The tags of {database} could not be read: {failure.message} To have them, grant the"
            " database role SNOWFLAKE.GOVERNANCE_VIEWER to the user's role."
        )
        return Tags()


def _condition(column: str, wanted: CatalogFilter) -> tuple[str, list[str]]:
    """Which schemas are read, and the values of it."""
    include, bound = _any_of(column, wanted.include_like(_ESCAPE), fold=wanted.include.fold)
    if not wanted.include.patterns:
        include = "TRUE"
    # A pattern with a catalog would leave out too much here; `wants` sees to it.
    plain = [pattern for pattern in wanted.leave_out_like(_ESCAPE) if pattern.catalog is None]
    leave_out, more = _any_of(column, plain, fold=False)
    return f"{include} AND NOT {leave_out}", bound + more


def _any_of(column: str, patterns: list[LikePattern], *, fold: bool) -> tuple[str, list[str]]:
    if not patterns:
        return "FALSE", []
    name, pattern = (f"LOWER({column})", "LOWER(?)") if fold else (column, "?")
    one = f"{name} LIKE {pattern} ESCAPE '{_ESCAPE}'"
    return f"({' OR '.join([one] * len(patterns))})", [p.schema for p in patterns]


def _keys(ask: Ask, database: str, notices: list[str]) -> Keys:
    """Without keys where the role may not see them."""
    keys = Keys()
    where = f"IN DATABASE {named(database)}"
    try:
        primary = ask(f"SHOW PRIMARY KEYS {where}", None)
        imported = ask(f"SHOW IMPORTED KEYS {where}", None)
    except DatabaseFailure as failure:
        if not failure.refuses:
            raise
        notices.append(f"The keys of {database} could not be read: {failure.message}")
        return keys
    if max(len(primary), len(imported)) >= _SHOW_ROWS:
        notices.append(f"{database} has more keys than Snowflake shows ({_SHOW_ROWS:,}).")
    _add_primary(keys, primary)
    _add_foreign(keys, imported)
    return keys


def _add_primary(keys: Keys, rows: Iterable[Row]) -> None:
    """created_on, database, schema, table, column, key_sequence, ..."""
    for row in sorted(rows, key=lambda row: (row[2], row[3], int(row[5]))):
        keys.primary[row[2], row[3]].append(str(row[4]))


def _add_foreign(keys: Keys, rows: Iterable[Row]) -> None:
    """created_on, pk_database, pk_schema, pk_table, pk_column, fk_database, fk_schema, fk_table,
    fk_column, key_sequence, update_rule, delete_rule, fk_name, ...
    """
    for row in sorted(rows, key=lambda row: (row[6], row[7], str(row[12]), int(row[9]))):
        there = keys.foreign[row[6], row[7]]
        if not there or there[-1].name != row[12]:
            other = None if row[1] == row[5] else str(row[1])
            there.append(ForeignKey(str(row[12]), [], str(row[2]), str(row[3]), [], other))
        there[-1].columns.append(str(row[8]))
        there[-1].referenced_columns.append(str(row[4]))


def _table(database: str, schema: str, name: str, rows: list[Row], keys: Keys) -> Table:
    kind = _KINDS.get(rows[0][2], TableKind.TABLE)
    comment, estimate = rows[0][3] or None, rows[0][4]
    columns = [_column(row) for row in rows]
    primary = keys.primary.get((schema, name), [])
    for column in columns:
        if column.name in primary:
            column.primary_key_position = primary.index(column.name) + 1
    foreign = keys.foreign.get((schema, name), [])
    estimated = None if estimate is None or kind is TableKind.VIEW else int(estimate)
    return Table(database, schema, name, kind, comment, columns, primary, foreign, estimated)


def _column(row: Row) -> Column:
    name, position, kind, nullable, default, comment, precision, scale, length = row[5:]
    if kind == "NUMBER" and precision is not None:
        kind = f"NUMBER({int(precision)},{int(scale or 0)})"
    elif kind == "TEXT" and length is not None:
        kind = f"VARCHAR({int(length)})"
    return Column(name, int(position), kind, nullable == "YES", default, comment or None, None)


def named(database: str) -> str:
    """The database in a statement: a plain name as it is, since Snowflake folds it to capitals,
    others in quotes."""
    return database if _plain(database) else '"' + database.replace('"', '""') + '"'


def _stored(database: str) -> str:
    """The name as Snowflake keeps it, `named` being how we write it."""
    return database.upper() if _plain(database) else database


def _plain(name: str) -> bool:
    letters = name.replace("_", "").replace("$", "")
    return letters.isalnum() and letters.isascii() and not name[0].isdigit() and name[0] != "$"
