"""Errors of Athena's API and of its statements as `DatabaseFailure`.

Source: Athena API reference; Athena user guide, "Troubleshooting".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from dragoman.dialects.adapters.aws.errors import ApiError, not_answered, refused
from dragoman.dialects.adapters.clickhouse.door import Interrupted
from dragoman.dialects.adapters.trino.errors import BY_NAME
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

# A statement fails with the name of Trino's error before its words.
_NAMED: Final = re.compile(r"\b([A-Z]+(?:_[A-Z]+)+):")
_NO_PLACE: Final = re.compile(r"output location|outputlocation", re.IGNORECASE)


def connect_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of signing in (the network and TLS raise their own)."""
    if not isinstance(error, ApiError) or not error.code:
        return not_answered(error)
    said = tidy(error.message, secrets)
    return refused(error, secrets) or DatabaseFailure(
        Stage.DATABASE, Cause.DATABASE_NOT_FOUND, said, "Check the catalog.", error.code
    )


def query_failure(error: Exception, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The failure of a call while a statement is under way."""
    if isinstance(error, ApiError) and error.code:
        if (told := refused(error, secrets)) is not None:
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
