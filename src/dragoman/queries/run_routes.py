"""Paths of questions in fields: run, wait, cancel.

The compiler comes with the first question: a start must not pay for it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call
from dragoman.api.routing import Case, Parameter, Route
from dragoman.queries.formats import FORMATS
from dragoman.queries.kinds import CACHE_MODES, LINES, RESULT_TYPES, SPREADSHEET

if TYPE_CHECKING:
    from dragoman.queries.executions import Executions

TAG = "Query"


async def run(call: Call) -> Response:
    """Answer a question."""
    from dragoman.queries import answering

    return await answering.run(call)


async def wait(call: Call) -> Response:
    """Go on waiting for answers."""
    from dragoman.queries import answering

    return await answering.wait(call)


async def cancel(call: Call) -> Response:
    """Give answers up."""
    from dragoman.queries import answering

    return await answering.cancel(call)


def close() -> None:
    """End what questions left running, where there were any."""
    executions = _executions()
    if executions is not None:
        executions.close()


def people() -> set[str]:
    """The ids of whoever has questions here, running or answered."""
    executions = _executions()
    return set() if executions is None else executions.people()


def give_up(user_ids: set[str]) -> None:
    """End the questions of these people."""
    executions = _executions()
    if executions is not None:
        executions.give_up(user_ids)


def _executions() -> Executions | None:
    """None before the first question: nothing of it is imported until then."""
    module = sys.modules.get("dragoman.queries.executions")
    return None if module is None else module.EXECUTIONS


_BODY: dict[str, Any] = {
    "type": "object",
    "required": ["query"],
    "properties": {
        "query": {
            "type": "object",
            "required": ["modelId"],
            "properties": {
                "modelId": {"type": "string", "format": "uuid"},
                "table": {"type": "string"},
                "fields": {"type": "array", "items": {"type": "string"}},
                "join_paths_from_topic_name": {"type": "string"},
                "filters": {"type": "object"},
                "sorts": {"type": "array", "items": {"type": "object"}},
                "limit": {"type": ["integer", "null"], "minimum": 0},
            },
        },
        "branchId": {"type": "string", "format": "uuid"},
        "cache": {"enum": list(CACHE_MODES)},
        "resultType": {"enum": list(RESULT_TYPES)},
        "formatResults": {"type": "boolean"},
        "planOnly": {"type": "boolean"},
        "timezone": {"type": "string"},
        "userId": {"type": "string", "format": "uuid"},
    },
}
_ACT = (
    Parameter("userId", "Ask as this user; organization keys only."),
    Parameter("branch_id", "As branchId of the body."),
)
_MEDIA = (LINES, SPREADSHEET, *(form.names[0] for form in FORMATS))
ROUTES = (
    Route(
        "POST",
        "/api/v1/query/run",
        run,
        Permission.QUERIES_TOPIC,
        "queryRun",
        "Ask a question in fields",
        TAG,
        body=_BODY,
        answer=_MEDIA,
        query=_ACT,
        errors=(400, 403, 404, 406, 408, 429, 502, 503),
        description=(
            "Answers lines of JSON: the job, its result (an Arrow IPC stream in base64) and a "
            "footer. With `resultType`, or an `Accept` of Arrow or CSV, one document is streamed."
        ),
        cases=(
            Case(Permission.QUERIES_ASK, "outside topics"),
            Case(Permission.CONNECTIONS_SQL, "SQL by hand"),
        ),
    ),
    Route(
        "GET",
        "/api/v1/query/wait",
        wait,
        Permission.QUERIES_OWN,
        "queryWait",
        "Go on waiting for questions that take long",
        TAG,
        answer=(LINES,),
        query=(
            Parameter("job_ids", "A JSON array of job ids."),
            Parameter("jobIds", "Job ids with commas between."),
        ),
        errors=(400, 404),
    ),
    Route(
        "POST",
        "/api/v1/query/cancel",
        cancel,
        Permission.QUERIES_OWN,
        "queryCancel",
        "Give questions up",
        TAG,
        body={"type": "object", "properties": {"job_ids": {"type": "array"}}},
        answer={"type": "object", "required": ["success"]},
        errors=(400, 404),
        extension=True,
    ),
)
