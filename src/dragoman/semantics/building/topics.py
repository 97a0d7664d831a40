"""Definitions of topics to typed ones."""

from __future__ import annotations

import re

from dragoman.semantics.building import parts
from dragoman.semantics.building.parts import Definition
from dragoman.semantics.building.relationships import relationship
from dragoman.semantics.building.settings import access_filters
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.grains import WeekDay
from dragoman.semantics.model.references import NAME, sql_text
from dragoman.semantics.model.relationships import Relationship
from dragoman.semantics.model.settings import ModelSettings
from dragoman.semantics.model.topics import (
    CompositeTopic,
    JoinNode,
    Selector,
    Topic,
    UnrelatedDimensions,
)
from dragoman.semantics.plain import is_map, items, mapping, text, texts

ALL_VIEWS = "all_views"
_SELECTOR = re.compile(rf"(-)?(?:({NAME})\.(\*|{NAME})|tag:(.+))")
_KNOWN = frozenset(Topic.__dataclass_fields__) | {"extends", "ignored"}
_COMPOSITE = frozenset(CompositeTopic.__dataclass_fields__) | {"extends", "ignored"}


def topic(name: str, path: str, of: Definition, settings: ModelSettings) -> Topic:
    """A topic from its merged and extended definition. Raises `BadDefinition`.

    Nothing of a topic is left out quietly: a lost filter would show rows.
    """
    _check_defaults(of, settings)
    rules = settings.default_topic_access_filters
    grants = settings.default_topic_required_access_grants
    return Topic(
        name=name,
        path=path,
        base_view=text(of.get("base_view")) or name,
        base_view_label=text(of.get("base_view_label")),
        label=text(of.get("label")),
        description=text(of.get("description")),
        group_label=text(of.get("group_label")),
        display_order=parts.number(of, "display_order"),
        hidden=parts.flag(of, "hidden"),
        template=parts.flag(of, "template"),
        joins=_joins(of.get("joins")) if of.get("joins") is not None else None,
        relationships=_relationships(of),
        views={key: mapping(value) for key, value in mapping(of.get("views")).items()},
        fields=tuple(selector(item) for item in texts(of.get("fields"))),
        access_filters=access_filters(of, "access_filters") if "access_filters" in of else rules,
        always_where_sql=parts.sql(of, "always_where_sql"),
        always_where_filters=parts.filters(of, "always_where_filters"),
        always_having_sql=parts.sql(of, "always_having_sql"),
        always_having_filters=parts.filters(of, "always_having_filters"),
        default_filters=parts.filters(of, "default_filters"),
        required_access_grants=parts.names(of, "required_access_grants")
        if "required_access_grants" in of
        else grants,
        cache_policy=text(of.get("cache_policy")),
        default_row_limit=parts.whole(of, "default_row_limit"),
        week_start_day=parts.choice(of, "week_start_day", WeekDay),
        warehouse_override=text(of.get("warehouse_override")),
        extra=parts.rest(of, _KNOWN),
    )


def _check_defaults(of: Definition, settings: ModelSettings) -> None:
    """A default that cannot be understood closes every topic that would have it."""
    for key in ("access_filters", "required_access_grants"):
        broken = settings.broken.get(f"default_topic_{key}")
        if broken and key not in of:
            raise BadDefinition((), f"In the model file: {broken}", "Mend it there.")


def composite_topic(name: str, path: str, of: Definition) -> CompositeTopic:
    """A composite topic. Raises `BadDefinition`."""
    handling = parts.choice(of, "unrelated_dimension_handling", UnrelatedDimensions)
    return CompositeTopic(
        name=name,
        path=path,
        topics=texts(of.get("topics")),
        label=text(of.get("label")),
        description=text(of.get("description")),
        hidden=parts.flag(of, "hidden"),
        shared_views=texts(of.get("shared_views")),
        shared_dimensions={
            key: {
                member: parts.reference(mapping(at).get("field"), "field")
                for member, at in mapping(mapping(value).get("mappings")).items()
            }
            for key, value in mapping(of.get("shared_dimensions")).items()
        },
        shared_measures={
            key: sql_text(text(mapping(value).get("sql")) or "")
            for key, value in mapping(of.get("shared_measures")).items()
        },
        unrelated_dimension_handling=handling or UnrelatedDimensions.FILTER_ONLY,
        always_join_all_topics=parts.flag(of, "always_join_all_topics"),
        extra=parts.rest(of, _COMPOSITE),
    )


def selector(said: str) -> Selector:
    """`all_views.*`, `view.*`, `view.field`, `tag:x`, or that with `-`. Raises `BadDefinition`."""
    found = _SELECTOR.fullmatch(said.strip())
    if found is None:
        raise BadDefinition(
            ("fields",), f"`fields` cannot have {said!r}"[:200], "Write `view.*` or `view.field`."
        )
    minus, view, name, tag = found.groups()
    return Selector(
        bool(minus), None if view == ALL_VIEWS else view, None if name == "*" else name, tag
    )


def _joins(value: object) -> tuple[JoinNode, ...]:
    if not is_map(value):
        raise BadDefinition(("joins",), "`joins` is a map of views", "Write `users: {}`.")
    return tuple(JoinNode(view, _joins(below or {})) for view, below in value.items())


def _relationships(of: Definition) -> tuple[Relationship, ...]:
    made: list[Relationship] = []
    for at, item in enumerate(items(of.get("relationships"))):
        try:
            made.append(relationship(mapping(item)))
        except BadDefinition as bad:
            raise bad.under("relationships", at) from None
    return tuple(made)
