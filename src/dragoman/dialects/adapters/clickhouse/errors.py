"""Errors of ClickHouse as `DatabaseFailure`, by their number.

Source: the file src/Common/ErrorCodes.cpp of ClickHouse, which system.errors shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from dragoman.dialects.adapters.clickhouse.door import Interrupted
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

UNKNOWN_DATABASE: Final = 81
_BY_NUMBER: Final[dict[int, Cause]] = {
    16: Cause.OBJECT_NOT_FOUND,
    46: Cause.OBJECT_NOT_FOUND,
    47: Cause.OBJECT_NOT_FOUND,
    60: Cause.OBJECT_NOT_FOUND,
    62: Cause.SYNTAX_ERROR,
    UNKNOWN_DATABASE: Cause.DATABASE_NOT_FOUND,
    159: Cause.QUERY_TIMEOUT,
    160: Cause.QUERY_TIMEOUT,  # stopped early, since it would take too long
    164: Cause.READ_ONLY,
    192: Cause.AUTHENTICATION_FAILED,
    193: Cause.AUTHENTICATION_FAILED,
    194: Cause.AUTHENTICATION_FAILED,
    195: Cause.PERMISSION_DENIED,
    202: Cause.TOO_MANY_CONNECTIONS,
    210: Cause.CONNECTION_LOST,
    242: Cause.READ_ONLY,
    394: Cause.CANCELLED,
    497: Cause.PERMISSION_DENIED,
    516: Cause.AUTHENTICATION_FAILED,
    735: Cause.CANCELLED,
}
_REFUSED_BY_HTTP: Final = re.compile(r"HTTP status (401|403)\b")
_SAID: Final = re.compile(r"Code: (\d{1,5})\. DB::Exception: ")
# The server's version, and the address that the driver adds, help nobody.
_TRAILER: Final = re.compile(r"\s*(\(version .*|\(for url .*)$", re.DOTALL)


def number(error: Exception) -> int | None:
    """The error's number; None where there is none."""
    code = getattr(error, "code", None)
    if isinstance(code, int):
        return code
    found = _SAID.search(str(error))
    return int(found[1]) if found else None


def connect_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of signing in (the network and TLS raise their own)."""
    if isinstance(error, Interrupted):
        return _no_answer(error)
    code = number(error)
    message = _message(str(error), secrets)
    if code is None and _REFUSED_BY_HTTP.search(str(error)):
        return DatabaseFailure(Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED, message)
    if code is None:
        return DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.OTHER,
            "Something answers over HTTP, but it is not a ClickHouse server.",
            "Check host, port and dialect: 8443 with TLS, 8123 without; never 9000 or 9440.",
        )
    cause = _BY_NUMBER.get(code, Cause.OTHER)
    if code == UNKNOWN_DATABASE:
        fix = "Check the name of the database."
        return DatabaseFailure(Stage.DATABASE, cause, message, fix, str(code))
    fix = "Check user name and password." if cause is Cause.AUTHENTICATION_FAILED else None
    return DatabaseFailure(Stage.AUTHENTICATION, cause, message, fix, str(code))


def query_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of a statement."""
    code = number(error)
    if code is None and isinstance(error, Interrupted | OSError):
        return lost()
    cause = _BY_NUMBER.get(code or 0, Cause.OTHER)
    message = _message(str(error), secrets)
    return DatabaseFailure(Stage.QUERY, cause, message, None, str(code) if code else None)


def said_in(tail: bytes) -> Exception | None:
    """The error that the server wrote after the rows it had already sent; None without one.

    A server that has begun to answer can say what went wrong only in the answer itself.
    """
    text = tail.decode("utf-8", "replace")
    found = list(_SAID.finditer(text))
    return RuntimeError(text[found[-1].start() :]) if found else None


def lost() -> DatabaseFailure:
    """The answer broke off."""
    message = "The database closed the connection."
    return DatabaseFailure(Stage.QUERY, Cause.CONNECTION_LOST, message)


def _no_answer(error: Interrupted) -> DatabaseFailure:
    if error.timed_out:
        message = "The server accepted the connection but did not answer in time."
        return DatabaseFailure(
            Stage.AUTHENTICATION, Cause.TIMEOUT, message, "Check host, port and dialect."
        )
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.CONNECTION_LOST,
        "The server closed the connection without an answer over HTTP.",
        "Check the port: 8443 with TLS, 8123 without; never 9000 or 9440.",
    )


def _message(text: str, secrets: Mapping[str, SecretStr]) -> str:
    found = _SAID.search(text)
    said = text[found.end() :] if found else text
    return tidy(_TRAILER.sub("", said), secrets) or "The database gave no reason."
