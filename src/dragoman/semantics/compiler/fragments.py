"""A person's SQL as a piece that can be put anywhere: columns qualified, references as holes.

The text itself is kept to the letter. sqlglot reads it, in the connection's own dialect, to find
where the own view's columns stand; a text that it cannot read is taken whole, in parentheses, and
marked, since nothing is known of it (modeling reference 4.2).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.datatypes import DataType
from dragoman.semantics.model.references import Reference, SqlText

if TYPE_CHECKING:
    from sqlglot import exp


@dataclass(frozen=True, slots=True)
class Fragment:
    """`parts`: SQL texts, and references where an operand stands.

    `atomic`: it can stand as an operand without parentheses. `condition`: it is a condition, not a
    value, for databases that tell the two apart. `aggregate`: it aggregates rows itself, outside
    windows and subqueries; `counts_rows`: by COUNT(*). `strict`: NULL wherever its columns and
    references are. `own`: it reads the own view; `others`: views that it names itself. `type`:
    where the text itself says it. `opaque`: it could not be read.
    """

    parts: tuple[str | Reference, ...]
    atomic: bool = False
    condition: bool = False
    aggregate: bool = False
    counts_rows: bool = False
    window: bool = False
    strict: bool = False
    own: bool = True
    others: frozenset[str] = frozenset()
    type: DataType = DataType.UNKNOWN
    opaque: bool = False


@functools.lru_cache(maxsize=200_000)
def fragment(
    sql: SqlText,
    view: str,
    qualifier: str,
    parser: str,
    others: tuple[tuple[str, str], ...] = (),
) -> Fragment:
    """The piece of one field's SQL. `view`: the own view's name; `qualifier`: it, in quotes.

    `others`: more views that stand before a dot (of a join's condition), with their qualifiers.
    """
    text, holes = sql.with_holes()
    tree = _parse(text, parser)
    if tree is None:
        return Fragment(sql.parts, opaque=True)
    filled: set[str] = set()
    known = {name.lower(): (name, quoted) for name, quoted in others}
    known[view.lower()] = (view, qualifier)
    named: set[str] = set()
    edits = list(_edits(tree, _Found(holes, filled, named), known, qualifier))
    if len(filled) != len(holes):  # a reference stands where no column does, in a text for instance
        return Fragment(sql.parts, opaque=True)
    if any(node.comments for node in tree.walk()):
        text += "\n"  # what comes next must not become part of a comment
    own = any(isinstance(new, str) for _, _, new in edits) and not named - {view}
    found = _described(tree, _spliced(text, edits))
    return replace(found, own=own or view in named, others=frozenset(named - {view}))


def column(qualifier: str, name: str) -> Fragment:
    """The piece of a physical column; both already in quotes."""
    return Fragment((f"{qualifier}.{name}",), atomic=True, strict=True)


def _parse(text: str, parser: str) -> exp.Expr | None:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        found = sqlglot.parse(text, dialect=parser)
    except (SqlglotError, RecursionError):
        return None
    tree: Any = found[0] if len(found) == 1 else None
    statement = isinstance(tree, exp.Query | exp.Command | exp.DDL)
    if not isinstance(tree, exp.Expr) or (statement and not isinstance(tree, exp.Subquery)):
        raise PlanError(f"{text[:80]!r} is not an expression.", fix="Write one SQL expression.")
    return tree


Edit = tuple[int, int, "str | Reference"]


@dataclass(frozen=True, slots=True)
class _Found:
    """What stands in a text: `holes` by name, those of them that were met, and named views."""

    holes: dict[str, Reference]
    filled: set[str]
    named: set[str]


def _edits(
    tree: exp.Expr, found: _Found, known: dict[str, tuple[str, str]], qualifier: str
) -> Iterator[Edit]:
    """Places (start, end) and what comes there; nothing is taken out of subqueries' own columns."""
    from sqlglot import exp

    for node in tree.find_all(exp.Column, exp.Identifier):
        if isinstance(node, exp.Identifier):
            hole = found.holes.get(node.name)
            if hole is not None and "start" in node.meta:
                found.filled.add(node.name)
                yield node.meta["start"], node.meta["end"] + 1, _whole(hole, qualifier)
            continue
        first = _first_identifier(node)
        if first is None or "start" not in first.meta or first.name in found.holes:
            continue
        if _in_subquery(node, tree):
            continue
        start, end = first.meta["start"], first.meta["end"] + 1
        if node.args.get("table") is None:
            yield start, start, f"{qualifier}."
        elif first.name.lower() in known:
            name, quoted = known[first.name.lower()]
            found.named.add(name)
            yield start, end, quoted
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


def _in_subquery(node: exp.Expr, tree: exp.Expr) -> bool:
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


def _described(tree: exp.Expr, parts: tuple[str | Reference, ...]) -> Fragment:
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
        type=_type(tree),
    )


def _aggregates(node: exp.Expr, tree: exp.Expr) -> bool:
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


def _strict(tree: exp.Expr) -> bool:
    from sqlglot import exp

    allowed = (
        *(exp.Column, exp.Identifier, exp.Literal, exp.Paren, exp.Neg),
        *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Cast, exp.DataType),
    )
    nodes = list(tree.walk())
    return all(isinstance(node, allowed) for node in nodes) and any(
        isinstance(node, exp.Column) for node in nodes
    )


def _type(tree: exp.Expr) -> DataType:
    """What the text itself says that it gives: by a cast, a comparison or arithmetic."""
    from sqlglot import exp

    root = tree.unnest()
    if isinstance(root, exp.Predicate | exp.Connector | exp.Not):
        return DataType.BOOLEAN
    if isinstance(root, exp.Literal):
        return DataType.STRING if root.is_string else DataType.NUMBER
    if isinstance(root, exp.Cast):
        return _cast_types().get(root.to.this, DataType.UNKNOWN)
    if isinstance(root, exp.Mul | exp.Div):
        return DataType.NUMBER
    return DataType.UNKNOWN


@functools.cache
def _cast_types() -> dict[object, DataType]:
    from sqlglot import exp

    kinds = exp.DataType
    types: dict[object, DataType] = dict.fromkeys(kinds.NUMERIC_TYPES, DataType.NUMBER)
    types |= dict.fromkeys(kinds.TEXT_TYPES, DataType.STRING)
    zoned = (kinds.Type.TIMESTAMPTZ, kinds.Type.TIMESTAMPLTZ)
    types |= dict.fromkeys(kinds.TEMPORAL_TYPES, DataType.TIMESTAMP)
    types |= dict.fromkeys(zoned, DataType.TIMESTAMP_TZ)
    types |= {kinds.Type.DATE: DataType.DATE, kinds.Type.DATE32: DataType.DATE}
    return types | {kinds.Type.BOOLEAN: DataType.BOOLEAN}
