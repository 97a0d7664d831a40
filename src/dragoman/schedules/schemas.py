"""Wire shapes of schema-refresh schedules (contract §2.6)."""

from __future__ import annotations

import msgspec


class RefreshSchedule(msgspec.Struct, rename="camel"):
    """A schedule. Times are ISO 8601 UTC. `nextRunAt` is null when it is disabled or over;
    `lastRunAt` and `lastJobId` tell of the last time that it was due."""

    schedule_id: str
    connection_id: str
    schedule: str
    timezone: str
    description: str
    disabled_at: str | None
    hard_refresh: bool
    created_at: str
    updated_at: str
    next_run_at: str | None
    last_run_at: str | None
    last_job_id: str | None


class ScheduleList(msgspec.Struct):
    """All schedules of a connection, oldest first."""

    schedules: list[RefreshSchedule]


class ScheduleBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """`schedule` is AWS's six-field cron, `timezone` a name of IANA. `hardRefresh` also removes
    what the database no longer has (false when new). `disabled` keeps the schedule from running.
    What a change leaves out stays as it was."""

    schedule: str
    timezone: str
    hard_refresh: bool | msgspec.UnsetType = msgspec.UNSET
    disabled: bool | msgspec.UnsetType = msgspec.UNSET


class Deleted(msgspec.Struct):
    """The answer of a delete."""

    success: bool = True
