"""A topic resolved, as clients read it: its joins, views and fields (contract §3.6).

The shape is the one that the Python SDK's `Topic` reads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from dragoman.semantics.compiler.selectors import selects
from dragoman.semantics.composing.joins import JoinMap
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.inference.labels import title
from dragoman.semantics.layers import Definition
from dragoman.semantics.model.fields import Dimension, Field, FilterField, Measure
from dragoman.semantics.model.grains import Grain
from dragoman.semantics.model.references import Reference, SqlText
from dragoman.semantics.model.relationships import ASSUMED, Relationship
from dragoman.semantics.model.topics import Topic
from dragoman.semantics.model.views import TableSource, View
from dragoman.semantics.plain import mapping

_EQUALITY = re.compile(r"\s*\x00(\d+)\x00\s*=\s*\x00(\d+)\x00\s*")
_AND = re.compile(r"\bAND\b", re.IGNORECASE)
_CALL = "SqlStdOperatorTable."
_DEFAULT_GRAINS = (Grain.DATE, Grain.WEEK, Grain.MONTH, Grain.QUARTER, Grain.YEAR)
_VALUES = ("all_values", "sample_values")
Has = Callable[[Iterable[str]], bool]
_AGGREGATES = {"count_distinct": "COUNT(DISTINCT {})", "average": "AVG({})"}


def topic_shape(
    model: ComposedModel, topic: Topic, model_id: str, has: Has = lambda _: True
) -> dict[str, Any]:
    """The topic as JSON-ready values. `has`: whether the reader has grants; fields that ask for
    others are left out, and of masked ones no values are told."""
    joins = model.join_map(topic)
    names = [topic.base_view, *(name for name in joins.via if name != topic.base_view)]
    views = [view for name in names if (view := model.topic_view(topic, name)) is not None]
    definition = model.topic_definition(topic.name, fully_resolved=True) or {}
    shape: dict[str, Any] = {
        "name": topic.name,
        "base_view_name": topic.base_view,
        "label": topic.label or title(topic.name),
        "default_filters": definition.get("default_filters") or {},
        "always_where_filters": definition.get("always_where_filters") or {},
        "join_via_map": _via(joins),
        "join_via_map_key_order": [name for name in joins.via if name != topic.base_view],
        "has_frozen_join_via_map": topic.joins is not None,
        "ignored_props": [],
        "extension_model_id": model_id,
        "ide_file_name": topic.path,
        "hidden": topic.hidden,
        "relationships": [_relationship(one) for one in _used(joins)],
        "sample_queries": definition.get("sample_queries") or [],
        "views": [_view(model, topic, view, has) for view in views],
    }
    optional = {
        "description": topic.description,
        "group_label": topic.group_label,
        "base_view_label": topic.base_view_label,
        "ai_context": definition.get("ai_context"),
        "always_where_sql": _text(topic.always_where_sql),
        "always_having_sql": _text(topic.always_having_sql),
        "always_having_filters": definition.get("always_having_filters"),
        "access_filters": definition.get("access_filters"),
        "required_access_grants": list(topic.required_access_grants) or None,
        "default_row_limit": topic.default_row_limit,
        "cache_policy": topic.cache_policy,
    }
    return shape | {key: value for key, value in optional.items() if value is not None}


def _via(joins: JoinMap) -> dict[str, list[str]]:
    """Each view with those between it and the base."""
    return {
        name: [edge.target for edge in edges[:-1]]
        for name, edges in joins.via.items()
        if name != joins.base
    }


def _used(joins: JoinMap) -> Iterable[Relationship]:
    found = {edge.relationship: None for edges in joins.via.values() for edge in edges}
    return list(found)


def _relationship(one: Relationship) -> dict[str, Any]:
    sql = one.on_sql.text if one.on_sql else ""
    kind = ASSUMED if one.assumed else one.cardinality.value
    shape: dict[str, Any] = {
        "id": one.id,
        "left_view_name": one.from_view,
        "right_view_name": one.to_view,
        "join_type": one.join_type.value.upper(),
        "type": kind.upper(),
        "sql": sql,
        "original_on_sql": sql,
        "on": _condition(one.on_sql),
        "ignored": False,
        "bidirectional": one.reversible,
    }
    aliases = {"left_view_alias": one.from_as, "right_view_alias": one.to_as}
    return shape | {key: value for key, value in aliases.items() if value is not None}


def _condition(sql: SqlText | None) -> dict[str, Any]:
    """The tree of a condition made of equalities; any other is its text."""
    if sql is None:
        return {"type": "sql", "sql": ""}
    fields = [part for part in sql.parts if isinstance(part, Reference)]
    marked, at = "", 0
    for part in sql.parts:
        if isinstance(part, Reference):
            marked, at = f"{marked}\x00{at}\x00", at + 1
        else:
            marked += part
    equalities = [_EQUALITY.fullmatch(part) for part in _AND.split(marked)]
    found = [match for match in equalities if match is not None]
    if len(found) != len(equalities):
        return {"type": "sql", "sql": sql.text}
    calls = [
        _call("EQUALS", [_field_operand(fields[int(n)]) for n in match.groups()]) for match in found
    ]
    return calls[0] if len(calls) == 1 else _call("AND", calls)


def _call(operator: str, operands: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "call",
        "operator": f"{_CALL}{operator}",
        "operands": operands,
        "distinct": False,
    }


def _field_operand(reference: Reference) -> dict[str, Any]:
    return {"type": "field", "field_name": str(reference.field or reference.text)}


def _view(model: ComposedModel, topic: Topic, view: View, has: Has) -> dict[str, Any]:
    measures = mapping(_definition(model, topic, view).get("measures"))
    shown = [
        field if has(field.mask_unless_access_grants) else _without_values(field)
        for field in view.fields()
        if selects(topic, view, field)
        and has((*view.required_access_grants, *field.required_access_grants))
    ]
    shape: dict[str, Any] = {
        "name": view.name,
        "label": view.label or title(view.name.rpartition("__")[2]),
        "dimensions": [
            one for f in shown if isinstance(f, Dimension) for one in _dimension(model, view, f)
        ],
        "measures": [
            _measure(view, f, mapping(measures.get(f.name)))
            for f in shown
            if isinstance(f, Measure)
        ],
        "filter_only_fields": [_filter(f) for f in shown if isinstance(f, FilterField)],
        "primary_key": [{"type": "field", "field_name": d.address} for d in view.primary_key],
        "ide_file_name": view.path,
        "yaml_path": f"{view.name}.view",
        "is_pseudo_display_view": False,
        "hidden": view.hidden,
    }
    optional = {
        "description": view.description,
        "schema_label": view.schema_label,
        "tags": list(view.tags) or None,
        "aliases": list(view.aliases) or None,
    }
    if isinstance(view.source, TableSource):
        source = view.source
        optional |= {"schema": source.schema, "catalog": source.catalog}
        optional |= {"table_name": source.table, "schema_label": view.schema_label}
    return shape | {key: value for key, value in optional.items() if value is not None}


def _definition(model: ComposedModel, topic: Topic, view: View) -> Definition:
    found = model.topic_view_definition(topic, view.name)
    return found.definition if found else {}


def _without_values(field: Field) -> Field:
    told = {key: value for key, value in field.extra.items() if key not in _VALUES}
    return replace(field, extra=told, suggestion_list=())


def _dimension(model: ComposedModel, view: View, field: Dimension) -> Iterator[dict[str, Any]]:
    shape = {**_common(field), "data_type": field.type.wire, "is_dimension": True}
    if field.sql is not None:
        shape["sql"] = field.sql.text
    if field.primary_key:
        shape["primary_key"] = True
    if not field.type.is_time:
        yield shape
        return
    grains = field.timeframes
    if grains is None:
        grains = model.settings.default_timeframes
    frames = [None if grain is Grain.RAW else grain.value.upper() for grain in grains]
    label = field.label or title(field.name)
    parent = {"parent_field": field.name, "parent_label": label}
    parent |= {"group_label": field.group_label or label, "time_frames": frames}
    yield {**shape, **parent, "is_group_parent_field": True}
    finer: list[str] = []
    for grain in grains:
        if grain is Grain.RAW:
            continue
        name = f"{field.name}[{grain.value}]"
        address = f"{view.name}.{name}"
        yield {
            **{key: value for key, value in shape.items() if key != "primary_key"},
            **parent,
            "field_name": name,
            "fully_qualified_name": address,
            "date_type": grain.value.upper(),
            "label": title(grain.value),
            **({"drill_fields": [*finer]} if finer else {}),
        }
        if grain in _DEFAULT_GRAINS:
            finer.append(address)


def _measure(view: View, field: Measure, definition: Definition) -> dict[str, Any]:
    shape = {**_common(field), "data_type": "NUMBER", "ignored": False}
    shape["label"] = field.label or _measure_label(view, field)
    if field.aggregate_type is None:
        return {**shape, "type": "metric", "sql": _text(field.sql) or ""}
    inner = _text(field.sql)
    called = _AGGREGATES.get(field.aggregate_type.value)
    outer = called or f"{field.aggregate_type.value.upper()}({{}})"
    shape |= {
        "type": "aggregation",
        "aggregate_type": field.aggregate_type.value.upper(),
        "filters": definition.get("filters") or {},
        "display_sql": outer.replace("{}", inner or "*"),
    }
    if inner is not None:
        shape["original_sql_for_aggregation"] = inner
    return shape


def _measure_label(view: View, field: Measure) -> str:
    if field.name == "count":
        return f"{view.label or title(view.name.rpartition('__')[2])} Count"
    return title(field.name)


def _filter(field: FilterField) -> dict[str, Any]:
    return {**_common(field), "data_type": field.type.value.upper()}


def _common(field: Field) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "field_name": field.name,
        "view_name": field.view,
        "fully_qualified_name": field.address,
        "label": field.label or title(field.name),
        "hidden": field.hidden,
    }
    optional = {
        "description": field.description,
        "group_label": field.group_label,
        "view_label": field.view_label,
        "format": field.format.upper() if field.format else None,
        "tags": list(field.tags) or None,
        "synonyms": list(field.synonyms) or None,
        "aliases": list(field.aliases) or None,
        "ai_context": field.ai_context,
        "drill_fields": list(field.drill_fields) or None,
        "all_values": field.extra.get("all_values"),
        "sample_values": field.extra.get("sample_values"),
    }
    return shape | {key: value for key, value in optional.items() if value is not None}


def _text(sql: SqlText | None) -> str | None:
    return None if sql is None else sql.text
