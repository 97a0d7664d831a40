"""The model file: settings of the model as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dragoman.semantics.model.grains import DEFAULT_TIMEFRAMES, Grain, WeekDay
from dragoman.semantics.model.references import FieldRef


@dataclass(frozen=True, slots=True)
class AccessGrant:
    """Holds for a user any of whose values of the attribute is allowed."""

    name: str
    user_attribute: str
    allowed_values: tuple[str, ...]
    access_boostable: bool = False


@dataclass(frozen=True, slots=True)
class AccessFilter:
    """Rows that a user sees: those where `field` has a value of the user's attribute."""

    field: FieldRef
    user_attribute: str
    values_for_unfiltered: tuple[str, ...] = ()
    enable_sql_like_wildcards: bool = False


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long a result may be used again. `max_age`: seconds, 0 for never."""

    name: str
    max_age: int
    filter_suggestions_must_obey_policy: bool = False


@dataclass(frozen=True, slots=True)
class DynamicSchema:
    """A schema whose name is the value of a user's attribute at the time of the query."""

    name: str
    from_schema: str
    user_attribute: str


@dataclass(frozen=True, slots=True)
class FromAttribute:
    """A setting that is the value of a user's attribute."""

    user_attribute: str


DEFAULT_ROW_LIMIT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """What the model file says, with defaults. `fiscal_month_offset` None: no fiscal grains.

    `broken`: settings that cannot be understood, with the reason; they have their defaults here.
    """

    access_grants: Mapping[str, AccessGrant] = field(default_factory=dict[str, AccessGrant])
    default_topic_required_access_grants: tuple[str, ...] = ()
    default_topic_access_filters: tuple[AccessFilter, ...] = ()
    cache_policies: Mapping[str, CachePolicy] = field(default_factory=dict[str, CachePolicy])
    default_cache_policy: str | None = None
    default_row_limit: int = DEFAULT_ROW_LIMIT
    default_timeframes: tuple[Grain, ...] = DEFAULT_TIMEFRAMES
    week_start_day: WeekDay = WeekDay.MONDAY
    fiscal_month_offset: int | FromAttribute | None = None
    default_numeric_locale: str = "en_US"
    constants: Mapping[str, str] = field(default_factory=dict[str, str])
    custom_formats: Mapping[str, str] = field(default_factory=dict[str, str])
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    included_schemas: tuple[str, ...] = ()
    ignored_schemas: tuple[str, ...] = ()
    included_views: tuple[str, ...] = ()
    ignored_views: tuple[str, ...] = ()
    dynamic_schemas: Mapping[str, DynamicSchema] = field(default_factory=dict[str, DynamicSchema])
    sql_preamble: str | None = None
    warehouse_override: str | None = None
    slot_reservation: str | None = None
    broken: Mapping[str, str] = field(default_factory=dict[str, str])
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
