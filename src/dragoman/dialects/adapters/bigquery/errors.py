"""Errors of BigQuery as `DatabaseFailure`, by their reason.

Source: Google Cloud documentation, "BigQuery error messages".
"""

from __future__ import annotations

import re
from typing import Any, Final, cast

from dragoman.dialects.adapters.bigquery.federation import WAY
from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy

_BY_REASON: Final[dict[str, Cause]] = {
    "accessDenied": Cause.PERMISSION_DENIED,
    "notFound": Cause.OBJECT_NOT_FOUND,
    "stopped": Cause.CANCELLED,
    "timeout": Cause.QUERY_TIMEOUT,
}
# A wrong statement has one reason for everything; the words differ.
_BY_WORDS: Final = (
    ("Not found:", Cause.OBJECT_NOT_FOUND),
    ("Unrecognized name", Cause.OBJECT_NOT_FOUND),
    ("Syntax error", Cause.SYNTAX_ERROR),
    ("Access Denied", Cause.PERMISSION_DENIED),
    ("timed out", Cause.QUERY_TIMEOUT),
)
_BY_KEY: Final = (
    "the service account",
    "Check that the account and this key of it still exist and are enabled.",
)
_FEDERATED: Final = (
    "this machine's identity",
    "Check wifAudience, that its provider trusts the issuer of this machine's token, and that the "
    "identity may act as wifServiceAccountEmail (role Workload Identity User).",
)
_TRAILER: Final = re.compile(r"(?:; reason: .*)?\s*(?:Location: \S+\s+)?Job ID: \S+$")
_BILLING: Final = "bytesBilledLimitExceeded"


def connect_failure(error: Exception, target: Target) -> DatabaseFailure:
    """The failure of signing in (the network and TLS raise their own)."""
    code, message = _status(error), _message(error, target)
    if type(error).__name__ in {"RefreshError", "OAuthError", "TransportError"} or code == 401:
        who, fix = _FEDERATED if target.text("authenticationType") == WAY else _BY_KEY
        return DatabaseFailure(
            Stage.AUTHENTICATION,
            Cause.AUTHENTICATION_FAILED,
            f"Google refused {who}: {message}",
            fix,
            str(code) if code else None,
        )
    if code == 404:
        fix = "Check the project (database)."
        return DatabaseFailure(Stage.DATABASE, Cause.DATABASE_NOT_FOUND, message, fix, "404")
    if code == 403:
        fix = "Give the service account the role BigQuery Job User in the project."
        return DatabaseFailure(Stage.DATABASE, Cause.PERMISSION_DENIED, message, fix, "403")
    if code is None:
        message = "Something answers over HTTPS, but not as BigQuery does."
    return DatabaseFailure(
        Stage.AUTHENTICATION, Cause.OTHER, message, None, str(code or "") or None
    )


def query_failure(error: Exception, target: Target) -> DatabaseFailure:
    """The failure of a statement."""
    reason, message = _reason(error), _message(error, target)
    cause = _BY_REASON.get(reason, Cause.OTHER)
    if cause in {Cause.OTHER, Cause.CANCELLED}:
        cause = next((found for words, found in _BY_WORDS if words in message), cause)
    fix = None
    if reason == _BILLING or "bytes billed" in message:
        fix = "Ask for less, or raise maxBillingBytes of the connection."
    return DatabaseFailure(Stage.QUERY, cause, message, fix, reason or None)


def _status(error: Exception) -> int | None:
    code = getattr(error, "code", None)
    return int(code) if isinstance(code, int) else None


def _reason(error: Exception) -> str:
    details: list[Any] = list(getattr(error, "errors", None) or ())
    if not details or not isinstance(details[0], dict):
        return ""
    return str(cast("dict[str, Any]", details[0]).get("reason", ""))


def _message(error: Exception, target: Target) -> str:
    said = getattr(error, "message", None)
    if said is None:
        said = error.args[0] if error.args else error
    text = _TRAILER.sub("", tidy(str(said), target.secrets))
    # Google's library puts its request before the service's words.
    _, found, words = text.partition("prettyPrint=false: ")
    return (words if found else text) or "The database gave no reason."
