"""A text taken apart into tokens that are safe to put together again.

Nothing of the text is pasted: literals are written anew by the connection's own function table,
comments are gone, and of everything else only plain words, numbers and a few operators may stand.
So it does not matter where a database would see the end of a text or of a comment otherwise than
the reader here does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from dragoman.dialects.sql import SqlFunctions
from dragoman.dialects.sql.functions import NotExpressible
from dragoman.semantics.compiler.errors import PlanError
from dragoman.semantics.model.references import SENTINEL, Reference, SqlText, sql_text

if TYPE_CHECKING:
    from sqlglot.tokenizer_core import Token as Read

MAX_TEXT = 20_000
VERBATIM = 'Send "rewriteSql": false to run the text as it is, where you may.'
_WORDS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\s+[A-Za-z_][A-Za-z0-9_]*)*")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?")
_OPERATORS = {
    *("+", "-", "*", "/", "%", "||", "(", ")", ",", "."),
    *("=", "<>", "!=", "<", "<=", ">", ">=", "<=>", "::", "->", "->>"),
}
_TEXTS = ("STRING", "NATIONAL_STRING", "RAW_STRING", "HEREDOC_STRING")


class Kind(Enum):
    """What a token is."""

    TEXT = 1
    NAME = 2  # in quotes
    REFERENCE = 3
    OTHER = 4


@dataclass(frozen=True, slots=True)
class Token:
    """`text`: as it is written into a statement, the sentinel of a reference; `said`: what it says,
    without quotes."""

    kind: Kind
    text: str
    said: str
    reference: Reference | None = None

    @property
    def word(self) -> str:
        """In capitals, a keyword of several words with one blank between them; else empty."""
        return self.text.upper() if self.kind is Kind.OTHER else ""


def tokens_of(sql: str, functions: SqlFunctions) -> list[Token]:
    """The tokens of a text, semicolons at its end left out. Raises `PlanError`."""
    if len(sql) > MAX_TEXT:
        raise PlanError(f"The SQL has more than {MAX_TEXT} characters.")
    if SENTINEL in sql.lower():
        raise PlanError(f"The SQL has the word {SENTINEL}, which is reserved.")
    text, holes = sql_text(sql).with_holes()
    read = _read(text, functions.parser)
    while read and read[-1].text == ";":
        read.pop()
    return [_token(each, text, holes, functions) for each in read]


def joined(tokens: Sequence[Token]) -> str:
    """A statement of tokens, sentinels in place of references."""
    return "".join(text for text, _ in _spaced(tokens))


def sql_of(tokens: Sequence[Token]) -> SqlText:
    """Tokens as SQL with its references."""
    parts: list[str | Reference] = []
    for text, reference in _spaced(tokens):
        new = text if reference is None else reference
        if isinstance(new, str) and parts and isinstance(parts[-1], str):
            parts[-1] += new
        else:
            parts.append(new)
    return as_sql(parts)


def as_sql(parts: Sequence[str | Reference]) -> SqlText:
    """Texts and references as SQL."""
    shown = "".join(part if isinstance(part, str) else part.text for part in parts)
    return SqlText(shown, tuple(parts))


def _spaced(tokens: Sequence[Token]) -> Iterator[tuple[str, Reference | None]]:
    """Tokens and the blanks between them. None stands before a parenthesis: MySQL would not take
    the word before it for the name of a function."""
    for n, each in enumerate(tokens):
        if n and each.word != "(":
            yield " ", None
        yield each.text, each.reference


def _read(text: str, parser: str) -> list[Read]:
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        return list(sqlglot.tokenize(text, read=parser))
    except SqlglotError:
        raise PlanError("The SQL cannot be read: a text or a name in quotes has no end.") from None


def _token(read: Read, text: str, holes: dict[str, Reference], functions: SqlFunctions) -> Token:
    reference = holes.get(read.text)
    written = text[read.start : read.end + 1]
    if reference is not None and written == read.text:
        return Token(Kind.REFERENCE, read.text, read.text, reference)
    said = _restored(read.text, holes)
    kind = read.token_type.name
    if kind in _TEXTS:
        if SENTINEL in said.lower():  # by an escape of the dialect's
            raise PlanError(f"The SQL has the word {SENTINEL}, which is reserved.")
        return Token(Kind.TEXT, _written(functions.string, said), said)
    if kind == "IDENTIFIER":
        return Token(Kind.NAME, _written(functions.name, said), said)
    if said != read.text:
        raise PlanError(f"{said[:60]!r}: a reference must stand by itself.")
    if _WORDS.fullmatch(written):
        return Token(Kind.OTHER, " ".join(written.split()), written)
    if _NUMBER.fullmatch(written) or written in _OPERATORS:
        return Token(Kind.OTHER, written, written)
    if written == ";":
        raise PlanError("The SQL has more than one statement.", fix="Send one SELECT.")
    raise PlanError(
        f"{written[:40]!r} has no place in SQL with references.",
        fix="Write plain texts and operators, or put the expression into a field of the model.",
    )


def _written(write: Callable[[str], str], said: str) -> str:
    try:
        return write(said)
    except NotExpressible as problem:
        raise PlanError(f"A text or name of the SQL: {problem}.") from None


def _restored(text: str, holes: dict[str, Reference]) -> str:
    """What the client wrote, where a `${…}` stands inside a text or a name."""
    if SENTINEL not in text:
        return text
    return re.sub(
        rf"{SENTINEL}\d+_", lambda found: holes[found[0]].text if found[0] in holes else "", text
    )
