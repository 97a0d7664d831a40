"""The catalog of a DuckDB database by one statement over its catalog functions, a row a table.

DuckDB names the table that a key refers to without its schema. Keys cannot leave their schema ("not
supported across different schemas or catalogs"), so it is the schema of the key's own table.
Source: DuckDB documentation, "DuckDB Table Functions".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from dragoman.dialects.arrow import RecordBatch
from dragoman.dialects.catalog import CatalogFilter, Column, ForeignKey, Table, TableKind
from dragoman.dialects.names import LikePattern
from dragoman.dialects.sql.duckdb import FUNCTIONS

_CHUNK: Final = 200  # tables that become Python objects at a time
_ESCAPE: Final = "!"
_STATEMENT: Final = """
WITH tables AS (
  SELECT schema_name, table_name, 'table' AS kind, comment, estimated_size AS estimate
  FROM duckdb_tables() WHERE database_name = {database} AND NOT internal AND NOT temporary
  UNION ALL
  SELECT schema_name, view_name, 'view', comment, NULL
  FROM duckdb_views() WHERE database_name = {database} AND NOT internal AND NOT temporary
), columns AS (
  SELECT schema_name, table_name,
    list(column_name ORDER BY column_index) AS names,
    list(column_index ORDER BY column_index) AS numbers,
    list(data_type ORDER BY column_index) AS types,
    list(is_nullable ORDER BY column_index) AS nullable,
    list(CASE WHEN NOT is_generated AND column_default <> 'NULL' THEN column_default END
      ORDER BY column_index) AS defaults,
    list(comment ORDER BY column_index) AS comments
  FROM duckdb_columns() WHERE database_name = {database} AND NOT internal
  GROUP BY ALL
), keys AS (
  SELECT schema_name, table_name,
    any_value(constraint_column_names) FILTER (constraint_type = 'PRIMARY KEY') AS primary_key,
    list({{'name': constraint_name, 'columns': constraint_column_names,
        'table': referenced_table, 'referenced': referenced_column_names}}
      ORDER BY constraint_index) FILTER (constraint_type = 'FOREIGN KEY') AS foreign_keys
  FROM duckdb_constraints() WHERE database_name = {database}
  GROUP BY ALL
)
SELECT schema_name, table_name, kind, comment, estimate, primary_key, foreign_keys,
  names, numbers, types, nullable, defaults, comments
FROM tables
LEFT JOIN columns USING (schema_name, table_name)
LEFT JOIN keys USING (schema_name, table_name)
WHERE {condition}
ORDER BY schema_name, table_name"""


def statement(database: str, wanted: CatalogFilter) -> str:
    """The statement; names and patterns stand in it as literals."""
    include = _any_of(wanted.include_like(_ESCAPE), database, fold=wanted.include.fold)
    leave_out = _any_of(wanted.leave_out_like(_ESCAPE), database, fold=False)
    condition = f"{include if wanted.include.patterns else 'TRUE'} AND NOT {leave_out}"
    return _STATEMENT.format(database=FUNCTIONS.string(database), condition=condition)


def tables(batches: Iterable[RecordBatch], database: str, wanted: CatalogFilter) -> Iterator[Table]:
    """Tables of the statement's rows, one at a time."""
    wants = wanted.memo()
    for row in _rows(batches):
        if wants(row[0], database):
            yield _table(database, row)


def _rows(batches: Iterable[RecordBatch]) -> Iterator[tuple[Any, ...]]:
    for batch in batches:
        for start in range(0, batch.num_rows, _CHUNK):
            part = batch.slice(start, _CHUNK)
            yield from zip(*(column.to_pylist() for column in part.columns), strict=True)


def _table(database: str, row: tuple[Any, ...]) -> Table:
    schema, name, kind, comment, estimate, primary_key, foreign_keys, *columns = row
    return Table(
        database,
        schema,
        name,
        TableKind(kind),
        comment,
        _columns(primary_key or [], *columns),
        primary_key or [],
        [
            ForeignKey(key["name"], key["columns"], schema, key["table"], key["referenced"])
            for key in foreign_keys or ()
        ],
        estimate,
    )


def _columns(primary_key: list[str], names: list[str] | None, *rest: list[Any]) -> list[Column]:
    if names is None:  # a view that DuckDB cannot bind any more
        return []
    places = [primary_key.index(name) + 1 if name in primary_key else None for name in names]
    return list(map(Column, names, *rest, places))


def _any_of(patterns: list[LikePattern], database: str, *, fold: bool) -> str:
    conditions = [_fits(pattern, database, fold) for pattern in patterns]
    return f"({' OR '.join(conditions)})" if conditions else "FALSE"


def _fits(pattern: LikePattern, database: str, fold: bool) -> str:
    schema = _like("lower(schema_name)" if fold else "schema_name", pattern.schema)
    if pattern.catalog is None:
        return schema
    literal = FUNCTIONS.string(database)
    return f"({_like(f'lower({literal})' if fold else literal, pattern.catalog)} AND {schema})"


def _like(name: str, pattern: str) -> str:
    return f"{name} LIKE {FUNCTIONS.string(pattern)} ESCAPE '{_ESCAPE}'"
