"""The stream of lines that answers a question (contract §4.4): submitted, results, footer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from dragoman.api.errors import ApiError
from dragoman.dialects.failures import Cause, DatabaseFailure
from dragoman.queries.envelope import Ask
from dragoman.queries.executions import EXECUTIONS, Job, outcome
from dragoman.queries.handover import parts
from dragoman.queries.planning import Planned
from dragoman.queries.spool import Spooled
from dragoman.semantics.answers.assembling import TRUNCATED, different
from dragoman.semantics.compiler.errors import ErrorType, PlanError
from dragoman.semantics.compiler.plan import Column
from dragoman.semantics.datatypes import DataType

log = structlog.get_logger()
_encode = msgspec.json.Encoder(decimal_format="number").encode
_DONE: Mapping[str, Any] = {"remaining_job_ids": [], "timed_out": "false"}
# The vendor's words before what is wrong with SQL that has references; clients look for them.
_UNBOUND = "Could not substitute Omni SQL: "
_ERROR_TYPES = {Cause.QUERY_TIMEOUT: "TIMEOUT", Cause.CANCELLED: "KILL"}


async def answers(jobs: Sequence[Job], seconds: float) -> AsyncIterator[bytes]:
    """The lines of jobs until all have ended, or the time is over. A client that leaves gives its
    jobs up."""
    submitted = {job.id: job.result_id for job in jobs}
    yield _line({"jobs_submitted": submitted})
    waiting = {asyncio.create_task(outcome(job, seconds)): job for job in jobs}
    late: list[str] = []
    complete = False
    try:
        for task, job in waiting.items():
            try:
                found = await task
            except Exception as problem:  # noqa: BLE001 - the stream has begun: it is told there
                yield _line(_unexpected(job, problem))
                continue
            if found is None:
                late.append(job.id)
                continue
            async for piece in _ended(job, found):
                yield piece
        # A footer's flag is text: clients compare it with "false" (contract §4.4).
        yield _line({"remaining_job_ids": late, "timed_out": "true" if late else "false"})
        complete = True
    finally:
        for task, job in waiting.items():
            task.cancel()
            if not complete or job.id not in late:
                EXECUTIONS.leave(job)


async def _ended(job: Job, found: Spooled | DatabaseFailure) -> AsyncIterator[bytes]:
    if isinstance(found, DatabaseFailure):
        told = job.planned.told(found)
        yield _line(failed(job, _ERROR_TYPES.get(told.cause, "QUERY"), _words(told)))
        return
    head = _encode(await asyncio.to_thread(_complete, job, found))[:-1]
    yield head + b',"result":"'
    pieces = found.base64()
    while (piece := await asyncio.to_thread(next, pieces, b"")) != b"":
        for part in parts(piece):
            yield part
    yield b'"}\n'


def _unexpected(job: Job, problem: Exception) -> dict[str, Any]:
    """The line of a job that something else than its database ended."""
    if isinstance(problem, ApiError):
        return failed(job, "UNAVAILABLE", problem.message)
    log.error("unexpected error", job_id=job.id, exc_info=problem)
    return failed(job, "INTERNAL", f"Internal error; job {job.id}")


def _words(failure: DatabaseFailure) -> str:
    return f"{failure.message} {failure.fix or ''}".strip()


def _complete(job: Job, found: Spooled) -> dict[str, Any]:
    execution = job.execution
    milliseconds = round(execution.seconds * 1000)
    return {
        "job_id": job.id,
        "status": "COMPLETE",
        "client_result_id": job.result_id,
        "query": job.body,
        "summary": {
            **summary(job.planned),
            "total_rows": found.rows,
            "execution_time_ms": milliseconds,
            "truncated": _is_truncated(job.planned, found),
        },
        "cache_metadata": {"num_rows": found.rows, "from_cache": execution.from_cache},
        "stream_stats": {"server_stream": milliseconds},
    }


def _is_truncated(planned: Planned, found: Spooled) -> bool:
    """Whether the limit may have left rows out: exact where the answer was put together."""
    if planned.assembly is not None:
        return found.metadata().get(TRUNCATED) == b"true"
    if planned.pivot is not None:
        rows, limit = planned.pivot
        return found.rows >= limit and different(found.table(), rows) >= limit
    return planned.limit is not None and found.rows >= planned.limit


def summary(planned: Planned) -> dict[str, Any]:
    """What there is to know of an answer beside its rows."""
    sql = planned.sql if planned.shows_sql else ""
    return {
        "fields": {column.name: field_facts(column) for column in planned.columns or ()},
        "display_sql": sql,
        "sql": sql,
        "missing_fields": list(planned.missing),
        "warnings": list(planned.warnings),
    }


def field_facts(column: Column) -> dict[str, Any]:
    """A column as clients read it."""
    facts: dict[str, Any] = {
        "field_name": column.field,
        "view_name": column.view,
        "fully_qualified_name": column.name,
        "label": column.label,
        "format": column.format,
        "data_type": column.type.wire,
        "is_dimension": column.is_dimension,
    }
    if column.type is DataType.DATE:
        facts["date_type"] = "DATE"
    return facts


def planned_lines(job_id: str, body: Mapping[str, Any], planned: Planned) -> bytes:
    """The answer of a question that was only to be planned."""
    line = {
        "job_id": job_id,
        "status": "PLANNED",
        "client_result_id": job_id,
        "query": body,
        "summary": {
            **summary(planned),
            "plan": planned.description if planned.shows_sql else "",
        },
    }
    return _one_line(job_id, line)


def refused_lines(job_id: str, ask: Ask, problem: PlanError) -> bytes:
    """The answer of a question that cannot be compiled."""
    unbound = ask.query.has_references and problem.error_type is ErrorType.PLAN
    line = {
        "job_id": job_id,
        "status": "FAILED",
        "client_result_id": job_id,
        "query": ask.body,
        "error_type": problem.error_type.value,
        "error_message": f"{_UNBOUND if unbound else ''}{problem}",
    }
    return _one_line(job_id, line)


def _one_line(job_id: str, line: Mapping[str, Any]) -> bytes:
    return _line({"jobs_submitted": {job_id: job_id}}) + _line(line) + _line(_DONE)


def failed(job: Job, error_type: str, message: str) -> dict[str, Any]:
    """The line of a job whose statement failed."""
    return {
        "job_id": job.id,
        "status": "FAILED",
        "client_result_id": job.result_id,
        "query": job.body,
        "error_type": error_type,
        "error_message": message,
    }


def _line(content: Mapping[str, Any]) -> bytes:
    return _encode(content) + b"\n"
