"""Semantic views and metric views of a database as views, relationships and topics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dragoman.dialects.semantic_objects import (
    ObjectKind,
    SemanticField,
    SemanticJoin,
    SemanticObject,
)
from dragoman.semantics.inference.conventions import Conventions
from dragoman.semantics.inference.labels import title
from dragoman.semantics.inference.names import MAX_LENGTH, SCOPE, clean, field_names, shortened
from dragoman.semantics.inference.types import data_type
from dragoman.semantics.layers import TopicSource, ViewSource

# The measure of a semantic view: the database aggregates it as it was defined there.
AGGREGATE = "semantic_view_agg"


@dataclass(slots=True)
class Meaning:
    """What one object becomes."""

    views: list[ViewSource] = field(default_factory=list[ViewSource])
    relationships: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    topic: TopicSource | None = None


def meaning(found: SemanticObject, how: Conventions, *, topics: bool) -> Meaning:
    """The views of an object, a folder for each; its joins; its topic where topics are asked for.

    A metric view is one view in the place of the table that the catalog lists: its columns are
    dimensions, and `MEASURE(…)` gives its measures. A semantic view has a view for each logical
    table.
    """
    made = Meaning()
    names = _view_names(found, how)
    for table in found.tables:
        made.views.append(_view(found, table.name, names[table.name], how))
    joins = [join for join in found.joins if join.table in names and join.other in names]
    made.relationships = [_relationship(join, names) for join in joins]
    if topics and made.views:
        made.topic = _topic(found, joins, names)
    return made


def _view_names(found: SemanticObject, how: Conventions) -> dict[str, str]:
    own = how.view_name(found.catalog, found.schema, found.name)
    if found.kind is ObjectKind.METRIC_VIEW:
        return {table.name: own for table in found.tables}
    fields = field_names([table.name for table in found.tables])
    return {
        table.name: shortened(f"{own}{SCOPE}{name}", f"{own}{SCOPE}{table.name}")
        for table, name in zip(found.tables, fields, strict=True)
    }


def _view(found: SemanticObject, table: str, name: str, how: Conventions) -> ViewSource:
    logical = next(each for each in found.tables if each.name == table)
    columns = [*_of(found.dimensions, table), *_of(found.facts, table)]
    metrics = _of(found.metrics, table)
    keys = _keys(found, table, {each.name for each in columns})
    fields = field_names([*(each.name for each in (*columns, *metrics)), *keys])
    dimensions = {
        field: _dimension(each, how) for field, each in zip(fields, columns, strict=False)
    }
    types = {field: _type(each, how) for field, each in zip(fields, columns, strict=False)}
    for field_, key in zip(fields[len(columns) + len(metrics) :], keys, strict=True):
        dimensions[field_] = {"sql": how.quote(key), "label": title(key), "hidden": True}
    measures = {
        field_: _measure(found, each, how)
        for field_, each in zip(fields[len(columns) :], metrics, strict=False)
    }
    definition: dict[str, Any] = {} if found.catalog is None else {"catalog": found.catalog}
    definition |= {"schema": found.schema, "table_name": found.name}
    if found.kind is ObjectKind.SEMANTIC_VIEW:
        definition["semantic_table"] = table
    definition["label"] = title(table)
    if logical.comment:
        definition["description"] = logical.comment
    if logical.synonyms:
        definition["tags"] = list(logical.synonyms)
    definition |= {"dimensions": dimensions, "measures": measures}
    folder = how.folder(found.catalog, found.schema)
    if found.kind is ObjectKind.SEMANTIC_VIEW:
        folder = f"{folder}.{clean(found.name, 'view')}"
    return ViewSource(name, f"{folder}/{clean(table, 'table')}.view", definition, types)


def _of(fields: list[SemanticField], table: str) -> list[SemanticField]:
    return [each for each in fields if each.table == table]


def _keys(found: SemanticObject, table: str, shown: set[str]) -> list[str]:
    """Columns that joins need and that are no dimension."""
    needed: dict[str, None] = {}
    for join in found.joins:
        if join.table == table:
            needed |= dict.fromkeys(join.columns)
        if join.other == table:
            needed |= dict.fromkeys(join.other_columns)
    return [column for column in needed if column not in shown]


def _dimension(each: SemanticField, how: Conventions) -> dict[str, Any]:
    return {"sql": how.quote(each.name), **_said(each)}


def _measure(found: SemanticObject, each: SemanticField, how: Conventions) -> dict[str, Any]:
    quoted = how.quote(each.name)
    if found.kind is ObjectKind.METRIC_VIEW:
        return {"sql": f"MEASURE({quoted})", **_said(each)}
    return {"sql": quoted, "aggregate_type": AGGREGATE, **_said(each)}


def _said(each: SemanticField) -> dict[str, Any]:
    said: dict[str, Any] = {"label": each.label or title(each.name)}
    if each.comment:
        said["description"] = each.comment
    if each.synonyms:
        said["synonyms"] = list(each.synonyms)
    return said


def _type(each: SemanticField, how: Conventions) -> str:
    return str(data_type(each.type, how.dialect))


def _relationship(join: SemanticJoin, names: dict[str, str]) -> dict[str, Any]:
    own, other = names[join.table], names[join.other]
    pairs = zip(join.columns, join.other_columns, strict=True)
    parts = (f"${{{own}.{clean(mine)}}} = ${{{other}.{clean(theirs)}}}" for mine, theirs in pairs)
    return {
        "join_from_view": own,
        "join_to_view": other,
        "join_type": "always_left",
        "relationship_type": "many_to_one",
        "on_sql": " AND ".join(parts),
    }


def _topic(found: SemanticObject, joins: list[SemanticJoin], names: dict[str, str]) -> TopicSource:
    """The topic starts at the table that most others are reached from, itself reached from none."""
    reached = {join.other for join in joins}
    start = next((t.name for t in found.tables if t.name not in reached), found.tables[0].name)
    definition: dict[str, Any] = {"base_view": names[start], "label": title(found.name)}
    if found.comment:
        definition["description"] = found.comment
    definition["joins"] = _joined(start, joins, names, {start})
    name = next(iter(names.values()))
    topic = name if found.kind is ObjectKind.METRIC_VIEW else name.rpartition(SCOPE)[0]
    return TopicSource(topic[:MAX_LENGTH], f"{topic[:MAX_LENGTH]}.topic", definition)


def _joined(
    table: str, joins: list[SemanticJoin], names: dict[str, str], seen: set[str]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for join in joins:
        if join.table == table and join.other not in seen:
            seen.add(join.other)
            found[names[join.other]] = _joined(join.other, joins, names, seen)
    return found
