"""Compilers of models, kept from one question to the next.

A model changes with every save and every refresh, and then has a new key: what was expanded from
the old one is never asked again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Generator, Hashable, Iterable, Sequence
from contextlib import contextmanager

from dragoman.semantics.compiler.compile import Compiler
from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.layers import Definition, Layer, TopicSource, ViewSource

MAX_KEPT = 64


class RememberedLayer:
    """A layer that reads each thing once, by whatever unit of work is under way then."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self._known: dict[tuple[str, str], object] = {}

    def _once(self, what: str, name: str, read: Callable[[], object]) -> object:
        key = (what, name)
        if key not in self._known:
            self._known[key] = read()
        return self._known[key]

    def settings(self) -> Definition:
        """See `Layer`."""
        return self._once("settings", "", self.layer.settings)  # type: ignore[return-value]

    def relationships(self) -> Sequence[Definition]:
        """See `Layer`."""
        return self._once("relationships", "", self.layer.relationships)  # type: ignore[return-value]

    def relationships_of(self, view: str) -> Sequence[Definition]:
        """See `Layer`."""
        return self._once("of", view, lambda: self.layer.relationships_of(view))  # type: ignore[return-value]

    def view_names(self) -> Collection[str]:
        """See `Layer`."""
        return self._once("views", "", self.layer.view_names)  # type: ignore[return-value]

    def view(self, name: str) -> ViewSource | None:
        """See `Layer`."""
        return self._once("view", name, lambda: self.layer.view(name))  # type: ignore[return-value]

    def views(self) -> Iterable[ViewSource]:
        """See `Layer`."""
        return self.layer.views()

    def topic_names(self) -> Collection[str]:
        """See `Layer`."""
        return self._once("topics", "", self.layer.topic_names)  # type: ignore[return-value]

    def topic(self, name: str) -> TopicSource | None:
        """See `Layer`."""
        return self._once("topic", name, lambda: self.layer.topic(name))  # type: ignore[return-value]

    def topics(self) -> Iterable[TopicSource]:
        """See `Layer`."""
        return self.layer.topics()

    def text(self, path: str) -> str | None:
        """See `Layer`."""
        return self.layer.text(path)


class Kept:
    """A compiler with the lock that guards it."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.lock = threading.Lock()
        self.layers = [RememberedLayer(layer) for layer in layers]
        self.compiler = Compiler(ComposedModel(self.layers))


class Compilers:
    """Compilers by key, the least used forgotten first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Kept] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def of(self, key: Hashable, layers: Sequence[Layer]) -> Generator[Compiler]:
        """The compiler of a model for this thread. `layers`: the model's, of an open unit of work;
        `key`: another one whenever they say something else."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = Kept(layers)
            self._kept.move_to_end(key)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        with kept.lock:
            for remembered, layer in zip(kept.layers, layers, strict=True):
                remembered.layer = layer
            yield kept.compiler


COMPILERS = Compilers()
