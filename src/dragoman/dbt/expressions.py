"""SQL of a dbt project with its columns turned into references of the modeling language.

The text stays as it was written; only names that are known columns become `${dimension}`.
"""

from __future__ import annotations

from collections.abc import Mapping

_CALLED = "("
_KINDS = frozenset({"VAR", "IDENTIFIER"})


class Unreadable(ValueError):
    """The SQL has no tokens in this dialect."""


def referenced(sql: str, names: Mapping[str, str], dialect: str | None = None) -> str:
    """The SQL with each name that is a key of `names` (lower case) replaced by its value.

    A name after a dot, before a dot or before a parenthesis is none of ours. Raises `Unreadable`.
    """
    from sqlglot import Dialect
    from sqlglot.errors import SqlglotError

    try:
        tokens = Dialect.get_or_raise(dialect).tokenize(sql)
    except (SqlglotError, ValueError) as error:
        raise Unreadable(f"{sql[:80]!r} cannot be read: {error}"[:300]) from None
    parts: list[str] = []
    end = 0
    for place, token in enumerate(tokens):
        before = tokens[place - 1].text if place else ""
        after = tokens[place + 1].text if place + 1 < len(tokens) else ""
        named = token.token_type.name in _KINDS or token.text.isidentifier()
        if not named or before == "." or after in (".", _CALLED):
            continue
        quoted_text = token.token_type.name == "STRING"
        wanted = None if quoted_text else names.get(token.text.lower())
        if wanted is None:
            continue
        parts += [sql[end : token.start], wanted]
        end = token.end + 1
    return "".join([*parts, sql[end:]])


def is_name(sql: str) -> bool:
    """Whether an expression is nothing but a name."""
    return sql.strip().strip('"`').isidentifier()


def name_in(sql: str) -> str:
    """The name that an expression is, in lower case."""
    return sql.strip().strip('"`').lower()
