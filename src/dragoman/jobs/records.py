"""Jobs as they are stored: submitting, finding, listing, and each change of state.

A job is queued, then running, then completed or failed. Every start gives the job a new `runner`;
only that run may write to it from then on, so that a run which was taken for dead and comes back
changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
from sqlalchemy import delete, func, or_, select, text, update

from dragoman import clock
from dragoman.access.principal import Principal
from dragoman.jobs.tables import ACTIVE
from dragoman.jobs.tables import jobs as table
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow
from dragoman.store.prepared import PreparedInsert

QUEUED, RUNNING, COMPLETED, FAILED = "queued", "running", "completed", "failed"
_ACTIVE = text(ACTIVE)
# A job whose process died so often is not started again: it may be what kills the process.
MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Job:
    """One job; those who may read its connection may see it.

    `stage`, `done` and `total` are its progress, `error` is a sentence for people, `result` what
    its function returned. `joins`: how often it was asked for again. Times are ISO 8601 UTC.
    """

    id: str
    kind: str
    subject: str
    connection_id: str
    arguments: dict[str, Any]
    state: str
    stage: str | None
    done: int | None
    total: int | None
    error: str | None
    result: Any
    created_by: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None
    joins: int = 0

    @property
    def is_active(self) -> bool:
        """Whether it waits or runs."""
        return self.state in (QUEUED, RUNNING)


def submit(
    unit: UnitOfWork,
    kind: str,
    subject: str,
    arguments: Mapping[str, Any],
    principal: Principal,
    connection_id: str | None = None,
) -> Job:
    """Ask for work on a subject (the id of what it is about); runs once the unit commits.

    `connection_id` is the connection that it has to do with, where the subject is another thing.
    Where the same work on the same subject waits or runs already, that job is given back, with
    the arguments it has: one that runs is done once more before it ends, since it may have looked
    already at what the caller changed. It cannot end before this unit does.
    `arguments` are JSON; secrets do not belong there.
    """
    concerned = connection_id or subject
    while True:
        made = _queued(unit, kind, subject, arguments, principal, concerned)
        # The index over the active ones refuses a second one, whoever was faster.
        if _INSERT.run(unit, **_columns(made)):
            return made
        if _join(unit, kind, subject) and (found := active(unit, kind, subject)) is not None:
            return found


def _join(unit: UnitOfWork, kind: str, subject: str) -> bool:
    """Count one more who asks for the active job; its row is locked until the unit ends."""
    mine = (table.c.kind == kind) & (table.c.subject == subject) & _ACTIVE
    counted = update(table).where(mine).values(joins=table.c.joins + 1)
    return unit.db.execute(counted).rowcount == 1


def submit_first(
    unit: UnitOfWork,
    kind: str,
    subject: str,
    arguments: Mapping[str, Any],
    principal: Principal,
) -> Job:
    """As `submit`, for a subject that this unit makes: nobody else can have asked."""
    made = _queued(unit, kind, subject, arguments, principal, subject)
    _INSERT.leave(unit, **_columns(made))
    return made


def follow(unit: UnitOfWork, job: Job) -> None:
    """Ask for the work of a job that has ended once more."""
    anew = {"id": str(uuid.uuid4()), "state": QUEUED, "created_at": unit.now}
    _INSERT.run(unit, **{**_columns(job), **anew})


def _queued(
    unit: UnitOfWork,
    kind: str,
    subject: str,
    arguments: Mapping[str, Any],
    principal: Principal,
    concerned: str,
) -> Job:
    return Job(
        *(str(uuid.uuid4()), kind, subject, concerned, dict(arguments), QUEUED),
        *(None, None, None, None, None),
        *(principal.user_id, unit.now, None, None),
    )


def ask_more(unit: UnitOfWork, job: Job, arguments: Mapping[str, Any]) -> None:
    """Give a job that was joined in this unit other arguments: what is asked now is more."""
    values = {"arguments": msgspec.json.encode(dict(arguments)).decode()}
    unit.db.execute(update(table).where(table.c.id == job.id).values(values))


def find(unit: UnitOfWork, job_id: str) -> Job | None:
    """A job, whoever asks."""
    row = unit.db.execute(select(table).where(table.c.id == job_id)).first()
    return None if row is None else _job(row)


def active(unit: UnitOfWork, kind: str, subject: str) -> Job | None:
    """The job of this kind on this subject that waits or runs."""
    mine = (table.c.kind == kind) & (table.c.subject == subject) & _ACTIVE
    row = unit.db.execute(select(table).where(mine)).first()
    return None if row is None else _job(row)


def active_of(unit: UnitOfWork, job_ids: Collection[str]) -> list[Job]:
    """Those of the jobs that wait or run."""
    rows = unit.db.execute(select(table).where(table.c.id.in_(job_ids), _ACTIVE))
    return [_job(row) for row in rows]


def running(unit: UnitOfWork) -> list[Job]:
    """All jobs that run, in whatever process."""
    return [_job(row) for row in unit.db.execute(_IN_STATE.where(table.c.state == RUNNING))]


def waiting(unit: UnitOfWork, most: int) -> list[Job]:
    """The jobs that wait, oldest first: so many of them at most."""
    oldest = _IN_STATE.where(table.c.state == QUEUED).order_by(table.c.created_at, table.c.id)
    return [_job(row) for row in unit.db.execute(oldest.limit(most))]


# By the index over the active ones: those that have ended are far more.
_IN_STATE = select(table).where(_ACTIVE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list asks for; None is no filter. `readable` are the connections of the reader."""

    kind: str | None = None
    connection_id: str | None = None
    states: tuple[str, ...] | None = None
    readable: Sequence[str] | None = None


