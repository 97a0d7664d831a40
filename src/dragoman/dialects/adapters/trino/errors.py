"""Errors of Trino as `DatabaseFailure`, by the name that the server gives them.

Source: Trino's StandardErrorCode (developer documentation, "Error codes of the SPI").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.adapters.clickhouse.door import Interrupted
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

BY_NAME: Final[dict[str, Cause]] = {
    "ADMINISTRATIVELY_KILLED": Cause.CANCELLED,
    "ADMINISTRATIVELY_PREEMPTED": Cause.CANCELLED,
    "CATALOG_NOT_FOUND": Cause.OBJECT_NOT_FOUND,
    "COLUMN_NOT_FOUND": Cause.OBJECT_NOT_FOUND,
    "EXCEEDED_TIME_LIMIT": Cause.QUERY_TIMEOUT,
    "FUNCTION_NOT_FOUND": Cause.OBJECT_NOT_FOUND,
    "MISSING_CATALOG_NAME": Cause.OBJECT_NOT_FOUND,
    "MISSING_SCHEMA_NAME": Cause.OBJECT_NOT_FOUND,
    "NOT_FOUND": Cause.OBJECT_NOT_FOUND,
    "PERMISSION_DENIED": Cause.PERMISSION_DENIED,
    "QUERY_QUEUE_FULL": Cause.TOO_MANY_CONNECTIONS,
    "READ_ONLY_VIOLATION": Cause.READ_ONLY,
    "SCHEMA_NOT_FOUND": Cause.OBJECT_NOT_FOUND,
    "SERVER_SHUTTING_DOWN": Cause.CONNECTION_LOST,
    "SYNTAX_ERROR": Cause.SYNTAX_ERROR,
    "TABLE_NOT_FOUND": Cause.OBJECT_NOT_FOUND,
    "USER_CANCELED": Cause.CANCELLED,
}
# A connector that cannot write says so before the transaction has its turn.
_NO_WRITING: Final = re.compile(
    r"does not support (?:modify|insert|creat|drop|renam|merg|truncat|updat|delet)", re.IGNORECASE
)
_NOT_TRINO = "Check host, port and dialect: 443 or 8443 with TLS, 8080 without, by custom."


def checked(response: Any) -> Any:
    """The response if it is the answer of a coordinator. Raises `DatabaseFailure`."""
    status = int(response.status_code)
    if status == 401:
        raise DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.AUTHENTICATION_FAILED,
            "The coordinator did not accept this user name and password.",
            "Check user name and password.",
            "401",
        )
    if status == 403:
        raise DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.PERMISSION_DENIED,
            "The coordinator lets nobody in with these credentials over this port (HTTP 403).",
            "Set the password, use the HTTPS port, or let this user in.",
            "403",
        )
    if status != 200 or "json" not in str(response.headers.get("content-type", "")):
        raise _no_coordinator(status)
    return response


def connect_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of signing in (the network and TLS raise their own)."""
    if isinstance(error, DatabaseFailure):
        return error
    if isinstance(error, Interrupted):
        return _no_answer(error)
    name = error_name(error)
    if name is None:
        return _no_coordinator(None)
    cause = BY_NAME.get(name, Cause.OTHER)
    return DatabaseFailure(Stage.AUTHENTICATION, cause, message(error, secrets), None, name)


def query_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of a statement."""
    name = error_name(error)
    if name is None and isinstance(error, Interrupted | OSError):
        return lost()
    said = message(error, secrets)
    cause = BY_NAME.get(name or "", Cause.OTHER)
    if name == "NOT_SUPPORTED" and _NO_WRITING.search(said):
        cause = Cause.READ_ONLY
    return DatabaseFailure(Stage.QUERY, cause, said, None, name)


def lost() -> DatabaseFailure:
    """The coordinator is gone."""
    said = "The database closed the connection."
    return DatabaseFailure(Stage.QUERY, Cause.CONNECTION_LOST, said)


def error_name(error: Exception) -> str | None:
    """The server's name of the error; None where the server gave none."""
    name = getattr(error, "error_name", None)
    return name if isinstance(name, str) else None


def message(error: Exception, secrets: Mapping[str, SecretStr]) -> str:
    """The server's words on the error."""
    said = getattr(error, "message", None)
    return tidy(str(said or error), secrets) or "The database gave no reason."


def _no_coordinator(status: int | None) -> DatabaseFailure:
    answered = f" (HTTP {status})" if status else ""
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.OTHER,
        f"Something answers over HTTP{answered}, but not as a Trino coordinator does.",
        _NOT_TRINO,
        str(status) if status else None,
    )


def _no_answer(error: Interrupted) -> DatabaseFailure:
    if error.timed_out:
        said = "The server accepted the connection but did not answer in time."
        return DatabaseFailure(
            Stage.AUTHENTICATION, Cause.TIMEOUT, said, "Check host, port and dialect."
        )
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.CONNECTION_LOST,
        "The server closed the connection without an answer over HTTP.",
        _NOT_TRINO,
    )
