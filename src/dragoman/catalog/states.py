"""How the reading of each connection's catalog stands: one row a connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import insert, select, update

from dragoman.catalog.tables import catalog_states as table
from dragoman.store import UnitOfWork
from dragoman.store.prepared import PreparedInsert


@dataclass(frozen=True, slots=True)
class State:
    """`generation` is the present one, 0 before the first. `pending`: one that was left behind."""

    generation: int = 0
    pending: int | None = None
    reading: str | None = None
    job_id: str | None = None
    asked_at: str | None = None
    refreshed_at: str | None = None
    changed_at: str | None = None
    tables: int = 0
    columns: int = 0
    failure: Mapping[str, Any] | None = None
    notices: Sequence[str] = ()


def get(unit: UnitOfWork, connection_id: str) -> State:
    """The state of a connection's catalog."""
    row = unit.db.execute(select(table).where(table.c.connection_id == connection_id)).first()
    if row is None:
        return State()
    return State(
        row.generation,
        row.pending,
        row.reading,
        row.job_id,
        row.asked_at,
        row.refreshed_at,
        row.changed_at,
        row.tables,
        row.columns,
        None if row.failure is None else msgspec.json.decode(row.failure),
        () if row.notices is None else msgspec.json.decode(row.notices),
    )


def generation(unit: UnitOfWork, connection_id: str) -> int:
    """The present generation, 0 before the first."""
    mine = select(table.c.generation).where(table.c.connection_id == connection_id)
    return unit.db.execute(mine).scalar() or 0


def asked(unit: UnitOfWork, connection_id: str, job_id: str) -> None:
    """Note that a job reads the catalog, or shall."""
    _ASKED.leave(
        unit,
        connection_id=connection_id,
        job_id=job_id,
        asked_at=unit.now,
        **_EMPTY,
    )


_EMPTY = {"generation": 0, "tables": 0, "columns": 0}
_ASKED = PreparedInsert(
    table,
    *("connection_id", "job_id", "asked_at", *_EMPTY),
    conflict="ON CONFLICT (connection_id) DO UPDATE"
    " SET job_id = excluded.job_id, asked_at = excluded.asked_at",
)


def put(unit: UnitOfWork, connection_id: str, **values: Any) -> None:
    """Set columns of the row, which is made where there is none."""
    for name in ("failure", "notices"):
        if values.get(name) is not None:
            values[name] = msgspec.json.encode(values[name]).decode()
    mine = table.c.connection_id == connection_id
    if unit.db.execute(update(table).where(mine).values(values)).rowcount == 0:
        unit.db.execute(insert(table).values({**_EMPTY, **values, "connection_id": connection_id}))


def shown(state: State, running: str | None) -> dict[str, Any]:
    """The state as the API shows it. `running`: the id of the job under way."""
    ended = "failed" if state.failure else "completed" if state.refreshed_at else "never"
    return {
        "status": "running" if running else ended,
        "jobId": running or state.job_id,
        "requestedAt": state.asked_at,
        "refreshedAt": state.refreshed_at,
        "changedAt": state.changed_at,
        "tables": state.tables,
        "columns": state.columns,
        "failure": state.failure,
        "notices": list(state.notices),
    }
