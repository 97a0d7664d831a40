"""The fields of a topic for somebody who picks: what may be asked, under the names people see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.labels import label_of, title
from dragoman.semantics.compiler.question import Question
from dragoman.semantics.compiler.selectors import selects
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.fields import Dimension, Field, FilterField, Measure
from dragoman.semantics.model.grains import Grain
from dragoman.semantics.model.views import View


@dataclass(frozen=True, slots=True)
class PickedField:
    """A field that the asker may name. `names`: its own name, then those of its time frames or
    intervals, each with its label. `masked`: its values are hidden from the asker."""

    field: Field
    kind: str
    type: DataType
    names: tuple[tuple[str, str], ...]
    masked: bool


@dataclass(frozen=True, slots=True)
class PickedView:
    """A view of the topic with what may be picked of it, in the order of its display."""

    view: View
    label: str
    fields: tuple[PickedField, ...]


def pickable(question: Question, *, hidden: bool) -> list[PickedView]:
    """The views of the question's topic, the base view first. What the asker may not name, what
    the topic does not show and what it cannot answer is left out; `hidden`: not what is hidden."""
    names = question.names
    joins = names.join_map
    order = [joins.base, *(name for name in joins.via if name != joins.base)]
    found: list[PickedView] = []
    for name in order:
        try:
            view = names.view(name)
        except PlanError:
            continue
        if view.hidden and not hidden:
            continue
        fields = [
            each
            for field in view.fields()
            if (hidden or not field.hidden)
            and (each := _picked(question, view, field, frozenset(order))) is not None
        ]
        if fields:
            label = question.topic.base_view_label if question.topic else None
            own = view.label or title(view.name.rpartition("__")[2])
            shown = (label or own) if name == joins.base else own
            found.append(PickedView(view, shown, tuple(sorted(fields, key=_place))))
    return found


def _place(each: PickedField) -> float:
    """By `display_order`; those without it come last, as the files have them."""
    return float("inf") if each.field.display_order is None else each.field.display_order


def _picked(
    question: Question, view: View, field: Field, views: frozenset[str]
) -> PickedField | None:
    topic, access = question.topic, question.access
    required = (*view.required_access_grants, *field.required_access_grants)
    if (topic is not None and not selects(topic, view, field)) or not access.allows(required):
        return None
    masked = access.masks(field)
    try:
        if isinstance(field, Dimension):
            value = question.expressions.dimension(field, shown=False)
            named = tuple(_named(question, field, value.type))
            kind, type_, read = "dimension", value.type, value.views
        elif isinstance(field, Measure):
            formula = question.measures.formula(field)
            named = ((field.address, label_of(field)),)
            kind, type_, read = "measure", formula.type, formula.views
        elif isinstance(field, FilterField):
            named, read = ((field.address, label_of(field)),), views
            kind, type_ = "filter", _FILTERS.get(field.type.value, DataType.UNKNOWN)
        else:
            return None
    except PlanError:
        return None  # a question with it would say why
    joined = frozenset(_owner(question, name) for name in read)
    return PickedField(field, kind, type_, named, masked) if joined <= views else None


def _owner(question: Question, name: str) -> str:
    """The view of the topic that a name stands in: elements of an array are of its own view."""
    while (elements := question.names.of_elements(name)) is not None:
        name = elements.parent
    return name


_FILTERS = {
    "string": DataType.STRING,
    "number": DataType.NUMBER,
    "timestamp": DataType.TIMESTAMP,
    "boolean": DataType.BOOLEAN,
}


def _named(question: Question, field: Dimension, kind: DataType) -> Iterator[tuple[str, str]]:
    """The names that a question may write for a dimension, the plain one first."""
    address = field.address
    if field.duration is not None:
        for interval in field.duration.intervals:
            yield f"{address}[{interval.value}]", label_of(field, interval.value)
        return
    yield address, label_of(field)
    if not kind.is_time:
        return
    frames = field.timeframes
    for grain in question.names.settings.default_timeframes if frames is None else frames:
        if grain is not Grain.RAW:
            yield f"{address}[{grain.value}]", label_of(field, grain.value)
