"""The store's ways of saying "not now", as one error."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout


class StoreBusy(Exception):
    """The store cannot take the work now (locked, full, away); trying again later may succeed.

    `at_once`: nothing stands in the way of trying again now.
    """

    def __init__(self, message: str, *, at_once: bool = False) -> None:
        super().__init__(message)
        self.at_once = at_once


class told:  # noqa: N801 - used as a function
    """A context that turns the driver's ways of saying "not now" into `StoreBusy`."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None:
            return
        if isinstance(error, PoolTimeout):
            raise StoreBusy("the store has no free connection") from error
        if isinstance(error, DBAPIError):
            if error.connection_invalidated or _is_busy(error):
                again = getattr(error.orig, "sqlstate", None) in _COLLISIONS
                raise StoreBusy(str(error.orig), at_once=again) from error
        # Of statements that the writer runs on the driver itself.
        elif isinstance(error, sqlite3.Error) and _says_busy(error):
            raise StoreBusy(str(error)) from error


_BUSY_TEXTS = (
    "database is locked",
    "database table is locked",
    "database or disk is full",
    "disk i/o error",
    "unable to open database file",
    "attempt to write a readonly database",
    # The tables are there from the start on: the file was moved away under the server.
    "no such table",
)
# PostgreSQL, appendix A: serialization_failure and deadlock_detected.
_COLLISIONS = ("40001", "40P01")


def _is_busy(error: DBAPIError) -> bool:
    """SQLite has one class for all its troubles; psycopg's class means that the server is away,
    full, stopping or has too much to do (DB-API 2.0, OperationalError)."""
    if type(error.orig).__module__.startswith("sqlite3"):
        return _says_busy(error.orig)
    return isinstance(error, OperationalError)


def _says_busy(error: BaseException | None) -> bool:
    return any(known in str(error).lower() for known in _BUSY_TEXTS)
