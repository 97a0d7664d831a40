"""Bodies of view, field and topic operations, and the properties of the language that they set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from dragoman.api.errors import BadRequest
from dragoman.semantics.plain import items

Maybe = str | None
Texts = list[str] | None


class UpdateView(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Properties of a view; null takes one away."""

    label: Maybe | msgspec.UnsetType = msgspec.UNSET
    description: Maybe | msgspec.UnsetType = msgspec.UNSET
    hidden: bool | msgspec.UnsetType | None = msgspec.UNSET
    tags: Texts | msgspec.UnsetType = msgspec.UNSET
    ai_context: Maybe | msgspec.UnsetType = msgspec.UNSET
    # The contract has it; the language knows no format of a view.
    format: Maybe | msgspec.UnsetType = msgspec.UNSET


class UpdateTopic(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Properties of a topic; `newTopicName` renames it and every reference to it."""

    description: Maybe | msgspec.UnsetType = msgspec.UNSET
    group_label: Maybe | msgspec.UnsetType = msgspec.UNSET
    hidden: bool | msgspec.UnsetType | None = msgspec.UNSET
    label: Maybe | msgspec.UnsetType = msgspec.UNSET
    new_topic_name: Maybe = None


class CreateField(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A new field: a measure with an aggregate type, else a dimension."""

    view_name: str
    field_name: str
    aggregate_type: Maybe = None
    ai_context: Maybe = None
    description: Maybe = None
    format: Maybe = None
    hidden: bool | None = None
    label: Maybe = None
    sql: Maybe = None
    tags: Texts = None
    topic_context: Maybe = None


class UpdateField(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """Properties of a field; null takes one away. `newFieldName`, `newViewName` rename and move it,
    and every reference to it."""

    ai_context: Maybe | msgspec.UnsetType = msgspec.UNSET
    aggregate_type: Maybe | msgspec.UnsetType = msgspec.UNSET
    all_values: Texts | msgspec.UnsetType = msgspec.UNSET
    bin_boundaries: list[float] | msgspec.UnsetType | None = msgspec.UNSET
    bin_labels: Texts | msgspec.UnsetType = msgspec.UNSET
    description: Maybe | msgspec.UnsetType = msgspec.UNSET
    drill_fields: Texts | msgspec.UnsetType = msgspec.UNSET
    else_value: Maybe | msgspec.UnsetType = msgspec.UNSET
    filters: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    format: Maybe | msgspec.UnsetType = msgspec.UNSET
    group_filters: list[dict[str, Any]] | msgspec.UnsetType | None = msgspec.UNSET
    group_label: Maybe | msgspec.UnsetType = msgspec.UNSET
    group_names: Texts | msgspec.UnsetType = msgspec.UNSET
    hidden: bool | msgspec.UnsetType | None = msgspec.UNSET
    ignored: bool | msgspec.UnsetType | None = msgspec.UNSET
    is_calc: bool | msgspec.UnsetType | None = msgspec.UNSET
    label: Maybe | msgspec.UnsetType = msgspec.UNSET
    sample_values: Texts | msgspec.UnsetType = msgspec.UNSET
    sql: Maybe | msgspec.UnsetType = msgspec.UNSET
    synonyms: Texts | msgspec.UnsetType = msgspec.UNSET
    tags: Texts | msgspec.UnsetType = msgspec.UNSET
    new_field_name: Maybe = None
    new_view_name: Maybe = None
    topic_context: Maybe = None


# No properties of the language: what they say goes elsewhere, or nowhere.
_OTHER = frozenset(
    (
        *("new_topic_name", "new_field_name", "new_view_name", "topic_context", "view_name"),
        *("field_name", "group_filters", "group_names", "is_calc", "else_value"),
    )
)


def settings(body: msgspec.Struct) -> dict[str, Any]:
    """The properties that a body sets, by their names in the language; None takes one away.

    Raises `BadRequest` for groups whose names and filters do not go together.
    """
    sent: dict[str, Any] = msgspec.structs.asdict(body)
    found = {k: v for k, v in sent.items() if v is not msgspec.UNSET and k not in _OTHER}
    if isinstance(body, UpdateView):
        found.pop("format", None)
    if sent.get("else_value", msgspec.UNSET) is not msgspec.UNSET:
        found["else"] = sent["else_value"]
    if sent.get("group_filters", msgspec.UNSET) is not msgspec.UNSET:
        found["groups"] = _groups(sent)
    return found


def _groups(sent: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    filters, names = sent["group_filters"], items(sent.get("group_names"))
    if filters is None:
        return None
    if len(names) != len(filters):
        raise BadRequest("Bad Request: groupNames: one name for each of groupFilters")
    return [{"filter": one, "name": name} for one, name in zip(filters, names, strict=True)]
