"""Exit codes, and the one place that turns an exception into a line of text and an exit code."""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """What the exit code of a command says; `docs/cli.md` has the same table."""

    OK = 0
    FAILED = 1
    USAGE = 2
    WOULD_CHANGE = 3
    NOT_FOUND = 4
    REFUSED = 5
    STORE = 6


class CommandError(Exception):
    """A command cannot go on: what is wrong, what to do, and the exit code."""

    def __init__(self, message: str, fix: str = "", code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.code = code


def explain(error: Exception) -> tuple[Exit, list[str]] | None:
    """The exit code and the lines for a person; None for an exception nobody foresaw."""
    if isinstance(error, CommandError):
        return error.code, _lines(error.message, error.fix)
    for module, names, explained in _KNOWN:
        loaded = sys.modules.get(module)
        if loaded and isinstance(error, tuple(getattr(loaded, name) for name in names)):
            return explained(error)
    return None


def _lines(message: str, fix: str | None = "") -> list[str]:
    return [message, f"Fix: {fix}"] if fix else [message]


def _refused(error: Any) -> tuple[Exit, list[str]]:
    """An `ApiError`: the service that the server would have asked said no."""
    code = {400: Exit.REFUSED, 403: Exit.REFUSED, 404: Exit.NOT_FOUND, 409: Exit.REFUSED}
    code |= {410: Exit.NOT_FOUND, 422: Exit.REFUSED}
    lines = [error.message]
    if error.errors:
        lines = ["Refused:"]
        lines += [
            f"  {e.field}: {e.message}" + (f" — {e.fix}" if e.fix else "") for e in error.errors
        ]
    return code.get(error.code, Exit.FAILED), lines + _lines("", error.extra.get("fix"))[1:]


def _failure(error: Any) -> tuple[Exit, list[str]]:
    message = error.message if error.code is None else f"{error.message} [{error.code}]"
    return Exit.FAILED, _lines(f"{error.stage.value}: {message}", error.fix)


def _busy(error: Any) -> tuple[Exit, list[str]]:
    fix = "Try again; `dragoman doctor` says whether the store can be reached."
    return Exit.STORE, _lines(f"The store cannot be used now: {error}", fix)


def _newer(error: Any) -> tuple[Exit, list[str]]:
    return Exit.STORE, _lines(str(error), "Use the later version, or a backup of before its start.")


def _settings(error: Any) -> tuple[Exit, list[str]]:
    return Exit.USAGE, _lines(f"Settings: {error}", "`dragoman config` lists every setting.")


def _keys(error: Any) -> tuple[Exit, list[str]]:
    return Exit.STORE, _lines(error.message, error.fix)


def _store(error: Any) -> tuple[Exit, list[str]]:
    """The driver's own words without statement and parameters, and without passwords in URLs."""
    from dragoman.observability.logs import scrub

    text = str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]
    return Exit.STORE, _lines(f"The store failed: {scrub(text)}", "See DRAGOMAN_DATABASE_URL.")


def _system(error: Any) -> tuple[Exit, list[str]]:
    where = f" {error.filename}" if error.filename else ""
    return Exit.STORE, [f"The system refused{where}: {error.strerror or error}"]


_KNOWN: tuple[tuple[str, tuple[str, ...], Any], ...] = (
    ("dragoman.api.errors", ("ApiError",), _refused),
    ("dragoman.dialects.failures", ("DatabaseFailure",), _failure),
    ("dragoman.store.busy", ("StoreBusy",), _busy),
    ("dragoman.store.migrations", ("NewerStore",), _newer),
    ("dragoman.settings", ("SettingsError",), _settings),
    ("dragoman.vault.errors", ("VaultError",), _keys),
    ("sqlalchemy.exc", ("SQLAlchemyError",), _store),
    ("builtins", ("PermissionError", "FileNotFoundError", "NotADirectoryError"), _system),
)
