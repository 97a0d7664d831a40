"""Errors of SQL Server and its driver as `DatabaseFailure`.

The driver gives its own words for the SQLSTATE and the server's text, but no number. Where servers
answer in another language the words for the SQLSTATE still tell the cause.
Source: Microsoft, "Database engine errors"; "ODBC Error Codes".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

_SAID: Final = "DDBC Error:"
_BY_TEXT: Final = tuple(
    (cause, re.compile(text, re.IGNORECASE))
    for cause, text in (
        (Cause.DATABASE_NOT_FOUND, r"cannot open database|database '.*' does not exist"),
        (Cause.AUTHENTICATION_FAILED, r"login failed|invalid authorization specification"),
        (Cause.PERMISSION_DENIED, r"permission was denied|do(es)? not have permission"),
        (Cause.OBJECT_NOT_FOUND, r"invalid (object|column) name|could not be bound"),
        (Cause.OBJECT_NOT_FOUND, r"base table or view not found|column not found"),
        (Cause.OBJECT_NOT_FOUND, r"not a recognized .*function|could not find stored procedure"),
        (Cause.QUERY_TIMEOUT, r"timeout expired"),
        (Cause.CANCELLED, r"operation cancell?ed"),
        (
            Cause.CONNECTION_LOST,
            r"communication link failure|connection (is broken|does not exist)",
        ),
        (Cause.CONNECTION_LOST, r"connection not open|tcp provider|session is in the kill state"),
        (Cause.TOO_MANY_CONNECTIONS, r"maximum number of .*(connections|sessions|logins)"),
        (Cause.READ_ONLY, r"read-only"),
        (Cause.SYNTAX_ERROR, r"incorrect syntax|syntax error near|unclosed quotation"),
    )
)


def connect_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of signing in; network and TLS raise their own."""
    cause = _cause(str(error))
    if "Failed to load the driver" in str(error):
        return DatabaseFailure(
            Stage.DRIVER,
            Cause.DRIVER_MISSING,
            "The ODBC driver of mssql-python needs a library that this machine lacks.",
            "On Debian: apt-get install libltdl7 libkrb5-3 libgssapi-krb5-2.",
        )
    message = _message(error, secrets)
    if cause is Cause.DATABASE_NOT_FOUND:
        fix = "Check the name of the database, and that the login has a user in it."
        return DatabaseFailure(Stage.DATABASE, cause, message, fix)
    if cause is Cause.CONNECTION_LOST:
        message = "The server closed the connection while signing in."
    return DatabaseFailure(Stage.AUTHENTICATION, cause, message)


def query_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of a statement."""
    cause = _cause(str(error))
    if cause is Cause.CONNECTION_LOST:
        return DatabaseFailure(Stage.QUERY, cause, "The database closed the connection.")
    return DatabaseFailure(Stage.QUERY, cause, _message(error, secrets))


def _cause(text: str) -> Cause:
    return next((cause for cause, said in _BY_TEXT if said.search(text)), Cause.OTHER)


def _message(error: Exception, secrets: Mapping[str, SecretStr]) -> str:
    text = str(error).rpartition(_SAID)[2]
    return tidy(re.sub(r"\[[^\]]*\]", "", text), secrets) or "The database gave no reason."
