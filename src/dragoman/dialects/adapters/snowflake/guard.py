"""What reads elsewhere and may write in Snowflake, which has no read-only session.

Source: Snowflake documentation, "Flow operators", "CALL (with anonymous procedure)", "System
functions".
"""

from __future__ import annotations

from typing import Any, Final

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

_FIX: Final = "Send one statement that reads, such as SELECT."


def refuse_hidden_writes(sql: str) -> None:
    """Raise `DatabaseFailure` (read_only) for a statement that may do more than read.

    `->>` chains statements of any kind, WITH ... AS PROCEDURE runs a program, and SYSTEM$ functions
    act on sessions, tasks and secrets.
    """
    from sqlglot.dialects.snowflake import Snowflake

    tokens: list[Any] = list(Snowflake().tokenize(sql))
    words = [_word(token) for token in tokens]
    for index, word in enumerate(words):
        if word.startswith("SYSTEM$"):
            raise _refused("SYSTEM$ functions are not allowed.")
        if word == "PROCEDURE" and index and words[index - 1] == "AS":
            raise _refused("Procedures are not allowed.")
    # However the tokenizer cuts it: `->` and `>` may be tokens of their own.
    if any(sql.startswith("->>", token.start) for token in tokens):
        raise _refused("A chain of statements (->>) is not allowed.")


def _word(token: Any) -> str:
    """The token in capitals; empty for quoted names and strings, whose text is shorter."""
    whole = token.end - token.start + 1 == len(token.text)
    return str(token.text).upper() if whole else ""


def _refused(message: str) -> DatabaseFailure:
    return DatabaseFailure(Stage.QUERY, Cause.READ_ONLY, message, _FIX)
