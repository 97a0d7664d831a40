"""Paths of API keys (contract §5.11); making and rotating them are extensions."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from dragoman.access.policy import Permission, Thing
from dragoman.api.call import Call, answer, typed, uuid_of
from dragoman.api.errors import BadRequest
from dragoman.api.paging import PageInfo, strict_page_size
from dragoman.api.routing import Case, Parameter, Route
from dragoman.identity import keys
from dragoman.identity.key_schemas import (
    ApiKey,
    KeyList,
    KeyUpdate,
    KeyWithSecret,
    NewKey,
    Revoked,
    Rotation,
)

TAG = "API Tokens"
_KINDS = ("organization", "personal", "mcp")
_SORTS = ("createdAt", "name")
_DIRECTIONS = ("asc", "desc")


async def list_keys(call: Call) -> Response:
    query = call.query()
    cursor = query.get("cursor")
    wanted = keys.Wanted(
        strict_page_size(query),
        _one_of(query, "type", _KINDS, None),
        _one_of(query, "sortField", _SORTS, "createdAt") == "name",
        _one_of(query, "sortDirection", _DIRECTIONS, "desc") == "desc",
        None if cursor is None else uuid_of(cursor, "cursor"),
    )
    found, more, total = await call.read(lambda unit: keys.page(unit, call.principal, wanted))
    info = PageInfo(more, found[-1].id if more else None, wanted.size, total)
    return answer(KeyList(info, found))


async def get(call: Call) -> Response:
    token_id = call.id()
    return answer(await call.read(lambda unit: keys.get(unit, call.principal, token_id)))


async def create(call: Call) -> Response:
    body = typed(await call.json(), NewKey)
    most = call.house.settings.personal_tokens_per_user
    made = await call.write(lambda unit: keys.create(unit, call.principal, body, most))
    return answer(made, 201)


async def update(call: Call) -> Response:
    token_id, body = call.id(), typed(await call.json(), KeyUpdate)
    work = keys.set_enabled
    return answer(
        await call.write(lambda unit: work(unit, call.principal, token_id, enabled=body.enabled))
    )


async def delete(call: Call) -> Response:
    token_id = call.id()
    await call.write(lambda unit: keys.revoke(unit, call.principal, token_id))
    return answer(Revoked())


async def rotate(call: Call) -> Response:
    token_id, body = call.id(), typed(await call.json(), Rotation)
    work = keys.rotate
    return answer(
        await call.write(lambda unit: work(unit, call.principal, token_id, body.overlap_hours))
    )


def _one_of(
    query: Mapping[str, str], name: str, values: tuple[str, ...], default: str | None
) -> str | None:
    value = query.get(name, default)
    if value is not None and value not in values:
        raise BadRequest(f"Bad Request: {name}: must be one of {', '.join(values)}")
    return value


SOMEBODY_ELSES = Case(Permission.API_KEYS_MANAGE, "somebody else's", Thing.OWN)
_ALL = "/api/v1/api-keys"
_ONE = f"{_ALL}/{{id}}"
_CURSOR = {"type": "string", "format": "uuid"}
_SIZE = {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}

ROUTES = (
    Route(
        "GET",
        _ALL,
        list_keys,
        Permission.API_KEYS_OWN,
        "apiKeysList",
        "List API tokens",
        TAG,
        answer=KeyList,
        query=(
            Parameter("cursor", "`nextCursor` of the page before: the id of its last.", _CURSOR),
            Parameter("pageSize", "Rows a page, 1 to 100; 20 when absent.", _SIZE),
            Parameter(
                "sortDirection", "`desc` when absent.", {"type": "string", "enum": _DIRECTIONS}
            ),
            Parameter("sortField", "`createdAt` when absent.", {"type": "string", "enum": _SORTS}),
            Parameter("type", "Only tokens of this type.", {"type": "string", "enum": _KINDS}),
        ),
        errors=(400,),
        description="Admins of the organization see all tokens, members their own. "
        "Secrets are never answered.",
    ),
    Route(
        "GET",
        _ONE,
        get,
        Permission.API_KEYS_OWN,
        "apiKeysGet",
        "Get API token",
        TAG,
        answer=ApiKey,
        errors=(400, 404),
        cases=(SOMEBODY_ELSES,),
    ),
    Route(
        "POST",
        _ALL,
        create,
        Permission.API_KEYS_CREATE,
        "apiKeysCreate",
        "Make an API token",
        TAG,
        status=201,
        body=NewKey,
        answer=KeyWithSecret,
        errors=(409,),
        cases=(Case(Permission.API_KEYS_MANAGE, "an organization key"),),
        extension=True,
        description="Members make personal tokens for themselves, admins organization keys too.",
    ),
    Route(
        "PUT",
        _ONE,
        update,
        Permission.API_KEYS_MANAGE,
        "apiKeysUpdate",
        "Enable or disable an organization API token",
        TAG,
        body=KeyUpdate,
        answer=ApiKey,
        errors=(404,),
        refuses_without_401=True,
    ),
    Route(
        "DELETE",
        _ONE,
        delete,
        Permission.API_KEYS_OWN,
        "apiKeysDelete",
        "Revoke an API token",
        TAG,
        answer=Revoked,
        errors=(400, 404),
        cases=(SOMEBODY_ELSES,),
        refuses_without_401=True,
    ),
    Route(
        "POST",
        f"{_ONE}/rotate",
        rotate,
        Permission.API_KEYS_OWN,
        "apiKeysRotate",
        "Give an API token a new secret",
        TAG,
        body=Rotation,
        answer=KeyWithSecret,
        errors=(404, 409),
        cases=(SOMEBODY_ELSES,),
        extension=True,
        description="The secret before goes on working for `overlapHours`.",
    ),
)
