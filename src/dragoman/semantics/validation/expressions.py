"""SQL that people wrote: does it parse in the connection's dialect, has it aggregates?

References (`${…}`) become names before it is parsed, so nothing of the text is rewritten. SQL with
mustache sections (`{{# … }}`) has many readings and is not parsed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from dragoman.semantics.model.references import Reference, SqlText

# What needs no parser: a number, a quoted name, one reference.
_SIMPLE = re.compile(r'\s*(?:"[^"]*"|`[^`]*`|\[[^\]]*\]|\d+(?:\.\d+)?|\$\{[^{}]*\})\s*')
_TEMPLATE = re.compile(r"\{\{[^#^/{}][^{}]*\}\}")
_SECTION = re.compile(r"\{\{\s*[#^/]")
_LONGEST = 200_000


@dataclass(frozen=True, slots=True)
class Parsed:
    """`error`: why it does not parse. `aggregates`: functions over many rows, outside windows.

    `calls`: whether it has functions that the parser does not know. `opaque`: it was not parsed.
    """

    error: str | None = None
    aggregates: tuple[str, ...] = ()
    calls: bool = False
    opaque: bool = False


_PLAIN = Parsed()
_OPAQUE = Parsed(opaque=True)


class Expressions:
    """Parses each text once. `dialect`: of a connection; None or one without a parser: nothing is
    parsed.
    """

    def __init__(self, dialect: str | None) -> None:
        self._dialect = _sqlglot_name(dialect)
        self._known: dict[tuple[str, bool], Parsed] = {}

    def expression(self, sql: SqlText) -> Parsed:
        """A value or a condition."""
        return self._parsed(sql, statement=False)

    def statement(self, sql: SqlText) -> Parsed:
        """A SELECT."""
        return self._parsed(sql, statement=True)

    def _parsed(self, sql: SqlText, statement: bool) -> Parsed:
        if self._dialect is None:
            return _OPAQUE
        if len(sql.text) > _LONGEST:
            return Parsed(f"It has more than {_LONGEST:,} characters")
        if not statement and _SIMPLE.fullmatch(sql.text):
            return _PLAIN
        if _SECTION.search(sql.text):
            return _OPAQUE
        key = (sql.text, statement)
        if key not in self._known:
            self._known[key] = _parse(_with_names(sql), self._dialect, statement)
        return self._known[key]


def _sqlglot_name(dialect: str | None) -> str | None:
    if dialect is None:
        return None
    from dragoman.dialects import registry

    return registry.get(dialect).declaration.sqlglot


def _with_names(sql: SqlText) -> str:
    parts = [
        f"ref_{at}_" if isinstance(part, Reference) else part for at, part in enumerate(sql.parts)
    ]
    return _TEMPLATE.sub("tpl_", "".join(parts))


def _parse(text: str, dialect: str, statement: bool) -> Parsed:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        trees = sqlglot.parse(text if statement else f"SELECT {text}", read=dialect)
    except SqlglotError as error:
        return Parsed(_reason(error))
    except RecursionError:
        return Parsed("It is nested too deeply")
    tree: Any = trees[0] if len(trees) == 1 else None
    if statement:
        return _PLAIN if isinstance(tree, exp.Query) else Parsed("It is not a SELECT")
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or tree.args.get("from_"):
        return Parsed("It is not one expression")
    unknown = tree.find(exp.Anonymous, exp.AnonymousAggFunc) is not None
    return Parsed(aggregates=tuple(_aggregates(tree.expressions[0])), calls=unknown)


def _reason(error: Any) -> str:
    found = getattr(error, "errors", None)
    text = found[0].get("description") if found else str(error)
    return str(text).splitlines()[0].replace("\x1b[4m", "").replace("\x1b[0m", "")[:300]


def _aggregates(tree: Any) -> list[str]:
    """Names of aggregate functions that stand for themselves: not in a window or a subquery."""
    from sqlglot import exp

    found: list[str] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (exp.Window, exp.Query)):
            continue
        if isinstance(node, exp.AggFunc):
            found.append(node.sql_name())
            continue
        waiting.extend(node.iter_expressions())
    return found
