"""Waiting for jobs in tests, and looking into their engine."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any, TypeVar

from dragoman import jobs
from dragoman.access.principal import OPERATOR
from tests.support.server import Server

T = TypeVar("T")
SECONDS = 90.0


def until(look: Callable[[], T | None], seconds: float = SECONDS) -> T:
    """What `look` gives once that is something."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def submitted(server: Server, kind: str, subject: str = "s", **arguments: object) -> jobs.Job:
    with server.unit() as unit:
        job = jobs.submit(unit, kind, subject, arguments, OPERATOR)
    server.house.jobs.wake()
    return job


def shown(server: Server, job: jobs.Job) -> jobs.Job:
    with server.unit() as unit:
        found = jobs.find(unit, job.id)
    assert found is not None
    return found


def ended(server: Server, job: jobs.Job) -> jobs.Job:
    """The job once it has ended."""

    def look() -> jobs.Job | None:
        found = shown(server, job)
        return None if found.is_active else found

    return until(look)


def engine_rows(server: Server, statement: str) -> list[tuple[Any, ...]]:
    """Rows of the engine's own tables; `{}` in the statement stands for their schema."""
    if not server.house.store.is_sqlite:
        return server.sql(statement.format("dragoman_jobs."))
    with sqlite3.connect(next(server.home.parent.glob("*-jobs.db"))) as file:
        found = file.execute(statement.format("")).fetchall()
    file.close()
    return found
