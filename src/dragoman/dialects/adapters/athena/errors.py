"""Errors of the AWS API and of Athena's statements as `DatabaseFailure`.

Source: Athena API reference, "Common Errors"; Athena user guide, "Troubleshooting".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.adapters.clickhouse.door import Interrupted
from dragoman.dialects.adapters.trino.errors import BY_NAME
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

_NOT_WHO = frozenset(
    {
        "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidClientTokenId",
        "InvalidIdentityToken", "InvalidSignatureException", "MissingAuthenticationToken",
        "MissingAuthenticationTokenException", "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)  # fmt: skip
_NOT_ALLOWED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedException"})
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "TooManyRequestsException"})
# A statement fails with the name of Trino's error before its words.
_NAMED: Final = re.compile(r"\b([A-Z]+(?:_[A-Z]+)+):")
_NO_PLACE: Final = re.compile(r"output location|outputlocation", re.IGNORECASE)
_XML: Final = re.compile(r"<Code>([^<]*)</Code>\s*<Message>([^<]*)</Message>", re.DOTALL)


class ApiError(Exception):
    """A call that AWS refused: its `code` (a name), HTTP `status` and words."""

    def __init__(self, status: int, code: str, message: str, detail: str = "") -> None:
        """`detail`: Athena's own code of the error, where it gives one."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail

    @classmethod
    def read(cls, status: int, body: bytes) -> ApiError:
        """The error that an answer tells of, in JSON (Athena) or XML (STS)."""
        text = body.decode("utf-8", "replace")
        if (found := _XML.search(text)) is not None:
            return cls(status, found[1], found[2])
        try:
            told: Any = json.loads(text)
            code = str(told["__type"]).rsplit("#", 1)[-1]
            message = str(told.get("message") or told.get("Message") or code)
            return cls(status, code, message, str(told.get("AthenaErrorCode") or ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(status, "", f"HTTP {status}")


def connect_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of signing in (the network and TLS raise their own)."""
    if isinstance(error, DatabaseFailure):
        return error
    if isinstance(error, ApiError) and error.code:
        return _refused(error, secrets)
    if isinstance(error, Interrupted):
        cause = Cause.TIMEOUT if error.timed_out else Cause.CONNECTION_LOST
        return DatabaseFailure(Stage.AUTHENTICATION, cause, "AWS did not answer.")
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.OTHER,
        "Something answers in the place of AWS, but not as AWS does.",
        "Check the region, and what stands between this server and AWS.",
    )


def query_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of a call while a statement is under way."""
    if isinstance(error, ApiError) and error.code:
        if error.code in _NOT_WHO | _NOT_ALLOWED | _THROTTLED:
            told = _refused(error, secrets)
            return DatabaseFailure(Stage.QUERY, told.cause, told.message, told.fix, told.code)
        malformed = error.detail == "MALFORMED_QUERY" or "mismatched input" in error.message
        if malformed and not _NAMED.search(error.message):
            said = tidy(error.message, secrets)
            return DatabaseFailure(Stage.QUERY, Cause.SYNTAX_ERROR, said, None, error.code)
        return statement_failure(error.message, secrets, error.code)
    if isinstance(error, Interrupted | OSError):
        said = "The connection to AWS was lost."
        return DatabaseFailure(Stage.QUERY, Cause.CONNECTION_LOST, said)
    return DatabaseFailure(Stage.QUERY, Cause.OTHER, tidy(str(error), secrets) or "AWS failed.")


def statement_failure(
    reason: str, secrets: Mapping[str, SecretStr], code: str | None = None
) -> DatabaseFailure:
    """The failure that Athena's reason of a failed statement stands for."""
    said = tidy(reason, secrets) or "Athena gave no reason."
    if _NO_PLACE.search(reason):
        fix = "Name a place in S3 (host, as s3://bucket/prefix/), or set one in the workgroup."
        return DatabaseFailure(Stage.QUERY, Cause.SETTINGS_INVALID, said, fix, code)
    named = _NAMED.search(reason)
    name = named[1] if named else ""
    return DatabaseFailure(Stage.QUERY, BY_NAME.get(name, Cause.OTHER), said, None, name or code)


def no_identity() -> DatabaseFailure:
    """The machine's identity is asked for, and there is none that we use."""
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.AUTHENTICATION_FAILED,
        "This server has no AWS identity of its own.",
        "Give it AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_WEB_IDENTITY_TOKEN_FILE and "
        "AWS_ROLE_ARN. The metadata services of AWS are never asked.",
    )


def _refused(error: ApiError, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    said = tidy(error.message, secrets)
    if error.code in _NOT_WHO:
        fix = "Check the access key, its secret, and the clock of this machine."
        cause = Cause.AUTHENTICATION_FAILED
    elif error.code in _NOT_ALLOWED:
        cause, fix = Cause.PERMISSION_DENIED, "Attach the policy that the documentation shows."
    elif error.code in _THROTTLED:
        cause, fix = Cause.TOO_MANY_CONNECTIONS, "Try again later, or raise the quotas of Athena."
    else:
        return DatabaseFailure(
            Stage.DATABASE, Cause.DATABASE_NOT_FOUND, said, "Check the catalog.", error.code
        )
    return DatabaseFailure(Stage.AUTHENTICATION, cause, said, fix, error.code)
