"""Snowflake's semantic views, from five views of a database's information_schema.

Source: Snowflake documentation, "SEMANTIC_VIEWS view", "SEMANTIC_TABLES view", "SEMANTIC_DIMENSIONS
view", "SEMANTIC_FACTS view", "SEMANTIC_METRICS view", "SEMANTIC_RELATIONSHIPS view" (Information
Schema). Lists cross the wire as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

from dragoman.dialects.adapters.snowflake.catalog import Ask, Row, named
from dragoman.dialects.catalog import CatalogFilter
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.semantic_objects import (
    ObjectKind,
    SemanticField,
    SemanticJoin,
    SemanticObject,
    SemanticTable,
)

_SCOPE: Final = "semantic_view_schema, semantic_view_name"
_FIELDS: Final = "table_name, name, expression, data_type, comment, synonyms"
_Place = tuple[str, str]


def objects(
    ask: Ask, database: str, wanted: CatalogFilter, notices: list[str]
) -> Iterator[SemanticObject]:
    """The semantic views of one database, by schema and name; none where they may not be read."""
    try:
        found = _read(ask, database)
    except DatabaseFailure as failure:
        if not failure.refuses:
            raise
        notices.append(f"The semantic views of {database} could not be read: {failure.message}")
        return
    for (schema, _), each in sorted(found.items()):
        if wanted.wants(schema, database):
            yield each


def _read(ask: Ask, database: str) -> dict[_Place, SemanticObject]:
    def rows(view: str, columns: str, order: str) -> list[Row]:
        source = f"{named(database)}.information_schema.{view}"
        return ask(f"SELECT {columns} FROM {source} ORDER BY {order}", None)  # noqa: S608 - quoted

    found = {
        (schema, name): SemanticObject(
            ObjectKind.SEMANTIC_VIEW, database, schema, name, comment or None
        )
        for schema, name, comment in rows("semantic_views", "schema, name, comment", "1, 2")
    }
    columns = f"{_SCOPE}, name, primary_keys, comment, synonyms"
    for schema, view, name, keys, comment, synonyms in rows("semantic_tables", columns, "1, 2, 3"):
        if (each := found.get((schema, view))) is not None:
            table = SemanticTable(name, _texts(keys), comment or None, _texts(synonyms))
            each.tables.append(table)
    fields: dict[str, Callable[[SemanticObject], list[SemanticField]]] = {
        "semantic_dimensions": lambda each: each.dimensions,
        "semantic_facts": lambda each: each.facts,
        "semantic_metrics": lambda each: each.metrics,
    }
    for source, chosen in fields.items():
        for schema, view, *row in rows(source, f"{_SCOPE}, {_FIELDS}", "1, 2, 3, 4"):
            if (each := found.get((schema, view))) is not None:
                chosen(each).append(_field(row))
    columns = f"{_SCOPE}, table_name, foreign_keys, ref_table_name, ref_keys"
    for schema, view, *row in rows("semantic_relationships", columns, "1, 2, 3, 5"):
        join = _join(row)
        if (each := found.get((schema, view))) is not None and join is not None:
            each.joins.append(join)
    return found


def _field(row: list[Any]) -> SemanticField:
    table, name, expression, kind, comment, synonyms = row
    return SemanticField(
        table or "", name, expression or "", kind or "", comment or None, _texts(synonyms)
    )


def _join(row: list[Any]) -> SemanticJoin | None:
    """None for a join by range or by time (ASOF), which is no equality."""
    table, keys, other, other_keys = row
    columns, others = _items(keys), _items(other_keys)
    if not all(isinstance(each, str) for each in (*columns, *others)):
        return None
    if not columns or len(columns) != len(others):
        return None
    return SemanticJoin(table, _texts(keys), other, _texts(other_keys))


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return []
    return cast("list[Any]", value) if isinstance(value, list) else []


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in _items(value) if isinstance(each, str))
