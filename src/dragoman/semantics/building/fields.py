"""Definitions of fields to dimensions, measures and filter-only fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman.semantics.building import parts
from dragoman.semantics.building.parts import Definition
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.fields import (
    Aggregate,
    Dimension,
    Duration,
    DynamicTopN,
    FilterField,
    FilterType,
    Grouping,
    LevelOfDetail,
    LodScope,
    Measure,
    Suggestion,
)
from dragoman.semantics.model.filters import filter_expression
from dragoman.semantics.model.grains import Grain, Interval
from dragoman.semantics.model.references import sql_text
from dragoman.semantics.plain import items, mapping, text, texts

# Type hints of files to data types; the schema layer's types are `DataType`s already.
_HINTS = {
    "string": DataType.STRING,
    "number": DataType.NUMBER,
    "boolean": DataType.BOOLEAN,
    "timestamp": DataType.TIMESTAMP,
    "date": DataType.DATE,
    "interval": DataType.INTERVAL,
    "array": DataType.ARRAY,
    "json": DataType.JSON,
}
_BASE = frozenset(
    (
        *("label", "description", "group_label", "view_label", "hidden", "ignored", "aliases"),
        *("tags", "synonyms", "format", "display_order", "required_access_grants"),
        *("mask_unless_access_grants", "ai_context", "suggest_from_field", "suggest_from_topic"),
        *("suggestion_list", "drill_fields", "extends", "ignore_from_extended", "sql", "type"),
    )
)
_DIMENSION = _BASE | {
    *("primary_key", "timeframes", "convert_tz", "groups", "else", "bin_boundaries", "duration"),
    *("level_of_detail", "dynamic_top_n", "order_by_field", "parent_field", "nested_on_field"),
    "custom_primary_key_sql_for_quick_aggs",
}
_MEASURE = _BASE | {
    *("aggregate_type", "filters", "percentile", "custom_primary_key_sql", "level_of_detail"),
}
_FILTER = _BASE | {"default_filter", "bind_to", "filter_single_select_only"}


def dimension(view: str, name: str, of: Definition, column_type: str | None) -> Dimension:
    """A dimension. `column_type`: of the schema's column, where the dimension is that column."""
    return Dimension(
        **_base(view, name, of, _DIMENSION),
        sql=parts.sql(of, "sql"),
        type=_data_type(of, column_type),
        primary_key=parts.flag(of, "primary_key"),
        timeframes=parts.choices(of, "timeframes", Grain) if "timeframes" in of else None,
        convert_tz=parts.flag(of, "convert_tz", default=True),
        groups=_groups(of),
        otherwise=text(of.get("else")),
        bins=_bins(of),
        duration=_duration(of),
        level_of_detail=_level_of_detail(of),
        dynamic_top_n=_top_n(of),
        order_by_field=parts.optional_reference(of, "order_by_field"),
        parent_field=parts.optional_reference(of, "parent_field"),
        nested_on_field=parts.optional_reference(of, "nested_on_field"),
        custom_primary_key_sql_for_quick_aggs=parts.sql(
            of, "custom_primary_key_sql_for_quick_aggs"
        ),
    )


def measure(view: str, name: str, of: Definition) -> Measure:
    """A measure."""
    aggregate = parts.choice(of, "aggregate_type", Aggregate)
    percentile = parts.number(of, "percentile")
    if aggregate is not None and aggregate.is_percentile and percentile is None:
        raise BadDefinition(
            ("aggregate_type",), f"`{aggregate}` needs `percentile`", "Add `percentile: 95`."
        )
    if percentile is not None and not 0 <= percentile <= 100:
        raise BadDefinition(("percentile",), "`percentile` goes from 0 to 100", "Write `95`.")
    return Measure(
        **_base(view, name, of, _MEASURE),
        sql=parts.sql(of, "sql"),
        aggregate_type=aggregate,
        filters=parts.filters(of, "filters"),
        percentile=percentile,
        custom_primary_key_sql=parts.sql(of, "custom_primary_key_sql"),
        level_of_detail=_level_of_detail(of),
    )


def filter_field(view: str, name: str, of: Definition) -> FilterField:
    """A filter-only field."""
    return FilterField(
        **_base(view, name, of, _FILTER),
        type=parts.choice(of, "type", FilterType) or FilterType.STRING,
        default_filter=parts.expression(of, "default_filter"),
        bind_to=parts.references(of, "bind_to"),
        filter_single_select_only=parts.flag(of, "filter_single_select_only"),
    )


