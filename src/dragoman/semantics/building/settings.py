"""The model file's definition to typed settings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from dragoman.semantics.building import parts
from dragoman.semantics.building.parts import Definition
from dragoman.semantics.building.views import Broken
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.grains import DEFAULT_TIMEFRAMES, Grain, WeekDay
from dragoman.semantics.model.settings import (
    DEFAULT_ROW_LIMIT,
    AccessFilter,
    AccessGrant,
    CachePolicy,
    DynamicSchema,
    FromAttribute,
    ModelSettings,
)
from dragoman.semantics.plain import is_list, is_map, items, mapping, text, texts

_KNOWN = frozenset(ModelSettings.__dataclass_fields__)
_AGE = re.compile(r"\s*(\d{1,9})\s+(second|minute|hour|day|week)s?\s*")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
MAX_CACHE_AGE = 30 * 86400


def settings(of: Definition) -> tuple[ModelSettings, Broken]:
    """The settings, and what of them cannot be understood (paths inside the definition)."""
    broken: Broken = {}

    def attempt(key: str, build: Callable[[], Any], otherwise: Any) -> Any:
        try:
            return build()
        except BadDefinition as bad:
            broken[(key,)] = BadDefinition(bad.path[1:], bad.message, bad.fix)
            return otherwise

    def each(key: str, build: Callable[[str, Definition], Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, value in mapping(of.get(key)).items():
            try:
                made[name] = build(name, mapping(value))
            except BadDefinition as bad:
                broken[(key, name)] = bad
        return made

    grants = attempt(
        "default_topic_required_access_grants",
        lambda: parts.names(of, "default_topic_required_access_grants"),
        (),
    )
    limit = parts.whole(of, "default_row_limit")
    made = ModelSettings(
        access_grants=each("access_grants", _grant),
        default_topic_required_access_grants=grants,
        default_topic_access_filters=attempt(
            "default_topic_access_filters",
            lambda: access_filters(of, "default_topic_access_filters"),
            (),
        ),
        cache_policies=each("cache_policies", _policy),
        default_cache_policy=text(of.get("default_cache_policy")),
        default_row_limit=limit if limit is not None and limit > 0 else DEFAULT_ROW_LIMIT,
        default_timeframes=attempt(
            "default_timeframes", lambda: _timeframes(of), DEFAULT_TIMEFRAMES
        ),
        week_start_day=attempt(
            "week_start_day", lambda: parts.choice(of, "week_start_day", WeekDay), None
        )
        or WeekDay.MONDAY,
        fiscal_month_offset=_fiscal(of),
        default_numeric_locale=text(of.get("default_numeric_locale")) or "en_US",
        constants={k: text(v) or "" for k, v in mapping(of.get("constants")).items()},
        custom_formats={k: _format(v) for k, v in mapping(of.get("custom_formats")).items()},
        sets={key: texts(value) for key, value in mapping(of.get("sets")).items()},
        included_schemas=texts(of.get("included_schemas")),
        ignored_schemas=texts(of.get("ignored_schemas")),
        included_views=texts(of.get("included_views")),
        ignored_views=texts(of.get("ignored_views")),
        dynamic_schemas=each("dynamic_schemas", _dynamic_schema),
        sql_preamble=text(of.get("sql_preamble")),
        warehouse_override=text(of.get("warehouse_override")),
        slot_reservation=text(of.get("slot_reservation")),
        extra=parts.rest(of, _KNOWN),
    )
    reasons = {str(at[0]): bad.message for at, bad in broken.items()}
    made = dataclasses.replace(made, broken=reasons)
    return made, broken


def access_filters(of: Definition, key: str) -> tuple[AccessFilter, ...]:
    """A list of access filters. Raises `BadDefinition`: one that is lost would show rows."""
    made: list[AccessFilter] = []
    if of.get(key) is not None and not is_list(of[key]):
        raise BadDefinition((key,), f"`{key}` must be a list", "Write `- field: view.field`.")
    for at, item in enumerate(items(of.get(key))):
        said = mapping(item)
        attribute = text(said.get("user_attribute"))
        if attribute is None:
            fix = "Add `user_attribute: <name>`."
            raise BadDefinition((key, at), "An access filter needs `user_attribute`", fix)
        try:
            field = parts.reference(said.get("field"), "field")
        except BadDefinition as bad:
            raise bad.under(key, at) from None
        made.append(
            AccessFilter(
                field,
                attribute,
                texts(said.get("values_for_unfiltered")),
                parts.flag(said, "enable_sql_like_wildcards"),
            )
        )
    return tuple(made)


def _grant(name: str, of: Definition) -> AccessGrant:
    attribute = text(of.get("user_attribute"))
    if attribute is None:
        raise BadDefinition((), f'The grant "{name}" needs `user_attribute`', "Add it.")
    allowed = tuple(t for v in items(of.get("allowed_values")) if (t := text(v)) is not None)
    return AccessGrant(name, attribute, allowed, parts.flag(of, "access_boostable"))


def _policy(name: str, of: Definition) -> CachePolicy:
    obey = parts.flag(of, "filter_suggestions_must_obey_policy")
    return CachePolicy(name, cache_age(text(of.get("max_cache_age")) or ""), obey)


def cache_age(said: str) -> int:
    """`6 hours` in seconds. Raises `BadDefinition`."""
    found = _AGE.fullmatch(said)
    seconds = int(found[1]) * _SECONDS[found[2]] if found else -1
    if not 0 <= seconds <= MAX_CACHE_AGE:
        raise BadDefinition(
            ("max_cache_age",),
            f"`max_cache_age` cannot be {said!r}"[:200],
            "Write a time from `0 seconds` to `30 days`.",
        )
    return seconds


def _timeframes(of: Definition) -> tuple[Grain, ...]:
    if "default_timeframes" not in of:
        return DEFAULT_TIMEFRAMES
    return parts.choices(of, "default_timeframes", Grain)


def _fiscal(of: Definition) -> int | FromAttribute | None:
    value = of.get("fiscal_month_offset")
    if is_map(value):
        attribute = text(value.get("user_attribute"))
        return FromAttribute(attribute) if attribute else None
    return parts.whole(of, "fiscal_month_offset")


def _format(value: object) -> str:
    return text(mapping(value).get("format")) or "" if is_map(value) else text(value) or ""


def _dynamic_schema(name: str, of: Definition) -> DynamicSchema:
    schema, attribute = text(of.get("from_schema")), text(of.get("user_attribute"))
    if schema is None or attribute is None:
        raise BadDefinition(
            (), f'"{name}" needs `from_schema` and `user_attribute`', "Add what is missing."
        )
    return DynamicSchema(name, schema, attribute)
