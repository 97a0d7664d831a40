"""Path of the audit log: pages, newest first, or the whole as NDJSON, oldest first."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

import msgspec
from starlette.responses import Response, StreamingResponse

from dragoman import audit, clock
from dragoman.access.policy import Permission
from dragoman.access.principal import OPERATOR
from dragoman.api.call import Call, answer
from dragoman.api.errors import BadRequest
from dragoman.api.paging import PageInfo, strict_page_size
from dragoman.api.routing import Parameter, Route
from dragoman.store import UnitOfWork

NDJSON = "application/x-ndjson"
_LAST_ROW = 2**31 - 1  # more than this Postgres does not compare with the column
_BATCH = 500
_EQUAL = {
    "action": "action",
    "actorName": "actor_name",
    "resourceType": "resource_type",
    "resourceId": "resource_id",
    "requestId": "request_id",
}
_encoder = msgspec.json.Encoder()


class AuditPage(msgspec.Struct, rename="camel"):
    """One page of rows, newest first."""

    page_info: PageInfo
    records: list[audit.AuditRow]


async def audit_log(call: Call) -> Response:
    query = call.query()
    filters = _filters(query)
    if _form(call, query) == "ndjson":
        if "pageSize" in query or "cursor" in query:
            raise BadRequest("Bad Request: NDJSON has no pages: pageSize and cursor are for JSON")
        return StreamingResponse(_lines(call, filters), media_type=NDJSON)
    size, cursor = strict_page_size(query), _cursor(query.get("cursor"))

    def work(unit: UnitOfWork) -> tuple[list[audit.AuditRow], int | None, int]:
        rows, following = audit.page(unit, size=size, before_seq=cursor, filters=filters)
        return rows, following, audit.count(unit, filters)

    rows, following, total = await call.read(work)
    next_cursor = None if following is None else str(following)
    info = PageInfo(following is not None, next_cursor, size, total)
    return answer(AuditPage(info, rows))


def bind_old_rows(unit: UnitOfWork) -> None:
    """Write a row that binds those from before the chain had a key, if there are any."""
    last = audit.bind_old_rows(unit)
    if last is not None:
        audit.record(unit, OPERATOR, "audit.bind", ("server", "audit"), after={"through": last})


async def _lines(call: Call, filters: audit.Filters) -> AsyncIterator[bytes]:
    """Rows in batches, each read by itself: rows that come meanwhile are at the end."""
    after = 0
    while True:
        rows = await call.read_long(
            lambda unit, after=after: audit.export(unit, size=_BATCH, after=after, filters=filters)
        )
        if rows:
            yield _encoder.encode_lines(rows)
        if len(rows) < _BATCH:
            return
        after = rows[-1].number


def _form(call: Call, query: Mapping[str, str]) -> str:
    named = query.get("format")
    if named is None:
        accepted = call.request.headers.get("accept", "").lower()
        return "ndjson" if NDJSON in accepted else "json"
    if named not in ("json", "ndjson"):
        raise BadRequest("Bad Request: format: must be json or ndjson")
    return named


def _filters(query: Mapping[str, str]) -> audit.Filters:
    equal = {column: query[name] for name, column in _EQUAL.items() if name in query}
    return audit.Filters(
        equal, query.get("actorId"), _moment(query, "since"), _moment(query, "until")
    )


def _moment(query: Mapping[str, str], name: str) -> str | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        return clock.wire(found if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise BadRequest(f"Bad Request: {name}: not an ISO 8601 time") from None


def _cursor(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise BadRequest("Bad Request: cursor: not a cursor of this list")
    return min(int(text), _LAST_ROW)


ROUTES = (
    Route(
        "GET",
        "/api/v1/audit-log",
        audit_log,
        Permission.AUDIT_READ,
        "auditLogList",
        "List changes, newest first, or export them",
        "Audit",
        answer=AuditPage,
        media=(NDJSON,),
        query=(
            Parameter("pageSize", "Rows a page, 1 to 100; 20 when absent.", {"type": "integer"}),
            Parameter("cursor", "`nextCursor` of the page before."),
            Parameter("action", "Only this action, for example connection.create."),
            Parameter("actorId", "Only this user or token, also a user that a key acted as."),
            Parameter("actorName", "Only this actor."),
            Parameter("resourceType", "Only this kind of resource."),
            Parameter("resourceId", "Only this resource."),
            Parameter("requestId", "Only changes of this request."),
            Parameter("since", "Only from this time on (ISO 8601; UTC unless it says)."),
            Parameter("until", "Only before this time."),
            Parameter(
                "format",
                "`ndjson`: all rows, oldest first, one a line; also by `Accept`.",
                {"type": "string", "enum": ["json", "ndjson"]},
            ),
        ),
        errors=(400,),
        extension=True,
    ),
)
