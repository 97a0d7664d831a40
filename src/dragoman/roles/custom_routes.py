"""Paths of custom roles: an extension, since the vendor has none."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, Success, answer, typed
from dragoman.api.routing import Parameter, Route
from dragoman.roles import custom
from dragoman.roles.schemas import RoleBody, RoleChange, RoleList, RoleRow

TAG = "Roles"


async def list_roles(call: Call) -> Response:
    return answer(RoleList(await call.read(lambda unit: custom.list_all(unit, call.principal))))


async def get(call: Call) -> Response:
    name = call.text("roleName")
    return answer(await call.read(lambda unit: custom.get(unit, call.principal, name)))


async def create(call: Call) -> Response:
    body = typed(await call.json(), RoleBody)
    return answer(await call.write(lambda unit: custom.create(unit, call.principal, body)), 201)


async def change(call: Call) -> Response:
    name, body = call.text("roleName"), typed(await call.json(), RoleChange)
    return answer(await call.write(lambda unit: custom.change(unit, call.principal, name, body)))


async def delete(call: Call) -> Response:
    name, instead = call.text("roleName"), call.query().get("replacement")
    await call.write(lambda unit: custom.delete(unit, call.principal, name, instead))
    return answer(Success())


_ALL = "/api/v1/roles"
_ONE = _ALL + "/{roleName}"


def _route(
    method: str, path: str, handler: Any, may: Permission, *words: str, **more: Any
) -> Route:
    return Route(method, path, handler, may, words[0], words[1], TAG, extension=True, **more)


ROUTES = (
    _route(
        "GET", _ALL, list_roles, Permission.ROLES_LIST, "rolesList", "List roles", answer=RoleList
    ),
    _route(
        "POST",
        _ALL,
        create,
        Permission.ROLES_DEFINE,
        "rolesCreate",
        "Define a custom role",
        status=201,
        body=RoleBody,
        answer=RoleRow,
        errors=(409,),
        description="What its base role permits and `permissions`, without `withoutPermissions`.",
    ),
    _route(
        "GET",
        _ONE,
        get,
        Permission.ROLES_LIST,
        "rolesGet",
        "Get a role",
        answer=RoleRow,
        errors=(400, 404),
    ),
    _route(
        "PATCH",
        _ONE,
        change,
        Permission.ROLES_DEFINE,
        "rolesUpdate",
        "Change a custom role, for all who have it",
        body=RoleChange,
        answer=RoleRow,
        errors=(404,),
    ),
    _route(
        "DELETE",
        _ONE,
        delete,
        Permission.ROLES_DEFINE,
        "rolesDelete",
        "Delete a custom role",
        answer=Success,
        query=(Parameter("replacement", "The role that all get who have this one."),),
        errors=(400, 404, 409),
        description="409 where it is in use and no replacement is named; a connection's base role "
        "is changed first.",
    ),
)
