"""The database under examination, and what the checks do with it."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from dragoman.dialects.base import Dialect, Session, SessionOptions, Target
from dragoman.dialects.conformance.relay import Relayed
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.network import Network
from dragoman.dialects.spelling import Spelling

SESSION_SECONDS = 60.0


class Unmet(Exception):
    """A check did not find what it looked for; the text says what it found."""


class Unasked(Exception):
    """A check cannot or may not be made here; the text says why."""


@dataclass(frozen=True)
class Subject:
    """A dialect at a running database.

    `schema`: where the suite may try to write; None forbids it.
    `server_running`: whether the server works on a statement with this text in it; `sever`: ends
    the open sessions from outside. Without them the suite looks, and cuts, by its own means.
    `refused`: further statements that the database itself must refuse.
    `gaps`: checks that a stand-in (not the dialect) is known to fail, and why.
    """

    dialect: Dialect
    target: Target
    network: Network
    files: Path | None = None
    schema: str | None = None
    server_running: Callable[[str], bool] | None = None
    sever: Callable[[], None] | None = None
    refused: tuple[str, ...] = ()
    gaps: Mapping[str, str] = field(default_factory=dict[str, str])
    respelled: Spelling | None = None

    @property
    def spelling(self) -> Spelling:
        """How statements are written here: the dialect's way, or the stand-in's."""
        return self.respelled or self.dialect.spelling

    def options(self, **given: Any) -> SessionOptions:
        """Options of a session, the suite's defaults under those given."""
        defaults: dict[str, Any] = {"files": self.files, "timeout_seconds": SESSION_SECONDS}
        return SessionOptions(**{**defaults, **given})

    def connect(self, **options: Any) -> Session:
        """An open session, as the server opens it. Raises `DatabaseFailure`."""
        return self.dialect.open_session(self.target, self.network, self.options(**options))

    @contextlib.contextmanager
    def session(self, **options: Any) -> Generator[Session]:
        """A session, closed at the end."""
        session = self.connect(**options)
        try:
            yield session
        finally:
            session.close()

    @contextlib.contextmanager
    def severable(self, *, for_good: bool = False) -> Generator[tuple[Subject, Callable[[], None]]]:
        """The subject by a way that can be cut (for good: also for those who dial anew)."""
        if self.sever is not None:
            yield self, self.sever
            return
        relayed = Relayed(self.network)
        try:
            yield replace(self, network=relayed), partial(relayed.cut, for_good=for_good)
        finally:
            relayed.cut()

    def slow(self) -> tuple[str, str]:
        """A statement that works for more than a minute, and the mark in its text."""
        mark = f"slow_{secrets.token_hex(4)}"
        return self.spelling.work(mark), mark

    def shows(self, mark: str) -> bool | None:
        """Whether the server works on a statement with this mark; None where nobody can tell."""
        if self.server_running is not None:
            return self.server_running(mark)
        if not self.spelling.running:
            return None
        sql = self.spelling.running.format(mark_a=mark[:6], mark_b=mark[6:])
        try:
            with self.session() as session:
                return int(first_value(session, sql)) > 0
        except DatabaseFailure:
            return None

    def one(self) -> str:
        """The smallest statement."""
        return f"SELECT 1 AS a{self.spelling.end}"

    def must_answer(self, session: Session) -> None:
        """Raise `Unmet` unless the session is still good for a statement."""
        if (found := values(session, self.one())) != [[1]]:
            raise Unmet(f"Afterwards the session answered {found} to {self.one()}.")


def values(session: Session, sql: str) -> list[list[Any]]:
    """All rows of an answer as Python values."""
    return [list(row.values()) for batch in session.run(sql).batches for row in batch.to_pylist()]


def first_value(session: Session, sql: str) -> Any:
    """The first value of the first row."""
    found = values(session, sql)
    if not found or not found[0]:
        raise Unmet(f"No row came for {sql}.")
    return found[0][0]


def until(condition: Callable[[], bool | None], seconds: float = 10.0) -> bool:
    """Whether the condition holds before the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return bool(condition())
