"""Which processes that run jobs are alive: heartbeats in a store that several share (Postgres).

All times are the database's own, so that the clocks of machines need not agree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select, update

from dragoman.jobs.tables import job_executors as table
from dragoman.store import UnitOfWork

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert

BEAT_SECONDS = 3.0
# A process that was not heard of so long is taken for dead.
DEAD_SECONDS = 15.0

_NOW = func.extract("epoch", func.clock_timestamp())


def beat(unit: UnitOfWork, executor: str) -> None:
    """Say that the process is alive."""
    row = _row(executor, _NOW)
    unit.db.execute(row.on_conflict_do_update(index_elements=[table.c.id], set_={"seen_at": _NOW}))


def claim(unit: UnitOfWork, executors: set[str]) -> list[str]:
    """Those of the executors that are dead and that the caller shall take over.

    A claim counts as a heartbeat: if the caller dies as well, the next one claims them later.
    """
    claimed: list[str] = []
    for executor in sorted(executors):
        # One that has no row left was taken over by halves: it counts as dead since long ago.
        unit.db.execute(_row(executor, 0).on_conflict_do_nothing())
        dead = (table.c.id == executor) & (table.c.seen_at < _NOW - DEAD_SECONDS)
        if unit.db.execute(update(table).where(dead).values(seen_at=_NOW)).rowcount == 1:
            claimed.append(executor)
    return claimed


def leave(unit: UnitOfWork, executor: str) -> None:
    """Say that the process ends: what it leaves may be taken over at once."""
    unit.db.execute(update(table).where(table.c.id == executor).values(seen_at=0))


def forget(unit: UnitOfWork, working: set[str]) -> None:
    """Delete the rows of dead processes that have nothing under way."""
    dead = (table.c.seen_at < _NOW - DEAD_SECONDS) & table.c.id.not_in(working)
    unit.db.execute(delete(table).where(dead))


def alive(unit: UnitOfWork) -> set[str]:
    """The processes that were heard of lately."""
    fresh = select(table.c.id).where(table.c.seen_at >= _NOW - DEAD_SECONDS)
    return set(unit.db.execute(fresh).scalars())


def _row(executor: str, seen_at: Any) -> Insert:
    # At the time of use: a server with SQLite needs nothing of this dialect, 60 ms of its start.
    from sqlalchemy.dialects.postgresql import insert

    return insert(table).values(id=executor, seen_at=seen_at)
