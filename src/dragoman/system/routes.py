"""Paths of health, metrics and the API description."""

from __future__ import annotations

import ipaddress

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from dragoman.access.policy import Permission
from dragoman.api import openapi
from dragoman.api.call import Call, answer
from dragoman.api.errors import NotFound, Unavailable
from dragoman.api.routing import Route
from dragoman.observability import metrics
from dragoman.system import docs_page

TAG = "System"


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


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


_TEXT = ("text/plain",)


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
)
