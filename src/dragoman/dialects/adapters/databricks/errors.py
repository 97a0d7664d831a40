"""Errors of Databricks as `DatabaseFailure`: by the class in brackets, the SQLSTATE, the status.

Source: Databricks documentation, "Error conditions" and "SQLSTATE error codes".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.adapters.clickhouse.door import Interrupted
from dragoman.dialects.adapters.databricks.transport import Refused
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

_CLASS: Final = re.compile(r"\[([A-Z][A-Z0-9_]+)(?:\.[A-Z0-9_]+)?\]")
_BY_CLASS: Final[dict[str, Cause]] = {
    "CATALOG_NOT_FOUND": Cause.DATABASE_NOT_FOUND,
    "INSUFFICIENT_PERMISSIONS": Cause.PERMISSION_DENIED,
    "NO_SUCH_CATALOG_EXCEPTION": Cause.DATABASE_NOT_FOUND,
    "PARSE_SYNTAX_ERROR": Cause.SYNTAX_ERROR,
    "PERMISSION_DENIED": Cause.PERMISSION_DENIED,
    "SCHEMA_NOT_FOUND": Cause.OBJECT_NOT_FOUND,
    "TABLE_OR_VIEW_NOT_FOUND": Cause.OBJECT_NOT_FOUND,
    "UNRESOLVED_COLUMN": Cause.OBJECT_NOT_FOUND,
    "UNRESOLVED_ROUTINE": Cause.OBJECT_NOT_FOUND,
}
_BY_STATE: Final[dict[str, Cause]] = {
    "42501": Cause.PERMISSION_DENIED,
    "42601": Cause.SYNTAX_ERROR,
    "42703": Cause.OBJECT_NOT_FOUND,
    "42704": Cause.OBJECT_NOT_FOUND,
    "42883": Cause.OBJECT_NOT_FOUND,
    "42P01": Cause.OBJECT_NOT_FOUND,
    "57014": Cause.CANCELLED,
    "57KD0": Cause.QUERY_TIMEOUT,
}
_NO_WORKSPACE: Final = "Check the host: it is the workspace's, as in the browser's address."


class Failed(Exception):
    """What the service says went wrong. `lost`: it knows the session or operation no more."""

    def __init__(self, message: str, state: str | None, *, lost: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.state = state
        self.lost = lost


def connect_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of signing in (the network and TLS raise their own)."""
    if isinstance(error, DatabaseFailure):
        return error
    if isinstance(error, Refused):
        return _refused(error, secrets)
    if isinstance(error, Failed):
        failure = _failed(error, secrets)
        missing = failure.cause is Cause.DATABASE_NOT_FOUND
        stage = Stage.DATABASE if missing else Stage.AUTHENTICATION
        return DatabaseFailure(stage, failure.cause, failure.message, None, failure.code)
    if isinstance(error, Interrupted) and error.timed_out:
        return DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.TIMEOUT,
            "The workspace did not answer in time.",
            "A warehouse that was stopped takes minutes to start: try again when it runs.",
        )
    said = "The host answers, but not as a Databricks workspace does."
    return DatabaseFailure(Stage.AUTHENTICATION, Cause.OTHER, said, _NO_WORKSPACE)


def query_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of a statement."""
    if isinstance(error, Failed) and not error.lost:
        return _failed(error, secrets)
    if isinstance(error, Refused) and error.status in (401, 403):
        failure = _refused(error, secrets)
        return DatabaseFailure(
            Stage.QUERY, failure.cause, failure.message, failure.fix, failure.code
        )
    if isinstance(error, Failed | Refused | Interrupted | OSError | EOFError):
        said = "The database closed the session."
        return DatabaseFailure(Stage.QUERY, Cause.CONNECTION_LOST, said)
    return DatabaseFailure(Stage.QUERY, Cause.OTHER, _words(str(error), secrets))


def checked(response: Any) -> Any:
    """The response when its status is good. Raises `Failed`."""
    status = response.status
    if status is None or status.statusCode in (3, 4):
        message = getattr(status, "displayMessage", None) or getattr(status, "errorMessage", None)
        lost = status is not None and status.statusCode == 4
        raise Failed(str(message or ""), getattr(status, "sqlState", None), lost=lost)
    return response


def _failed(error: Failed, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    known = _CLASS.search(error.message)
    cause = _BY_CLASS.get(known[1]) if known else None
    cause = cause or _BY_STATE.get(error.state or "", Cause.OTHER)
    return DatabaseFailure(Stage.QUERY, cause, _words(error.message, secrets), None, error.state)


def _refused(error: Refused, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    said = tidy(error.reason, secrets)
    if error.status in (401, 403):
        stage, cause = Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED
        message = f"The workspace did not accept the token: {said or 'no reason given'}."
        fix = "Make a new token, and let its owner use the warehouse (CAN USE)."
    elif error.status == 404:
        stage, cause = Stage.DATABASE, Cause.DATABASE_NOT_FOUND
        message = "The workspace has no warehouse at this path."
        fix = "Copy the HTTP path from the warehouse's connection details."
    elif error.status in (429, 503):
        stage, cause = Stage.AUTHENTICATION, Cause.TOO_MANY_CONNECTIONS
        message = f"The warehouse takes no sessions now (HTTP {error.status}). {said}".strip()
        fix = "It may be starting: try again in some minutes."
    else:
        stage, cause = Stage.AUTHENTICATION, Cause.OTHER
        message = f"The host answers HTTP {error.status}. {said}".strip()
        fix = _NO_WORKSPACE
    return DatabaseFailure(stage, cause, message, fix, str(error.status))


def _words(text: str, secrets: Mapping[str, SecretStr]) -> str:
    return tidy(text, secrets) or "The database gave no reason."
