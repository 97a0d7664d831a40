"""Errors of Snowflake as `DatabaseFailure`, by their number.

Sources: Snowflake documentation, "Troubleshooting: login error codes"; the numbers of compilation
errors (000904, 002003, ...) are those that its messages carry.
"""

from __future__ import annotations

import re
from typing import Final

from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy

_BY_NUMBER: Final[dict[int, Cause]] = {
    604: Cause.CANCELLED,
    630: Cause.QUERY_TIMEOUT,
    904: Cause.OBJECT_NOT_FOUND,
    1003: Cause.SYNTAX_ERROR,
    1044: Cause.SYNTAX_ERROR,
    2003: Cause.OBJECT_NOT_FOUND,
    2043: Cause.OBJECT_NOT_FOUND,
    2140: Cause.OBJECT_NOT_FOUND,
    3001: Cause.PERMISSION_DENIED,
    90105: Cause.OBJECT_NOT_FOUND,
    90106: Cause.OBJECT_NOT_FOUND,
    390104: Cause.CONNECTION_LOST,
    390111: Cause.CONNECTION_LOST,
    390112: Cause.CONNECTION_LOST,
    390114: Cause.CONNECTION_LOST,
    390195: Cause.CONNECTION_LOST,
}
_SIGN_IN: Final[dict[int, Cause]] = {
    250001: Cause.AUTHENTICATION_FAILED,
    390100: Cause.AUTHENTICATION_FAILED,
    390101: Cause.AUTHENTICATION_FAILED,
    390102: Cause.AUTHENTICATION_FAILED,
    390144: Cause.AUTHENTICATION_FAILED,
    390303: Cause.AUTHENTICATION_FAILED,  # a person's token is invalid; the next: has ended
    390318: Cause.AUTHENTICATION_FAILED,
    390201: Cause.DATABASE_NOT_FOUND,
    390422: Cause.PERMISSION_DENIED,
}
_JWT: Final = 390144
_NO_DATABASE: Final = 390201
_TIME_OUT_WORDS: Final = re.compile(r"statement or warehouse timeout|STATEMENT_TIMEOUT", re.I)
# The connector puts number, SQLSTATE and its own name before the database's words.
_PREFIX: Final = re.compile(r"^\s*(?:\d{6} \([0-9A-Z]{5}\):\s*)?(?:[0-9a-f-]{36}:\s*)?")


def number(error: Exception) -> int | None:
    """The error's number; None where the connector gave none."""
    found = getattr(error, "errno", None)
    return found if isinstance(found, int) and found > 0 else None


def connect_failure(error: Exception, target: Target) -> DatabaseFailure:
    """The failure of signing in (the network and TLS raise their own)."""
    code = number(error)
    if code is None or not hasattr(error, "raw_msg"):
        return DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.OTHER,
            "Something answers over HTTPS, but not as Snowflake does.",
            "Check the account identifier (host) or hostOverride.",
        )
    message = _message(error, target)
    cause = _SIGN_IN.get(code, Cause.OTHER)
    if code == _NO_DATABASE:
        fix = "Check database and defaultSchema, and that the user's role may use them."
        return DatabaseFailure(Stage.DATABASE, cause, message, fix, str(code))
    fix = "Check user name and password."
    if code == _JWT or target.secrets.get("privateKey"):
        fix = "Check the user name, and that the user's RSA_PUBLIC_KEY belongs to this key."
    asked = fix if cause is Cause.AUTHENTICATION_FAILED else None
    return DatabaseFailure(Stage.AUTHENTICATION, cause, message, asked, str(code))


def query_failure(error: Exception, target: Target) -> DatabaseFailure:
    """The failure of a statement."""
    code = number(error)
    cause = _BY_NUMBER.get(code or 0, Cause.OTHER)
    message = _message(error, target)
    if cause is Cause.CANCELLED and _TIME_OUT_WORDS.search(message):
        cause = Cause.QUERY_TIMEOUT
    if cause is Cause.CONNECTION_LOST:
        message = "The database ended the session."
    return DatabaseFailure(Stage.QUERY, cause, message, None, str(code) if code else None)


def _message(error: Exception, target: Target) -> str:
    said = str(getattr(error, "raw_msg", None) or error)
    return tidy(_PREFIX.sub("", said), target.secrets) or "The database gave no reason."
