"""Paths of connections: POST, GET, PATCH, DELETE, restore and test."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.access.roles import Role
from dragoman.api import idempotency
from dragoman.api.call import Call, answer, decode_object
from dragoman.api.errors import BadRequest
from dragoman.api.idempotency import Answer
from dragoman.api.paging import flag
from dragoman.api.routing import Parameter, Route
from dragoman.connections import bodies, changes, dialling, drafts, listing, parameters, service
from dragoman.connections.schemas import (
    ConnectionList,
    Created,
    DiagnosisAnswer,
    StatusMessage,
)
from dragoman.dialects.validation import Draft
from dragoman.store import UnitOfWork

TAG = "Connections"
STRICT = Parameter("Prefer", "`handling=strict`: a property the dialect does not use is refused.")
IF_MATCH = Parameter("If-Match", "The ETag that was read; 412 when it has changed since.")
IDEMPOTENT = Parameter("Idempotency-Key", "The same key and body within 24 hours: the same answer.")


async def create(call: Call) -> Response:
    test = flag(call.query(), "test")
    await _require_may_create(call)
    raw = await call.body()
    done = await idempotency.earlier(call, raw) or await _create(call, raw, test)
    headers = {"Idempotency-Replayed": "true"} if done.replayed else None
    return Response(done.body, done.status, headers, "application/json")


async def _require_may_create(call: Call) -> None:
    """Before the body is read. Raises `Forbidden`."""
    if not call.principal.organization_admin:
        await call.read(lambda unit: service.may_create(unit, call.principal))


async def _create(call: Call, raw: bytes, test: bool) -> Answer:
    draft = await _new_draft(call, decode_object(raw))
    if test:
        _require(await dialling.diagnose_draft(call.house, draft))

    build = call.house.settings.builds_schema

    def work(unit: UnitOfWork) -> Answer:
        made = service.create(unit, call.house.vault, call.principal, draft, build=build)
        body = Created(data=made, warnings=drafts.warnings(draft))
        return Answer(201, msgspec.json.encode(body))

    done = await idempotency.once(call, raw, work)
    call.house.jobs.wake()
    return done


async def _new_draft(call: Call, body: dict[str, Any]) -> Draft:
    custom_role = body.get("baseRole") not in (None, *Role)
    problems = (
        await call.read(lambda unit: service.role_problems(unit, body)) if custom_role else []
    )
    strict = call.prefers("handling=strict")
    return drafts.check(call.house, body, strict=strict, problems=problems)


async def list_connections(call: Call) -> Response:
    wanted = parameters.list_filter(call.query())
    rows = await call.read(lambda unit: listing.list_visible(unit, call.principal, wanted))
    return answer(ConnectionList(rows))


async def get(call: Call) -> Response:
    connection_id = call.id()

    def work(unit: UnitOfWork) -> tuple[dict[str, Any], str]:
        found = service.get(unit, call.principal, connection_id, Permission.CONNECTIONS_READ)
        return service.detail(unit, found), found.tag

    detail, tag = await call.read(work)
    return answer({"connection": detail}, headers={"ETag": tag})


async def update(call: Call) -> Response:
    connection_id, body = call.id(), await call.json()
    environment = changes.environment(body)
    if not body and environment is msgspec.UNSET:
        raise BadRequest("Bad Request: at least one field must be provided")
    strict = call.prefers("handling=strict")

    def work(unit: UnitOfWork) -> StatusMessage:
        found = service.get(unit, call.principal, connection_id, Permission.CONNECTIONS_UPDATE)
        call.require_match(found.tag)
        draft = changes.draft(call.house, unit, found, body, strict=strict)
        vault, build = call.house.vault, call.house.settings.builds_schema
        message = service.change(
            unit, vault, call.principal, found, draft, environment, build=build
        )
        return StatusMessage(message, warnings=drafts.warnings(draft, only=changes.present(body)))

    done = await call.write(work)
    call.house.connection_changed(connection_id)
    call.house.jobs.wake()
    return answer(done)


async def delete(call: Call) -> Response:
    connection_id = call.id()
    await call.write(lambda unit: service.delete(unit, call.principal, connection_id))
    call.house.connection_changed(connection_id)
    return answer(StatusMessage("Connection archived."))


async def restore(call: Call) -> Response:
    connection_id, raw = call.id(), await call.body()
    body = decode_object(raw) if raw else {}

    def work(unit: UnitOfWork) -> StatusMessage:
        found = service.deleted(unit, call.principal, connection_id)
        service.require_same_dialect(found, body.get("dialect"))
        merged = {**service.stored_body(found), **changes.present(body)}
        draft = drafts.check(call.house, merged, problems=service.role_problems(unit, merged))
        vault, build = call.house.vault, call.house.settings.builds_schema
        service.restore(unit, vault, call.principal, found, draft, build=build)
        return StatusMessage("Connection restored.", warnings=drafts.warnings(draft))

    done = await call.write(work)
    call.house.jobs.wake()
    return answer(done)


async def test_body(call: Call) -> Response:
    await _require_may_create(call)
    draft = await _new_draft(call, await call.json())
    return answer(await dialling.diagnose_draft(call.house, draft))


async def test_stored(call: Call) -> Response:
    connection_id = call.id()
    found = await call.read(
        lambda unit: dialling.locate_itself(
            unit, call.principal, connection_id, Permission.CONNECTIONS_TEST
        )
    )
    return answer(await dialling.diagnose_connection(call.house, found))


def _require(diagnosis: DiagnosisAnswer) -> None:
    if not diagnosis.success:
        failed = next(stage for stage in diagnosis.stages if stage.status == "failed")
        raise BadRequest(
            f"Bad Request: the connection test failed at {failed.stage}: {failed.message}",
            extra={"diagnosis": diagnosis},
        )


_BOOLEAN = {"type": "boolean"}
_ONE = "/api/v1/connections/{id}"

ROUTES = (
    Route(
        "POST",
        "/api/v1/connections",
        create,
        Permission.CONNECTIONS_CREATE,
        "connectionsCreate",
        "Create connection",
        TAG,
        status=201,
        body=bodies.CREATE,
        answer=Created,
        query=(Parameter("test", "Connect first; save only if that works.", _BOOLEAN),),
        headers=(IDEMPOTENT, STRICT),
        errors=(400, 422),
    ),
    Route(
        "GET",
        "/api/v1/connections",
        list_connections,
        Permission.CONNECTIONS_LIST,
        "connectionsList",
        "List connections",
        TAG,
        answer=ConnectionList,
        query=(
            Parameter("name", "Part of the name, in any case."),
            Parameter("database", "Part of the database's name, in any case."),
            Parameter("dialect", "Dialects, comma-separated."),
            Parameter("includeDeleted", "Also those in the trash.", _BOOLEAN),
            Parameter("sortField", "Sort by.", {"enum": ["database", "dialect", "name"]}),
            Parameter("sortDirection", "Direction.", {"enum": ["asc", "desc"]}),
        ),
        errors=(400,),
    ),
    Route(
        "POST",
        "/api/v1/connections/test",
        test_body,
        Permission.CONNECTIONS_CREATE,
        "connectionsTestBody",
        "Test settings without saving them",
        TAG,
        body=bodies.CREATE,
        answer=DiagnosisAnswer,
        headers=(STRICT,),
        errors=(400,),
        extension=True,
    ),
    Route(
        "GET",
        _ONE,
        get,
        Permission.CONNECTIONS_READ,
        "connectionsGet",
        "Get connection",
        TAG,
        answer=bodies.DETAIL,
        errors=(400, 404),
    ),
    Route(
        "PATCH",
        _ONE,
        update,
        Permission.CONNECTIONS_UPDATE,
        "connectionsUpdate",
        "Update connection",
        TAG,
        body=bodies.UPDATE,
        answer=StatusMessage,
        headers=(IF_MATCH, STRICT),
        errors=(400, 404, 409, 412),
    ),
    Route(
        "DELETE",
        _ONE,
        delete,
        Permission.CONNECTIONS_DELETE,
        "connectionsDelete",
        "Move connection to the trash",
        TAG,
        answer=StatusMessage,
        errors=(400, 404, 410),
    ),
    Route(
        "POST",
        _ONE + "/restore",
        restore,
        Permission.CONNECTIONS_DELETE,
        "connectionsRestore",
        "Bring connection back with new secrets",
        TAG,
        body=bodies.RESTORE,
        answer=StatusMessage,
        errors=(400, 404, 409),
        extension=True,
    ),
    Route(
        "POST",
        _ONE + "/test",
        test_stored,
        Permission.CONNECTIONS_TEST,
        "connectionsTest",
        "Diagnose connection by stages",
        TAG,
        answer=DiagnosisAnswer,
        errors=(400, 404),
        extension=True,
    ),
)
