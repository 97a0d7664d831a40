"""A catalog of Athena by one statement over its information schema. There are no keys.

Its columns have comments, which Trino's own information schema lacks; all columns are selected, so
that a catalog without them can be read too.

Source: Athena user guide, "Query the AWS Glue Data Catalog".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from dragoman.dialects.adapters.trino.catalog import matching
from dragoman.dialects.catalog import CatalogFilter, Column, Table, TableKind
from dragoman.dialects.sql.trino import FUNCTIONS

Row = dict[str, str | None]
_NOT_SYSTEM: Final = "<> 'information_schema'"


def count(catalog: str, schemas: Sequence[str]) -> str:
    """The statement that counts the tables of these schemas (all when empty)."""
    chosen = f"IN ({', '.join(map(FUNCTIONS.string, schemas))})" if schemas else _NOT_SYSTEM
    return f"SELECT count(*) FROM {_schema_of(catalog)}.tables WHERE table_schema {chosen}"  # noqa: S608


def statement(catalog: str, wanted: CatalogFilter) -> str:
    """The statement; names and patterns stand in it as literals."""
    source = _schema_of(catalog)
    conditions = [f"c.table_schema {_NOT_SYSTEM}"]
    conditions += matching(wanted, FUNCTIONS.string(catalog), "c.table_schema")
    return (
        f"SELECT c.*, t.table_type FROM {source}.columns c JOIN {source}.tables t"  # noqa: S608
        " ON t.table_schema = c.table_schema AND t.table_name = c.table_name"
        f" WHERE {' AND '.join(conditions)} ORDER BY c.table_schema, c.table_name,"
        " c.ordinal_position"
    )


def tables(catalog: str, rows: Iterable[Row], wanted: CatalogFilter) -> Iterator[Table]:
    """Tables of the statement's rows, one at a time."""
    wants = wanted.memo()
    for (schema, name), group in groupby(rows, key=itemgetter("table_schema", "table_name")):
        columns = list(group)
        if wants(str(schema), catalog):
            kind = TableKind.VIEW if columns[0]["table_type"] == "VIEW" else TableKind.TABLE
            made = [_column(row) for row in columns]
            yield Table(catalog, str(schema), str(name), kind, None, made, [], [], None)


def _column(row: dict[str, Any]) -> Column:
    return Column(
        str(row["column_name"]),
        int(row["ordinal_position"]),
        str(row["data_type"]),
        row.get("is_nullable") != "NO",
        row.get("column_default"),
        row.get("comment") or None,
        None,
    )


def _schema_of(catalog: str) -> str:
    quoted = catalog.replace('"', '""')
    return f'"{quoted}".information_schema'
