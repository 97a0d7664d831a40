"""Small models in memory, and questions on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from dragoman.dialects.sql import table
from dragoman.semantics.compiler.asking import Asking
from dragoman.semantics.compiler.compile import Compiler
from dragoman.semantics.compiler.compiled import Compiled
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.layers import TopicSource, ViewSource
from dragoman.semantics.query.request import read_query

NOW = datetime(2026, 3, 15, 12, 30, tzinfo=UTC)


@dataclass
class MemoryLayer:
    """A layer that is given whole. `types`: view to dimension to data type."""

    the_views: Mapping[str, Mapping[str, Any]]
    the_relationships: Sequence[Mapping[str, Any]] = ()
    the_topics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    the_settings: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def settings(self) -> Mapping[str, Any]:
        return self.the_settings

    def relationships(self) -> Sequence[Mapping[str, Any]]:
        return self.the_relationships

    def relationships_of(self, view: str) -> Sequence[Mapping[str, Any]]:
        ends = ("join_from_view", "join_to_view", "join_from_view_as", "join_to_view_as")
        return [each for each in self.the_relationships if view in [each.get(end) for end in ends]]

    def view_names(self) -> list[str]:
        return list(self.the_views)

    def view(self, name: str) -> ViewSource | None:
        found = self.the_views.get(name)
        if found is None:
            return None
        return ViewSource(name, f"{name}.view", found, self.types.get(name, {}))

    def views(self) -> Iterable[ViewSource]:
        return [view for name in self.the_views if (view := self.view(name))]

    def topic_names(self) -> list[str]:
        return list(self.the_topics)

    def topic(self, name: str) -> TopicSource | None:
        found = self.the_topics.get(name)
        return None if found is None else TopicSource(name, f"{name}.topic", found)

    def topics(self) -> Iterable[TopicSource]:
        return [topic for name in self.the_topics if (topic := self.topic(name))]

    def text(self, path: str) -> str | None:
        return None


def asking(dialect: str = "duckdb", **changes: Any) -> Asking:
    return Asking(table(dialect), changes.pop("now", NOW), **changes)


def changed(layer: MemoryLayer, view: str, **kinds: Mapping[str, Any]) -> MemoryLayer:
    """The model with more dimensions, or measures, in one view."""
    own = layer.the_views[view]
    more = {kind: {**own.get(kind, {}), **fields} for kind, fields in kinds.items()}
    return replace(layer, the_views={**layer.the_views, view: {**own, **more}})


def ask(layer: MemoryLayer, question: Mapping[str, Any], by: Asking | None = None) -> Compiled:
    return Compiler(ComposedModel([layer])).compile(read_query(dict(question)), by or asking())
