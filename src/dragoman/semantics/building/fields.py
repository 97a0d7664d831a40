"""Definitions of fields to dimensions, measures and filter-only fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
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
# For each key of a definition: the attribute it becomes, and how it is read.
Reader = tuple[str, Callable[[Definition, str], Any]]


def _text(of: Definition, key: str) -> str | None:
    return text(of.get(key))


def _texts(of: Definition, key: str) -> tuple[str, ...]:
    return texts(of.get(key))


def _readers(read: Callable[[Definition, str], Any], *keys: str) -> dict[str, Reader]:
    return {key: (key, read) for key in keys}


def _true(of: Definition, key: str) -> bool:
    return parts.flag(of, key, default=True)


def _one_of(kind: type[StrEnum]) -> Callable[[Definition, str], Any]:
    return lambda of, key: parts.choice(of, key, kind)


def _some_of(kind: type[StrEnum]) -> Callable[[Definition, str], Any]:
    return lambda of, key: parts.choices(of, key, kind)


# Keys that merging has followed, and the hint that goes with the type of the column.
_FOLLOWED = frozenset(("ignored", "extends", "ignore_from_extended", "type"))


def dimension(view: str, name: str, of: Definition, column_type: str | None) -> Dimension:
    """A dimension. `column_type`: of the schema's column, where the dimension is that column."""
    kind = _data_type(of, column_type)
    return Dimension(view=view, name=name, type=kind, **_read(of, _DIMENSION))


def measure(view: str, name: str, of: Definition) -> Measure:
    """A measure."""
    made = Measure(view=view, name=name, **_read(of, _MEASURE))
    aggregate, percentile = made.aggregate_type, made.percentile
    if aggregate is not None and aggregate.is_percentile and percentile is None:
        raise BadDefinition(
            ("aggregate_type",), f"`{aggregate}` needs `percentile`", "Add `percentile: 95`."
        )
    if percentile is not None and not 0 <= percentile <= 100:
        raise BadDefinition(("percentile",), "`percentile` goes from 0 to 100", "Write `95`.")
    return made


def filter_field(view: str, name: str, of: Definition) -> FilterField:
    """A filter-only field."""
    return FilterField(view=view, name=name, **_read(of, _FILTER))


