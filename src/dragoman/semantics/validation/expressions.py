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
_NAME = re.compile(r"ref_(\d+)_")
_ANSI = re.compile(r"\x1b\[\d*m")
# What the parser says of its own classes.
_MISSING = re.compile(r"Required keyword: .*")
_NEAR = 40
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
            self._known[key] = _parse(sql, self._dialect, statement)
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


def _parse(sql: SqlText, dialect: str, statement: bool) -> Parsed:
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    text = _with_names(sql)
    try:
        trees = sqlglot.parse(text if statement else f"SELECT {text}", read=dialect)
    except SqlglotError as error:
        return Parsed(_reason(error, sql))
    except RecursionError:
        return Parsed("It is nested too deeply")
    tree: Any = trees[0] if len(trees) == 1 else None
    if statement:
        return _PLAIN if isinstance(tree, exp.Query) else Parsed("It is not a SELECT")
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or tree.args.get("from_"):
        return Parsed("It is not one expression")
    unknown = tree.find(exp.Anonymous, exp.AnonymousAggFunc) is not None
    return Parsed(aggregates=tuple(_aggregates(tree.expressions[0])), calls=unknown)


def _reason(error: Any, sql: SqlText) -> str:
    """The parser's reason, and the text around the place, as it was written."""
    several: list[dict[str, Any]] = getattr(error, "errors", None) or [{}]
    found = several[0]
    said = str(found.get("description") or error).splitlines()[0]
    said = _ANSI.sub("", _MISSING.sub("Something is missing", said))[:300]
    near = f"{found.get('start_context') or ''}{found.get('highlight') or ''}"
    near = _NAME.sub(lambda name: _written(sql, name), near.removeprefix("SELECT "))[-_NEAR:]
    return f"{said} near `{' '.join(near.split())}`" if near.strip() else said


def _written(sql: SqlText, name: re.Match[str]) -> str:
    """The reference that a name stands for."""
    part = sql.parts[int(name[1])] if int(name[1]) < len(sql.parts) else ""
    return part.text if isinstance(part, Reference) else name[0]


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
