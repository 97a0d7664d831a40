"""The catalog of ClickHouse by one statement over system.columns, system.tables and databases.

There are no foreign keys. A primary key orders rows here and its values may repeat, so none is
reported: who joins by a key relies on it being one.

Source: ClickHouse documentation, "System Tables".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from dragoman.dialects.catalog import CatalogFilter, Column, Table, TableKind
from dragoman.dialects.names import LikePattern

SYSTEM: Final = "('system', 'INFORMATION_SCHEMA', 'information_schema')"
# LIKE knows no ESCAPE clause here: the backslash is fixed.
_ESCAPE: Final = "\\"
_VIEWS: Final = {
    "View": TableKind.VIEW,
    "LiveView": TableKind.VIEW,
    "WindowView": TableKind.VIEW,
    "MaterializedView": TableKind.MATERIALIZED_VIEW,
}
_OPTIONAL: Final = ("Nullable(", "LowCardinality(Nullable(")


def statement(wanted: CatalogFilter) -> tuple[str, dict[str, Any] | None]:
    """The statement and its values."""
    include, leave_out = wanted.include_like(_ESCAPE), wanted.leave_out_like(_ESCAPE)
    conditions = [_visible()]
    values: dict[str, Any] = {}
    if wanted.include.patterns:
        conditions.append(_any_of("include", wanted.include.fold))
        values["include"] = _schemas(include)
    if leave_out:
        conditions.append(f"NOT {_any_of('leave_out', fold=False)}")
        values["leave_out"] = _schemas(leave_out)
    return f"{_SELECT} WHERE {' AND '.join(conditions)} {_ORDER}", values or None


def tables(rows: Iterable[dict[str, Any]], wanted: CatalogFilter) -> Iterator[Table]:
    """Tables of the statement's rows, one at a time."""
    wants = wanted.memo()
    for (schema, name), group in groupby(rows, key=itemgetter("schema", "name")):
        columns = list(group)
        if wants(schema, None):
            yield _table(schema, name, columns)


def _table(schema: str, name: str, rows: list[dict[str, Any]]) -> Table:
    first = rows[0]
    estimate = first["total_rows"]
    return Table(
        None,
        schema,
        name,
        _VIEWS.get(first["engine"], TableKind.TABLE),
        first["table_comment"] or None,
        [_column(row) for row in rows],
        [],
        [],
        None if estimate is None else int(estimate),
        first["schema_comment"] or None,
    )


def _column(row: dict[str, Any]) -> Column:
    kind = str(row["type"])
    default = row["default_expression"] if row["default_kind"] == "DEFAULT" else None
    return Column(
        row["column"],
        int(row["position"]),
        kind,
        kind.startswith(_OPTIONAL),
        default or None,
        row["column_comment"] or None,
        None,
    )


_SELECT: Final = (
    "SELECT c.database AS schema, c.table AS name, t.engine AS engine, t.comment AS table_comment,"
    " t.total_rows AS total_rows, d.comment AS schema_comment, c.name AS column,"
    " c.position AS position, c.type AS type, c.default_kind AS default_kind,"
    " c.default_expression AS default_expression, c.comment AS column_comment"
    " FROM system.columns AS c"
    " JOIN system.tables AS t ON t.database = c.database AND t.name = c.table"
    " JOIN system.databases AS d ON d.name = c.database"
)
_ORDER: Final = "ORDER BY schema, name, position"


def _visible() -> str:
    """A materialized view keeps its rows in a table of its own, named .inner."""
    return (
        f"c.database NOT IN {SYSTEM} AND NOT t.is_temporary AND NOT startsWith(c.table, '.inner')"
    )


def _any_of(values: str, fold: bool) -> str:
    schema = "lowerUTF8(c.database)" if fold else "c.database"
    return f"arrayExists(pattern -> {schema} LIKE pattern, {{{values}:Array(String)}})"


def _schemas(patterns: list[LikePattern]) -> list[str]:
    """A pattern with a catalog fits nothing: there is nothing above the schemas."""
    return [pattern.schema for pattern in patterns if pattern.catalog is None]
