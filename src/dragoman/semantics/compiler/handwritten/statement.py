"""One SELECT over one topic or view, read into its clauses.

Tokens say where a clause begins and ends; a tree of the same tokens says what may be there. Each
piece is read once more by itself and must be what stands in the tree: so a piece that is later put
between parentheses is what the reader took it for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dragoman.dialects.sql import SqlFunctions
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.compiler.handwritten.allowed import check
from dragoman.semantics.compiler.handwritten.tokens import (
    VERBATIM,
    Kind,
    Token,
    joined,
    sql_of,
    tokens_of,
)
from dragoman.semantics.model.references import Reference, SqlText

if TYPE_CHECKING:
    from sqlglot import exp

_CLAUSES = ("SELECT", "FROM", "WHERE", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "OFFSET", "FETCH")
_ARGS = {
    *("expressions", "from_", "where", "group", "having", "order", "limit", "offset", "distinct"),
}
_WORDS_OF_ARGS = {
    "joins": ("A JOIN", "Refer to ${view.field}: the model says how its view is joined."),
    "laterals": ("LATERAL", "Make it a query view of the model."),
    "with_": ("WITH", "Make it a query view of the model, and refer to that."),
    "into": ("INTO", "Leave it out."),
    "locks": ("A lock", "Leave it out."),
    "qualify": ("QUALIFY", "Make it a query view of the model, and filter that."),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """An expression. `alias`: the name that the text gives it; `tree`: of the text with sentinels,
    which `holes` leads back to references."""

    sql: SqlText
    tree: exp.Expr
    holes: dict[str, Reference]
    alias: str | None = None

    @property
    def bare(self) -> Reference | None:
        """The reference, where the piece is nothing else."""
        return self.sql.parts[0] if len(self.sql.parts) == 1 and self.sql.references else None  # type: ignore[return-value]

    @property
    def place(self) -> int | None:
        """The number of a column, where the piece is nothing else."""
        return int(self.sql.text) if self.sql.text.isdigit() else None


@dataclass(frozen=True, slots=True)
class Ordering:
    """`piece` descending or not; NULLs come last unless the text says first."""

    piece: Piece
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """`source`: the topic or view after FROM. `groups` None: no GROUP BY; `groups_all`: GROUP BY
    ALL."""

    source: str
    items: tuple[Piece, ...]
    distinct: bool
    where: Piece | None
    groups: tuple[Piece, ...] | None
    groups_all: bool
    having: Piece | None
    orders: tuple[Ordering, ...]
    limit: int | None
    offset: int


def read(sql: str, functions: SqlFunctions, *, any_function: bool = False) -> Statement:
    """The statement of a text. `any_function`: functions that nobody has looked at may be called.
    Raises `PlanError`, which names the way out."""
    tokens = tokens_of(sql, functions)
    tree = _parsed(joined(tokens), functions.parser)
    _check_shape(tree)
    clauses = _clauses(tokens)
    reader = _Reader(functions.parser, any_function)
    items = reader.items(_without_head(clauses["SELECT"]), tree.expressions)
    group = tree.args.get("group")
    orders = tree.args.get("order")
    where, having = tree.args.get("where"), tree.args.get("having")
    return Statement(
        _source(tree, tokens),
        tuple(items),
        tree.args.get("distinct") is not None,
        None if where is None else reader.piece(clauses["WHERE"], where.this),
        _groups(group, clauses, reader),
        bool(group is not None and group.args.get("all")),
        None if having is None else reader.piece(clauses["HAVING"], having.this),
        tuple(reader.orders(clauses["ORDER BY"], orders.expressions)) if orders else (),
        _count(tree.args.get("limit")),
        _count(tree.args.get("offset")) or 0,
    )


def _parsed(text: str, parser: str) -> exp.Select:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        found = sqlglot.parse(text, dialect=parser)
    except (SqlglotError, RecursionError):
        raise PlanError("The SQL cannot be read.", fix=f"Check it. {VERBATIM}") from None
    tree: Any = found[0] if len(found) == 1 else None
    if isinstance(tree, exp.SetOperation):
        raise PlanError(
            f"{type(tree).__name__.upper()} has no place in SQL with references.",
            fix="Ask twice, or make it a query view of the model.",
        )
    if not isinstance(tree, exp.Select):
        raise PlanError("SQL with references is one SELECT.", fix=VERBATIM)
    return tree


def _check_shape(tree: exp.Select) -> None:
    for name, value in tree.args.items():
        if value and name not in _ARGS:
            what, fix = _WORDS_OF_ARGS.get(name, (name.strip("_").upper(), VERBATIM))
            raise PlanError(f"{what} has no place in SQL with references.", fix=fix)
    distinct = tree.args.get("distinct")
    if distinct is not None and distinct.args.get("on") is not None:
        raise PlanError("DISTINCT ON has no place in SQL with references.", fix="Use GROUP BY.")


def _source(tree: exp.Select, tokens: Sequence[Token]) -> str:
    """The name after FROM."""
    from sqlglot import exp

    fix = "Write FROM ${topic} or FROM ${view}."
    source = tree.args.get("from_")
    if source is None:
        raise PlanError("The SQL has references and no FROM.", fix=fix)
    table = source.this
    extra = [name for name, value in table.args.items() if value and name not in ("this", "alias")]
    if not isinstance(table, exp.Table) or extra:
        raise PlanError("FROM takes one topic or view.", fix=fix)
    found = _holes(tokens).get(table.name)
    if found is None:
        raise PlanError(
            f"The table {table.name[:60]!r} is no part of the model.", fix=f"{fix} {VERBATIM}"
        )
    if found.whole_view is None:
        raise PlanError(f"{found.text[:60]} is no topic and no view.", fix=fix)
    return found.whole_view


def _clauses(tokens: Sequence[Token]) -> dict[str, list[Token]]:
    """The tokens of each clause, without its own words."""
    found: dict[str, list[Token]] = {}
    here: list[Token] = []
    for at, depth in _outside(tokens):
        word = tokens[at].word if depth == 0 else ""
        # `IS DISTINCT FROM` is an operator.
        if word in _CLAUSES and not (word == "FROM" and tokens[at - 1].word == "DISTINCT"):
            if word in found:
                raise PlanError("The SQL cannot be read.", fix=f"Check it. {VERBATIM}")
            here = found[word] = []
        else:
            here.append(tokens[at])
    return found


def _outside(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    """Each token with how many parentheses are open."""
    depth = 0
    for at, token in enumerate(tokens):
        word = token.word
        depth -= word == ")"
        yield at, depth
        depth += word == "("


def _without_head(tokens: Sequence[Token]) -> list[Token]:
    """What is selected, without DISTINCT, ALL and TOP."""
    found = list(tokens)
    while found and found[0].word in ("DISTINCT", "ALL"):
        found.pop(0)
    if found and found[0].word == "TOP":
        bracketed = len(found) > 1 and found[1].word == "("
        found = found[4 if bracketed else 2 :]
    return found


def _groups(
    group: exp.Group | None, clauses: dict[str, list[Token]], reader: _Reader
) -> tuple[Piece, ...] | None:
    from sqlglot import exp

    if group is None or group.args.get("all"):
        return None
    sets = any(
        isinstance(each, exp.Cube | exp.Rollup | exp.GroupingSets) for each in group.expressions
    )
    if sets or any(value for name, value in group.args.items() if name != "expressions"):
        raise PlanError(
            "GROUP BY takes expressions only.", fix="Ask for totals by column_totals of the query."
        )
    return tuple(reader.items(clauses["GROUP BY"], group.expressions))


def _count(node: Any) -> int | None:
    """The number of a LIMIT, TOP, FETCH or OFFSET."""
    from sqlglot import exp

    if node is None:
        return None
    value = node.args.get("count") if isinstance(node, exp.Fetch) else node.args.get("expression")
    options = node.args.get("limit_options")
    ties = options is not None and (options.args.get("percent") or options.args.get("with_ties"))
    number = value.name if isinstance(value, exp.Literal) else ""
    if not number.isdigit() or len(number) > 9 or ties or node.args.get("expressions"):
        raise PlanError("LIMIT and OFFSET take one whole number each.", fix="Write it out.")
    return int(number)


def _holes(tokens: Sequence[Token]) -> dict[str, Reference]:
    return {each.text: each.reference for each in tokens if each.reference is not None}


class _Reader:
    """Reads the pieces of clauses."""

    def __init__(self, parser: str, any_function: bool) -> None:
        self.parser = parser
        self.any_function = any_function

    def items(self, tokens: Sequence[Token], trees: Sequence[exp.Expr]) -> list[Piece]:
        """The pieces between commas."""
        parts = _split(tokens)
        if len(parts) != len(trees):
            raise _unclear(joined(tokens))
        return [self.item(part, tree) for part, tree in zip(parts, trees, strict=True)]

    def item(self, tokens: Sequence[Token], tree: exp.Expr) -> Piece:
        """A piece that may have a name."""
        from sqlglot import exp

        if not isinstance(tree, exp.Alias):
            return self.piece(tokens, tree)
        name, rest = tokens[-1], list(tokens[:-1])
        if rest and rest[-1].word == "AS":
            rest.pop()
        if name.kind is Kind.REFERENCE:
            raise PlanError("A name after AS is no reference.", fix="Write a plain name.")
        return self.piece(rest, tree.this, name.said)

    def orders(self, tokens: Sequence[Token], trees: Sequence[exp.Expr]) -> Iterator[Ordering]:
        """The pieces of ORDER BY."""
        parts = _split(tokens)
        if len(parts) != len(trees):
            raise _unclear(joined(tokens))
        for part, tree in zip(parts, trees, strict=True):
            left = list(part)
            first = _ends_with(left, "NULLS", "FIRST")
            if not first:
                _ends_with(left, "NULLS", "LAST")
            descending = _ends_with(left, "DESC")
            if not descending:
                _ends_with(left, "ASC")
            yield Ordering(self.piece(left, tree.this), descending, not first)

    def piece(self, tokens: Sequence[Token], tree: exp.Expr, alias: str | None = None) -> Piece:
        """A piece that is what stands in the tree, and has only what may stand there."""
        import sqlglot
        from sqlglot.errors import SqlglotError

        text = joined(tokens)
        try:
            again = sqlglot.parse_one(text, dialect=self.parser)
        except (SqlglotError, RecursionError):
            raise _unclear(text) from None
        if again != tree:
            raise _unclear(text)
        check(tree, any_function=self.any_function)
        holes = _holes(tokens)
        _check_columns(tree, holes)
        return Piece(sql_of(tokens), tree, holes, alias)


def _check_columns(tree: exp.Expr, holes: dict[str, Reference]) -> None:
    """References stand where columns do, each by itself. Other names are left to `question`, which
    knows what the text calls so."""
    from sqlglot import exp

    met = 0
    for node in tree.find_all(exp.Column):
        if len(node.parts) > 1:
            raise PlanError(
                f"{node.sql()[:60] if not holes else 'A name with a dot'} is a column of the"
                " database's own, which no rule protects.",
                fix="Refer to a field: ${view.field}.",
            )
        met += node.name in holes
    # One is met in the place of a column, or it is the name of something else: a function, a type.
    if met != len(holes):
        raise PlanError("A reference stands where no value can.", fix="Check the SQL.")


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for at, depth in _outside(tokens):
        if depth == 0 and tokens[at].word == ",":
            parts.append([])
        else:
            parts[-1].append(tokens[at])
    return parts


def _ends_with(tokens: list[Token], *words: str) -> bool:
    """Whether the tokens end with the words, which are taken away then."""
    if tuple(each.word for each in tokens[-len(words) :]) != words:
        return False
    del tokens[-len(words) :]
    return True


def _unclear(text: str) -> PlanError:
    return PlanError(
        f"{text[:60]!r} can be read in more than one way.", fix=f"Put parentheses. {VERBATIM}"
    )
