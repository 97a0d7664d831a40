"""What AWS's API refuses, as `DatabaseFailure`.

Source: AWS API references, "Common Errors".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.adapters.clickhouse.door import Interrupted
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
        """The error that an answer tells of, in the JSON or in the query protocol."""
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


def refused(error: ApiError, secrets: Mapping[str, SecretStr]) -> DatabaseFailure | None:
    """The failure where AWS says that we are nobody, may not, or ask too often; None otherwise."""
    if error.code in _NOT_WHO:
        cause = Cause.AUTHENTICATION_FAILED
        fix = "Check the access key, its secret, and the clock of this machine."
    elif error.code in _NOT_ALLOWED:
        cause, fix = Cause.PERMISSION_DENIED, "Attach the policy that the documentation shows."
    elif error.code in _THROTTLED:
        cause, fix = Cause.TOO_MANY_CONNECTIONS, "Try again later, or raise the quotas in AWS."
    else:
        return None
    said = tidy(error.message, secrets)
    return DatabaseFailure(Stage.AUTHENTICATION, cause, said, fix, error.code)


def not_answered(error: Exception) -> DatabaseFailure:
    """The failure where no answer of AWS came (the network and TLS raise their own)."""
    if isinstance(error, DatabaseFailure):
        return error
    if isinstance(error, Interrupted):
        cause = Cause.TIMEOUT if error.timed_out else Cause.CONNECTION_LOST
        return DatabaseFailure(Stage.AUTHENTICATION, cause, "AWS did not answer.")
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.OTHER,
        "Something answers in the place of AWS, but not as AWS does.",
        "Check the region, and what stands between this server and AWS.",
    )


def no_identity() -> DatabaseFailure:
    """The machine's identity is asked for, and there is none that we use."""
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.AUTHENTICATION_FAILED,
        "This server has no AWS identity of its own.",
        "Give it AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_WEB_IDENTITY_TOKEN_FILE and "
        "AWS_ROLE_ARN. The metadata services of AWS are never asked.",
    )
