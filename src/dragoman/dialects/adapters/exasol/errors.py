"""Errors of Exasol and pyexasol as `DatabaseFailure`, by code and, where one code means many, text.

The texts are those of Exasol's user manual and forum; none was seen from a real server here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

TIME_OUT: Final = "R0001"
ABORTED: Final = "R0003"
LOGIN_REFUSED: Final = "08004"
_BY_CODE: Final[dict[str, Cause]] = {
    TIME_OUT: Cause.QUERY_TIMEOUT,
    ABORTED: Cause.CANCELLED,
    "42500": Cause.PERMISSION_DENIED,
    "08006": Cause.CONNECTION_LOST,
}
# Nearly everything that is wrong with a statement has the code 42000.
_BY_TEXT: Final[tuple[tuple[re.Pattern[str], Cause], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), cause)
    for pattern, cause in (
        (r"insufficient (privileges|rights)", Cause.PERMISSION_DENIED),
        (r"syntax error", Cause.SYNTAX_ERROR),
        (r"\bnot found\b|does not exist", Cause.OBJECT_NOT_FOUND),
        (r"read-?only", Cause.READ_ONLY),
    )
)
_NOT_EXASOL: Final = "Check host, port and dialect."


def connect_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of signing in (the network and TLS raise their own)."""
    if isinstance(error, DatabaseFailure):
        return error
    if (code := _code(error)) is not None:
        return _refused(code, _message(error, secrets))
    if _silent(error):
        message = "The server accepted the connection but did not answer in time."
        return DatabaseFailure(Stage.AUTHENTICATION, Cause.TIMEOUT, message, _NOT_EXASOL)
    return DatabaseFailure(
        Stage.AUTHENTICATION, Cause.OTHER, "The server's answer is not Exasol's.", _NOT_EXASOL
    )


def query_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of a statement. A lost connection included."""
    code, message = _code(error), _message(error, secrets)
    if code is None:
        return lost() if _lost(error) else DatabaseFailure(Stage.QUERY, Cause.OTHER, message)
    cause = _BY_CODE.get(code) or _by_text(message)
    return DatabaseFailure(Stage.QUERY, cause, message, None, code)


def lost() -> DatabaseFailure:
    """The connection is gone."""
    message = "The database closed the connection."
    return DatabaseFailure(Stage.QUERY, Cause.CONNECTION_LOST, message)


def _code(error: Any) -> str | None:
    """The server's code; None where the error is not the server's."""
    from pyexasol import ExaRequestError

    return str(getattr(error, "code", "")) if isinstance(error, ExaRequestError) else None


def _refused(code: str, message: str) -> DatabaseFailure:
    if code == LOGIN_REFUSED:
        fix = "Check user name and password; a name in double quotes keeps its case."
        return DatabaseFailure(
            Stage.AUTHENTICATION, Cause.AUTHENTICATION_FAILED, message, fix, code
        )
    return DatabaseFailure(Stage.AUTHENTICATION, _by_text(message), message, None, code)


def _by_text(message: str) -> Cause:
    return next((cause for known, cause in _BY_TEXT if known.search(message)), Cause.OTHER)


def _silent(error: BaseException | None) -> bool:
    from websocket import WebSocketTimeoutException

    return isinstance(error, WebSocketTimeoutException | TimeoutError) or (
        "timed out" in str(getattr(error, "message", ""))
    )


def _lost(error: Exception) -> bool:
    from pyexasol import ExaCommunicationError, ExaRuntimeError
    from websocket import WebSocketException

    if isinstance(error, ExaRuntimeError):
        return "closed" in str(error)
    return isinstance(error, ExaCommunicationError | WebSocketException | OSError)


def _message(error: Exception, secrets: Mapping[str, SecretStr]) -> str:
    text = str(getattr(error, "message", None) or error)
    return tidy(text, secrets) or "The database gave no reason."
