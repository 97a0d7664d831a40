"""The files of a model as a layer of its semantics, read from the store on demand."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Sequence

from dragoman.models import files
from dragoman.models.files import StoredFile
from dragoman.models.records import Model, load
from dragoman.semantics.layers import Definition, TopicSource, ViewSource
from dragoman.store import UnitOfWork


class StoredLayer:
    """One model's files; those of a branch stand over those of its base model, as one layer.

    Implements `semantics.layers.Layer`.
    """

    def __init__(self, unit: UnitOfWork, model: Model | str) -> None:
        found = load(unit, model) if isinstance(model, str) else model
        if found is None:
            raise LookupError(f"no model {model}")
        self.model = found
        self._unit = unit

    @functools.cached_property
    def _settings(self) -> Definition:
        found = files.named(self._unit, self.model, files.MODEL, "")
        return found.definition if found else {}

    @functools.cached_property
    def _relationships(self) -> Sequence[Definition]:
        found = files.named(self._unit, self.model, files.RELATIONSHIPS, "")
        return found.definition if found else []

    def settings(self) -> Definition:
        """The model file; empty where there is none."""
        return self._settings

    def relationships(self) -> Sequence[Definition]:
        """All of them, in the order of the file."""
        return self._relationships

    def relationships_of(self, view: str) -> Sequence[Definition]:
        """Those with that view, or that alias, at either end."""
        return [one for one in self.relationships() if view in map(one.get, _ENDS)]

    def view_names(self) -> Collection[str]:
        """The names of all views."""
        return files.names_of(self._unit, self.model, files.VIEW)

    def view(self, name: str) -> ViewSource | None:
        """One view."""
        found = files.named(self._unit, self.model, files.VIEW, name)
        return _view(found) if found else None

    def views(self) -> Iterable[ViewSource]:
        """All views."""
        return map(_view, files.of_kind(self._unit, self.model, files.VIEW).values())

    def topic_names(self) -> Collection[str]:
        """The names of all topics."""
        return files.names_of(self._unit, self.model, files.TOPIC)

    def topic(self, name: str) -> TopicSource | None:
        """One topic."""
        found = files.named(self._unit, self.model, files.TOPIC, name)
        return _topic(found) if found else None

    def topics(self) -> Iterable[TopicSource]:
        """All topics."""
        return map(_topic, files.of_kind(self._unit, self.model, files.TOPIC).values())

    def text(self, path: str) -> str | None:
        """A file as it was written."""
        found = files.some_files(self._unit, self.model, [path]).get(path)
        return found.text if found else None


_ENDS = ("join_from_view", "join_to_view", "join_from_view_as", "join_to_view_as")


def _view(file: StoredFile) -> ViewSource:
    return ViewSource(file.name or "", file.path, file.definition)


def _topic(file: StoredFile) -> TopicSource:
    return TopicSource(file.name or "", file.path, file.definition)