def _read(of: Definition, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The attributes of what is said; the rest has its defaults, what is not known is `extra`."""
    made: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in of.items():
        known = readers.get(key)
        if known is None:
            if key not in _FOLLOWED:
                extra[key] = value
        elif value is not None:
            attribute, read = known
            made[attribute] = read(of, key)
    if extra:
        made["extra"] = extra
    return made


def _suggestions(of: Definition, key: str) -> tuple[Suggestion, ...]:
    made: list[Suggestion] = []
    for item in items(of.get(key)):
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


def _groups(of: Definition, key: str) -> tuple[Grouping, ...]:
    made: list[Grouping] = []
    for at, item in enumerate(items(of.get(key))):
        one = mapping(item)
        name = text(one.get("name"))
        if name is None:
            raise BadDefinition((key, at), "A group needs a name", "Add `name: …`.")
        try:
            inside = filter_expression(one.get("filter"))
        except BadDefinition as bad:
            raise bad.under(key, at, "filter") from None
        if inside is None:
            raise BadDefinition((key, at), "A group needs a filter", "Add `filter: {is: …}`.")
        made.append(Grouping(name, inside))
    return tuple(made)


def _bins(of: Definition, key: str) -> tuple[float, ...]:
    values = items(of.get(key))
    for at, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadDefinition((key, at), "A boundary must be a number", "Write `18`.")
    if values != sorted(set(values)):
        raise BadDefinition((key,), "Boundaries must ascend, each once", f"{sorted(set(values))}")
    return tuple(values)


def _duration(of: Definition, key: str) -> Duration:
    said = mapping(of.get(key))
    start, end = text(said.get("sql_start")), text(said.get("sql_end"))
    if start is None or end is None:
        fix = "Add `sql_start: ${first}` and `sql_end: ${second}`."
        raise BadDefinition((key,), "A duration needs a start and an end", fix)
    try:
        intervals = parts.choices(said, "intervals", Interval)
    except BadDefinition as bad:
        raise bad.under(key) from None
    return Duration(sql_text(start), sql_text(end), intervals or tuple(Interval))


def _level_of_detail(of: Definition, key: str) -> LevelOfDetail:
    said = mapping(of.get(key))
    scopes = [scope for scope in LodScope if scope.value in said]
    if len(scopes) != 1:
        raise BadDefinition(
            (key,),
            "A level of detail has one of fixed, always_include and always_exclude",
            "Write `fixed: [field]`.",
        )
    try:
        aggregate = parts.choice(said, "aggregate_type", Aggregate)
        fields = parts.references(said, scopes[0].value)
        cancels = parts.flag(said, "cancel_query_filters")
    except BadDefinition as bad:
        raise bad.under(key) from None
    if aggregate is None:
        raise BadDefinition((key,), "A level of detail needs `aggregate_type`", "Add it: `sum`.")
    if said.get("filters") is not None:
        fix = "Write them into `sql`: `case when … then … end`."
        raise BadDefinition((key, "filters"), "A level of detail has no filters of its own", fix)
    return LevelOfDetail(aggregate, scopes[0], fields, cancels)


def _top_n(of: Definition, key: str) -> DynamicTopN:
    said = mapping(of.get(key))
    n = parts.whole(said, "n")
    if n is None or n < 1:
        raise BadDefinition((key,), "`n` must be a whole number above 0", "`n: 10`")
    try:
        by = parts.reference(said.get("by"), "by")
    except BadDefinition as bad:
        raise bad.under(key) from None
    return DynamicTopN(n, by, parts.flag(said, "desc", default=True), text(said.get("else")))


_BASE: dict[str, Reader] = {
    **_readers(_text, "label", "description", "group_label", "view_label", "format", "ai_context"),
    **_readers(_text, "suggest_from_topic"),
    **_readers(_texts, "aliases", "tags", "synonyms", "drill_fields"),
    **_readers(parts.flag, "hidden"),
    **_readers(parts.number, "display_order"),
    **_readers(parts.names, "required_access_grants", "mask_unless_access_grants"),
    **_readers(parts.optional_reference, "suggest_from_field"),
    "suggestion_list": ("suggestion_list", _suggestions),
}
_DIMENSION: dict[str, Reader] = {
    **_BASE,
    **_readers(parts.sql, "sql", "custom_primary_key_sql_for_quick_aggs"),
    **_readers(parts.flag, "primary_key"),
    **_readers(_true, "convert_tz"),
    **_readers(parts.optional_reference, "order_by_field", "parent_field", "nested_on_field"),
    **_readers(_some_of(Grain), "timeframes"),
    "groups": ("groups", _groups),
    "else": ("otherwise", _text),
    "bin_boundaries": ("bins", _bins),
    "duration": ("duration", _duration),
    "level_of_detail": ("level_of_detail", _level_of_detail),
    "dynamic_top_n": ("dynamic_top_n", _top_n),
}
_MEASURE: dict[str, Reader] = {
    **_BASE,
    **_readers(parts.sql, "sql", "custom_primary_key_sql"),
    **_readers(_one_of(Aggregate), "aggregate_type"),
    **_readers(parts.filters, "filters"),
    **_readers(parts.number, "percentile"),
    "level_of_detail": ("level_of_detail", _level_of_detail),
}
_FILTER: dict[str, Reader] = {
    **_BASE,
    **_readers(_one_of(FilterType), "type"),
    **_readers(parts.expression, "default_filter"),
    **_readers(parts.references, "bind_to"),
    **_readers(parts.flag, "filter_single_select_only"),
}