def page(
    unit: UnitOfWork, wanted: Wanted, *, size: int, after: Job | None = None
) -> tuple[list[Job], bool, int]:
    """The newest jobs first: at most `size`, whether there are more, and how many in all."""
    asked = ((table.c.kind, wanted.kind), (table.c.connection_id, wanted.connection_id))
    conditions = [column == value for column, value in asked if value is not None]
    if wanted.states is not None:
        conditions.append(table.c.state.in_(wanted.states))
    if wanted.readable is not None:
        conditions.append(table.c.connection_id.in_(wanted.readable))
    total = unit.db.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one()
    if after is not None:
        older = table.c.created_at < after.created_at
        same = (table.c.created_at == after.created_at) & (table.c.id < after.id)
        conditions.append(or_(older, same))
    statement = select(table).where(*conditions).limit(size + 1)
    newest = statement.order_by(table.c.created_at.desc(), table.c.id.desc())
    found = [_job(row) for row in unit.db.execute(newest)]
    return found[:size], len(found) > size, total


def cancel(unit: UnitOfWork, connection_id: str, why: str) -> int:
    """End all waiting and running jobs of a connection as failed; returns how many.

    What runs notices at its next word to the store, and can write nothing more.
    """
    mine = (table.c.connection_id == connection_id) & _ACTIVE
    active_ones = select(table.c.id).where(mine)
    found = unit.db.execute(active_ones).scalars().all()
    for job_id in found:
        finish(unit, job_id, why)
    return len(found)


def start(unit: UnitOfWork, job_id: str, runner: str) -> Job | None:
    """Hand the job to a run; None when it has ended, or now ends for having died too often."""
    mine = (table.c.id == job_id) & _ACTIVE
    values = {
        "state": RUNNING,
        "runner": runner,
        "attempts": table.c.attempts + 1,
        "started_at": func.coalesce(table.c.started_at, unit.now),
    }
    if unit.db.execute(update(table).where(mine).values(values)).rowcount == 0:
        return None
    attempts = unit.db.execute(select(table.c.attempts).where(mine)).scalar_one()
    if attempts > MOST_ATTEMPTS:
        why = f"The server ended in the middle of this job {MOST_ATTEMPTS} times."
        finish(unit, job_id, why)
        return None
    return find(unit, job_id)


def owns(unit: UnitOfWork, job_id: str, runner: str) -> bool:
    """Whether the run may still write. Locks the row, so that it stays true within the unit."""
    mine = select(table.c.id).where(_run(job_id, runner))
    return unit.db.execute(mine.with_for_update()).first() is not None


def progress(
    unit: UnitOfWork, job_id: str, stage: str, done: int | None, total: int | None
) -> None:
    """Note how far the job is."""
    values = {"stage": stage, "done": done, "total": total}
    unit.db.execute(update(table).where(table.c.id == job_id).values(values))


def begin_again(unit: UnitOfWork, job: Job) -> Job | None:
    """The job as it is now, if somebody joined it since; None if not."""
    found = find(unit, job.id)
    return found if found is not None and found.is_active and found.joins > job.joins else None


def finish(unit: UnitOfWork, job_id: str, error: str | None, result: str | None = None) -> None:
    """End an active job: as failed with an error, or as completed with a result (JSON)."""
    state = COMPLETED if error is None else FAILED
    ended = {"state": state, "error": error, "result": result, "finished_at": unit.now}
    mine = (table.c.id == job_id) & _ACTIVE
    unit.db.execute(update(table).where(mine).values(**ended, runner=None))


def give_back(unit: UnitOfWork, job_id: str, runner: str) -> None:
    """A run that an orderly stop ended does not count as one that died."""
    values = {"runner": None, "attempts": table.c.attempts - 1}
    unit.db.execute(update(table).where(_run(job_id, runner)).values(values))


def forget(unit: UnitOfWork, days: int) -> int:
    """Delete jobs that ended more than so many days ago; returns how many."""
    oldest = clock.wire(unit.moment - timedelta(days=days))
    ended = (table.c.created_at < oldest) & (table.c.finished_at < oldest)
    return unit.db.execute(delete(table).where(ended)).rowcount


def _run(job_id: str, runner: str) -> Any:
    return (table.c.id == job_id) & (table.c.runner == runner) & (table.c.state == RUNNING)


def _columns(job: Job) -> dict[str, Any]:
    """The row of a new job."""
    return {
        "id": job.id,
        "kind": job.kind,
        "subject": job.subject,
        "connection_id": job.connection_id,
        "arguments": msgspec.json.encode(job.arguments).decode(),
        "state": job.state,
        "attempts": 0,
        "created_by": job.created_by,
        "created_at": job.created_at,
    }


_INSERT = PreparedInsert(
    table,
    *("id", "kind", "subject", "connection_id", "arguments", "state", "attempts"),
    *("created_by", "created_at"),
    conflict="ON CONFLICT DO NOTHING",
)


def _job(row: AnyRow) -> Job:
    return Job(
        row.id,
        row.kind,
        row.subject,
        row.connection_id,
        msgspec.json.decode(row.arguments),
        row.state,
        row.stage,
        row.done,
        row.total,
        row.error,
        None if row.result is None else msgspec.json.decode(row.result),
        row.created_by,
        row.created_at,
        row.started_at,
        row.finished_at,
        row.joins,
    )
