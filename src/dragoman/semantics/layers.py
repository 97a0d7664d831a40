"""A layer of a model: definitions by name, given on demand.

A definition is what the YAML of a file says, as plain JSON types. Nobody changes one that came out
of a layer: layers and composed models share them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from dragoman.semantics.datatypes import DataType

__all__ = ["DataType", "Definition", "Layer", "TopicSource", "ViewSource"]

Definition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ViewSource:
    """What one layer says about a view.

    `name`: the qualified view name (`users`, `sales__users`). `path`: the key of its file
    (`public/users.view`, `users.query.view`). `column_types`: only of the schema layer, dimension
    name to `DataType`.
    """

    name: str
    path: str
    definition: Definition
    column_types: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class TopicSource:
    """What one layer says about a topic. A composite topic's path ends in `.composite_topic`."""

    name: str
    path: str
    definition: Definition


class Layer(Protocol):
    """One level of a model: the schema layer, a shared model, a branch, a workbook, a folder.

    Names are exact. `views` and `topics` give everything, for a check of the whole model; the other
    methods cost what they give, whatever the size of the model.
    """

    def settings(self) -> Definition:
        """The model file; empty where there is none."""
        ...

    def relationships(self) -> Sequence[Definition]:
        """All of them, in the order of the file."""
        ...

    def relationships_of(self, view: str) -> Sequence[Definition]:
        """Those with that view, or that alias (`join_to_view_as`), at either end.

        Also those that name no ends: they mean one of a lower layer by its `id`.
        """
        ...

    def view_names(self) -> Collection[str]:
        """The names of all views."""
        ...

    def view(self, name: str) -> ViewSource | None:
        """One view."""
        ...

    def views(self) -> Iterable[ViewSource]:
        """All views."""
        ...

    def topic_names(self) -> Collection[str]:
        """The names of all topics."""
        ...

    def topic(self, name: str) -> TopicSource | None:
        """One topic."""
        ...

    def topics(self) -> Iterable[TopicSource]:
        """All topics."""
        ...

    def text(self, path: str) -> str | None:
        """The file as it was written, to point into; None where the layer is generated."""
        ...
