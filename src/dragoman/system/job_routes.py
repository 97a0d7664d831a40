"""Paths of background jobs (contract §3.3): the status of one, and the list.

A job may be seen by those who may read the connection that it has to do with.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.api.call import Call, answer
from dragoman.api.errors import BadRequest, NotFound
from dragoman.api.paging import PageInfo, page_size
from dragoman.api.routing import Parameter, Route
from dragoman.connections import service as connections
from dragoman.jobs import Job, records
from dragoman.store import UnitOfWork

TAG = "Jobs"
# The words of the contract for our states. IN_PROGRESS is its older word for RUNNING.
_STATUS = {
    records.QUEUED: "RUNNING",
    records.RUNNING: "RUNNING",
    records.COMPLETED: "COMPLETED",
    records.FAILED: "FAILED",
}
_WORDS = {"IN_PROGRESS": "RUNNING"}


class JobProgress(msgspec.Struct):
    """How far a job is: `done` of `total` of what the stage works on (schemas, for a refresh)."""

    stage: str
    done: int | None
    total: int | None


class JobStatus(msgspec.Struct):
    """A job. `status` is RUNNING, COMPLETED or FAILED; `error` says why it failed. `started_at`
    is null while the job waits. Times are ISO 8601 UTC."""

    job_id: str
    job_type: str
    status: str
    connection_id: str
    progress: JobProgress | None
    error: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class JobList(msgspec.Struct, rename="camel"):
    """One page of jobs, newest first."""

    page_info: PageInfo
    records: list[JobStatus]


async def status(call: Call) -> Response:
    job_id = call.id("jobId")
    return answer(_shown(await call.read(lambda unit: _visible(unit, call.principal, job_id))))


async def list_jobs(call: Call) -> Response:
    query = call.query()
    size, states = page_size(query), _states(query.get("status"))
    kind, connection_id = query.get("jobType"), query.get("connectionId")

    def work(unit: UnitOfWork) -> tuple[list[Job], bool, int]:
        readable = connections.readable(unit, call.principal)
        wanted = records.Wanted(kind, connection_id, states, readable)
        return records.page(unit, wanted, size=size, after=_after(unit, query.get("cursor")))

    found, more, total = await call.read(work)
    info = PageInfo(more, found[-1].id if more else None, size, total)
    return answer(JobList(info, [_shown(job) for job in found]))


def _visible(unit: UnitOfWork, principal: Principal, job_id: str) -> Job:
    """A job on a connection that the principal may read. Raises `NotFound`."""
    found = records.find(unit, job_id)
    readable = connections.readable(unit, principal)
    if found is None or (readable is not None and found.connection_id not in readable):
        raise NotFound(f"Job with id {job_id} does not exist")
    return found


def _after(unit: UnitOfWork, cursor: str | None) -> Job | None:
    if cursor is None:
        return None
    found = records.find(unit, cursor[:36])
    if found is None:
        raise BadRequest("Bad Request: cursor: not a cursor of this list")
    return found


def _states(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    word = _WORDS.get(text.upper(), text.upper())
    states = tuple(state for state, known in _STATUS.items() if known == word)
    if not states:
        raise BadRequest("Bad Request: status: must be RUNNING, COMPLETED or FAILED")
    return states


def _shown(job: Job) -> JobStatus:
    progress = None if job.stage is None else JobProgress(job.stage, job.done, job.total)
    return JobStatus(
        job.id,
        job.kind,
        _STATUS[job.state],
        job.connection_id,
        progress,
        job.error,
        job.created_at,
        job.started_at,
        job.finished_at,
    )


_WORD: dict[str, Any] = {"enum": ["RUNNING", "COMPLETED", "FAILED", "IN_PROGRESS"]}

ROUTES = (
    Route(
        "GET",
        "/api/v1/jobs/{jobId}/status",
        status,
        Permission.CONNECTIONS_READ,
        "jobsGetStatus",
        "Get status of a background job",
        TAG,
        answer=JobStatus,
        errors=(400, 404),
    ),
    Route(
        "GET",
        "/api/v1/jobs",
        list_jobs,
        Permission.CONNECTIONS_LIST,
        "jobsList",
        "List background jobs, newest first",
        TAG,
        answer=JobList,
        query=(
            Parameter("connectionId", "Only jobs on this connection."),
            Parameter("jobType", "Only this kind of job, for example REFRESH_SCHEMA."),
            Parameter("status", "Only jobs with this status.", _WORD),
            Parameter("pageSize", "Rows a page; 20 when absent.", {"type": "integer"}),
            Parameter("cursor", "`nextCursor` of the page before."),
        ),
        errors=(400,),
        extension=True,
    ),
)
