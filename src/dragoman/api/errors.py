"""Every error of the server, and the one place that writes its body.

Clients in the wild read either `error` + `message` or `detail` + `status`; each body has all four
(contract §1.5). `errors` lists the fields of a refused body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one property of a body, and what to do."""

    field: str
    message: str
    fix: str = ""


class ApiError(Exception):
    """An answer other than success. `extra` adds keys to the body."""

    status: ClassVar[int] = 500
    code: int

    def __init__(
        self,
        message: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})
        self.code = self.status

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        body: dict[str, Any] = {
            "error": str(self.code),
            "message": self.message,
            "detail": self.message,
            "status": self.code,
        }
        if self.errors:
            body["errors"] = self.errors
        return {**body, **self.extra}


class BadRequest(ApiError):
    """The request itself is wrong."""

    status = 400


class Unauthorized(ApiError):
    """No token, or one that is unknown, expired or revoked."""

    status = 401

    def __init__(self, message: str = "Unauthorized: Missing or invalid API key") -> None:
        super().__init__(message, headers={"WWW-Authenticate": 'Bearer realm="dragoman"'})


class Forbidden(ApiError):
    """The token is fine, the permission is not there."""

    status = 403


class NotFound(ApiError):
    """Nothing there, or nothing that the caller may see."""

    status = 404


class MethodNotAllowed(ApiError):
    """The path exists, the method does not."""

    status = 405


class NotAcceptable(ApiError):
    """No form of the answer that the client accepts."""

    status = 406


class RequestTimeout(ApiError):
    """The request or the query took too long."""

    status = 408


class Conflict(ApiError):
    """The state of the resource does not allow it."""

    status = 409


class Gone(ApiError):
    """It was there and is no more."""

    status = 410


class PreconditionFailed(ApiError):
    """The resource is not as the request says it should be (RFC 9110 section 13)."""

    status = 412


class PayloadTooLarge(ApiError):
    """The body is larger than the server takes."""

    status = 413


class Unprocessable(ApiError):
    """Understood, and refused."""

    status = 422


class TooManyRequests(ApiError):
    """Past a rate limit."""

    status = 429


class HeadersTooLarge(ApiError):
    """The headers are larger than the server takes."""

    status = 431


class Internal(ApiError):
    """A fault of ours; the log has the rest."""

    status = 500


class Unsupported(ApiError):
    """Part of a protocol that is not there."""

    status = 501


class BadGateway(ApiError):
    """A database could not be reached or used."""

    status = 502


class Unavailable(ApiError):
    """Not now; trying again later may succeed."""

    status = 503


_OURS = frozenset({Cause.QUERY_TIMEOUT})
_GONE = frozenset({Cause.CONNECTION_LOST, Cause.DRIVER_CRASHED})


def from_failure(failure: DatabaseFailure) -> ApiError:
    """The answer for a database that refused, failed or timed out.

    A mistake in the question is a 400; a database that cannot be reached or used is a 502.
    """
    extra = {"stage": failure.stage.value, "cause": failure.cause.value}
    if failure.fix:
        extra["fix"] = failure.fix
    if failure.cause in _OURS:
        return RequestTimeout(failure.message, extra=extra)
    if failure.cause is Cause.SIGN_IN_NEEDED:
        return Forbidden(failure.message, extra=extra)
    if failure.cause is Cause.TOO_MANY_CONNECTIONS:
        return Unavailable(failure.message, extra=extra, headers={"Retry-After": "5"})
    if failure.cause in _GONE or failure.stage not in (Stage.QUERY, Stage.SETTINGS):
        return BadGateway(failure.message, extra=extra)
    return BadRequest(failure.message, extra=extra)
