"""The rules of schema-refresh schedules: a connection's admins make them, each runs when due."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy import delete, insert, select, update

from dragoman import audit, clock
from dragoman.access.policy import Permission
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.api.errors import ApiError, BadRequest, FieldError, NotFound
from dragoman.catalog import service as catalog
from dragoman.connections import service as connections
from dragoman.house import House
from dragoman.schedules import cron
from dragoman.schedules.description import describe
from dragoman.schedules.schemas import RefreshSchedule, ScheduleBody
from dragoman.schedules.tables import refresh_schedules as table
from dragoman.store import StoreBusy, UnitOfWork
from dragoman.store.metadata import AnyRow

log = structlog.get_logger()
SCHEDULER = Principal(PrincipalKind.OPERATOR, "schedule", organization_admin=True)
_AT_ONCE = 100
_LATER = timedelta(hours=1)


def create(
    unit: UnitOfWork, principal: Principal, connection_id: str, body: ScheduleBody
) -> RefreshSchedule:
    """Add a schedule to a connection. Raises `BadRequest`, and as `connections.get`."""
    _authorise(unit, principal, connection_id)
    schedule_id = str(uuid.uuid4())
    row = {"hard_refresh": False, **_values(unit, body, disabled_at=None)}
    made = insert(table).values(
        **row,
        id=schedule_id,
        connection_id=connection_id,
        created_by=principal.user_id,
        created_at=unit.now,
    )
    unit.db.execute(made)
    return _told(unit, principal, "schedule.create", connection_id, schedule_id)


def list_all(unit: UnitOfWork, principal: Principal, connection_id: str) -> list[RefreshSchedule]:
    """The schedules of a connection, oldest first. Raises as `connections.get`."""
    _authorise(unit, principal, connection_id)
    mine = select(table).where(table.c.connection_id == connection_id)
    rows = unit.db.execute(mine.order_by(table.c.created_at, table.c.id))
    return [_schedule(row) for row in rows]


def get(
    unit: UnitOfWork, principal: Principal, connection_id: str, schedule_id: str
) -> RefreshSchedule:
    """One schedule. Raises `NotFound`, also for one of another connection."""
    _authorise(unit, principal, connection_id)
    return _schedule(_row(unit, connection_id, schedule_id))


def change(
    unit: UnitOfWork,
    principal: Principal,
    connection_id: str,
    schedule_id: str,
    body: ScheduleBody,
) -> RefreshSchedule:
    """Change a schedule; it is next due as if it were new. Raises as `create` and `get`."""
    _authorise(unit, principal, connection_id)
    before = _row(unit, connection_id, schedule_id)
    values = _values(unit, body, before.disabled_at)
    unit.db.execute(update(table).where(table.c.id == schedule_id).values(values))
    return _told(unit, principal, "schedule.update", connection_id, schedule_id, _schedule(before))


def remove(unit: UnitOfWork, principal: Principal, connection_id: str, schedule_id: str) -> None:
    """Delete a schedule; a refresh that it began goes on. Raises as `get`."""
    before = get(unit, principal, connection_id, schedule_id)
    unit.db.execute(delete(table).where(table.c.id == schedule_id))
    resource = ("connection", connection_id)
    audit.record(unit, principal, "schedule.delete", resource, before=msgspec.to_builtins(before))


def run_due(house: House) -> None:
    """Ask for the refresh of every schedule that is due, once for all the times it missed."""
    with house.store.look() as unit:
        due = unit.db.execute(
            select(table).where(table.c.next_run_at <= unit.now).limit(_AT_ONCE)
        ).all()
    for row in due:
        try:
            with house.store.begin() as unit:
                _run(unit, row)
        except StoreBusy:
            raise
        except Exception:
            # One schedule that cannot be worked out holds up no other.
            log.exception("a schedule cannot be run", schedule_id=row.id)
            with house.store.begin() as unit:
                later = _stored(unit.moment + _LATER)
                put_off = update(table).where(table.c.id == row.id).values(next_run_at=later)
                unit.db.execute(put_off)


def _run(unit: UnitOfWork, row: AnyRow) -> None:
    """Taking a schedule moves its due time on, in the transaction that submits the job: of several
    processes one wins, and a kill in between undoes both."""
    upcoming = cron.Schedule(row.schedule, row.timezone).after(unit.moment)
    mine = (table.c.id == row.id) & (table.c.next_run_at == row.next_run_at)
    moved = update(table).where(mine).values(next_run_at=_stored(upcoming), last_run_at=unit.now)
    if unit.db.execute(moved).rowcount == 0:
        return  # another process was faster, or the schedule was changed
    try:
        found = connections.get(unit, SCHEDULER, row.connection_id, Permission.CATALOG_REFRESH)
        job = catalog.request_refresh(unit, SCHEDULER, found, hard=row.hard_refresh)
    except ApiError as refused:  # the connection is in the trash, or its settings do not fit
        log.warning("scheduled refresh refused", schedule_id=row.id, reason=refused.message)
        return
    unit.db.execute(update(table).where(table.c.id == row.id).values(last_job_id=job.id))


def _authorise(unit: UnitOfWork, principal: Principal, connection_id: str) -> None:
    connections.get(unit, principal, connection_id, Permission.SCHEDULES_MANAGE)


def _values(unit: UnitOfWork, body: ScheduleBody, disabled_at: str | None) -> dict[str, Any]:
    """The columns that a body sets. Raises `BadRequest` naming what is wrong."""
    try:
        schedule = cron.parse(body.schedule, body.timezone)
    except cron.WrongSchedule as wrong:
        raise _refusal(wrong.field, wrong.message) from None
    upcoming = schedule.after(unit.moment)
    if upcoming is None:
        raise _refusal("schedule", "never comes due from now on")
    if body.disabled is not msgspec.UNSET:
        disabled_at = (disabled_at or unit.now) if body.disabled else None
    values: dict[str, Any] = {
        "schedule": schedule.expression,
        "timezone": schedule.timezone,
        "disabled_at": disabled_at,
        "next_run_at": None if disabled_at else _stored(upcoming),
        "updated_at": unit.now,
    }
    if body.hard_refresh is not msgspec.UNSET:
        values["hard_refresh"] = body.hard_refresh
    return values


def _refusal(field: str, message: str) -> BadRequest:
    problem = FieldError(field, message)
    return BadRequest(f"Bad Request: {field}: {message}", errors=[problem])


def _told(
    unit: UnitOfWork,
    principal: Principal,
    action: str,
    connection_id: str,
    schedule_id: str,
    before: RefreshSchedule | None = None,
) -> RefreshSchedule:
    """The schedule as it is now, audited."""
    found = _schedule(_row(unit, connection_id, schedule_id))
    audit.record(
        unit,
        principal,
        action,
        ("connection", connection_id),
        before=None if before is None else msgspec.to_builtins(before),
        after=msgspec.to_builtins(found),
    )
    return found


def _row(unit: UnitOfWork, connection_id: str, schedule_id: str) -> AnyRow:
    mine = (table.c.id == schedule_id) & (table.c.connection_id == connection_id)
    row = unit.db.execute(select(table).where(mine)).first()
    if row is None:
        raise NotFound(f"Schedule with id {schedule_id} does not exist")
    return row


def _stored(moment: datetime | None) -> str | None:
    return None if moment is None else clock.wire(moment)


def _schedule(row: AnyRow) -> RefreshSchedule:
    return RefreshSchedule(
        row.id,
        row.connection_id,
        row.schedule,
        row.timezone,
        describe(cron.Schedule(row.schedule, row.timezone)),
        row.disabled_at,
        row.hard_refresh,
        row.created_at,
        row.updated_at,
        row.next_run_at,
        row.last_run_at,
        row.last_job_id,
    )
