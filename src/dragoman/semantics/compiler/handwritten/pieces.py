"""What the trees of pieces say: where aggregates stand, and what is inside them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING

from dragoman.semantics.compiler.handwritten.statement import Piece

if TYPE_CHECKING:
    from sqlglot import exp


class Use(Enum):
    """Where a reference stands."""

    OUTSIDE = 1
    INSIDE = 2  # an aggregate of rows


def aggregates(tree: exp.Expr) -> int:
    """How many aggregates of rows there are that stand in no other."""
    return sum(1 for node in _aggregates(tree) if not _within_one(node))


def windowed(tree: exp.Expr) -> bool:
    """Whether something is worked out over other rows."""
    from sqlglot import exp

    return tree.find(exp.Window) is not None


def uses(piece: Piece) -> Iterator[Use]:
    """Where each reference of a piece stands, in the order of the text."""
    from sqlglot import exp

    inside = {node.name for node in piece.tree.find_all(exp.Column) if _within_one(node)}
    for hole in piece.holes:
        yield Use.INSIDE if hole in inside else Use.OUTSIDE


def _aggregates(tree: exp.Expr) -> Iterator[exp.Expr]:
    from sqlglot import exp

    return (node for node in tree.find_all(exp.AggFunc) if _of_rows(node))


def _of_rows(node: exp.Expr) -> bool:
    """Whether an aggregate brings rows together, and is not the function of a window."""
    from sqlglot import exp

    around = (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls)
    inner, above = node, node.parent
    while isinstance(above, around) and above.this is inner:
        inner, above = above, above.parent
    return not (isinstance(above, exp.Window) and above.this is inner)


def _within_one(node: exp.Expr) -> bool:
    """Whether it stands in an aggregate of rows: in its arguments, FILTER or order."""
    from sqlglot import exp

    inner, above = node, node.parent
    while above is not None:
        if isinstance(above, exp.AggFunc) and _of_rows(above):
            return True
        beside = isinstance(above, exp.Filter | exp.WithinGroup) and above.this is not inner
        if beside and isinstance(above.this.unnest(), exp.AggFunc) and _of_rows(above.this):
            return True
        inner, above = above, above.parent
    return False
