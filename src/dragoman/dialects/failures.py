"""What may go wrong with a database, as a closed set: where it failed, why, and what to do.

Adapters and probes raise `DatabaseFailure` and nothing else, so no caller reads driver texts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """The steps of a connection, in the order in which they happen and are reported."""

    SETTINGS = "settings"
    DRIVER = "driver"
    DNS = "dns"
    TCP = "tcp"
    TLS = "tls"
    AUTHENTICATION = "authentication"
    DATABASE = "database"
    SCHEMA = "schema"
    PRIVILEGES = "privileges"
    QUERY = "query"


class Cause(StrEnum):
    """Why a step failed. The values are stable and may be compared by clients."""

    SETTINGS_INVALID = "settings_invalid"
    SECRET_UNRESOLVED = "secret_unresolved"  # noqa: S105 - the name of a cause
    DRIVER_MISSING = "driver_missing"
    NOT_LIVE = "not_live"
    ADDRESS_DENIED = "address_denied"
    HOST_NOT_FOUND = "host_not_found"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS_UNSUPPORTED = "tls_unsupported"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS_HOSTNAME = "tls_hostname"
    AUTHENTICATION_FAILED = "authentication_failed"
    SIGN_IN_NEEDED = "sign_in_needed"
    DATABASE_NOT_FOUND = "database_not_found"
    SCHEMA_NOT_FOUND = "schema_not_found"
    PERMISSION_DENIED = "permission_denied"
    SYNTAX_ERROR = "syntax_error"
    OBJECT_NOT_FOUND = "object_not_found"
    READ_ONLY = "read_only"
    QUERY_TIMEOUT = "query_timeout"
    CANCELLED = "cancelled"
    TOO_LARGE = "too_large"
    DRIVER_CRASHED = "driver_crashed"
    CONNECTION_LOST = "connection_lost"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    OTHER = "other"


# What was asked for is not there, or not for this user: other statements of the session go on.
_OF_THE_OBJECT: Final = frozenset(
    {
        Cause.DATABASE_NOT_FOUND,
        Cause.SCHEMA_NOT_FOUND,
        Cause.PERMISSION_DENIED,
        Cause.SYNTAX_ERROR,
        Cause.OBJECT_NOT_FOUND,
        Cause.OTHER,
    }
)


class DatabaseFailure(Exception):
    """One failed step. `message` and `fix` are for a person and hold no secret.

    `code` is the database's own code where it gave one (an SQLSTATE, or a native number as text).
    All five values are the exception's `args`, so that it survives pickling between processes.
    """

    def __init__(
        self,
        stage: Stage,
        cause: Cause,
        message: str,
        fix: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(stage, cause, message, fix, code)
        self.stage: Final = stage
        self.cause: Final = cause
        self.message: Final = message
        self.fix: Final = fix
        self.code: Final = code

    @property
    def refuses(self) -> bool:
        """Whether the database answered and would not: no time-out, no cancel, no lost session."""
        return self.stage is Stage.QUERY and self.cause in _OF_THE_OBJECT

    def __str__(self) -> str:
        return self.message

    def __repr__(self) -> str:
        return (
            f"DatabaseFailure({self.stage.value}/{self.cause.value}: {self.message!r}, "
            f"fix={self.fix!r}, code={self.code!r})"
        )
