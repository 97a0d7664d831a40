"""Paths of connection environments (contract §2.6)."""

from __future__ import annotations

from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, Success, answer, typed, uuid_of
from dragoman.api.routing import Route
from dragoman.connections import environments
from dragoman.connections.schemas import (
    EnvironmentList,
    EnvironmentsCreate,
    EnvironmentsCreated,
    EnvironmentUpdate,
)

TAG = "Connection environments"


async def list_environments(call: Call) -> Response:
    return answer(EnvironmentList(await call.read(environments.list_all)))


async def create(call: Call) -> Response:
    body = typed(await call.json(), EnvironmentsCreate)
    base = uuid_of(body.base_connection_id, "baseConnectionId")
    ids = [
        uuid_of(each, "environmentConnectionIds")
        for each in _split(body.environment_connection_ids)
    ]
    made = await call.write(lambda unit: environments.create(unit, call.principal, base, ids))
    return answer(EnvironmentsCreated(made, made), 201)


async def update(call: Call) -> Response:
    environment_id = call.id()
    values = _split(typed(await call.json(), EnvironmentUpdate).user_attribute_values)
    await call.write(
        lambda unit: environments.set_values(unit, call.principal, environment_id, values)
    )
    return answer(Success())


async def delete(call: Call) -> Response:
    environment_id = call.id()
    await call.write(lambda unit: environments.remove(unit, call.principal, environment_id))
    return answer(Success())


def _split(values: list[str] | str) -> list[str]:
    """An array, or comma-separated text (contract §6.1, row 11)."""
    parts = values.split(",") if isinstance(values, str) else values
    return [part.strip() for part in parts if part.strip()]


_PATH = "/api/v1/connection-environments"
_MANAGE = Permission.ENVIRONMENTS_MANAGE

ROUTES = (
    Route(
        "GET",
        _PATH,
        list_environments,
        _MANAGE,
        "connectionEnvironmentsList",
        "List connection environments",
        TAG,
        answer=EnvironmentList,
    ),
    Route(
        "POST",
        _PATH,
        create,
        _MANAGE,
        "connectionEnvironmentsCreate",
        "Create connection environments",
        TAG,
        status=201,
        body=EnvironmentsCreate,
        answer=EnvironmentsCreated,
        errors=(400, 404),
    ),
    Route(
        "PUT",
        _PATH + "/{id}",
        update,
        _MANAGE,
        "connectionEnvironmentsUpdate",
        "Update connection environment",
        TAG,
        body=EnvironmentUpdate,
        answer=Success,
        errors=(400, 404),
    ),
    Route(
        "DELETE",
        _PATH + "/{id}",
        delete,
        _MANAGE,
        "connectionEnvironmentsDelete",
        "Delete connection environment",
        TAG,
        answer=Success,
        errors=(400, 404),
    ),
)
