"""PostgreSQL's catalog by one statement over pg_catalog, a row a table.

The server gathers the columns of a table into arrays, which cross the wire once and in binary.
Comments come by joins, not by obj_description(), which is a query of its own for each row.
Source: PostgreSQL documentation, chapter "System Catalogs"; version 12 or later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Final, LiteralString

from dragoman.dialects.catalog import CatalogFilter, Column, ForeignKey, Table, TableKind
from dragoman.dialects.names import LikePattern

if TYPE_CHECKING:
    import psycopg

_CHUNK: Final = 200  # tables that cross into Python at a time
_ESCAPE: Final = "\\"  # LIKE's own where no ESCAPE is written
_CANCEL_SECONDS: Final = 5.0
_KINDS: Final = {
    "r": TableKind.TABLE,
    "p": TableKind.PARTITIONED_TABLE,
    "v": TableKind.VIEW,
    "m": TableKind.MATERIALIZED_VIEW,
    "f": TableKind.FOREIGN_TABLE,
}
_STATEMENT: LiteralString = """
WITH spaces AS MATERIALIZED (
  SELECT n.oid, n.nspname, d.description
  FROM pg_namespace n
  LEFT JOIN pg_description d
    ON d.objoid = n.oid AND d.classoid = 'pg_namespace'::regclass AND d.objsubid = 0
  WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    AND has_schema_privilege(n.oid, 'usage')
    AND (cardinality(%(in_schemas)s::text[]) = 0 OR EXISTS (
      SELECT FROM unnest(%(in_catalogs)s::text[], %(in_schemas)s::text[]) AS p (catalog, schema)
      WHERE (p.catalog IS NULL
          OR CASE WHEN %(fold)s THEN lower(current_database()) ELSE current_database() END
             LIKE p.catalog)
        AND CASE WHEN %(fold)s THEN lower(n.nspname) ELSE n.nspname END LIKE p.schema))
    AND NOT EXISTS (
      SELECT FROM unnest(%(out_catalogs)s::text[], %(out_schemas)s::text[]) AS p (catalog, schema)
      WHERE (p.catalog IS NULL OR current_database() LIKE p.catalog) AND n.nspname LIKE p.schema)
), tables AS MATERIALIZED (
  SELECT c.oid, s.nspname, s.description, c.relname, c.relkind,
    has_table_privilege(c.oid, 'select') AS whole,
    -- Never counted is -1, before version 14 it was 0 in no pages.
    CASE WHEN c.relkind <> 'v' AND (c.reltuples > 0 OR (c.reltuples = 0 AND (
        c.relpages > 0 OR current_setting('server_version_num')::int >= 140000)))
      THEN c.reltuples::bigint END AS estimate
  FROM pg_class c
  JOIN spaces s ON s.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
    AND has_any_column_privilege(c.oid, 'select')
), enumerations AS MATERIALIZED (
  SELECT enumtypid,
    'enum(' || string_agg(quote_literal(enumlabel), ',' ORDER BY enumsortorder) || ')' AS type
  FROM pg_enum
  GROUP BY enumtypid
), columns AS (
  SELECT a.attrelid,
    array_agg(a.attname::text ORDER BY a.attnum) AS names,
    array_agg(a.attnum ORDER BY a.attnum) AS numbers,
    -- What a name of the user's own stands for: a domain's type, an enumeration's values.
    array_agg(COALESCE(e.type, CASE y.typtype
        WHEN 'd' THEN format_type(y.typbasetype, y.typtypmod)
        ELSE format_type(a.atttypid, a.atttypmod) END) ORDER BY a.attnum) AS types,
    array_agg(NOT a.attnotnull ORDER BY a.attnum) AS nullable,
    array_agg(CASE WHEN a.attgenerated = '' THEN pg_get_expr(f.adbin, f.adrelid) END
      ORDER BY a.attnum) AS defaults,
    array_agg(d.description ORDER BY a.attnum) AS comments
  FROM pg_attribute a
  JOIN tables t ON t.oid = a.attrelid
  JOIN pg_type y ON y.oid = a.atttypid
  LEFT JOIN enumerations e
    ON e.enumtypid = CASE y.typtype WHEN 'd' THEN y.typbasetype ELSE y.oid END
  LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
  LEFT JOIN pg_description d
    ON d.objoid = a.attrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
  WHERE a.attnum > 0 AND NOT a.attisdropped
    AND (t.whole OR has_column_privilege(a.attrelid, a.attnum, 'select'))
  GROUP BY a.attrelid
), foreign_keys AS (
  SELECT k.conrelid, json_agg(json_build_array(k.conname,
      (SELECT json_agg(a.attname ORDER BY u.place)
       FROM unnest(k.conkey) WITH ORDINALITY AS u (number, place)
       JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number),
      n.nspname, c.relname,
      (SELECT json_agg(a.attname ORDER BY u.place)
       FROM unnest(k.confkey) WITH ORDINALITY AS u (number, place)
       JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number)
    ) ORDER BY k.conname) AS keys
  FROM pg_constraint k
  JOIN tables t ON t.oid = k.conrelid
  JOIN pg_class c ON c.oid = k.confrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE k.contype = 'f' AND k.conparentid = 0
  GROUP BY k.conrelid
), unique_keys AS (
  -- Of whole rows only: a key with a condition or an expression says nothing of the others.
  SELECT i.indrelid, json_agg((string_to_array(i.indkey::text, ' ')::int[])[1:i.indnkeyatts]
    ORDER BY i.indexrelid) AS keys
  FROM pg_index i
  JOIN tables t ON t.oid = i.indrelid
  WHERE i.indisunique AND NOT i.indisprimary AND i.indpred IS NULL AND i.indexprs IS NULL
  GROUP BY i.indrelid
)
SELECT current_database(), t.nspname, t.description, t.relname, t.relkind::text, d.description,
  t.estimate, p.conkey, k.keys, u.keys,
  c.names, c.numbers, c.types, c.nullable, c.defaults, c.comments
