"""What each layer says about one thing, lowest first, merged into one definition."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from dragoman.semantics.composing.merging import Definition, merge_topic, merge_view
from dragoman.semantics.layers import Layer, TopicSource, ViewSource
from dragoman.semantics.model.settings import ModelSettings
from dragoman.semantics.plain import mapping, text, texts


class Said(NamedTuple):
    """What one layer says about something."""

    layer: Layer
    source: ViewSource | TopicSource


@dataclass(frozen=True, slots=True)
class Merged:
    """A definition with the sources it was merged from.

    `path`: of the highest source. `column_types`: of the columns whose SQL no layer changed.
    """

    name: str
    path: str
    definition: Definition
    sources: Sequence[Said]
    column_types: Mapping[str, str] = field(default_factory=dict[str, str])


def merged_view(sources: Sequence[Said]) -> Merged:
    """A view; there is at least one source. It is not extended yet."""
    definition: Definition = {}
    for said in sources:
        definition = merge_view(definition, said.source.definition)
    types = _column_types(sources, definition)
    last = sources[-1].source
    return Merged(last.name, last.path, definition, sources, types)


def merged_topic(sources: Sequence[Said]) -> Merged:
    """A topic; there is at least one source. It is not extended yet."""
    definition: Definition = {}
    for said in sources:
        definition = merge_topic(definition, said.source.definition)
    last = sources[-1].source
    return Merged(last.name, last.path, definition, sources)


def _column_types(sources: Sequence[Said], merged: Definition) -> Mapping[str, str]:
    """A dimension is still its column unless a higher layer gives it other SQL."""
    views = [said.source for said in sources if isinstance(said.source, ViewSource)]
    typed = next((view for view in views if view.column_types), None)
    if typed is None or len(sources) == 1:
        return typed.column_types if typed else {}
    low = mapping(typed.definition.get("dimensions"))
    high = mapping(merged.get("dimensions"))

    def same(name: str) -> bool:
        above = mapping(high.get(name)).get("sql")
        return above is None or above == mapping(low.get(name)).get("sql")

    return {name: kind for name, kind in typed.column_types.items() if same(name)}


def is_pruned(source: ViewSource, settings: ModelSettings) -> bool:
    """Whether the model file leaves a view of the schema layer out.

    Entries are schemas (`sales`, `sales_*`) for `…_schemas`; `view`, `schema.view` and
    `schema__view` for `…_views`.
    """
    schema = text(source.definition.get("schema")) or ""
    table = (
        text(source.definition.get("table_name")) or source.path.rpartition("/")[2].split(".")[0]
    )
    names = (source.name, f"{schema}.{table}", f"{schema}.{source.name}", f"{schema}__{table}")
    schemas = (schema, source.path.rpartition("/")[0])
    if settings.included_schemas and not _any(schemas, settings.included_schemas):
        return True
    if settings.included_views and not _any(names, settings.included_views):
        return True
    return _any(schemas, settings.ignored_schemas) or _any(names, settings.ignored_views)


def _any(names: Sequence[str], patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in names)


def ignored(definition: Definition) -> bool:
    """Whether it was deleted softly."""
    return definition.get("ignored") is True


def without_shallow(layers: Sequence[Layer], sources: list[Said]) -> list[Said]:
    """What is said of a view, without what `shallow_ignored: true` puts out of force: the layer
    right below the one that says it. Lower ones go on to hold. Nothing is left of a view of which
    only that is said."""
    kept = list(sources)
    for said in sources:
        if said.source.definition.get("shallow_ignored") is True:
            below = [layer for layer, above in pairwise(layers) if above is said.layer]
            kept = [each for each in kept if each.layer not in below]
    saying = [said for said in kept if set(said.source.definition) - {"shallow_ignored"}]
    return kept if saying else []


def extends_of(definition: Definition) -> list[str]:
    """The names that a definition extends, in their order."""
    return list(texts(definition.get("extends")))
