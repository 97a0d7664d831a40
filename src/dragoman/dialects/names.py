"""Lists of names with wildcards: `public,sales_*,"My Schema",OTHER.*`.

A name may be in double quotes, wholly or in parts; inside, a doubled quote stands for one and `*`
and `.` stand for themselves. Outside quotes `*` stands for any text and the last dot parts the
catalog from the schema.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

# A character and whether it was quoted; None is a wildcard.
_Token = tuple[str, bool] | None
_Segment = tuple[tuple[str, bool], ...]


class BadNames(ValueError):
    """A list that cannot be read. `fix` says what to do."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


@dataclass(frozen=True, slots=True)
class LikePattern:
    """A name as a pattern of SQL LIKE, for filtering on the server. `catalog` None: any."""

    catalog: str | None
    schema: str


@dataclass(frozen=True, slots=True)
class _Name:
    """One name: the literal stretches between its wildcards."""

    segments: tuple[_Segment, ...]

    def matches(self, text: str, fold: bool) -> bool:
        """Whether the whole text fits. Never backtracks, so no pattern is slow."""
        first, *rest = self.segments
        if not _fits(first, text, 0, fold):
            return False
        if not rest:
            return len(text) == len(first)
        *middle, last = rest
        position = len(first)
        for segment in middle:
            position = _find(segment, text, position, fold)
            if position < 0:
                return False
        end = len(text) - len(last)
        return end >= position and _fits(last, text, end, fold)

    def like(self, escape: str, specials: str, fold: bool) -> str:
        parts = ("".join(_escaped(c, escape, specials) for c, _ in s) for s in self.segments)
        pattern = "%".join(parts)
        return pattern.lower() if fold else pattern

    def written(self) -> str:
        return "*".join(_written(segment) for segment in self.segments)

    @property
    def literal(self) -> str | None:
        """The name itself when it has no wildcard."""
        return "".join(c for c, _ in self.segments[0]) if len(self.segments) == 1 else None


@dataclass(frozen=True, slots=True)
class _Pattern:
    catalog: _Name | None
    schema: _Name


@dataclass(frozen=True, slots=True)
class SchemaFilter:
    """Which schemas a list of names means. An empty list means all of them.

    `fold`: the database folds the case of unquoted names, so unquoted parts match in any case;
    quoted parts always match exactly.
    """

    patterns: tuple[_Pattern, ...]
    fold: bool = False

    def matches(self, schema: str, catalog: str | None = None) -> bool:
        """Whether the schema is meant. A name without a catalog means that schema in any."""
        return not self.patterns or any(
            (p.catalog is None or (catalog is not None and p.catalog.matches(catalog, self.fold)))
            and p.schema.matches(schema, self.fold)
            for p in self.patterns
        )

    def like_patterns(self, escape: str = "!", specials: str = "%_") -> list[LikePattern]:
        """The same for SQL: use with `LIKE … ESCAPE '!'`, as bound values. Empty: no filter.

        `specials`: what LIKE reads as a wildcard (SQL Server: `%_[`). With `fold` the patterns are
        lower case, to be compared with LOWER(name); they may let through too much then, never
        too little, and `matches` decides.
        """
        return [
            LikePattern(
                None if p.catalog is None else p.catalog.like(escape, specials, self.fold),
                p.schema.like(escape, specials, self.fold),
            )
            for p in self.patterns
        ]

    def written(self) -> str:
        """The list as text again: `compile_patterns` makes an equal filter of it."""
        names = (
            p.schema.written()
            if p.catalog is None
            else f"{p.catalog.written()}.{p.schema.written()}"
            for p in self.patterns
        )
        return ",".join(names)

    def catalogs(self) -> list[str]:
        """The catalogs that are named in full, each once."""
        named = (p.catalog.literal for p in self.patterns if p.catalog is not None)
        return list(dict.fromkeys(name for name in named if name is not None))


def compile_patterns(text: str, *, fold: bool = False, qualified: bool = True) -> SchemaFilter:
    """A filter of a comma-separated list.

    `qualified`: whether a dot parts catalog and schema; False for lists of catalogs, whose names
    are matched as `schema`. Raises `BadNames` for an open quote or an empty name.
    """
    parsed = (_pattern(written, qualified) for written in split_names(text))
    return SchemaFilter(tuple(parsed), fold)


def split_names(text: str) -> list[str]:
    """The names of a comma-separated list as they are written, trimmed.

    Raises `BadNames` for an open quote or an empty name.
    """
    if not text.strip():
        return []
    names = [part.strip() for part in _split_commas(text)]
    for name in names:
        _pattern(name, qualified=True)
    return names


def quote_name(name: str) -> str:
    """A name as it is written in a list; one that is well written already stays as it is."""
    name = name.strip()
    try:
        if _split_commas(name) == [name]:
            return name
    except BadNames:
        pass
    return exact_name(name)


def exact_name(name: str) -> str:
    """A name as a list writes it for that name alone: no wildcard, no catalog."""
    return '"' + name.replace('"', '""') + '"'


def _split_commas(text: str) -> list[str]:
    parts: list[str] = [""]
    quoted = False
    for character in text:
        if character == '"':
            quoted = not quoted
        if character == "," and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    if quoted:
        raise BadNames("A double quote is left open", 'Close it, or double it inside: "a""b".')
    return parts


def _pattern(written: str, qualified: bool) -> _Pattern:
    tokens = _tokens(written)
    dots = [i for i, token in enumerate(tokens) if token == (".", False)] if qualified else []
    if not dots:
        return _Pattern(None, _name(tokens))
    return _Pattern(_name(tokens[: dots[-1]]), _name(tokens[dots[-1] + 1 :]))


def _tokens(written: str) -> list[_Token]:
    tokens: list[_Token] = []
    quoted = False
    position = 0
    while position < len(written):
        character = written[position]
        doubled = quoted and written[position : position + 2] == '""'
        if character == '"' and not doubled:
            quoted = not quoted
        elif character == "*" and not quoted:
            tokens.append(None)
        else:
            tokens.append((character, quoted))
        position += 2 if doubled else 1
    return tokens


def _name(tokens: list[_Token]) -> _Name:
    if not tokens:
        raise BadNames("A name in the list is empty", "Remove the extra comma or dot.")
    segments: list[list[tuple[str, bool]]] = [[]]
    for token in tokens:
        if token is None:
            segments.append([])
        else:
            segments[-1].append(token)
    return _Name(tuple(tuple(segment) for segment in segments))


def _written(segment: _Segment) -> str:
    runs = groupby(segment, key=lambda token: token[1])
    texts = ((quoted, "".join(character for character, _ in run)) for quoted, run in runs)
    return "".join('"' + t.replace('"', '""') + '"' if quoted else t for quoted, t in texts)


def _fits(segment: _Segment, text: str, start: int, fold: bool) -> bool:
    if start + len(segment) > len(text):
        return False
    return all(
        character == wanted or (fold and not exact and character.lower() == wanted.lower())
        for (wanted, exact), character in zip(segment, text[start:], strict=False)
    )


def _find(segment: _Segment, text: str, start: int, fold: bool) -> int:
    """Where the leftmost occurrence ends; -1 when there is none."""
    for position in range(start, len(text) - len(segment) + 1):
        if _fits(segment, text, position, fold):
            return position + len(segment)
    return -1


def _escaped(character: str, escape: str, specials: str) -> str:
    return escape + character if character == escape or character in specials else character
