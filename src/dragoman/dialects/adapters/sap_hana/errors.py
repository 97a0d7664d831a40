"""Errors of SAP HANA and its driver as `DatabaseFailure`, by their number.

Source: SAP, "SAP HANA SQL and System Views Reference", SQL error codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

_BY_NUMBER: Final = {
    10: Cause.AUTHENTICATION_FAILED,
    139: Cause.CANCELLED,
    257: Cause.SYNTAX_ERROR,
    258: Cause.PERMISSION_DENIED,
    259: Cause.OBJECT_NOT_FOUND,
    260: Cause.OBJECT_NOT_FOUND,
    362: Cause.OBJECT_NOT_FOUND,
    397: Cause.OBJECT_NOT_FOUND,
    414: Cause.AUTHENTICATION_FAILED,
    416: Cause.AUTHENTICATION_FAILED,
    613: Cause.QUERY_TIMEOUT,
    -10709: Cause.CONNECTION_LOST,
    -10806: Cause.CONNECTION_LOST,
    -10807: Cause.CONNECTION_LOST,
    -10821: Cause.CONNECTION_LOST,
}


def number(error: Exception) -> int | None:
    """The error's number; None where the driver gave none."""
    arguments: tuple[Any, ...] = error.args
    return arguments[0] if arguments and isinstance(arguments[0], int) else None


def connect_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of signing in; network and TLS raise their own."""
    code = number(error)
    cause = _BY_NUMBER.get(code or 0, Cause.OTHER)
    if code is None or cause is Cause.CONNECTION_LOST:
        return DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.OTHER,
            "The server's answer makes no sense to the SAP HANA driver.",
            "Check host, port and dialect.",
            str(code) if code else None,
        )
    return DatabaseFailure(Stage.AUTHENTICATION, cause, _message(error, secrets), None, str(code))


def query_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of a statement."""
    code = number(error)
    cause = _BY_NUMBER.get(code or 0, Cause.OTHER)
    message = _message(error, secrets)
    if cause is Cause.CONNECTION_LOST:
        message = "The database closed the connection."
    return DatabaseFailure(Stage.QUERY, cause, message, None, str(code) if code else None)


def _message(error: Exception, secrets: Mapping[str, SecretStr]) -> str:
    arguments: tuple[Any, ...] = error.args
    text = str(arguments[1]) if len(arguments) > 1 else str(error)
    return tidy(text, secrets) or "The database gave no reason."
