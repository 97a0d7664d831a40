"""Where each key, item and value of a file begins and ends, as offsets into its text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from yaml.events import AliasEvent, MappingEndEvent, ScalarEvent, SequenceEndEvent

from dragoman.semantics.files.composer import MERGE, Composer
from dragoman.semantics.problems import YamlPath


@dataclass(slots=True)
class Span:
    """A key with its value, or an item of a list.

    `start`: of the key; of an item: of its value. `column`: of `start`, from 0. `value`: where the
    value starts. `end`: behind its last character that is no white space or comment. `flow`: it
    stands inside `{…}` or `[…]`. `inside`: how the value is written.
    """

    start: int
    column: int
    value: int
    end: int
    flow: bool
    inside: str  # scalar, block, flow, alias


class Spans(Composer):
    """Reads a document and notes the spans of everything in it, in the order of the text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._text = text
        self.of: dict[YamlPath, Span] = {}
        self.anchors: list[tuple[int, str]] = []
        self.merges: list[YamlPath] = []
        self._flow = 0
        self._last = 0
        self._keys: dict[YamlPath, tuple[int, int]] = {}

    def child(self, path: YamlPath, key: str | int, event: Any) -> YamlPath:
        """The path of a value inside another, with where its key or item starts."""
        inner = (*path, key)
        mark = event.start_mark
        self._keys[inner] = (mark.index, mark.column)
        if isinstance(key, str):
            self._last = event.end_mark.index
            if key == MERGE and type(event) is ScalarEvent and event.implicit[0]:
                self.merges.append(inner)
        return inner

    def _value(self, event: Any, depth: int, path: YamlPath) -> Any:
        flow_parent = self._flow > 0
        opens = getattr(event, "flow_style", None) is True
        self._flow += opens
        start = event.start_mark.index
        anchor = getattr(event, "anchor", None)
        if anchor is not None and type(event) is not AliasEvent:
            self.anchors.append((start, anchor))
        if not hasattr(event, "flow_style"):
            self._last = max(self._last, event.end_mark.index)
        value = super()._value(event, depth, path)
        self._flow -= opens
        if path in self._keys:
            key_start, column = self._keys[path]
            kind = _kind(event, opens)
            end = self._trimmed(self._last, start)
            self.of[path] = Span(key_start, column, start, end, flow_parent, kind)
        return value

    def _trimmed(self, end: int, least: int) -> int:
        """A block of text ends, for the parser, where the next line with content begins."""
        while end > least and self._text[end - 1] in " \t\r\n":
            end -= 1
        return end

    def closed(self, event: Any) -> None:
        """A collection ends: the bracket of a flow one is its last character."""
        if self._flow and type(event) in (MappingEndEvent, SequenceEndEvent):
            self._last = max(self._last, event.end_mark.index)


def _kind(event: Any, opens: bool) -> str:
    if type(event) is AliasEvent:
        return "alias"
    if type(event) is ScalarEvent:
        return "scalar"
    return "flow" if opens else "block"
