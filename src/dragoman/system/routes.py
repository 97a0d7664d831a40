"""Paths of health, metrics, the audit log and the API description."""

from __future__ import annotations

import ipaddress

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from dragoman import audit
from dragoman.access.policy import Permission
from dragoman.api import openapi
from dragoman.api.call import Call, answer
from dragoman.api.errors import BadRequest, NotFound, Unavailable
from dragoman.api.paging import strict_page_size
from dragoman.api.routing import Parameter, Route
from dragoman.observability import metrics
from dragoman.store import UnitOfWork
from dragoman.system import docs_page

TAG = "System"
_LAST_ROW = 2**31 - 1  # more than this Postgres does not compare with the column
_FILTERS = {
    "action": "action",
    "actorName": "actor_name",
    "resourceType": "resource_type",
    "resourceId": "resource_id",
}


async def healthz(_call: Call) -> Response:
    return PlainTextResponse("ok")


async def readyz(call: Call) -> Response:
    """Ready means: the store answers and the key ring is readable."""
    await call.read(lambda unit: unit.db.exec_driver_sql("SELECT 1").first())
    problem = call.house.key_problem()
    if problem:
        raise Unavailable(problem, headers={"Retry-After": "5"})
    return PlainTextResponse("ready")


async def read_metrics(call: Call) -> Response:
    allowed = call.house.settings.metrics
    if allowed == "off" or (allowed == "loopback" and not _is_loopback(call.origin.address)):
        raise NotFound("Not Found: no such path")
    body, media_type = metrics.exposition()
    return Response(body, media_type=media_type)


async def audit_log(call: Call) -> Response:
    query = call.query()
    size, cursor = strict_page_size(query), _cursor(query.get("cursor"))
    filters = {column: query[name] for name, column in _FILTERS.items() if name in query}

    def work(unit: UnitOfWork) -> tuple[list[audit.AuditRow], int | None, int]:
        rows, following = audit.page(unit, size=size, before_seq=cursor, filters=filters)
        return rows, following, audit.count(unit, filters)

    rows, following, total = await call.read(work)
    info = {
        "hasNextPage": following is not None,
        "nextCursor": None if following is None else str(following),
        "pageSize": size,
        "totalRecords": total,
    }
    return answer({"pageInfo": info, "records": rows})


async def openapi_document(call: Call) -> Response:
    return answer(openapi.document(call.house.routes))


async def docs(_call: Call) -> Response:
    return HTMLResponse(docs_page.HTML, headers={"Content-Security-Policy": docs_page.POLICY})


async def docs_asset(call: Call) -> Response:
    found = docs_page.asset(call.parameters["name"])
    if found is None:
        raise NotFound("Not Found: no such file")
    body, media_type = found
    return Response(body, media_type=media_type)


def _cursor(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise BadRequest("Bad Request: cursor: not a cursor of this list")
    return min(int(text), _LAST_ROW)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


_TEXT = ("text/plain",)
_AUDIT_ANSWER = {
    "type": "object",
    "required": ["pageInfo", "records"],
    "properties": {"pageInfo": {"type": "object"}, "records": {"type": "array"}},
}


def _public(
    path: str,
    handler: object,
    name: str,
    summary: str,
    media: tuple[str, ...],
    errors: tuple[int, ...] = (),
) -> Route:
    return Route(
        "GET",
        path,
        handler,  # pyright: ignore[reportArgumentType]
        Permission.PUBLIC,
        name,
        summary,
        TAG,
        answer=media,
        errors=errors,
        extension=True,
    )


ROUTES = (
    _public("/healthz", healthz, "healthz", "The process lives", _TEXT),
    _public("/readyz", readyz, "readyz", "The server can do its work", _TEXT),
    _public("/metrics", read_metrics, "metrics", "Prometheus metrics", _TEXT, (404,)),
    _public("/openapi.json", openapi_document, "openapi", "This document", ("application/json",)),
    _public("/docs", docs, "docs", "Interactive documentation", ("text/html",)),
    _public(
        "/docs/{name}", docs_asset, "docsAsset", "Files of the documentation", ("*/*",), (404,)
    ),
    Route(
        "GET",
        "/api/v1/audit-log",
        audit_log,
        Permission.AUDIT_READ,
        "auditLogList",
        "List changes, newest first",
        "Audit",
        answer=_AUDIT_ANSWER,
        query=(
            Parameter("pageSize", "Rows a page, 1 to 100; 20 when absent.", {"type": "integer"}),
            Parameter("cursor", "`nextCursor` of the page before."),
            Parameter("action", "Only this action, for example connection.create."),
            Parameter("actorName", "Only this actor."),
            Parameter("resourceType", "Only this kind of resource."),
            Parameter("resourceId", "Only this resource."),
        ),
        errors=(400,),
        extension=True,
    ),
)
