"""What each layer says about one thing, lowest first, merged into one definition."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dragoman.semantics.composing.merging import Definition, merge_topic, merge_view
from dragoman.semantics.layers import TopicSource, ViewSource
from dragoman.semantics.model.settings import ModelSettings
from dragoman.semantics.plain import mapping, text, texts


@dataclass(frozen=True, slots=True)
class Merged:
    """A definition with the sources it was merged from.

    `path`: of the highest source. `column_types`: of the columns whose SQL no layer changed.
    """

    name: str
    path: str
    definition: Definition
    sources: Sequence[ViewSource | TopicSource]
    column_types: Mapping[str, str] = field(default_factory=dict[str, str])


def merged_view(sources: Sequence[ViewSource]) -> Merged:
    """A view; there is at least one source. It is not extended yet."""
    definition: Definition = {}
    for source in sources:
        definition = merge_view(definition, source.definition)
    types = _column_types(sources, definition)
    return Merged(sources[0].name, _path(sources), definition, sources, types)


def merged_topic(sources: Sequence[TopicSource]) -> Merged:
    """A topic; there is at least one source. It is not extended yet."""
    definition: Definition = {}
    for source in sources:
        definition = merge_topic(definition, source.definition)
    return Merged(sources[0].name, _path(sources), definition, sources)


def _path(sources: Sequence[ViewSource | TopicSource]) -> str:
    return sources[-1].path


def _column_types(sources: Sequence[ViewSource], merged: Definition) -> Mapping[str, str]:
    """A dimension is still its column unless a higher layer gives it other SQL."""
    typed = next((s for s in sources if s.column_types), None)
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


def extends_of(definition: Definition) -> list[str]:
    """The names that a definition extends, in their order."""
    return list(texts(definition.get("extends")))
