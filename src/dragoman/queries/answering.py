"""What the paths of questions in fields do; imported with the first question, not at the start."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response, StreamingResponse

from dragoman.api.call import Call, answer
from dragoman.api.errors import BadRequest, Forbidden, NotFound, RequestTimeout
from dragoman.connections import dialling
from dragoman.dialects.failures import DatabaseFailure
from dragoman.queries import envelope, lines, planning, xlsx
from dragoman.queries.delivery import CLIENT_CLOSED_REQUEST, Delivery, StreamedAnswer
from dragoman.queries.envelope import Ask
from dragoman.queries.executions import EXECUTIONS, Job, Wanted, outcome
from dragoman.queries.fields_query import FieldsQuery
from dragoman.queries.formats import FORMATS, FORMATS_BY_KEY, Format
from dragoman.queries.handover import Abandoned
from dragoman.queries.kept_results import key_of
from dragoman.queries.kinds import LINES, SPREADSHEET, CacheMode
from dragoman.queries.negotiation import choose
from dragoman.queries.planning import Planned
from dragoman.queries.reusing import kept_result
from dragoman.semantics.compiler.errors import ErrorType, NoSuchTopic, PlanError

MAX_JOBS = 100


async def run(call: Call) -> Response:
    """Answer a question: a stream of lines, or one document."""
    lenient = call.house.settings.lenient_filters == "on"
    ask = envelope.read(await call.json(), call.query(), lenient=lenient)
    form = _document(call, ask)
    try:
        planned = await call.read(lambda unit: planning.plan(unit, call.principal, ask))
    except PlanError as problem:
        if form is not None or ask.result_type is not None:
            raise refusal(problem) from None
        return _lines(lines.refused_lines(str(uuid.uuid4()), ask, problem))
    if ask.acting_for is not None:
        await call.write(lambda unit: planning.audit_acting(unit, call.principal, ask))
    if ask.plan_only:
        return _lines(lines.planned_lines(str(uuid.uuid4()), ask.body, planned))
    if form is not None:
        return await _streamed(call, ask, planned, form)
    if ask.result_type == "xlsx":
        return await _spreadsheet(call, ask, planned)
    job = await job_of(call, ask, planned)
    seconds = float(call.house.settings.query_wait_seconds)
    return StreamingResponse(lines.answers([job], seconds), media_type=LINES)


async def wait(call: Call) -> Response:
    """Go on waiting for answers."""
    jobs = [_found(call, job_id) for job_id in _job_ids(call.query())]
    seconds = float(call.house.settings.query_wait_seconds)
    return StreamingResponse(lines.answers(jobs, seconds), media_type=LINES)


async def cancel(call: Call) -> Response:
    """Give answers up; their statements are stopped unless somebody else waits for them."""
    body = await call.json()
    given = body.get("job_ids", body.get("jobIds"))
    if not isinstance(given, list):
        raise BadRequest("Bad Request: job_ids: an array is expected")
    ids = [str(each) for each in cast("list[object]", given)][:MAX_JOBS]
    jobs = [_found(call, job_id) for job_id in ids]
    for job in jobs:
        EXECUTIONS.leave(job)
    return answer({"success": True, "cancelled": [job.id for job in jobs]})


def _document(call: Call, ask: Ask) -> Format | None:
    """The one document that is asked for, by `resultType` or `Accept`; None: the lines."""
    if ask.result_type == "xlsx":
        return None
    if ask.result_type is not None:
        return FORMATS_BY_KEY[ask.result_type]
    accepted = call.request.headers.getlist("accept")
    named = {part.split(";")[0].strip().lower() for each in accepted for part in each.split(",")}
    # `application/json` is what clients send that read the lines; it asks for nothing special.
    wanted = [form for form in FORMATS if form.key not in ("ndjson", "json")]
    return (
        choose(accepted) if any(name in form.names for form in wanted for name in named) else None
    )


async def job_of(call: Call, ask: Ask, planned: Planned) -> Job:
    """The job of the question: of a kept result, of an equal question under way, or a new one."""
    connection = planned.located.connection
    # What the database shows to one person it may hide from the next.
    key = key_of(
        *(connection.id, connection.version, planned.located.whose),
        *(planned.sql, planned.columns, _after(planned)),
    )
    house, principal = call.house, call.principal
    keep = ask.cache is not CacheMode.OFF and planned.max_age > 0
    use = ask.cache is CacheMode.USE
    wanted = Wanted(planned, key, ask.body, keep=keep, share=use)
    if use and planned.max_age > 0:
        kept = await kept_result(house, planned, key)
        if kept is not None:
            return EXECUTIONS.answered(principal, wanted, kept)
    destination = await dialling.opened_aside(house, planned.located)
    return EXECUTIONS.start(house, principal, destination, wanted)


def _after(planned: Planned) -> str:
    """What is done with the rows besides: a part of what the answer depends on."""
    return repr((planned.sorts, planned.assembly.depends_on() if planned.assembly else None))


async def _streamed(call: Call, ask: Ask, planned: Planned, form: Format) -> Response:
    """One document, its rows as the database gives them."""
    destination = await dialling.opened_aside(call.house, planned.located)
    query = FieldsQuery(call.house, destination, planned, labels=ask.format_results)
    delivery = Delivery(query, form, call.request.receive)
    try:
        first = await delivery.start()
    except Abandoned:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    except DatabaseFailure as failure:
        raise planned.told(failure) from None
    return StreamedAnswer(delivery, first, planned.warnings)


async def _spreadsheet(call: Call, ask: Ask, planned: Planned) -> Response:
    """The answer as a file for spreadsheets; it is whole before its first byte is sent."""
    job = await job_of(call, ask, planned)
    try:
        found = await outcome(job, float(call.house.settings.query_wait_seconds))
        if found is None:
            extra = {"remaining_job_ids": [job.id], "timed_out": True}
            raise RequestTimeout("The question takes long; ask again.", extra=extra)
        if isinstance(found, DatabaseFailure):
            raise planned.told(found)
        target = found.path.with_suffix(f".{job.id}.xlsx")
        work = partial(xlsx.convert, found.path, target, planned.columns, labels=ask.format_results)
        await asyncio.get_running_loop().run_in_executor(xlsx.WRITERS, work)
    finally:
        EXECUTIONS.leave(job)
    remove = BackgroundTask(target.unlink, missing_ok=True)
    return FileResponse(target, media_type=SPREADSHEET, filename="results.xlsx", background=remove)


def _lines(content: bytes) -> Response:
    return Response(content, media_type=LINES)


def refusal(problem: PlanError) -> BadRequest | Forbidden | NotFound:
    """The error of a question that cannot be compiled, or that must not be asked."""
    kind = Forbidden if problem.error_type is ErrorType.FORBIDDEN else BadRequest
    if isinstance(problem, NoSuchTopic):
        kind = NotFound
    return kind(str(problem), extra={"error_type": problem.error_type.value})


def _found(call: Call, job_id: str) -> Job:
    job = EXECUTIONS.find(call.principal, job_id)
    if job is None:
        raise NotFound(f"Not Found: no query job {job_id[:60]}")
    return job


def _job_ids(query: Mapping[str, str]) -> list[str]:
    """`job_ids` as a JSON array, or `jobIds` with commas (contract §4.5)."""
    text = query.get("job_ids", query.get("jobIds"))
    if not text:
        raise BadRequest("Bad Request: job_ids: Required")
    if not text.lstrip().startswith("["):
        found: list[Any] = [each.strip() for each in text.split(",")]
    else:
        try:
            found = json.loads(text)
        except ValueError:
            raise BadRequest("Bad Request: job_ids: a JSON array is expected") from None
    if not found or len(found) > MAX_JOBS or not all(isinstance(each, str) for each in found):
        raise BadRequest(f"Bad Request: job_ids: 1 to {MAX_JOBS} ids are expected")
    return found
