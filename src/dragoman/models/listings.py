"""Views and topics of a model as lists, and one topic resolved (contract §3.6)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal

import msgspec

from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, NotFound
from dragoman.models.composing import composed
from dragoman.models.granted import Viewer
from dragoman.models.records import Model
from dragoman.models.topic_shapes import topic_shape
from dragoman.semantics.composing.merging import Definition
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.topics import CompositeTopic, Topic
from dragoman.semantics.plain import is_map, mapping, text
from dragoman.store import UnitOfWork


class FieldRow(msgspec.Struct):
    """A field of a view."""

    name: str
    type: Literal["dimension", "measure", "filter"]


class ViewRow(msgspec.Struct, omit_defaults=True):
    """A view with its fields; absent properties are left out."""

    name: str
    fields: list[FieldRow]
    label: str | None = None
    description: str | None = None
    hidden: bool | None = None


class TopicRow(msgspec.Struct, omit_defaults=True):
    """A topic; absent properties are left out."""

    name: str
    base_view_name: str
    label: str | None = None
    description: str | None = None
    group_label: str | None = None
    hidden: bool | None = None


_TYPES: dict[str, Literal["dimension", "measure", "filter"]] = {
    "dimensions": "dimension",
    "measures": "measure",
    "filters": "filter",
}


def view_rows(model: ComposedModel) -> list[ViewRow]:
    """All views by name, with what they extend."""
    model.preload()
    found: list[ViewRow] = []
    for name in sorted(model.view_names()):
        definition = model.view_definition(name, fully_resolved=True)
        if definition is not None:
            found.append(
                ViewRow(
                    name,
                    list(_fields(definition)),
                    text(definition.get("label")),
                    text(definition.get("description")),
                    _flag(definition, "hidden"),
                )
            )
    return found


def _fields(definition: Definition) -> Iterator[FieldRow]:
    for section, kind in _TYPES.items():
        for name, entry in mapping(definition.get(section)).items():
            if not (is_map(entry) and entry.get("ignored") is True):
                yield FieldRow(name, kind)


def _flag(definition: Definition, key: str) -> bool | None:
    value = definition.get(key)
    return value if isinstance(value, bool) else None


def topic_rows(unit: UnitOfWork, principal: Principal, model: Model) -> list[TopicRow]:
    """All topics by name that the principal may see; what cannot be understood is listed too, so
    that it can be mended."""
    whole, viewer = composed(unit, model), Viewer(unit, principal, model)
    found: list[TopicRow] = []
    for name in sorted(whole.topic_names()):
        definition = whole.topic_definition(name, fully_resolved=True)
        if definition is None:
            continue
        topic = _understood(whole, name)
        if (topic is None and not viewer.edits) or (topic and not viewer.sees(whole, topic)):
            continue
        base = topic.base_view if isinstance(topic, Topic) else text(definition.get("base_view"))
        found.append(
            TopicRow(
                name,
                base or name,
                text(definition.get("label")),
                text(definition.get("description")),
                text(definition.get("group_label")),
                _flag(definition, "hidden"),
            )
        )
    return found


def _understood(model: ComposedModel, name: str) -> Topic | CompositeTopic | None:
    try:
        return model.topic(name)
    except BadDefinition:
        return None


def resolved_topic(
    unit: UnitOfWork, principal: Principal, model: Model, name: str
) -> dict[str, Any]:
    """A topic with its joins, views and fields. Raises `NotFound` for one that is not there or not
    for the principal, `BadRequest` for one that cannot be understood."""
    whole, viewer = composed(unit, model), Viewer(unit, principal, model)
    missing = NotFound(f"Topic {name[:200]} does not exist")
    try:
        topic = whole.topic(name)
    except BadDefinition as bad:
        if not viewer.edits:
            raise missing from None
        raise BadRequest(f"Bad Request: topic {name}: {bad}") from None
    if topic is None or not viewer.sees(whole, topic):
        raise missing
    if isinstance(topic, CompositeTopic):
        definition = whole.topic_definition(name, fully_resolved=True) or {}
        return {**definition, "name": name, "base_view_name": "", "relationships": [], "views": []}
    return topic_shape(whole, topic, model.id, partial(viewer.has, whole))
