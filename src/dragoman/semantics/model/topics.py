"""Topics: what can be asked together, by whom, under which conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dragoman.semantics.model.filters import FieldFilter
from dragoman.semantics.model.grains import WeekDay
from dragoman.semantics.model.references import FieldRef, SqlText
from dragoman.semantics.model.relationships import Relationship
from dragoman.semantics.model.settings import AccessFilter


@dataclass(frozen=True, slots=True)
class JoinNode:
    """A view of a topic's join tree, with those that hang off it."""

    view: str
    children: tuple[JoinNode, ...] = ()


@dataclass(frozen=True, slots=True)
class Selector:
    """An item of `fields`. `view` None: any view. `name` None: every field. `remove`: `-` before.

    With `tag` it means the fields (of views) that carry it.
    """

    remove: bool = False
    view: str | None = None
    name: str | None = None
    tag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic with everything merged and inherited.

    `joins` None: every view that can be joined without multiplying rows; else exactly that tree.
    `relationships` override those of the model between the same two views. `views`: partial
    definitions that hold inside the topic only. `fields` empty: all. `access_filters` and
    `required_access_grants` have the model's defaults in them.
    """

    name: str
    path: str
    base_view: str
    base_view_label: str | None = None
    label: str | None = None
    description: str | None = None
    group_label: str | None = None
    display_order: float | None = None
    hidden: bool = False
    template: bool = False
    joins: tuple[JoinNode, ...] | None = None
    relationships: tuple[Relationship, ...] = ()
    views: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    fields: tuple[Selector, ...] = ()
    access_filters: tuple[AccessFilter, ...] = ()
    always_where_sql: SqlText | None = None
    always_where_filters: tuple[FieldFilter, ...] = ()
    always_having_sql: SqlText | None = None
    always_having_filters: tuple[FieldFilter, ...] = ()
    default_filters: tuple[FieldFilter, ...] = ()
    required_access_grants: tuple[str, ...] = ()
    cache_policy: str | None = None
    default_row_limit: int | None = None
    week_start_day: WeekDay | None = None
    warehouse_override: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def filters_always(self) -> bool:
        """Whether it shows a part of its rows to everybody."""
        sql = (self.always_where_sql, self.always_having_sql)
        return any(sql) or bool(self.always_where_filters or self.always_having_filters)


class UnrelatedDimensions(StrEnum):
    """What a composite topic does with a dimension that a member does not have."""

    FILTER_ONLY = "filter_only"
    NULL_FILL = "null_fill"
    REPEAT = "repeat"


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeTopic:
    """Several topics asked together, stitched on the dimensions that they share.

    `shared_dimensions`: name to {topic: field}. `shared_measures`: name to SQL over
    `${topic.view.measure}`.
    """

    name: str
    path: str
    topics: tuple[str, ...]
    label: str | None = None
    description: str | None = None
    hidden: bool = False
    shared_views: tuple[str, ...] = ()
    shared_dimensions: Mapping[str, Mapping[str, FieldRef]]
    shared_measures: Mapping[str, SqlText]
    unrelated_dimension_handling: UnrelatedDimensions = UnrelatedDimensions.FILTER_ONLY
    always_join_all_topics: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
