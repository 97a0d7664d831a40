"""Fields of a view: dimensions, measures and filter-only fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.filters import FieldFilter, FilterExpression
from dragoman.semantics.model.grains import Grain, Interval
from dragoman.semantics.model.references import FieldRef, SqlText


class Aggregate(StrEnum):
    """How a measure makes one value of many."""

    COUNT = "count"
    COUNT_DISTINCT = "count_distinct"
    SUM = "sum"
    AVERAGE = "average"
    MIN = "min"
    MAX = "max"
    MEDIAN = "median"
    PERCENTILE = "percentile"
    LIST = "list"
    SUM_DISTINCT_ON = "sum_distinct_on"
    AVERAGE_DISTINCT_ON = "average_distinct_on"
    MEDIAN_DISTINCT_ON = "median_distinct_on"
    PERCENTILE_DISTINCT_ON = "percentile_distinct_on"
    SEMANTIC_VIEW_AGG = "semantic_view_agg"

    @property
    def distinct_on(self) -> bool:
        """Whether it takes one value for each key first."""
        return self.value.endswith("_distinct_on")

    @property
    def is_percentile(self) -> bool:
        """Whether it needs `percentile`."""
        return self in (Aggregate.PERCENTILE, Aggregate.PERCENTILE_DISTINCT_ON)


@dataclass(frozen=True, slots=True)
class Grouping:
    """A name for the rows that a filter on the own value lets through."""

    name: str
    filter: FilterExpression


@dataclass(frozen=True, slots=True)
class Duration:
    """The time between two moments, counted in each of the intervals."""

    start: SqlText
    end: SqlText
    intervals: tuple[Interval, ...]


class LodScope(StrEnum):
    """How a level of detail relates to the query's own fields."""

    FIXED = "fixed"
    ALWAYS_INCLUDE = "always_include"
    ALWAYS_EXCLUDE = "always_exclude"


@dataclass(frozen=True, slots=True)
class LevelOfDetail:
    """An aggregate at a grain of its own. `cancel_query_filters`: no filter of the question holds
    inside."""

    aggregate_type: Aggregate
    scope: LodScope
    fields: tuple[FieldRef, ...]
    cancel_query_filters: bool = False


@dataclass(frozen=True, slots=True)
class DynamicTopN:
    """The `n` groups with the greatest (`desc`) or least value of `by`; the rest is `otherwise`."""

    n: int
    by: FieldRef
    desc: bool = True
    otherwise: str | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value that a filter offers."""

    value: str
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What all fields have.

    `view`, `name`: its address; under an alias of a join `view` is the alias. `format`: a named
    format, an Excel mask or a D3 time format. `required_access_grants`: each must hold; an item may
    combine names with `|` and `&`. `extra`: everything else the file says, for user interfaces.
    """

    view: str
    name: str
    label: str | None = None
    description: str | None = None
    group_label: str | None = None
    view_label: str | None = None
    hidden: bool = False
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    format: str | None = None
    display_order: float | None = None
    required_access_grants: tuple[str, ...] = ()
    mask_unless_access_grants: tuple[str, ...] = ()
    ai_context: str | None = None
    suggest_from_field: FieldRef | None = None
    suggest_from_topic: str | None = None
    suggestion_list: tuple[Suggestion, ...] = ()
    drill_fields: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def address(self) -> str:
        """`view.name`."""
        return f"{self.view}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension(Field):
    """A value of each row.

    `sql` None: the column of the same name. `type`: of the schema's column where `sql` is the
    column's own, else the hint that the file gives, else UNKNOWN. `timeframes` None: the model's.
    `otherwise`: of `groups`, for rows that no group has (`else` in a file). `bins`: ascending.
    """

    sql: SqlText | None = None
    type: DataType = DataType.UNKNOWN
    primary_key: bool = False
    timeframes: tuple[Grain, ...] | None = None
    convert_tz: bool = True
    groups: tuple[Grouping, ...] = ()
    otherwise: str | None = None
    bins: tuple[float, ...] = ()
    duration: Duration | None = None
    level_of_detail: LevelOfDetail | None = None
    dynamic_top_n: DynamicTopN | None = None
    order_by_field: FieldRef | None = None
    parent_field: FieldRef | None = None
    nested_on_field: FieldRef | None = None
    custom_primary_key_sql_for_quick_aggs: SqlText | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure(Field):
    """A value of many rows.

    `aggregate_type` None: `sql` is an aggregate itself, or arithmetic over measures.
    `percentile`: from 0 to 100.
    """

    sql: SqlText | None = None
    aggregate_type: Aggregate | None = None
    filters: tuple[FieldFilter, ...] = ()
    percentile: float | None = None
    custom_primary_key_sql: SqlText | None = None
    level_of_detail: LevelOfDetail | None = None


class FilterType(StrEnum):
    """The kind of value that a filter-only field takes; `column` picks a field."""

    STRING = "string"
    NUMBER = "number"
    TIMESTAMP = "timestamp"
    BOOLEAN = "boolean"
    COLUMN = "column"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterField(Field):
    """A field that can only be filtered: its condition applies to each of `bind_to`."""

    type: FilterType = FilterType.STRING
    default_filter: FilterExpression | None = None
    bind_to: tuple[FieldRef, ...] = ()
    filter_single_select_only: bool = False
