"""Paths of the roles of users and groups (contract §2.4)."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from dragoman.access.policy import Permission, Thing
from dragoman.api.call import Call, answer, typed, uuid_of
from dragoman.api.errors import BadRequest
from dragoman.api.routing import Case, Parameter, Route
from dragoman.roles import service
from dragoman.roles.schemas import AssignRole, GroupRole, GroupRoles, UserRole, UserRoles, WhoAmI
from dragoman.roles.service import word
from dragoman.roles.whoami import whoami

TAG = "Users"


async def who(call: Call) -> Response:
    sent = call.query().get("modelId")
    wanted = (
        None if sent is None else [uuid_of(part.strip(), "modelId") for part in sent.split(",")]
    )
    return answer(await call.read(lambda unit: whoami(unit, call.principal, wanted)))


async def of_user(call: Call) -> Response:
    user_id, wanted = call.id(), _filter(call)
    rows = await call.read(lambda unit: service.user_roles(unit, call.principal, user_id, wanted))
    return answer(UserRoles(user_id, rows))


async def give_user(call: Call) -> Response:
    user_id, body = call.id(), _body(await call.json())
    made = await call.write(lambda unit: service.assign_user(unit, call.principal, user_id, body))
    model_id = made.model_id or made.connection_id
    return answer(UserRole(user_id, made.connection_id, model_id, word(made.role)))


async def of_group(call: Call) -> Response:
    group_id, wanted = call.text("id"), _filter(call)
    rows = await call.read(lambda unit: service.group_roles(unit, call.principal, group_id, wanted))
    return answer(GroupRoles(group_id, rows))


async def give_group(call: Call) -> Response:
    group_id, body = call.text("id"), _body(await call.json())
    work = service.assign_group
    group, made = await call.write(lambda unit: work(unit, call.principal, group_id, body))
    model_id = made.model_id or made.connection_id
    return answer(GroupRole(group.mini_id, made.connection_id, model_id, word(made.role)))


def _filter(call: Call) -> service.Filter:
    query = call.query()
    ids = {name: uuid_of(query[name], name) for name in _IDS if name in query}
    return service.Filter(ids.get("connectionId"), ids.get("modelId"))


def _body(sent: dict[str, Any]) -> AssignRole:
    body = typed(sent, AssignRole)
    return AssignRole(
        body.role_name,
        _id(body.model_id, "Invalid model ID"),
        _id(body.connection_id, "Invalid connection ID"),
    )


def _id(text: str | None, words: str) -> str | None:
    try:
        return None if text is None else uuid_of(text, "id")
    except BadRequest:
        raise BadRequest(f"Bad Request: {words}") from None


_IDS = ("connectionId", "modelId")
_UUID = {"type": "string", "format": "uuid"}
_WHERE = (
    Parameter("connectionId", "Only roles on this connection.", _UUID),
    Parameter("modelId", "Only roles on this model.", _UUID),
)
_USER = "/api/v1/users/{id}/model-roles"
_GROUP = "/api/v1/user-groups/{id}/model-roles"
_ERRORS = (400, 404, 422)
_ON_A_MODEL = (Case(Permission.ROLES_MANAGE, "on a model", Thing.MODEL),)

ROUTES = (
    Route(
        "GET",
        "/api/v1/whoami",
        who,
        Permission.SIGNED_IN,
        "whoami",
        "Get the caller's identity and roles",
        TAG,
        answer=WhoAmI,
        query=(Parameter("modelId", "Only these models, separated by commas."),),
        errors=(400, 404),
        description="What the token may do on each model that it may read. `permissions` are the "
        "vendor's codes: READ, USE_WORKBOOKS, QUERY_TOPICS, QUERY_FULL_MODEL, QUERY_SQL, VIEW_SQL, "
        "UPDATE_RESTRICTED, UPDATE, MANAGE.",
    ),
    Route(
        "GET",
        _USER,
        of_user,
        Permission.ROLES_LIST,
        "usersGetModelRoles",
        "Get user model roles",
        TAG,
        answer=UserRoles,
        query=_WHERE,
        errors=(400, 404),
        description="A row for each source on each model: the user, each of their groups, the "
        "connection's base role. Admins of a connection see its roles.",
    ),
    Route(
        "POST",
        _USER,
        give_user,
        Permission.ROLES_MANAGE,
        "usersAssignModelRole",
        "Assign model role to user",
        TAG,
        body=AssignRole,
        answer=UserRole,
        errors=_ERRORS,
        cases=_ON_A_MODEL,
        description="With a `modelId` the role is for that model, else for the connection and all "
        "its models. It takes the place of the one before; NO_ACCESS takes it away.",
    ),
    Route(
        "GET",
        _GROUP,
        of_group,
        Permission.ROLES_LIST,
        "userGroupsGetModelRoles",
        "Get user group model roles",
        TAG,
        answer=GroupRoles,
        query=_WHERE,
        errors=(400, 404),
    ),
    Route(
        "POST",
        _GROUP,
        give_group,
        Permission.ROLES_MANAGE,
        "userGroupsAssignModelRole",
        "Assign model role to user group",
        TAG,
        body=AssignRole,
        answer=GroupRole,
        errors=_ERRORS,
        cases=_ON_A_MODEL,
    ),
)
