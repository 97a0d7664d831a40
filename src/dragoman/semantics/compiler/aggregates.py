"""Aggregates that stand in a person's own SQL: found, so that each can be protected from joins.

`sum(${price}) / nullif(count(*), 0)` becomes two aggregates and the arithmetic between them. What
cannot be taken apart so (an aggregate with FILTER, a window, one that we do not know) is left as it
is and marked.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dragoman.semantics.model.fields import Aggregate
from dragoman.semantics.model.references import Reference, SqlText

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

_KINDS = {
    "SUM": Aggregate.SUM,
    "COUNT": Aggregate.COUNT,
    "AVG": Aggregate.AVERAGE,
    "MIN": Aggregate.MIN,
    "MAX": Aggregate.MAX,
    "MEDIAN": Aggregate.MEDIAN,
    # Of Databricks: a measure of a metric view.
    "MEASURE": Aggregate.SEMANTIC_VIEW_AGG,
}
# Words after the closing parenthesis that make it more than the plain aggregate.
_MORE = {"FILTER", "OVER", "WITHIN", "IGNORE", "RESPECT", "KEEP"}


@dataclass(frozen=True, slots=True)
class RawAggregate:
    """`argument` None: COUNT(*)."""

    kind: Aggregate
    argument: SqlText | None


@functools.lru_cache(maxsize=100_000)
def taken_apart(sql: SqlText, parser: str) -> tuple[str | Reference | RawAggregate, ...] | None:
    """The text with its aggregates as pieces; None where some cannot be taken out."""
    text, holes = sql.with_holes()
    tokens = _tokens(text, parser)
    if tokens is None:
        return None
    parts: list[str | Reference | RawAggregate] = []
    at = 0
    for start, end, kind, inside in _calls(tokens, text):
        argument = _argument(kind, inside, holes)
        if argument is None:
            return None
        parts += [*_filled(text[at:start], holes), argument]
        at = end
    return (*parts, *_filled(text[at:], holes))


def _tokens(text: str, parser: str) -> Sequence[Token] | None:
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        return sqlglot.tokenize(text, read=parser)
    except SqlglotError:
        return None


def _calls(tokens: Sequence[Token], text: str) -> Iterator[tuple[int, int, str, str]]:
    """Outermost calls of known aggregates: start, end, name, what stands in the parentheses.

    A call that is more than plain comes with an empty name.
    """
    at = 0
    while at < len(tokens) - 1:
        name = tokens[at].text.upper()
        if name not in _KINDS or tokens[at + 1].token_type.name != "L_PAREN":
            at += 1
            continue
        close = _closing(tokens, at + 1)
        if close is None:
            return
        following = tokens[close + 1].text.upper() if close + 1 < len(tokens) else ""
        inside = text[tokens[at + 1].end + 1 : tokens[close].start]
        plain = "" if following in _MORE else name
        yield tokens[at].start, tokens[close].end + 1, plain, inside
        at = close + 1


def _closing(tokens: Sequence[Token], opening: int) -> int | None:
    depth = 0
    for at in range(opening, len(tokens)):
        # By its kind: a text may consist of a parenthesis.
        depth += {"L_PAREN": 1, "R_PAREN": -1}.get(tokens[at].token_type.name, 0)
        if depth == 0:
            return at
    return None


def _argument(name: str, inside: str, holes: dict[str, Reference]) -> RawAggregate | None:
    text = inside.strip()
    if not name or not text:
        return None
    if name == "COUNT" and text == "*":
        return RawAggregate(Aggregate.COUNT, None)
    distinct = text[:9].upper() == "DISTINCT " or text[:9].upper() == "DISTINCT("
    if distinct and name not in ("COUNT", "MIN", "MAX"):
        return None
    kind = Aggregate.COUNT_DISTINCT if distinct and name == "COUNT" else _KINDS[name]
    argument = text[8:].strip() if distinct else text
    return RawAggregate(kind, SqlText(argument, tuple(_filled(argument, holes))))


def _filled(text: str, holes: dict[str, Reference]) -> list[str | Reference]:
    parts: list[str | Reference] = [text] if text else []
    for name, reference in holes.items():
        parts = [piece for part in parts for piece in _split(part, name, reference)]
    return parts


def _split(part: str | Reference, name: str, reference: Reference) -> Iterator[str | Reference]:
    if not isinstance(part, str) or name not in part:
        yield part
        return
    before, _, after = part.partition(name)
    if before:
        yield before
    yield reference
    if after:
        yield after
