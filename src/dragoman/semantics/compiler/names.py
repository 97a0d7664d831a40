"""Finding what names mean: in a model, inside one topic or without; with suggestions."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.composing.joins import Edge, JoinMap
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.model.fields import Dimension, Field
from dragoman.semantics.model.grains import WeekDay
from dragoman.semantics.model.references import FieldRef, Reference
from dragoman.semantics.model.relationships import Relationship
from dragoman.semantics.model.topics import Topic
from dragoman.semantics.model.views import ElementsSource, View
from dragoman.semantics.suggest import did_you_mean

_DAYS = list(WeekDay)


class Names:
    """The names of one question: its model's, as its topic sees them."""

    def __init__(self, model: ComposedModel, topic: Topic | None = None) -> None:
        self.model = model
        self.topic = topic
        self.settings = model.settings
        self._views: dict[str, View] = {}
        self._elements: dict[str, View] = {}
        self._nesting: list[str] = []

    @functools.cached_property
    def join_map(self) -> JoinMap:
        """The views of the topic, and the ways to them."""
        if self.topic is None:
            raise PlanError("The question names no topic.")
        return self.model.join_map(self.topic)

    def edges(self, view: str) -> Sequence[Edge]:
        """Joins that lead away from a view."""
        return self.model.edges(view, self.topic)

    def relationships_of(self, view: str) -> Sequence[Relationship]:
        """Joins with the view at either end; the topic's own stand in place of the model's."""
        own = self.topic.relationships if self.topic else ()
        mine = [each for each in own if view in (each.left, each.right)]
        pairs = {frozenset((each.left, each.right)) for each in mine}
        return mine + [
            each
            for each in self.model.relationships_of(view)
            if frozenset((each.left, each.right)) not in pairs
        ]

    @property
    def week_start(self) -> int:
        """The first day of the week, 0 is Monday."""
        own = self.topic.week_start_day if self.topic else None
        return _DAYS.index(own or self.settings.week_start_day)

    def view(self, name: str) -> View:
        """A view, by its name or one that it had before (`aliases`). Raises `PlanError`."""
        known = self._views.get(name)
        if known is None:
            known = self._view(name)
            if known is None and (now := self.model.renamed(name)) is not None:
                known = self._view(now)
            if known is None:
                near = suggestion(name, self.model.view_names())
                raise PlanError(f'No such view "{name}".', fix=near)
            self._views[name] = known
        return known

    def _view(self, name: str) -> View | None:
        return self.model.topic_view(self.topic, name) if self.topic else self.model.view(name)

    def elements(self, found: Dimension) -> View:
        """What a field with `nested_on_field` reads: the elements of that array, a row each. The
        fields of its own view are known there too. Raises `PlanError`."""
        if found.nested_on_field is None:
            raise PlanError(f"{found.address} is not nested.")
        owner = self.view(found.view)
        array = dimension_of(self.field(found.nested_on_field.within(found.view)))
        if array.address in self._nesting:
            raise PlanError(f"{array.address} is nested in itself.")
        name = f"{array.view}__{array.name}_each"
        if name not in self._elements:
            self._nesting.append(array.address)
            try:
                nested = array.nested_on_field is not None
                parent = self.elements(array).name if nested else array.view
            finally:
                self._nesting.pop()
            source = ElementsSource(array, parent)
            made = replace(owner, name=name, source=source, alias_of=None, compound_primary_key=())
            self._elements[name] = self._views[name] = made
        return self._elements[name]

    def of_elements(self, name: str) -> ElementsSource | None:
        """The array behind a name that `elements` gave; None for other views."""
        found = self._elements.get(name)
        return found.source if found and isinstance(found.source, ElementsSource) else None

    def field(self, ref: FieldRef) -> Field:
        """A field by its address; `ref.view` is said. Raises `PlanError`."""
        view = self.view(ref.view or "")
        found = view.field(ref.name)
        if found is not None:
            return found
        if ref.name in view.broken:
            raise PlanError(f"The field {view.name}.{ref.name} is broken: {view.broken[ref.name]}")
        near = suggestion(ref.name, [each.name for each in view.fields()])
        raise PlanError(f'No such field "{view.name}.{ref.name}".', fix=near)

    def referred(self, part: Reference, view: View) -> Field:
        """The field that a `${…}` in a view's SQL means. Raises `PlanError`."""
        if part.field is None:
            raise PlanError(f"{part.text} in {view.name} is not the name of a field.")
        ref = part.field
        if ref.view is None or ref.view == view.alias_of:
            # Under an alias the view speaks of its own rows, not of those of its original.
            ref = FieldRef(view.name, ref.name, ref.bracket)
        return self.field(ref)


def dimension_of(found: Field) -> Dimension:
    """The field as a dimension. Raises `PlanError`."""
    if not isinstance(found, Dimension):
        raise PlanError(f"{found.address} is no dimension.")
    return found


def suggestion(name: str, known: Iterable[str]) -> str:
    """What was meant, as a sentence; empty where nothing is near."""
    near = did_you_mean(name, known)
    return f'Did you mean "{near}"?' if near else ""
