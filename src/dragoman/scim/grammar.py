"""Filters and paths of SCIM (RFC 7644 figures 1 and 7). Pure: text to a tree."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from dragoman.scim.errors import bad_filter

# RFC 7643 section 10.3; and the attribute names that it allows, `$ref` among them.
_NAME = r"[$A-Za-z_][$A-Za-z0-9_\-]*"
_URN = re.compile(rf"(urn:[A-Za-z0-9][A-Za-z0-9\-]*:(?:[^\s\[\]()\"]*:)?)({_NAME}(?:\.{_NAME})?)")
_PLAIN = re.compile(rf"{_NAME}(?:\.{_NAME})?")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_WORD = re.compile(r"[^\s()\[\]\"]+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+\-]?\d+)?")
OPERATORS = frozenset(("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"))
MOST_CHARACTERS = 8_000
MOST_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Path:
    """An attribute: the schema that it names, if any, the attribute and its sub-attribute."""

    name: str
    sub: str | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Compare:
    """One comparison; `op` in lower case, `pr` with no value."""

    path: Path
    op: str
    value: Any = None


@dataclass(frozen=True, slots=True)
class Logic:
    """`and` or `or` of two or more parts."""

    word: str
    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """`not ( ... )`."""

    part: Filter


@dataclass(frozen=True, slots=True)
class Within:
    """`attribute[filter]`: one value of the attribute fits the filter."""

    path: Path
    part: Filter


Filter = Compare | Logic | Negation | Within


@dataclass(frozen=True, slots=True)
class Target:
    """What a PATCH is on: an attribute, of it the values that fit a filter, of these a part."""

    path: Path
    which: Filter | None = None
    sub: str | None = None


def parse_filter(text: str) -> Filter:
    """The tree of a filter. Raises `BadRequest` (`invalidFilter`)."""
    reader = _Reader(text)
    found = reader.either(0)
    reader.end()
    return found


def parse_target(text: str) -> Target:
    """The target of a PATCH. Raises `BadRequest` (`invalidFilter`, `invalidPath`)."""
    reader = _Reader(text)
    path = reader.path()
    which = sub = None
    if reader.take("["):
        which = reader.either(0)
        reader.need("]")
        if reader.take("."):
            sub = reader.path().name
    reader.end()
    return Target(path, which, sub)


def split_path(text: str) -> Path:
    """`urn:…:User:name.sub`, `name.sub` or `name`. Raises `BadRequest`."""
    urn = _URN.fullmatch(text)
    schema, rest = (urn[1].rstrip(":"), urn[2]) if urn else (None, text)
    if not _PLAIN.fullmatch(rest):
        raise bad_filter(f"'{text[:80]}' is not an attribute")
    name, _, sub = rest.partition(".")
    return Path(name, sub or None, schema)


class _Reader:
    """A recursive descent over the text: `or` binds least, then `and`, then `not`."""

    def __init__(self, text: str) -> None:
        if len(text) > MOST_CHARACTERS:
            raise bad_filter(f"a filter has up to {MOST_CHARACTERS} characters")
        self._text = text
        self._at = 0
        self._blank()

    def either(self, depth: int) -> Filter:
        return self._joined("or", self._both, depth)

    def path(self) -> Path:
        for pattern in (_URN, _PLAIN):
            found = pattern.match(self._text, self._at)
            if found:
                self._go(found.end())
                return split_path(found[0])
        raise bad_filter(f"an attribute is expected at character {self._at + 1}")

    def take(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._go(self._at + len(mark))
        return True

    def need(self, mark: str) -> None:
        if not self.take(mark):
            raise bad_filter(f"'{mark}' is expected at character {self._at + 1}")

    def end(self) -> None:
        if self._at < len(self._text):
            raise bad_filter(f"nothing is expected at character {self._at + 1}")

    def _both(self, depth: int) -> Filter:
        return self._joined("and", self._one, depth)

    def _joined(self, word: str, part: Any, depth: int) -> Filter:
        parts = [part(depth)]
        while self._word(word):
            parts.append(part(depth))
        return parts[0] if len(parts) == 1 else Logic(word, tuple(parts))

    def _one(self, depth: int) -> Filter:
        if depth > MOST_DEPTH:
            raise bad_filter("the filter is too deep")
        start = self._at
        if self._word("not"):
            if self.take("("):
                return Negation(self._closed(depth))
            self._at = start  # an attribute of that name
        if self.take("("):
            return self._closed(depth)
        path = self.path()
        if self.take("["):
            part = self.either(depth + 1)
            self.need("]")
            if self.take("."):  # Entra ID: emails[type eq "work"].value eq "…"
                part = Logic("and", (part, self._compared(self.path())))
            return Within(path, part)
        return self._compared(path)

    def _closed(self, depth: int) -> Filter:
        found = self.either(depth + 1)
        self.need(")")
        return found

    def _compared(self, path: Path) -> Filter:
        if self._word("pr"):
            return Compare(path, "pr")
        found = _WORD.match(self._text, self._at)
        op = found[0].lower() if found else ""
        if found is None or op not in OPERATORS:
            raise bad_filter(f"an operator is expected at character {self._at + 1}")
        self._go(found.end())
        return Compare(path, op, self._value())

    def _value(self) -> Any:
        quoted = _STRING.match(self._text, self._at)
        if quoted:
            self._go(quoted.end())
            try:
                return json.loads(quoted[0])
            except ValueError:
                raise bad_filter(f"{quoted[0][:60]} is not a JSON string") from None
        found = _WORD.match(self._text, self._at)
        word = found[0] if found else ""
        if found is None:
            raise bad_filter(f"a value is expected at character {self._at + 1}")
        self._go(found.end())
        known = {"true": True, "false": False, "null": None}
        if word.lower() in known:
            return known[word.lower()]
        if _NUMBER.fullmatch(word):
            return json.loads(word)
        raise bad_filter(f"the value {word[:60]!r} needs quotes")

    def _word(self, word: str) -> bool:
        found = _WORD.match(self._text, self._at)
        if found is None or found[0].lower() != word:
            return False
        self._go(found.end())
        return True

    def _go(self, at: int) -> None:
        self._at = at
        self._blank()

    def _blank(self) -> None:
        while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
            self._at += 1
