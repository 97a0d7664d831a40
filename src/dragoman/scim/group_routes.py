"""Paths of groups (contract §5.10). A group is addressed by its short id; its UUID does as well."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response

from dragoman.access.principal import Principal
from dragoman.api.call import Call
from dragoman.identity import service as identity
from dragoman.identity.service import Group, Wanted
from dragoman.scim import shapes
from dragoman.scim.attributes import GROUPS, USER_ATTRIBUTE
from dragoman.scim.documents import Document, canonical
from dragoman.scim.errors import bad_value
from dragoman.scim.lists import page
from dragoman.scim.patching import patched
from dragoman.scim.projection import Projection
from dragoman.scim.requests import answer, base, body, parameters, path_id, projected
from dragoman.scim.resources import PREFIX, group_document, member_ids
from dragoman.store import UnitOfWork


async def list_groups(call: Call) -> Response:
    shown = Projection.asked(parameters(call), GROUPS).leaves("members")
    # A filter may be on members that the answer leaves out.
    shown = shown or "members" in parameters(call).get("filter", "").lower()

    def search(unit: UnitOfWork, wanted: Wanted):
        return identity.search_groups(unit, wanted, members=shown)

    return await page(call, GROUPS, search, group_document)


async def create(call: Call) -> Response:
    document = canonical(GROUPS, await body(call))
    made = await call.write(
        partial(_create, actor=call.principal, document=document, at=base(call))
    )
    return answer(call, _projected(call, made), 201, made["meta"]["location"])


async def get(call: Call) -> Response:
    group_id, at = _id(call), base(call)
    members = Projection.asked(parameters(call), GROUPS).leaves("members")

    def look(unit: UnitOfWork) -> Document:
        return _shown(unit, identity.get_group(unit, group_id), at, members=members)

    return answer(call, _projected(call, await call.read(look)))


async def replace(call: Call) -> Response:
    group_id, document = _id(call), canonical(GROUPS, await body(call))
    if "members" not in document:
        raise bad_value("members: Required")
    at = base(call)

    def work(unit: UnitOfWork) -> Document:
        return _save(unit, call.principal, identity.get_group(unit, group_id), document, at)

    return answer(call, _projected(call, await call.write(work)))


async def update(call: Call) -> Response:
    group_id, operations, at = _id(call), await body(call), base(call)

    def work(unit: UnitOfWork) -> Document:
        group = identity.get_group(unit, group_id)
        document = patched(GROUPS, _shown(unit, group, at), operations)
        return _save(unit, call.principal, group, document, at)

    return answer(call, _projected(call, await call.write(work)))


async def delete(call: Call) -> Response:
    group_id = _id(call)

    def work(unit: UnitOfWork) -> None:
        identity.delete_group(unit, call.principal, identity.get_group(unit, group_id))

    await call.write(work)
    return Response(status_code=204)


def _create(unit: UnitOfWork, actor: Principal, document: Document, at: str) -> Document:
    group = identity.create_group(
        unit, actor, _name(document), member_ids(document), document.get("externalId")
    )
    values = document.get(USER_ATTRIBUTE)
    if values:
        identity.set_group_attributes(unit, actor, group, values)
    return _shown(unit, group, at)


def _save(
    unit: UnitOfWork, actor: Principal, group: Group, document: Document, at: str
) -> Document:
    """Make the group what the document says; what it does not say is unset."""
    group = identity.rename_group(unit, actor, group, _name(document))
    group = identity.set_external_id(unit, actor, group, document.get("externalId"))
    identity.set_members(unit, actor, group, member_ids(document))
    values = document.get(USER_ATTRIBUTE, {})
    identity.set_group_attributes(unit, actor, group, values, replace=True)
    return _shown(unit, identity.get_group(unit, group.id), at)


def _name(document: Document) -> str:
    name = document.get("displayName")
    if not name:
        raise bad_value("displayName: Required")
    return name


def _shown(unit: UnitOfWork, group: Group, at: str, *, members: bool = True) -> Document:
    detail = identity.group_detail(unit, group, members=members)
    return group_document(detail, identity.custom(unit), at)


def _id(call: Call) -> str:
    return path_id(call, "miniUuid", "group")


def _projected(call: Call, document: Document) -> Document:
    return projected(call, document, GROUPS)


_ALL = f"{PREFIX}/Groups"
_ONE = _ALL + "/{miniUuid}"

ROUTES = (
    shapes.route(
        "GET",
        _ALL,
        list_groups,
        "scimGroupsList",
        "List groups",
        answer=shapes.GROUP_LIST,
        query=shapes.LISTING,
        errors=(400,),
    ),
    shapes.route(
        "POST",
        _ALL,
        create,
        "scimGroupsCreate",
        "Create a group",
        201,
        body=shapes.GROUP_BODY,
        answer=shapes.GROUP,
        errors=(409,),
    ),
    shapes.route(
        "GET",
        _ONE,
        get,
        "scimGroupsGet",
        "Get a group",
        answer=shapes.GROUP,
        query=shapes.PROJECTION,
        errors=(400, 404),
    ),
    shapes.route(
        "PUT",
        _ONE,
        replace,
        "scimGroupsReplace",
        "Replace a group",
        body=shapes.GROUP_BODY,
        answer=shapes.GROUP,
        errors=(404, 409),
    ),
    shapes.route(
        "PATCH",
        _ONE,
        update,
        "scimGroupsUpdate",
        "Update a group",
        body=shapes.PATCH,
        answer=shapes.GROUP,
        errors=(404, 409),
    ),
    shapes.route("DELETE", _ONE, delete, "scimGroupsDelete", "Delete a group", 204, errors=(404,)),
)
