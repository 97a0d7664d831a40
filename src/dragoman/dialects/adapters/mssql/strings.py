"""Values in ODBC connection strings, quoted so that none can become a keyword."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage


def connection_string(values: Mapping[str, str]) -> str:
    """`KEY={value};...`. The keys are ours. Raises `DatabaseFailure` (settings).

    Source: Microsoft, "SQLDriverConnect Function", on values in braces.
    """
    return "".join(f"{key}={quoted(value)};" for key, value in values.items())


def quoted(value: str) -> str:
    """The value in braces, a closing one doubled. Raises `DatabaseFailure` (settings)."""
    if any(ord(character) < 32 for character in value):
        raise DatabaseFailure(
            Stage.SETTINGS,
            Cause.SETTINGS_INVALID,
            "User name, password and database cannot have control characters.",
            "Remove line ends, tabs and the like.",
        )
    return "{" + value.replace("}", "}}") + "}"
