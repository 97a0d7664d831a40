"""Paths of users (contract §5.10)."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from dragoman.access.principal import Principal
from dragoman.api.call import Call
from dragoman.identity import service as identity
from dragoman.identity.service import Kind, User
from dragoman.scim import shapes
from dragoman.scim.attributes import EMBED_USERS, USER_ATTRIBUTE, USERS
from dragoman.scim.documents import Document, canonical
from dragoman.scim.lists import page
from dragoman.scim.patching import patched
from dragoman.scim.requests import answer, base, body, path_id, projected
from dragoman.scim.resources import (
    PREFIX,
    provided,
    shown_name,
    user_document,
    user_name,
)
from dragoman.store import UnitOfWork


async def list_users(call: Call) -> Response:
    return await page(
        call,
        USERS,
        lambda unit, wanted: identity.search_users(unit, Kind.MEMBER, wanted),
        user_document,
    )


async def create(call: Call) -> Response:
    document = canonical(USERS, await body(call))
    made = await call.write(
        partial(_create, actor=call.principal, document=document, at=base(call))
    )
    return answer(call, _projected(call, made), 201, made["meta"]["location"])


async def get(call: Call) -> Response:
    return await _get(call, Kind.MEMBER)


async def replace(call: Call) -> Response:
    user_id, document = _id(call), canonical(USERS, await body(call))
    at = base(call)

    def work(unit: UnitOfWork) -> Document:
        user = identity.get_of_kind(unit, user_id, Kind.MEMBER)
        return _save(unit, call.principal, user, document, at)

    return answer(call, _projected(call, await call.write(work)))


async def update(call: Call) -> Response:
    user_id, operations = _id(call), await body(call)
    at = base(call)

    def work(unit: UnitOfWork) -> Document:
        user = identity.get_of_kind(unit, user_id, Kind.MEMBER)
        detail, known = identity.user_detail(unit, user), identity.custom(unit)
        before = user_document(detail, known, at, stored=True)
        return _save(unit, call.principal, user, patched(USERS, before, operations), at)

    return answer(call, _projected(call, await call.write(work)))


async def delete(call: Call) -> Response:
    return await _delete(call, Kind.MEMBER)


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
    return await _delete(call, Kind.EMBED)


def _create(unit: UnitOfWork, actor: Principal, document: Document, at: str) -> Document:
    name, said = shown_name(document), provided(document)
    user = identity.create_user(unit, actor, user_name(document), name, provided=said)
    values = document.get(USER_ATTRIBUTE)
    if values:
        identity.set_attributes(unit, actor, user.id, values)
    return _shown(unit, user, at)


def _save(unit: UnitOfWork, actor: Principal, user: User, document: Document, at: str) -> Document:
    """Make the user what the document says; what it does not say is unset."""
    said = provided(document)
    changed = identity.change_user(
        unit, actor, user, user_name(document), shown_name(document), said
    )
    if (user.disabled_at is None) != said.active:
        identity.set_disabled(unit, actor, changed, disabled=not said.active)
    values = document.get(USER_ATTRIBUTE, {})
    identity.set_attributes(unit, actor, user.id, values, replace=True)
    return _shown(unit, identity.get_of_kind(unit, user.id, Kind.MEMBER), at)


def _shown(unit: UnitOfWork, user: User, at: str) -> Document:
    return user_document(identity.user_detail(unit, user), identity.custom(unit), at)


async def _get(call: Call, kind: Kind) -> Response:
    user_id, at = _id(call), base(call)
    found = await call.read(
        lambda unit: _shown(unit, identity.get_of_kind(unit, user_id, kind), at)
    )
    return answer(call, _projected(call, found))


async def _delete(call: Call, kind: Kind) -> Response:
    user_id = _id(call)

    def work(unit: UnitOfWork) -> None:
        user = identity.get_of_kind(unit, user_id, kind)
        identity.delete_user(unit, call.principal, user)

    await call.write(work)
    return Response(status_code=204)


def _id(call: Call) -> str:
    """What is no UUID is nobody's id (RFC 7644 section 3.4.1)."""
    return path_id(call, "id", "user").lower()


def _projected(call: Call, document: Document) -> Document:
    return projected(call, document, USERS)


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
        errors=(404, 409),
    ),
    shapes.route(
        "PATCH",
        _USERS + "/{id}",
        update,
        "scimUsersUpdate",
        "Update a user",
        body=shapes.PATCH,
        answer=shapes.USER,
        errors=(404, 409),
    ),
    shapes.route(
        "DELETE", _USERS + "/{id}", delete, "scimUsersDelete", "Delete a user", 204, errors=(404,)
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
        errors=(404,),
    ),
)