FROM tables t
LEFT JOIN columns c ON c.attrelid = t.oid
LEFT JOIN foreign_keys k ON k.conrelid = t.oid
LEFT JOIN unique_keys u ON u.indrelid = t.oid
LEFT JOIN pg_constraint p ON p.conrelid = t.oid AND p.contype = 'p'
LEFT JOIN pg_description d
  ON d.objoid = t.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
ORDER BY t.nspname, t.relname"""


class CatalogRead:
    """One read under way on a psycopg connection in autocommit mode.

    `adbc_cancel` and `close` are what a session asks of whatever statement it has under way.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._rows: Any = None  # a generator

    def tables(self, settings: str, wanted: CatalogFilter) -> Iterator[Table]:
        """The tables as they arrive; any exception of the driver may come out.

        `settings`: a statement that sets what holds for the transaction.
        """
        self._connection.execute("BEGIN READ ONLY")
        self._connection.execute(settings.encode())
        cursor = self._connection.cursor(binary=True)
        rows: Iterator[tuple[Any, ...]] = cursor.stream(
            _STATEMENT, _parameters(wanted), size=_chunk()
        )
        self._rows = rows
        wants = wanted.memo()
        for row in rows:
            if wants(row[1], row[0]):
                yield _table(row)

    def adbc_cancel(self) -> None:
        """Stop the statement in the database; called from another thread."""
        self._connection.cancel_safe(timeout=_CANCEL_SECONDS)

    def close(self) -> None:
        """Stop what is unread and leave the connection usable, or closed."""
        try:
            if self._rows is not None:
                self._rows.close()
            self._connection.execute("ROLLBACK")
        except Exception:  # noqa: BLE001 - drivers raise anything; the next use says it is lost
            with contextlib.suppress(Exception):
                self._connection.close()


def _chunk() -> int:
    from psycopg import capabilities

    return _CHUNK if capabilities.has_stream_chunked() else 1


def _parameters(wanted: CatalogFilter) -> dict[str, Any]:
    include, leave_out = wanted.include_like(_ESCAPE), wanted.leave_out_like(_ESCAPE)
    return {
        "fold": wanted.include.fold,
        "in_catalogs": _catalogs(include),
        "in_schemas": [pattern.schema for pattern in include],
        "out_catalogs": _catalogs(leave_out),
        "out_schemas": [pattern.schema for pattern in leave_out],
    }


def _catalogs(patterns: list[LikePattern]) -> list[str | None]:
    return [pattern.catalog for pattern in patterns]


def _table(row: tuple[Any, ...]) -> Table:
    catalog, schema, schema_comment, name, kind, comment, estimate, *keys, names = row[:11]
    key, foreign, unique = keys
    columns: list[Column] = []
    primary_key: list[str] = []
    unique_keys: list[list[str]] = []
    if names is not None:  # a table may have no column at all
        numbers, types, nullable, defaults, comments = row[11:]
        columns = list(
            map(Column, names, numbers, types, nullable, defaults, comments, [None] * len(names))
        )
        if key is not None:
            primary_key = _primary_key(columns, key)
        unique_keys = _unique_keys(columns, unique or ())
    return Table(
        catalog,
        schema,
        name,
        _KINDS[kind],
        comment,
        columns,
        primary_key,
        [ForeignKey(*written) for written in foreign or ()],
        estimate,
        schema_comment,
        unique_keys,
    )


def _unique_keys(columns: list[Column], keys: Collection[list[int]]) -> list[list[str]]:
    """The names of the columns; a key of which one may not be read is left out."""
    by_number = {column.position: column.name for column in columns} if keys else {}
    return [[by_number[n] for n in key] for key in keys if all(n in by_number for n in key)]


def _primary_key(columns: list[Column], key: list[int]) -> list[str]:
    """Numbers the key's columns and gives their names; those that may not be read are left out."""
    by_number = {column.position: column for column in columns}
    names: list[str] = []
    for place, number in enumerate(key, 1):
        column = by_number.get(number)
        if column is not None:
            column.primary_key_position = place
            names.append(column.name)
    return names
