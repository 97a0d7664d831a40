"""Paths of what a topic offers to those who make questions: fields and values."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call
from dragoman.api.routing import Parameter, Route

TAG = "Query"
_UUID = {"type": "string", "format": "uuid"}
BRANCH = (
    Parameter("branch_id", "The branch's id.", _UUID),
    Parameter("branchId", "The same.", _UUID),
)


async def fields(call: Call) -> Response:
    """The fields of a topic."""
    from dragoman.queries import picking

    return await picking.fields(call)


async def values(call: Call) -> Response:
    """Values of a field."""
    from dragoman.queries import picking

    return await picking.values(call)


def _list(name: str, *more: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["success", *more, name],
        "properties": {
            "success": {"type": "boolean"},
            name: {"type": "array", "items": {"type": "object"}},
        },
    }


_TOPIC = "/api/v1/models/{modelId}/topic/{topicName}"
ROUTES = (
    Route(
        "GET",
        f"{_TOPIC}/fields",
        fields,
        Permission.QUERIES_TOPIC,
        "topicFields",
        "List the fields of a topic to pick from",
        TAG,
        answer=_list("views", "topic"),
        query=(
            *BRANCH,
            Parameter("includeHidden", "Hidden fields too.", {"type": "boolean"}),
        ),
        errors=(400, 403, 404),
        extension=True,
        description="By view, with labels and time frames; only what the caller may ask for.",
    ),
    Route(
        "GET",
        f"{_TOPIC}/values",
        values,
        Permission.QUERIES_TOPIC,
        "topicValues",
        "List values of a field to filter by",
        TAG,
        answer=_list("values", "field"),
        query=(
            *BRANCH,
            Parameter("field", "The field: `view.field`.", required=True),
            Parameter("search", "Text that the values contain, in any case."),
            Parameter("limit", "At most so many.", {"type": "integer", "minimum": 1}),
        ),
        errors=(400, 403, 404, 408, 429, 502, 503),
        extension=True,
        description=(
            "Those that the model lists (`suggestion_list`), else those of the rows that the caller"
            " sees; kept for 30 days, or as long as the cache policy says where it asks for that."
        ),
    ),
)
