"""How the language names fields and views: `view.field[grain]`, and `${…}` inside SQL."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
# A word in square brackets: a grain, an interval of a duration, or a number (dynamic top n).
_BRACKET = r"\[\s*([A-Za-z0-9_]+)\s*\]"
_NAME = re.compile(NAME)
_FIELD = re.compile(rf"(?:({NAME})\.)?({NAME})(?:{_BRACKET})?")
SENTINEL = "dragoman_hole_"
_DOLLAR = re.compile(r"\$\{\s*([^{}]*?)\s*\}")
_CONSTANT = re.compile(r"@\{\s*([^{}]*?)\s*\}")
OWN_TABLE = "TABLE"


@dataclass(frozen=True, slots=True)
class FieldRef:
    """A field by name. `view` None: of the view that says it.

    `bracket`: the word in square brackets, lower case: a grain (`month`), an interval (`days`), a
    number (`10`, of a dynamic top n); None for the bare field.
    """

    view: str | None
    name: str
    bracket: str | None = None

    def __str__(self) -> str:
        view = f"{self.view}." if self.view else ""
        return f"{view}{self.name}" + (f"[{self.bracket}]" if self.bracket else "")

    def within(self, view: str) -> FieldRef:
        """The same with its view said, `view` where none was."""
        return self if self.view else FieldRef(view, self.name, self.bracket)


def is_name(text: str) -> bool:
    """Whether it can be the name of a view or field."""
    return _NAME.fullmatch(text) is not None


@functools.lru_cache(maxsize=50_000)
def field_ref(text: str) -> FieldRef | None:
    """`field`, `view.field`, `view.field[month]`; None for anything else."""
    found = _FIELD.fullmatch(text.strip())
    if found is None:
        return None
    view, name, bracket = found.groups()
    return FieldRef(view, name, bracket.lower() if bracket else None)


@dataclass(frozen=True, slots=True)
class Reference:
    """One `${…}` of a SQL text. `text`: as written, with the braces.

    `field` None: it is no reference at all (`${1 + 1}`). `raw`: `${view.field//}`, the value
    without the language's own processing. A name alone (`${orders}`) may mean a field of the own
    view or a view (`whole_view`); `${TABLE}` means the own table (`own_table`).
    """

    text: str
    field: FieldRef | None
    raw: bool = False

    @property
    def own_table(self) -> bool:
        """Whether it is `${TABLE}`."""
        return self.field == _OWN_TABLE

    @property
    def whole_view(self) -> str | None:
        """The name, where it may be that of a view."""
        field = self.field
        alone = field is not None and field.view is None and field.bracket is None
        return field.name if field is not None and alone and not self.own_table else None


_OWN_TABLE = FieldRef(None, OWN_TABLE)


@dataclass(frozen=True, slots=True)
class SqlText:
    """SQL as a person wrote it. `parts`: the text between references, and the references."""

    text: str
    parts: tuple[str | Reference, ...]

    @property
    def references(self) -> tuple[Reference, ...]:
        """What it refers to, in the order of the text."""
        return tuple(part for part in self.parts if isinstance(part, Reference))

    def with_holes(self) -> tuple[str, dict[str, Reference]]:
        """The text with a name in place of each reference, so that a parser can read it; and what
        each name stands for."""
        holes: dict[str, Reference] = {}
        pieces: list[str] = []
        for part in self.parts:
            if isinstance(part, Reference):
                name = f"{SENTINEL}{len(holes)}_"
                holes[name] = part
                pieces.append(name)
            else:
                pieces.append(part)
        return "".join(pieces), holes


@functools.lru_cache(maxsize=50_000)
def sql_text(text: str) -> SqlText:
    """A SQL text taken apart at its `${…}`."""
    if "${" not in text:
        return SqlText(text, (text,))
    parts: list[str | Reference] = []
    at = 0
    for found in _DOLLAR.finditer(text):
        if found.start() > at:
            parts.append(text[at : found.start()])
        parts.append(_reference(found[0], found[1]))
        at = found.end()
    if at < len(text):
        parts.append(text[at:])
    return SqlText(text, tuple(parts))


def _reference(text: str, inside: str) -> Reference:
    raw = inside.endswith("//")
    return Reference(text, field_ref(inside.removesuffix("//")), raw)


def constants_of(text: str) -> list[str]:
    """The names in `@{…}`, in the order of the text."""
    return [found[1] for found in _CONSTANT.finditer(text)] if "@{" in text else []


def replace_constants(text: str, constants: Mapping[str, str]) -> str:
    """The text with every `@{name}` that is known replaced, once: what is put in stays as it is."""
    return _CONSTANT.sub(lambda found: constants.get(found[1], found[0]), text)
