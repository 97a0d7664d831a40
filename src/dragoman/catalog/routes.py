"""Paths of catalogs: browsing, changes, a model's schemas, and the refresh."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, answer
from dragoman.api.errors import BadRequest
from dragoman.api.paging import MOST, flag, page_size
from dragoman.api.routing import Case, Parameter, Route
from dragoman.catalog import drift, listing, refreshing, suggesting
from dragoman.catalog.listing import Wanted
from dragoman.store import UnitOfWork

TAG = "Catalog"


async def browse(call: Call) -> Response:
    connection_id, query = call.id(), call.query()
    wanted = Wanted(
        page_size(query),
        query.get("cursor"),
        query.get("name"),
        query.get("schema"),
        columns=flag(query, "columns"),
    )

    def work(unit: UnitOfWork) -> listing.Page:
        return listing.tables(unit, call.principal, connection_id, wanted)

    return _page(await call.read(work))


async def changes(call: Call) -> Response:
    connection_id, query = call.id(), call.query()
    change = query.get("change")
    if change is not None and change not in drift.KINDS:
        raise BadRequest(f"Bad Request: change: must be one of {', '.join(drift.KINDS)}")
    wanted = Wanted(
        page_size(query), query.get("cursor"), query.get("table"), query.get("schema"), change
    )

    def work(unit: UnitOfWork) -> listing.Page:
        return listing.changes(unit, call.principal, connection_id, wanted)

    return _page(await call.read(work))


async def state(call: Call) -> Response:
    connection_id = call.id()

    def work(unit: UnitOfWork) -> dict[str, Any]:
        return refreshing.state(unit, call.principal, connection_id)

    return answer(await call.read(work))


async def suggest(call: Call) -> Response:
    connection_id, query = call.id(), call.query()

    def work(unit: UnitOfWork) -> dict[str, Any]:
        view, cursor = query.get("view"), query.get("cursor", "")
        return suggesting.suggested(unit, call.principal, connection_id, view, cursor)

    return answer(await call.read(work))


async def model_schemas(call: Call) -> Response:
    model_id = call.id("modelId")
    branch_id = _uuid(call.query(), "branch_id", "branchId")

    def work(unit: UnitOfWork) -> list[str]:
        return refreshing.schemas(unit, call.principal, model_id, branch_id)

    return answer({"schemas": await call.read(work)})


async def refresh(call: Call) -> Response:
    model_id, query = call.id("modelId"), call.query()
    hard = flag({"hard_refresh": query.get("hard_refresh", "true")}, "hard_refresh")
    branch = _uuid(query, "branch_id", "branchId")
    schemas, tables = query.get("schemas", ""), query.get("tables", "")

    def work(unit: UnitOfWork) -> dict[str, str]:
        job = refreshing.request(
            unit,
            call.principal,
            model_id,
            branch_id=branch,
            hard=hard,
            schemas=schemas,
            tables=tables,
        )
        return {"jobId": job.id, "modelId": model_id, "status": "running"}

    done = await call.write(work)
    call.house.jobs.wake()
    return answer(done)


def _page(page: listing.Page) -> Response:
    info, records = page
    return answer({"pageInfo": info, "records": records})


def _uuid(query: dict[str, str], *names: str) -> str | None:
    for name in names:
        if name in query:
            try:
                return str(uuid.UUID(query[name]))
            except ValueError:
                raise BadRequest(f"Bad Request: Invalid {name} format") from None
    return None


_CURSOR = Parameter("cursor", "`nextCursor` of the page before.")
_SIZE = Parameter("pageSize", f"1 to {MOST}, default 20.", {"type": "integer", "minimum": 1})
_SCHEMA = Parameter("schema", "Only this schema, by its exact name.")
_BRANCH = Parameter("branch_id", "A branch of the model.", {"type": "string", "format": "uuid"})
_BRANCH_TOO = Parameter(
    "branchId", "Another spelling of branch_id.", {"type": "string", "format": "uuid"}
)
_BOOLEAN = {"type": "boolean"}
_RECORDS = {
    "type": "object",
    "required": ["pageInfo", "records"],
    "properties": {
        "pageInfo": {"type": "object"},
        "records": {"type": "array", "items": {"type": "object"}},
    },
}
_CONNECTION = "/api/v1/connections/{id}"

ROUTES = (
    Route(
        "GET",
        _CONNECTION + "/catalog",
        browse,
        Permission.CATALOG_READ,
        "catalogBrowse",
        "Browse the tables that the last refresh found",
        TAG,
        answer=_RECORDS,
        query=(
            _SIZE,
            _CURSOR,
            Parameter("name", "Part of the table's name, in any case."),
            _SCHEMA,
            Parameter("columns", "Columns and keys too.", _BOOLEAN),
        ),
        errors=(400, 404),
        extension=True,
    ),
    Route(
        "GET",
        _CONNECTION + "/changes",
        changes,
        Permission.CATALOG_READ,
        "catalogChanges",
        "List what refreshes found changed, newest first",
        TAG,
        answer=_RECORDS,
        query=(
            _SIZE,
            _CURSOR,
            Parameter("change", "Only this kind of change.", {"enum": list(drift.KINDS)}),
            Parameter("table", "Part of the table's name, in any case."),
            _SCHEMA,
        ),
        errors=(400, 404),
        extension=True,
    ),
    Route(
        "GET",
        _CONNECTION + "/refresh",
        state,
        Permission.CONNECTIONS_READ,
        "catalogState",
        "How the reading of the catalog stands, and why it failed if it did",
        TAG,
        answer={"type": "object", "required": ["status"]},
        errors=(400, 404),
        extension=True,
    ),
    Route(
        "GET",
        _CONNECTION + "/relationship-suggestions",
        suggest,
        Permission.CATALOG_READ,
        "catalogSuggestRelationships",
        "Joins in a role that column names may mean (billing_user_id), for a person to decide",
        TAG,
        answer={
            "type": "object",
            "required": ["suggestions", "nextCursor"],
            "properties": {
                "suggestions": {"type": "array", "items": {"type": "object"}},
                "nextCursor": {"type": ["string", "null"]},
            },
        },
        query=(
            Parameter("view", "Only for this view."),
            Parameter("cursor", "`nextCursor` of the answer before: 500 views at a time."),
        ),
        errors=(400, 404),
        extension=True,
    ),
    Route(
        "GET",
        "/api/v1/models/{modelId}/schemas",
        model_schemas,
        Permission.MODELS_READ,
        "modelsGetSchemas",
        "List available schemas for a model",
        "Models",
        answer={
            "type": "object",
            "required": ["schemas"],
            "properties": {"schemas": {"type": "array", "items": {"type": "string"}}},
        },
        query=(_BRANCH, _BRANCH_TOO),
        errors=(400, 404),
    ),
    Route(
        "POST",
        "/api/v1/models/{modelId}/refresh",
        refresh,
        Permission.MODELS_EDIT,
        "modelsRefresh",
        "Refresh model schema",
        "Models",
        answer={
            "type": "object",
            "required": ["jobId", "modelId", "status"],
            "properties": {
                "jobId": {"type": "string"},
                "modelId": {"type": "string"},
                "status": {"type": "string"},
            },
        },
        query=(
            _BRANCH,
            _BRANCH_TOO,
            Parameter(
                "hard_refresh", "Remove what is gone from the database; default true.", _BOOLEAN
            ),
            Parameter("schemas", "Only these schemas: a list with wildcards, not with a hard one."),
            Parameter("tables", "Only these tables: a list with wildcards, not with a hard one."),
        ),
        errors=(400, 404),
        cases=(Case(Permission.CATALOG_REFRESH, "its connection has several shared models"),),
    ),
)
