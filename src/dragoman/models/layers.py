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
        # What was read once: a layer lives no longer than its unit of work.
        self._views: dict[str, ViewSource | None] = {}
        self._texts: dict[str, str | None] = {}

    @functools.cached_property
    def _settings(self) -> Definition:
        found = files.named(self._unit, self.model, files.MODEL, "")
        return self._kept(found).definition if found else {}

    @functools.cached_property
    def _relationships(self) -> Sequence[Definition]:
        found = files.named(self._unit, self.model, files.RELATIONSHIPS, "")
        return self._kept(found).definition if found else []

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
        if name not in self._views:
            found = files.named(self._unit, self.model, files.VIEW, name)
            self._views[name] = _view(self._kept(found)) if found else None
        return self._views[name]

    def views(self) -> Iterable[ViewSource]:
        """All views."""
        found = files.of_kind(self._unit, self.model, files.VIEW).values()
        return [_view(self._kept(each)) for each in found]

    def topic_names(self) -> Collection[str]:
        """The names of all topics."""
        return list(self._topics)

    def topic(self, name: str) -> TopicSource | None:
        """One topic."""
        return self._topics.get(name)

    def topics(self) -> Iterable[TopicSource]:
        """All topics."""
        return self._topics.values()

    @functools.cached_property
    def _topics(self) -> dict[str, TopicSource]:
        # All at once: there are few, and whoever wants one mostly wants more.
        found = files.of_kind(self._unit, self.model, files.TOPIC).values()
        return {each.name or "": _topic(self._kept(each)) for each in found}

    def text(self, path: str) -> str | None:
        """A file as it was written."""
        if path not in self._texts:
            found = files.some_files(self._unit, self.model, [path]).get(path)
            self._texts[path] = found.text if found else None
        return self._texts[path]

    def _kept(self, file: StoredFile) -> StoredFile:
        self._texts[file.path] = file.text
        return file


_ENDS = ("join_from_view", "join_to_view", "join_from_view_as", "join_to_view_as")


def _view(file: StoredFile) -> ViewSource:
    return ViewSource(file.name or "", file.path, file.definition)


def _topic(file: StoredFile) -> TopicSource:
    return TopicSource(file.name or "", file.path, file.definition)
