"""Errors of MySQL, MariaDB and pymysql as `DatabaseFailure`, by their number.

Sources: MySQL documentation, "Server Error Message Reference"; MariaDB, "Error Codes".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

UNKNOWN_TIME_ZONE: Final = 1298
UNKNOWN_VARIABLE: Final = 1193
_TIMED_OUT = frozenset({1969, 3024})  # MariaDB, MySQL
_ANONYMOUS = (
    "Check user name and password. A fresh MariaDB has anonymous users: ''@'localhost' comes "
    "before 'name'@'%', and a right password is then refused; drop the anonymous users."
)
_BY_NUMBER: dict[int, Cause] = {
    1040: Cause.TOO_MANY_CONNECTIONS,
    1044: Cause.PERMISSION_DENIED,
    1045: Cause.AUTHENTICATION_FAILED,
    1046: Cause.DATABASE_NOT_FOUND,
    1049: Cause.DATABASE_NOT_FOUND,
    1054: Cause.OBJECT_NOT_FOUND,
    1064: Cause.SYNTAX_ERROR,
    1109: Cause.OBJECT_NOT_FOUND,
    1142: Cause.PERMISSION_DENIED,
    1143: Cause.PERMISSION_DENIED,
    1146: Cause.OBJECT_NOT_FOUND,
    1203: Cause.TOO_MANY_CONNECTIONS,
    1226: Cause.TOO_MANY_CONNECTIONS,
    1227: Cause.PERMISSION_DENIED,
    1290: Cause.READ_ONLY,
    1305: Cause.OBJECT_NOT_FOUND,
    1317: Cause.CANCELLED,
    1698: Cause.AUTHENTICATION_FAILED,
    1792: Cause.READ_ONLY,
    1836: Cause.READ_ONLY,
    1927: Cause.CONNECTION_LOST,
    1969: Cause.QUERY_TIMEOUT,
    2006: Cause.CONNECTION_LOST,
    2013: Cause.CONNECTION_LOST,
    2014: Cause.CONNECTION_LOST,
    3024: Cause.QUERY_TIMEOUT,
}


def number(error: Exception) -> int | None:
    """The error's number; None where the driver gave none."""
    arguments: tuple[Any, ...] = error.args
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def connect_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of signing in (the network and TLS raise their own)."""
    code = number(error)
    if code is None or code == 0:
        return DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.OTHER,
            "The server's answer makes no sense to the MySQL driver.",
            "Check host, port and dialect.",
        )
    message = _message(error, secrets)
    cause = _BY_NUMBER.get(code, Cause.OTHER)
    if cause is Cause.CONNECTION_LOST and "timed out" in str(error):
        cause = Cause.TIMEOUT
    if code in (1044, 1049):
        return DatabaseFailure(
            Stage.DATABASE,
            Cause.DATABASE_NOT_FOUND if code == 1049 else Cause.PERMISSION_DENIED,
            message,
            "Check the name of the database. A user without rights on it gets the same answer "
            "whether it exists or not.",
            str(code),
        )
    fix = _ANONYMOUS if cause is Cause.AUTHENTICATION_FAILED else None
    return DatabaseFailure(Stage.AUTHENTICATION, cause, message, fix, str(code))


def query_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of a statement."""
    code = number(error)
    if isinstance(error, RuntimeError) and "local_infile" in str(error):
        return DatabaseFailure(
            Stage.QUERY,
            Cause.CONNECTION_LOST,
            "The server asked for a file of this machine. It was refused and the session ended.",
            "Find out why: a well-behaved server never does.",
        )
    if code is None and isinstance(error, OSError):
        code = 2013
    cause = _BY_NUMBER.get(code or 0, Cause.OTHER)
    if cause is Cause.CONNECTION_LOST:
        message = "The database closed the connection."
        return DatabaseFailure(Stage.QUERY, cause, message, None, str(code))
    return DatabaseFailure(
        Stage.QUERY, cause, _message(error, secrets), None, str(code) if code else None
    )


def is_time_out(failure: DatabaseFailure) -> bool:
    """Whether the server stopped the statement at its time limit."""
    return failure.code is not None and int(failure.code) in _TIMED_OUT


def _message(error: Exception, secrets: Mapping[str, SecretStr]) -> str:
    arguments: tuple[Any, ...] = error.args
    text = str(arguments[1]) if len(arguments) > 1 else str(error)
    return tidy(text, secrets) or "The database gave no reason."