def _base(view: str, name: str, of: Definition, known: frozenset[str]) -> dict[str, Any]:
    return {
        "view": view,
        "name": name,
        "label": text(of.get("label")),
        "description": text(of.get("description")),
        "group_label": text(of.get("group_label")),
        "view_label": text(of.get("view_label")),
        "hidden": parts.flag(of, "hidden"),
        "aliases": texts(of.get("aliases")),
        "tags": texts(of.get("tags")),
        "synonyms": texts(of.get("synonyms")),
        "format": text(of.get("format")),
        "display_order": parts.number(of, "display_order"),
        "required_access_grants": parts.names(of, "required_access_grants"),
        "mask_unless_access_grants": parts.names(of, "mask_unless_access_grants"),
        "ai_context": text(of.get("ai_context")),
        "suggest_from_field": parts.optional_reference(of, "suggest_from_field"),
        "suggest_from_topic": text(of.get("suggest_from_topic")),
        "suggestion_list": _suggestions(of),
        "drill_fields": texts(of.get("drill_fields")),
        "extra": parts.rest(of, known),
    }


def _suggestions(of: Definition) -> tuple[Suggestion, ...]:
    made: list[Suggestion] = []
    for item in items(of.get("suggestion_list")):
        one = mapping(item)
        value = text(one.get("value") if one else item)
        if value is not None:
            made.append(Suggestion(value, text(one.get("label"))))
    return tuple(made)


def _data_type(of: Definition, column_type: str | None) -> DataType:
    if column_type in DataType.__members__:
        return DataType(column_type)
    hint = _HINTS.get(str(of.get("type", "")).lower())
    if hint is not None:
        return hint
    if of.get("groups") or of.get("bin_boundaries") or of.get("dynamic_top_n"):
        return DataType.STRING
    return DataType.NUMBER if of.get("duration") else DataType.UNKNOWN


def _groups(of: Definition) -> tuple[Grouping, ...]:
    made: list[Grouping] = []
    for at, item in enumerate(items(of.get("groups"))):
        one = mapping(item)
        name = text(one.get("name"))
        if name is None:
            raise BadDefinition(("groups", at), "A group needs a name", "Add `name: …`.")
        try:
            inside = filter_expression(one.get("filter"))
        except BadDefinition as bad:
            raise bad.under("groups", at, "filter") from None
        if inside is None:
            raise BadDefinition(("groups", at), "A group needs a filter", "Add `filter: {is: …}`.")
        made.append(Grouping(name, inside))
    return tuple(made)


def _bins(of: Definition) -> tuple[float, ...]:
    values = items(of.get("bin_boundaries"))
    for at, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadDefinition(
                ("bin_boundaries", at), "A boundary must be a number", "Write `18`."
            )
    if values != sorted(set(values)):
        raise BadDefinition(
            ("bin_boundaries",), "Boundaries must ascend, each once", f"{sorted(set(values))}"
        )
    return tuple(values)


def _duration(of: Definition) -> Duration | None:
    value = of.get("duration")
    if value is None:
        return None
    said = mapping(value)
    start, end = text(said.get("sql_start")), text(said.get("sql_end"))
    if start is None or end is None:
        fix = "Add `sql_start: ${first}` and `sql_end: ${second}`."
        raise BadDefinition(("duration",), "A duration needs a start and an end", fix)
    try:
        intervals = parts.choices(said, "intervals", Interval)
    except BadDefinition as bad:
        raise bad.under("duration") from None
    return Duration(sql_text(start), sql_text(end), intervals or tuple(Interval))


def _level_of_detail(of: Definition) -> LevelOfDetail | None:
    value = of.get("level_of_detail")
    if value is None:
        return None
    said = mapping(value)
    scopes = [scope for scope in LodScope if scope.value in said]
    if len(scopes) != 1:
        raise BadDefinition(
            ("level_of_detail",),
            "A level of detail has one of fixed, always_include and always_exclude",
            "Write `fixed: [field]`.",
        )
    try:
        aggregate = parts.choice(said, "aggregate_type", Aggregate)
        fields = parts.references(said, scopes[0].value)
    except BadDefinition as bad:
        raise bad.under("level_of_detail") from None
    if aggregate is None:
        raise BadDefinition(
            ("level_of_detail",), "A level of detail needs `aggregate_type`", "Add it: `sum`."
        )
    return LevelOfDetail(aggregate, scopes[0], fields)


def _top_n(of: Definition) -> DynamicTopN | None:
    value = of.get("dynamic_top_n")
    if value is None:
        return None
    said: Mapping[str, Any] = mapping(value)
    n = parts.whole(said, "n")
    if n is None or n < 1:
        raise BadDefinition(("dynamic_top_n",), "`n` must be a whole number above 0", "`n: 10`")
    try:
        by = parts.reference(said.get("by"), "by")
    except BadDefinition as bad:
        raise bad.under("dynamic_top_n") from None
    return DynamicTopN(n, by, parts.flag(said, "desc", default=True), text(said.get("else")))
