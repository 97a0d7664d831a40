"""YAML 1.2 events to plain data: one pass, with limits instead of trust.

PyYAML's binding of libyaml gives the events (an order of magnitude faster than parsers in Python);
what they mean is decided here. Nothing recurses deeper than `MAX_DEPTH`, and what aliases unfold to
is counted before it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from yaml.cyaml import CParser  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from dragoman.semantics.files import limits, scalars
from dragoman.semantics.plain import is_list, is_map
from dragoman.semantics.problems import Mark, YamlPath

_CORE = "tag:yaml.org,2002:"
_TAGS = frozenset(f"{_CORE}{name}" for name in ("null", "bool", "int", "float", "map", "seq"))
_TEXT_TAGS = (f"{_CORE}str", "!")
MERGE = "<<"


class Trouble(Exception):
    """Something that is wrong with the file, at a place. The first one ends a quick pass."""

    def __init__(self, code: str, message: str, fix: str, mark: Mark, path: YamlPath) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.mark = mark
        self.path = path


class _Anchor(NamedTuple):
    value: Any
    size: int


_OPEN = _Anchor(None, -1)


class Composer:
    """Reads one document. `value` gives the data; raises `Trouble` or PyYAML's `YAMLError`."""

    def __init__(self, text: str) -> None:
        self._next: Callable[[], Any] = CParser(text).get_event
        self._anchors: dict[str, _Anchor] = {}
        self._size = 0
        self.aliased = False

    def document(self) -> Any:
        """The value of the only document; None for an empty stream."""
        self._next()  # the stream's start
        event = self._next()
        if type(event) is StreamEndEvent:
            return None
        value = self._value(self._next(), 0, ())
        self._next()  # the document's end
        event = self._next()
        if type(event) is not StreamEndEvent:
            self.trouble(
                "yaml_documents", "A file holds one document", "Take `---` away.", event, ()
            )
        return value

    def trouble(self, code: str, message: str, fix: str, event: Any, path: YamlPath) -> None:
        """Meet something wrong. A quick pass ends here."""
        raise Trouble(code, message, fix, mark_of(event), path)

    def child(self, path: YamlPath, key: str | int, event: Any) -> YamlPath:
        """The path of a value inside another; a quick pass keeps none."""
        return path

    def closed(self, event: Any) -> None:
        """A collection has ended."""

    def _value(self, event: Any, depth: int, path: YamlPath) -> Any:
        kind = event.__class__
        self._size += 1
        if depth >= limits.MAX_DEPTH or self._size > limits.MAX_VALUES:
            self._too_much(event, depth, path)
        if kind is ScalarEvent:
            value = self._scalar(event, path)
            if event.anchor is not None:
                self._anchors[event.anchor] = _Anchor(value, 1)
            return value
        if kind is AliasEvent:
            return self._alias(event, path)
        if event.tag is not None:
            self._check_tag(event, path)
        began, anchor = self._size, event.anchor
        if anchor is not None:
            self._anchors[anchor] = _OPEN
        if kind is MappingStartEvent:
            value = self._mapping(depth + 1, path)
        else:
            assert kind is SequenceStartEvent  # noqa: S101  # no other event begins a value
            value = self._sequence(depth + 1, path)
        if anchor is not None:
            self._anchors[anchor] = _Anchor(value, self._size - began + 1)
        return value

    def _mapping(self, depth: int, path: YamlPath) -> dict[str, Any]:
        made: dict[str, Any] = {}
        merged: list[Any] = []
        while type(event := self._next()) is not MappingEndEvent:
            key = self._key(event, path)
            inner = self.child(path, key, event)
            value = self._value(self._next(), depth, inner)
            if key == MERGE and type(event) is ScalarEvent and event.implicit[0]:
                merged.append((event, value))
            elif key in made:
                self.trouble("duplicate_key", f'Duplicate key "{key}"', "Keep one.", event, inner)
            else:
                made[key] = value
        self.closed(event)
        for event, value in merged:
            self._merge(made, event, value, path)
        return made

    def _sequence(self, depth: int, path: YamlPath) -> list[Any]:
        made: list[Any] = []
        while type(event := self._next()) is not SequenceEndEvent:
            made.append(self._value(event, depth, self.child(path, len(made), event)))
        self.closed(event)
        return made

    def _key(self, event: Any, path: YamlPath) -> str:
        """Keys are text; a number or `true` as a key is the text of it."""
        if type(event) is AliasEvent:
            value = self._alias(event, path)
            if isinstance(value, str):
                return value
        elif type(event) is ScalarEvent:
            return event.value
        # No way to go on: what follows would have to be skipped to find the value.
        raise Trouble("yaml_key", "A key must be text", "Write a name.", mark_of(event), path)

    def _scalar(self, event: Any, path: YamlPath) -> Any:
        if event.tag is not None:
            if event.tag in _TEXT_TAGS:
                return event.value
            self._check_tag(event, path)
        return scalars.plain(event.value) if event.implicit[0] else event.value

    def _check_tag(self, event: Any, path: YamlPath) -> None:
        if event.tag not in _TAGS:
            message = f'The tag "{event.tag[:80]}" means nothing here'
            self.trouble("yaml_tag", message, "Take it away.", event, path)

    def _alias(self, event: Any, path: YamlPath) -> Any:
        self.aliased = True
        anchor = self._anchors.get(event.anchor)
        if anchor is None or anchor is _OPEN:
            what = "is not defined above" if anchor is None else "contains itself"
            message = f'The anchor "{event.anchor[:80]}" {what}'
            self.trouble("yaml_anchor", message, "Write the value out.", event, path)
            return None
        self._size += anchor.size - 1
        if self._size > limits.MAX_VALUES:
            self._too_much(event, 0, path)
        return anchor.value

    def _too_much(self, event: Any, depth: int, path: YamlPath) -> None:
        if depth >= limits.MAX_DEPTH:
            message, fix = f"Nested more than {limits.MAX_DEPTH} levels deep", "Write it flatter."
        else:
            message = f"Unfolds to more than {limits.MAX_VALUES:,} values"
            fix = "Write fewer aliases, or split the file."
        raise Trouble("yaml_limit", message, fix, mark_of(event), path)

    def _merge(self, made: dict[str, Any], event: Any, value: Any, path: YamlPath) -> None:
        """`<<: *anchor` or a list of them: keys that are not there yet, the first one wins."""
        for one in value if is_list(value) else [value]:
            if not is_map(one):
                self.trouble("yaml_merge", "`<<` takes maps", "Name an anchor.", event, path)
                return
            for key, inherited in one.items():
                made.setdefault(key, inherited)


def mark_of(event: Any) -> Mark:
    """Where an event begins."""
    mark = event.start_mark
    return Mark(mark.line + 1, mark.column + 1)


class MarkingComposer(Composer):
    """Also notes where each key and each list item stands, and goes on after what is wrong."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.marks: dict[YamlPath, Mark] = {}
        self.troubles: list[Trouble] = []

    def trouble(self, code: str, message: str, fix: str, event: Any, path: YamlPath) -> None:
        """Meet something wrong, and go on."""
        if len(self.troubles) < limits.MAX_PROBLEMS:
            self.troubles.append(Trouble(code, message, fix, mark_of(event), path))

    def child(self, path: YamlPath, key: str | int, event: Any) -> YamlPath:
        """The path of a value inside another, with its mark."""
        inner = (*path, key)
        self.marks.setdefault(inner, mark_of(event))
        return inner
