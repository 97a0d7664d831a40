"""Paths of users (contract §5.10)."""

from __future__ import annotations

from starlette.responses import Response

from dragoman.api.call import Call
from dragoman.identity import service as identity
from dragoman.identity.service import Kind
from dragoman.scim import shapes
from dragoman.scim.attributes import EMBED_USERS, USERS
from dragoman.scim.lists import page
from dragoman.scim.requests import base, changed, deleted, made, one, path_id
from dragoman.scim.resources import PREFIX, user_document
from dragoman.scim.users import EMBED_WAYS, WAYS, shown
from dragoman.scim.writing import Change


async def list_users(call: Call) -> Response:
    return await page(
        call,
        USERS,
        lambda unit, wanted: identity.search_users(unit, Kind.MEMBER, wanted),
        user_document,
    )


async def create(call: Call) -> Response:
    return await made(call, WAYS)


async def get(call: Call) -> Response:
    return await _get(call, Kind.MEMBER)


async def replace(call: Call) -> Response:
    return await changed(call, WAYS, _id(call), Change.replace)


async def update(call: Call) -> Response:
    return await changed(call, WAYS, _id(call), Change.update)


async def delete(call: Call) -> Response:
    return await deleted(call, WAYS, _id(call))


async def list_embed_users(call: Call) -> Response:
    return await page(
        call,
        EMBED_USERS,
        lambda unit, wanted: identity.search_users(unit, Kind.EMBED, wanted),
        user_document,
    )


async def get_embed_user(call: Call) -> Response:
    return await _get(call, Kind.EMBED)


async def delete_embed_user(call: Call) -> Response:
    return await deleted(call, EMBED_WAYS, _id(call))


async def _get(call: Call, kind: Kind) -> Response:
    user_id, at = _id(call), base(call)
    found = await call.read(lambda unit: shown(unit, identity.get_of_kind(unit, user_id, kind), at))
    return one(call, found, USERS)


def _id(call: Call) -> str:
    """What is no UUID is nobody's id (RFC 7644 section 3.4.1)."""
    return path_id(call, "id", "user").lower()


_USERS = f"{PREFIX}/Users"
_EMBED = f"{PREFIX}/embed/Users"

ROUTES = (
    shapes.route(
        "GET",
        _USERS,
        list_users,
        "scimUsersList",
        "List users",
        answer=shapes.USER_LIST,
        query=shapes.LISTING,
        errors=(400,),
    ),
    shapes.route(
        "POST",
        _USERS,
        create,
        "scimUsersCreate",
        "Create a user",
        201,
        body=shapes.USER_BODY,
        answer=shapes.USER,
        errors=(409,),
    ),
    shapes.route(
        "GET",
        _USERS + "/{id}",
        get,
        "scimUsersGet",
        "Get a user",
        answer=shapes.USER,
        query=shapes.PROJECTION,
        errors=(400, 404),
    ),
    shapes.route(
        "PUT",
        _USERS + "/{id}",
        replace,
        "scimUsersReplace",
        "Replace a user",
        body=shapes.USER_BODY,
        answer=shapes.USER,
        headers=shapes.IF_MATCH,
        errors=(404, 409, 412),
    ),
    shapes.route(
        "PATCH",
        _USERS + "/{id}",
        update,
        "scimUsersUpdate",
        "Update a user",
        body=shapes.PATCH,
        answer=shapes.USER,
        headers=shapes.IF_MATCH,
        errors=(404, 409, 412),
    ),
    shapes.route(
        "DELETE",
        _USERS + "/{id}",
        delete,
        "scimUsersDelete",
        "Delete a user",
        204,
        headers=shapes.IF_MATCH,
        errors=(404, 412),
    ),
    shapes.route(
        "GET",
        _EMBED,
        list_embed_users,
        "scimEmbedUsersList",
        "List embed users",
        answer=shapes.USER_LIST,
        query=shapes.LISTING,
        errors=(400,),
    ),
    shapes.route(
        "GET",
        _EMBED + "/{id}",
        get_embed_user,
        "scimEmbedUsersGet",
        "Get an embed user",
        answer=shapes.USER,
        query=shapes.PROJECTION,
        errors=(400, 404),
    ),
    shapes.route(
        "DELETE",
        _EMBED + "/{id}",
        delete_embed_user,
        "scimEmbedUsersDelete",
        "Delete an embed user",
        204,
        headers=shapes.IF_MATCH,
        errors=(404, 412),
    ),
)
