"""What MotherDuck's extension says when a database does not open, as `DatabaseFailure`.

Its words are not documented as a list, and none could be tried: what is not known is told as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.texts import tidy
from dragoman.secret import SecretStr

_KNOWN: Final[tuple[tuple[str, Stage, Cause, str], ...]] = (
    (
        r"extension .* not found|failed to download extension",
        Stage.DRIVER,
        Cause.DRIVER_MISSING,
        "Install DuckDB's extension motherduck on the server's machine.",
    ),
    (
        r"version.*(not|un)\s?supported|(not|un)\s?supported.*version|incompatible version",
        Stage.DRIVER,
        Cause.OTHER,
        "Install a version of DuckDB that MotherDuck takes.",
    ),
    (
        r"token|jwt|unauthori[sz]ed|unauthenticated|not signed in",
        Stage.AUTHENTICATION,
        Cause.AUTHENTICATION_FAILED,
        "Make a new access token in MotherDuck's settings and store it here; tokens may expire.",
    ),
    (
        r"no (database|share)|(database|share|catalog) .*(does not exist|not found)",
        Stage.DATABASE,
        Cause.DATABASE_NOT_FOUND,
        "Check the name, and that the token's user has attached or owns the database.",
    ),
)


def not_opened(
    error: Exception, database: str, secrets: Mapping[str, SecretStr]
) -> DatabaseFailure:
    """The failure of opening the database."""
    text = tidy(str(error), secrets)
    for pattern, stage, cause, fix in _KNOWN:
        if re.search(pattern, text, re.IGNORECASE):
            return DatabaseFailure(stage, cause, text, fix)
    message = f"{database} could not be opened: {text}"
    return DatabaseFailure(Stage.DATABASE, Cause.OTHER, message)


def redacted(failure: DatabaseFailure, secrets: Mapping[str, SecretStr]) -> DatabaseFailure:
    """The same failure without secrets in its message."""
    message = tidy(failure.message, secrets)
    return DatabaseFailure(failure.stage, failure.cause, message, failure.fix, failure.code)
