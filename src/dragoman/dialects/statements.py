"""The second line of defence: one statement, and one that reads.

The first line is the session, which the database itself keeps read-only. This one gives early,
plain messages, and stops what a read-only session would let pass (SET, a second statement).
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token

READING = frozenset(
    {"SELECT", "WITH", "VALUES", "TABLE", "SHOW", "EXPLAIN", "DESCRIBE", "DESC", "("}
)
_MORE_READING = {"duckdb": frozenset({"FROM", "SUMMARIZE", "PIVOT", "UNPIVOT"})}
WRITING = frozenset(
    {
        "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "TRUNCATE", "UPSERT", "CREATE", "DROP",
        "ALTER", "COPY", "CALL", "EXECUTE", "EXEC", "GRANT", "REVOKE", "REFRESH", "DO", "DECLARE",
    }
)  # fmt: skip
_LOCKS = frozenset({"UPDATE", "SHARE", "NO", "KEY"})
_EXPLAINING = frozenset({"EXPLAIN", "DESCRIBE", "DESC"})
_FIX = "Send one statement that reads, such as SELECT."


def single_reading_statement(sql: str, dialect: str | None) -> str:
    """The statement without comments and semicolons around it.

    `dialect` is sqlglot's name. Raises `DatabaseFailure` (query): syntax_error for text that is no
    single statement, read_only for one that may write.
    """
    if "\x00" in sql:
        raise _not_one("The statement has a NUL character.")
    tokens = _one_statement(_tokens(sql, dialect))
    _balanced(tokens)
    words = [_word(token) for token in tokens]
    first = next((word for word in words if word != "("), "(")
    if first not in READING and first not in _MORE_READING.get(dialect or "", ()):
        raise _writes(f"{first} is not a statement that reads.")
    _only_reads(words, explained=first in _EXPLAINING)
    return sql[tokens[0].start : tokens[-1].end + 1]


def first_keyword(statement: str) -> str:
    """The first word of a statement that `single_reading_statement` returned, in capitals."""
    bare = statement.lstrip("( \t\r\n")
    end = next((i for i, c in enumerate(bare) if not (c.isalnum() or c == "_")), len(bare))
    return bare[:end].upper()


@functools.cache
def _sqlglot_dialect(dialect: str | None) -> Any:
    from sqlglot import Dialect

    return Dialect.get_or_raise(dialect)


def _tokens(sql: str, dialect: str | None) -> list[Token]:
    """All tokens. What sqlglot swallows after a command word (SHOW, EXPLAIN) is read again."""
    from sqlglot.errors import SqlglotError
    from sqlglot.tokenizer_core import TokenType

    swallowing = {TokenType.COMMAND, TokenType.EXECUTE, TokenType.FETCH, TokenType.SHOW}
    found: list[Token] = []
    offset = 0
    while True:
        # Blanks in place of what was read keep the positions right.
        rest = " " * offset + sql[offset:]
        try:
            tokens: list[Token] = list(_sqlglot_dialect(dialect).tokenize(rest))
        except SqlglotError as error:
            raise _not_one("The statement has an open quote or comment.") from error
        _refuse_live_comments(tokens)
        stop = next((i for i, t in enumerate(tokens) if t.token_type in swallowing), None)
        if stop is None:
            return found + tokens
        found += tokens[: stop + 1]
        offset = tokens[stop].end + 1


def _refuse_live_comments(tokens: list[Token]) -> None:
    """MySQL and MariaDB run the text of `/*! */` and `/*M! */` comments; tokens hide it."""
    for token in tokens:
        if any(comment.lstrip("M").startswith("!") for comment in token.comments):
            raise _writes("Comments that the server runs (/*! */) are not allowed.")


def _one_statement(tokens: list[Token]) -> list[Token]:
    while tokens and _is_symbol(tokens[-1], ";"):
        tokens = tokens[:-1]
    if not tokens:
        raise _not_one("The statement is empty.")
    if any(_is_symbol(token, ";") for token in tokens):
        raise _not_one("There is more than one statement.")
    return tokens


def _balanced(tokens: list[Token]) -> None:
    """Text that closes a parenthesis it did not open could leave a wrapping of the driver."""
    depth = 0
    for token in tokens:
        depth += _is_symbol(token, "(") - _is_symbol(token, ")")
        if depth < 0:
            break
    if depth:
        raise _not_one("The parentheses do not match.")


def _is_symbol(token: Token, symbol: str) -> bool:
    return token.text == symbol and token.end == token.start


def _word(token: Token) -> str:
    """The token in capitals; empty for quoted names, strings and numbers."""
    from sqlglot.tokenizer_core import TokenType

    if token.token_type in {TokenType.NUMBER, TokenType.IDENTIFIER}:
        return ""
    # A string's token is longer than its text, by the quotes.
    return token.text.upper() if token.end - token.start + 1 == len(token.text) else ""


def _only_reads(words: list[str], *, explained: bool) -> None:
    for index, word in enumerate(words):
        before = words[index - 1] if index else ""
        after = words[index + 1] if index + 1 < len(words) else ""
        if word == "INTO":
            raise _writes("INTO writes.")
        if word == "FOR" and after in _LOCKS:
            raise _writes("Locking rows (FOR UPDATE, FOR SHARE) is not reading.")
        if word in WRITING and after != "(" and (explained or before in {"(", ")", "AS"}):
            raise _writes(f"{word} writes.")


def _not_one(message: str) -> DatabaseFailure:
    return DatabaseFailure(Stage.QUERY, Cause.SYNTAX_ERROR, message, _FIX)


def _writes(message: str) -> DatabaseFailure:
    return DatabaseFailure(Stage.QUERY, Cause.READ_ONLY, message, _FIX)
