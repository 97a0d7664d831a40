"""The catalog of Trino by one statement over its system tables, for all catalogs that are asked.

The statement is a union of facts (table, its comment, column) that one sort brings together: the
system tables are listings, and joining them would read each of them again. There are no keys.

Source: Trino documentation, "System connector".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from dragoman.dialects.catalog import CatalogFilter, Column, Table, TableKind
from dragoman.dialects.names import LikePattern
from dragoman.dialects.sql.trino import FUNCTIONS

# catalog, schema, table, kind of fact, position, name, type, nullable, default, comment.
Fact = Sequence[Any]
_TABLE, _COMMENT = 0, 1
_ESCAPE: Final = "!"
_TABLES: Final = (
    "SELECT table_cat, table_schem, table_name, 0 AS fact, 0 AS position,"
    " CAST(NULL AS varchar) AS name, table_type AS type, CAST(NULL AS varchar) AS nullable,"
    " CAST(NULL AS varchar) AS default_value, CAST(NULL AS varchar) AS comment"
    " FROM system.jdbc.tables WHERE {jdbc}"
)
_COMMENTS: Final = (
    "SELECT catalog_name, schema_name, table_name, 1, 0, NULL, NULL, NULL, NULL, comment"
    " FROM system.metadata.table_comments WHERE comment <> '' AND {metadata}"
)
_COLUMNS: Final = (
    "SELECT table_cat, table_schem, table_name, 2, ordinal_position, column_name,"
    " type_name, is_nullable, column_def, remarks"
    " FROM system.jdbc.columns WHERE {jdbc}"
)


def statement(catalogs: Sequence[str], wanted: CatalogFilter) -> str:
    """The statement; names and patterns stand in it as literals."""
    conditions = {
        "jdbc": _condition(catalogs, wanted, "table_cat", "table_schem"),
        "metadata": _condition(catalogs, wanted, "catalog_name", "schema_name"),
    }
    parts = [part.format_map(conditions) for part in (_TABLES, _COMMENTS, _COLUMNS)]
    return f"{' UNION ALL '.join(parts)} ORDER BY 1, 2, 3, 4, 5"


def tables(facts: Iterable[Fact], wanted: CatalogFilter) -> Iterator[Table]:
    """Tables of the statement's rows, one at a time."""
    wants = wanted.memo()
    for (catalog, schema, name), group in groupby(facts, key=itemgetter(0, 1, 2)):
        if wants(schema, catalog):
            table = _table(catalog, schema, name, group)
            if table is not None:
                yield table


def _table(catalog: str, schema: str, name: str, facts: Iterable[Fact]) -> Table | None:
    """None where table and columns are not both there: dropped or made meanwhile."""
    kind: str | None = None
    comment: str | None = None
    columns: list[Column] = []
    for _, _, _, fact, position, column, type_, nullable, default, said in facts:
        if fact == _TABLE:
            kind = str(type_)
        elif fact == _COMMENT:
            comment = said
        else:
            columns.append(
                Column(column, int(position), type_, nullable != "NO", default, said or None, None)
            )
    if kind is None or not columns:
        return None
    of_kind = TableKind.VIEW if kind == "VIEW" else TableKind.TABLE
    return Table(catalog, schema, name, of_kind, comment, columns, [], [], None)


def matching(wanted: CatalogFilter, catalog: str, schema: str) -> list[str]:
    """Conditions that all must hold; `catalog` and `schema` are expressions of SQL."""
    conditions: list[str] = []
    if wanted.include.patterns:
        include = wanted.include_like(_ESCAPE)
        conditions.append(_any_of(include, catalog, schema, fold=wanted.include.fold))
    if leave_out := wanted.leave_out_like(_ESCAPE):
        conditions.append(f"NOT {_any_of(leave_out, catalog, schema, fold=False)}")
    return conditions


def _condition(catalogs: Sequence[str], wanted: CatalogFilter, catalog: str, schema: str) -> str:
    listed = ", ".join(map(FUNCTIONS.string, catalogs))
    conditions = [f"{catalog} IN ({listed})", f"{schema} <> 'information_schema'"]
    return " AND ".join(conditions + matching(wanted, catalog, schema))


def _any_of(patterns: list[LikePattern], catalog: str, schema: str, *, fold: bool) -> str:
    conditions = [_fits(pattern, catalog, schema, fold) for pattern in patterns]
    return f"({' OR '.join(conditions)})" if conditions else "FALSE"


def _fits(pattern: LikePattern, catalog: str, schema: str, fold: bool) -> str:
    fits = _like(schema, pattern.schema, fold)
    return (
        fits if pattern.catalog is None else f"({_like(catalog, pattern.catalog, fold)} AND {fits})"
    )


def _like(name: str, pattern: str, fold: bool) -> str:
    folded = f"lower({name})" if fold else name
    return f"{folded} LIKE {FUNCTIONS.string(pattern)} ESCAPE '{_ESCAPE}'"
