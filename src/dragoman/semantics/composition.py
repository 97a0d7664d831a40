"""A model composed of its layers: typed views, topics, joins and settings, by name, on demand."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dragoman.semantics.building import relationships as relationship_builder
from dragoman.semantics.building import settings as settings_builder
from dragoman.semantics.building import topics as topic_builder
from dragoman.semantics.building import views as view_builder
from dragoman.semantics.composing.constants import with_constants
from dragoman.semantics.composing.extending import Extender, extended_topic
from dragoman.semantics.composing.joins import (
    Edge,
    JoinMap,
    along_tree,
    reachable,
    without_fan_out,
)
from dragoman.semantics.composing.merging import (
    OF_ITSELF,
    Definition,
    merge,
    merge_relationships,
    merge_view,
)
from dragoman.semantics.composing.outputs import with_outputs
from dragoman.semantics.composing.sources import (
    Merged,
    Said,
    ignored,
    is_pruned,
    merged_topic,
    merged_view,
    without_shallow,
)
from dragoman.semantics.layers import Layer, ViewSource
from dragoman.semantics.model.faults import BadDefinition
from dragoman.semantics.model.fields import Field
from dragoman.semantics.model.references import FieldRef
from dragoman.semantics.model.relationships import Relationship
from dragoman.semantics.model.settings import ModelSettings
from dragoman.semantics.model.topics import CompositeTopic, Topic
from dragoman.semantics.model.views import QuerySource, QuerySpec, View
from dragoman.semantics.plain import mapping
from dragoman.semantics.problems import YamlPath

COMPOSITE = ".composite_topic"
# Query views over query views.
MOST_NESTED = 20


class ComposedModel:
    """Layers, lowest first, as one model. It asks each layer only for what it is asked itself.

    What it gave once it keeps; make a new one when a layer has changed. Not safe for threads.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self._merged: dict[str, Merged | None] = {}
        self._views: dict[str, View | None] = {}
        self._edges: dict[str, tuple[Relationship, ...]] = {}
        self._asking: list[str] = []
        self.extender = Extender(self.merged)

    # --- the model file ---------------------------------------------------------------------

    @functools.cached_property
    def settings(self) -> ModelSettings:
        """The model file of all layers."""
        return settings_builder.settings(self.settings_definition)[0]

    @functools.cached_property
    def settings_definition(self) -> Definition:
        """The model file of all layers as plain data; what a lower one says of itself is not of
        this model."""
        *below, own = (layer.settings() for layer in self.layers)
        inherited = ({k: v for k, v in of.items() if k not in OF_ITSELF} for of in below)
        return functools.reduce(merge, (*inherited, own), {})

    @property
    def is_template(self) -> bool:
        """Whether the model is only there to be extended by others."""
        return self.settings_definition.get("template") is True

    # --- views ------------------------------------------------------------------------------

    def view_names(self) -> list[str]:
        """The names that files define, in the order of the layers.

        Some may turn out to be ignored: `view` says so. Aliases of joins are not among them.
        """
        return list(dict.fromkeys(n for layer in self.layers for n in layer.view_names()))

    def view(self, name: str) -> View | None:
        """A view by its name or by a join's alias for it; None for one that is ignored."""
        if name not in self._views:
            self._views[name] = self._built(name)
        return self._views[name]

    def view_definition(self, name: str, *, fully_resolved: bool = False) -> Definition | None:
        """A view's merged definition as plain data; `fully_resolved`: with what it extends."""
        found = self.extender.view(name) if fully_resolved else self.merged(name)
        if found is None:
            return None
        if fully_resolved:
            return {k: v for k, v in found.definition.items() if k != "extends"}
        return found.definition

    def merged(self, name: str) -> Merged | None:
        """What the layers say about a view, merged; None where it is ignored or left out."""
        if name not in self._merged:
            sources = [Said(la, s) for la in self.layers if (s := la.view(name)) is not None]
            self._merged[name] = self._kept(sources)
        return self._merged[name]

    def alias_target(self, name: str, topic: Topic | None = None) -> str | None:
        """The view that a join's alias stands for; None where it is no alias, but a view."""
        if self.merged(name) is not None:
            return None
        for entry in (*(topic.relationships if topic else ()), *self.relationships_of(name)):
            if entry.to_as == name:
                return entry.to_view
            if entry.from_as == name:
                return entry.from_view
        return None

    def renamed(self, name: str) -> str | None:
        """The view that had this name before (`aliases`)."""
        return self._former_names.get(name)

    def preload(self) -> None:
        """Take every view from the layers at once: for a check of the whole model."""
        sources: dict[str, list[Said]] = {}
        for layer in self.layers:
            for source in layer.views():
                sources.setdefault(source.name, []).append(Said(layer, source))
        for name, found in sources.items():
            self._merged[name] = self._kept(found)

    def _kept(self, sources: list[Said]) -> Merged | None:
        if any("shallow_ignored" in said.source.definition for said in sources):
            sources = without_shallow(self.layers, sources)
        if not sources:
            return None
        only = sources[0].source if len(sources) == 1 and len(self.layers) > 1 else None
        if isinstance(only, ViewSource) and only.column_types and is_pruned(only, self.settings):
            return None
        found = merged_view(sources)
        return None if ignored(found.definition) else found

    def _built(self, name: str) -> View | None:
        target = self.alias_target(name)
        found = self.extender.view(target or name)
        return self.build(name, found, target)[0] if found else None

    def build(
        self, name: str, found: Merged, alias_of: str | None = None
    ) -> tuple[View, Mapping[YamlPath, BadDefinition]]:
        """A typed view of an extended definition, and what of it cannot be understood."""
        definition = with_constants(found.definition, self.settings.constants)
        made, broken = view_builder.view(name, found.path, definition, found.column_types, alias_of)
        if isinstance(made.source, QuerySource):
            sections = [mapping(definition.get(each)) for each in view_builder.SECTIONS]
            made = with_outputs(
                made,
                made.source.query,
                lambda field: any(field in each for each in sections),
                self._asked(made.source.query, name),
            )
        return made, broken

    def _asked(self, query: QuerySpec, asking: str) -> Callable[[FieldRef], Field | None]:
        """Finds the fields that the query of a view asks, in its topic. None for what leads back to
        the view itself, or leads on over too many."""

        @functools.cache
        def view_of(name: str) -> View | None:
            if name in (asking, *self._asking) or len(self._asking) >= MOST_NESTED:
                return None
            self._asking.append(asking)
            try:
                topic = self.topic(query.topic) if query.topic else None
                return self.topic_view(topic, name) if isinstance(topic, Topic) else self.view(name)
            except BadDefinition:
                return None
            finally:
                self._asking.pop()

        def find(ref: FieldRef) -> Field | None:
            view = view_of(ref.view or query.base_view or "")
            return view.field(ref.name) if view else None

        return find

    @functools.cached_property
    def _former_names(self) -> dict[str, str]:
        self.preload()
        return {
            alias: merged.name
            for merged in self._merged.values()
            if merged is not None
            for alias in merged.definition.get("aliases") or ()
        }

    # --- joins ------------------------------------------------------------------------------

    def relationships(self) -> list[Relationship]:
        """All joins; those that cannot be understood are left out."""
        return _typed(self.relationship_definitions())

    def relationship_definitions(self) -> list[Definition]:
        """All joins of all layers as plain data."""
        return merge_relationships(layer.relationships() for layer in self.layers)

    def relationships_of(self, view: str) -> tuple[Relationship, ...]:
        """Joins with that view, or that alias, at either end."""
        if view not in self._edges:
            found = merge_relationships(layer.relationships_of(view) for layer in self.layers)
            constants = self.settings.constants
            self._edges[view] = tuple(_typed(with_constants(f, constants) for f in found))
        return self._edges[view]

    def edges(self, view: str, topic: Topic | None = None) -> list[Edge]:
        """Joins that lead away from a view; backwards where they are reversible.

        In a topic its own relationships stand in place of those between the same two views, and
        every join may be walked back where the topic's tree lists it (`along_tree`).
        """
        own = topic.relationships if topic else ()
        replaced = {frozenset((one.left, one.right)) for one in own}
        found = [
            one
            for one in self.relationships_of(view)
            if frozenset((one.left, one.right)) not in replaced
        ]
        found += [one for one in own if view in (one.left, one.right)]
        there = [Edge(one) for one in found if one.left == view]
        back = [Edge(one, reverse=True) for one in found if one.right == view]
        listed = topic is not None and topic.joins is not None
        return there + [edge for edge in back if listed or edge.relationship.reversible]

    def join_map(self, topic: Topic) -> JoinMap:
        """The views of a topic: its tree, or all that can be joined without multiplying rows."""

        def edges(view: str) -> list[Edge]:
            return self.edges(view, topic)

        if topic.joins is not None:
            return along_tree(topic.base_view, topic.joins, edges)
        return reachable(topic.base_view, edges, without_fan_out)

    def joins_from(self, view: str, allow: Callable[[Edge], bool] = lambda _: True) -> JoinMap:
        """The views that can be joined to one, without a topic."""
        return reachable(view, self.edges, allow)

    # --- topics -----------------------------------------------------------------------------

    def topic_names(self) -> list[str]:
        """The names that files define; some may turn out to be ignored."""
        return list(dict.fromkeys(n for layer in self.layers for n in layer.topic_names()))

    def topic(self, name: str) -> Topic | CompositeTopic | None:
        """A topic by name; None for one that is ignored.

        Raises `BadDefinition`: a topic that cannot be understood has no rules, so it has no rows.
        """
        found = self.extended_topic(name)
        if found is None:
            return None
        definition = with_constants(found.definition, self.settings.constants)
        if found.path.endswith(COMPOSITE):
            return topic_builder.composite_topic(name, found.path, definition)
        return topic_builder.topic(name, found.path, definition, self.settings)

    def topic_definition(self, name: str, *, fully_resolved: bool = False) -> Definition | None:
        """A topic's merged definition as plain data; `fully_resolved`: with what it extends."""
        if not fully_resolved:
            found = self.merged_topic(name)
            return found.definition if found else None
        found = self.extended_topic(name)
        return {k: v for k, v in found.definition.items() if k != "extends"} if found else None

    def topic_view(self, topic: Topic, name: str) -> View | None:
        """A view as it is inside a topic: with the topic's own properties and fields of it."""
        found = self.topic_view_definition(topic, name)
        target = self.alias_target(name, topic)
        return self.build(name, found, target)[0] if found else None

    def topic_view_definition(self, topic: Topic, name: str) -> Merged | None:
        """A view as the topic has it, extended: with the topic's partial definition over it."""
        target = self.alias_target(name, topic)
        own, override = self.merged(target or name), topic.views.get(name)
        if override is not None:
            own = own or Merged(name, f"{name}.view", {}, ())
            definition = merge_view(own.definition, override)
            own = dataclasses.replace(own, name=name, definition=definition)
        return self.extender.extended(own) if own else None

    def merged_topic(self, name: str) -> Merged | None:
        """What the layers say about a topic, merged; None where it is ignored."""
        sources = [Said(la, s) for la in self.layers if (s := la.topic(name)) is not None]
        if not sources:
            return None
        found = merged_topic(sources)
        return None if ignored(found.definition) else found

    def extended_topic(self, name: str) -> Merged | None:
        """A topic with what it extends."""
        found = self.merged_topic(name)
        return extended_topic(found, self.merged_topic) if found else None


def _typed(definitions: Any) -> list[Relationship]:
    made: list[Relationship] = []
    for definition in definitions:
        try:
            made.append(relationship_builder.relationship(mapping(definition)))
        except BadDefinition:
            continue  # the check of the model names it
    return made
