"""Paths of groups (contract §5.10). A group is addressed by its short id; its UUID does as well."""

from __future__ import annotations

from starlette.responses import Response

from dragoman.api.call import Call
from dragoman.identity import service as identity
from dragoman.identity.service import Wanted
from dragoman.scim import shapes
from dragoman.scim.attributes import GROUPS
from dragoman.scim.documents import Document
from dragoman.scim.groups import WAYS, shown
from dragoman.scim.lists import page
from dragoman.scim.projection import Projection
from dragoman.scim.requests import base, changed, deleted, made, one, parameters, path_id
from dragoman.scim.resources import PREFIX, group_document
from dragoman.scim.writing import Change
from dragoman.store import UnitOfWork


async def list_groups(call: Call) -> Response:
    members = Projection.asked(parameters(call), GROUPS).leaves("members")
    # A filter may be on members that the answer leaves out.
    members = members or "members" in parameters(call).get("filter", "").lower()

    def search(unit: UnitOfWork, wanted: Wanted):
        return identity.search_groups(unit, wanted, members=members)

    return await page(call, GROUPS, search, group_document)


async def create(call: Call) -> Response:
    return await made(call, WAYS)


async def get(call: Call) -> Response:
    group_id, at = _id(call), base(call)
    members = Projection.asked(parameters(call), GROUPS).leaves("members")

    def look(unit: UnitOfWork) -> Document:
        return shown(unit, identity.get_group(unit, group_id), at, members=members)

    return one(call, await call.read(look), GROUPS)


async def replace(call: Call) -> Response:
    return await changed(call, WAYS, _id(call), Change.replace)


async def update(call: Call) -> Response:
    return await changed(call, WAYS, _id(call), Change.update)


async def delete(call: Call) -> Response:
    return await deleted(call, WAYS, _id(call))


def _id(call: Call) -> str:
    return path_id(call, "miniUuid", "group")


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
        headers=shapes.IF_MATCH,
        errors=(404, 409, 412),
    ),
    shapes.route(
        "PATCH",
        _ONE,
        update,
        "scimGroupsUpdate",
        "Update a group",
        body=shapes.PATCH,
        answer=shapes.GROUP,
        headers=shapes.IF_MATCH,
        errors=(404, 409, 412),
    ),
    shapes.route(
        "DELETE",
        _ONE,
        delete,
        "scimGroupsDelete",
        "Delete a group",
        204,
        headers=shapes.IF_MATCH,
        errors=(404, 412),
    ),
)
