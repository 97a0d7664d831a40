"""A person's SQL as a piece that can be put anywhere: columns qualified, references as holes.

The text itself is kept to the letter. sqlglot reads it, in the connection's own dialect, to find
where the own view's columns stand; a text that it cannot read is taken whole, in parentheses, and
marked, since nothing is known of it (modeling reference 4.2).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dragoman.semantics.model.references import Reference, SqlText

if TYPE_CHECKING:
    from sqlglot import exp

_SENTINEL = "dragoman_hole_"


@dataclass(frozen=True, slots=True)
class Fragment:
    """`parts`: SQL texts, and references where an operand stands.

    `atomic`: it can stand as an operand without parentheses. `condition`: it is a condition, not a
    value, for databases that tell the two apart. `aggregate`: it aggregates rows itself, outside
    windows and subqueries; `counts_rows`: by COUNT(*). `strict`: NULL wherever its columns and
    references are. `reads`: columns or references stand in it. `opaque`: it could not be read.
    """

    parts: tuple[str | Reference, ...]
    atomic: bool = False
    condition: bool = False
    aggregate: bool = False
    counts_rows: bool = False
    window: bool = False
    strict: bool = False
    reads: bool = True
    opaque: bool = False


@functools.lru_cache(maxsize=200_000)
def fragment(sql: SqlText, view: str, qualifier: str, parser: str) -> Fragment:
    """The piece of one field's SQL. `view`: the own view's name; `qualifier`: it, in quotes."""
    text, holes = _with_holes(sql)
    tree = _parse(text, parser)
    if tree is None:
        return _opaque(sql)
    edits = list(_edits(tree, holes, view, qualifier))
    if sum(isinstance(new, Reference) for _, _, new in edits) != len(holes):
        return _opaque(sql)  # a reference stands where no column does, in a text for instance
    return _described(tree, _spliced(text, edits))


def column(qualifier: str, name: str) -> Fragment:
    """The piece of a physical column; both already in quotes."""
    return Fragment((f"{qualifier}.{name}",), atomic=True, strict=True)


def _opaque(sql: SqlText) -> Fragment:
    return Fragment(sql.parts, opaque=True, aggregate=False)


def _with_holes(sql: SqlText) -> tuple[str, dict[str, Reference]]:
    holes: dict[str, Reference] = {}
    pieces: list[str] = []
    for part in sql.parts:
        if isinstance(part, Reference):
            name = f"{_SENTINEL}{len(holes)}_"
            holes[name] = part
            pieces.append(name)
        else:
            pieces.append(part)
    return "".join(pieces), holes


def _parse(text: str, parser: str) -> exp.Expression | None:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        found = sqlglot.parse(text, dialect=parser)
    except (SqlglotError, RecursionError):
        return None
    tree: Any = found[0] if len(found) == 1 else None
    # A statement is no piece of one; what follows a comment sign would swallow what comes next.
    if not isinstance(tree, exp.Expression) or isinstance(tree, exp.Query | exp.Command | exp.DDL):
        return None
    return None if "--" in text or "/*" in text else tree


Edit = tuple[int, int, "str | Reference"]


def _edits(
    tree: exp.Expression, holes: dict[str, Reference], view: str, qualifier: str
) -> Iterator[Edit]:
    """Places (start, end) and what comes there; nothing is taken out of subqueries' own columns."""
    from sqlglot import exp

    for node in tree.find_all(exp.Column, exp.Identifier):
        if isinstance(node, exp.Identifier):
            hole = holes.get(node.name)
            if hole is not None and "start" in node.meta:
                yield node.meta["start"], node.meta["end"] + 1, _whole(hole, qualifier)
            continue
        first = _first_identifier(node)
        if first is None or "start" not in first.meta or first.name in holes:
            continue
        if _in_subquery(node, tree):
            continue
        start, end = first.meta["start"], first.meta["end"] + 1
        if node.args.get("table") is None:
            yield start, start, f"{qualifier}."
        elif first.name.lower() == view.lower():
            yield start, end, qualifier
        else:
            yield start, start, f"{qualifier}."  # a field of a column that holds a structure


def _whole(hole: Reference, qualifier: str) -> str | Reference:
    return qualifier if hole.own_table else hole


def _first_identifier(node: exp.Column) -> exp.Identifier | None:
    from sqlglot import exp

    for name in ("catalog", "db", "table", "this"):
        part = node.args.get(name)
        if part is not None:
            return part if isinstance(part, exp.Identifier) else None
    return None


def _in_subquery(node: exp.Expression, tree: exp.Expression) -> bool:
    from sqlglot import exp

    above = node.parent
    while above is not None:
        if isinstance(above, exp.Query):
            return True
        if above is tree:
            return False
        above = above.parent
    return False


def _spliced(text: str, edits: list[Edit]) -> tuple[str | Reference, ...]:
    parts: list[str | Reference] = []
    at = 0
    for start, end, new in sorted(edits, key=lambda edit: edit[:2]):
        _append(parts, text[at:start])
        _append(parts, new)
        at = end
    _append(parts, text[at:])
    return tuple(parts)


def _append(parts: list[str | Reference], new: str | Reference) -> None:
    if isinstance(new, str) and parts and isinstance(parts[-1], str):
        parts[-1] += new
    elif new:
        parts.append(new)


def _described(tree: exp.Expression, parts: tuple[str | Reference, ...]) -> Fragment:
    from sqlglot import exp

    aggregates = [node for node in tree.find_all(exp.AggFunc) if _aggregates(node, tree)]
    return Fragment(
        parts,
        atomic=isinstance(tree, exp.Column | exp.Literal | exp.Func | exp.Paren | exp.Boolean)
        and not isinstance(tree, exp.Connector | exp.Binary | exp.Unary),
        condition=isinstance(tree.unnest(), exp.Predicate | exp.Connector | exp.Not),
        aggregate=bool(aggregates),
        counts_rows=any(isinstance(n, exp.Count) and n.find(exp.Star) for n in aggregates),
        window=tree.find(exp.Window) is not None,
        strict=_strict(tree),
        reads=tree.find(exp.Column) is not None,
    )


def _aggregates(node: exp.Expression, tree: exp.Expression) -> bool:
    """Whether it aggregates the rows of the question, and no window's or subquery's."""
    from sqlglot import exp

    if _in_subquery(node, tree):
        return False
    above = node.parent
    while above is not None:
        if isinstance(above, exp.Window):
            return False
        above = None if above is tree else above.parent
    return True


def _strict(tree: exp.Expression) -> bool:
    from sqlglot import exp

    allowed = (
        *(exp.Column, exp.Identifier, exp.Literal, exp.Paren, exp.Neg),
        *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Cast, exp.DataType),
    )
    nodes = list(tree.walk())
    return all(isinstance(node, allowed) for node in nodes) and any(
        isinstance(node, exp.Column) for node in nodes
    )
