"""Paths of schema-refresh schedules (contract §2.6)."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, answer
from dragoman.api.errors import BadRequest
from dragoman.api.routing import Route
from dragoman.schedules import service
from dragoman.schedules.schemas import Deleted, RefreshSchedule, ScheduleBody, ScheduleList

TAG = "Schema refresh schedules"


async def list_schedules(call: Call) -> Response:
    connection_id = call.id("connectionId")
    found = await call.read(lambda unit: service.list_all(unit, call.principal, connection_id))
    return answer(ScheduleList(found))


async def create(call: Call) -> Response:
    connection_id, body = call.id("connectionId"), _body(await call.json())
    made = await call.write(lambda unit: service.create(unit, call.principal, connection_id, body))
    return answer(made, 201)


async def get(call: Call) -> Response:
    ids = _ids(call)
    return answer(await call.read(lambda unit: service.get(unit, call.principal, *ids)))


async def update(call: Call) -> Response:
    ids, body = _ids(call), _body(await call.json())
    return answer(await call.write(lambda unit: service.change(unit, call.principal, *ids, body)))


async def delete(call: Call) -> Response:
    ids = _ids(call)
    await call.write(lambda unit: service.remove(unit, call.principal, *ids))
    return answer(Deleted())


def _ids(call: Call) -> tuple[str, str]:
    return call.id("connectionId"), call.id("scheduleId")


def _body(body: dict[str, Any]) -> ScheduleBody:
    try:
        return msgspec.convert(body, ScheduleBody)
    except msgspec.ValidationError as error:
        raise BadRequest(f"Bad Request: {error}") from None


_ALL = "/api/v1/connections/{connectionId}/schedules"
_ONE = _ALL + "/{scheduleId}"
_MANAGE = Permission.SCHEDULES_MANAGE

ROUTES = (
    Route(
        "GET",
        _ALL,
        list_schedules,
        _MANAGE,
        "connectionsSchedulesList",
        "List schema refresh schedules",
        TAG,
        answer=ScheduleList,
        errors=(400, 404),
    ),
    Route(
        "POST",
        _ALL,
        create,
        _MANAGE,
        "connectionsSchedulesCreate",
        "Create schema refresh schedule",
        TAG,
        status=201,
        body=ScheduleBody,
        answer=RefreshSchedule,
        errors=(400, 404),
    ),
    Route(
        "GET",
        _ONE,
        get,
        _MANAGE,
        "connectionsSchedulesGet",
        "Get schema refresh schedule",
        TAG,
        answer=RefreshSchedule,
        errors=(400, 404),
    ),
    Route(
        "PUT",
        _ONE,
        update,
        _MANAGE,
        "connectionsSchedulesUpdate",
        "Update schema refresh schedule",
        TAG,
        body=ScheduleBody,
        answer=RefreshSchedule,
        errors=(400, 404),
    ),
    Route(
        "DELETE",
        _ONE,
        delete,
        _MANAGE,
        "connectionsSchedulesDelete",
        "Delete schema refresh schedule",
        TAG,
        answer=Deleted,
        errors=(400, 404),
    ),
)
