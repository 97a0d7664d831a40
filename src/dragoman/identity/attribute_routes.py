"""Paths of user attributes (contract §5.10; all but the list are an extension of it)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from dragoman.access.policy import Permission
from dragoman.api.call import Call, Success, answer, typed
from dragoman.api.errors import BadRequest
from dragoman.api.routing import Route
from dragoman.identity import service
from dragoman.identity.service import Definition, Type

TAG = "User Attributes"
Default = str | int | float | bool | list[str | int | float] | None


class AttributeRecord(msgspec.Struct):
    """A user attribute; `id` is empty for those of the system."""

    id: str
    name: str
    label: str
    description: str | None
    type: Type
    multiple_values: bool
    default_value: Any
    system: bool


class AttributeList(msgspec.Struct):
    """All user attributes, those of the system first."""

    records: list[AttributeRecord]


class NewAttribute(msgspec.Struct, forbid_unknown_fields=True):
    """A user attribute to define."""

    name: str
    label: str = ""
    description: str | None = None
    type: Type = Type.STRING
    multiple_values: bool = False
    default_value: Default = None


class AttributeChanges(msgspec.Struct, forbid_unknown_fields=True):
    """What may change; the name and the type stay, since models and values depend on them."""

    label: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    multiple_values: bool | UnsetType = UNSET
    default_value: Default | UnsetType = UNSET


async def list_attributes(call: Call) -> Response:
    found = await call.read(service.list_attributes)
    return answer(AttributeList([_record(each) for each in found]))


async def define(call: Call) -> Response:
    body = typed(await call.json(), NewAttribute)
    draft = Definition("", body.name, body.label, body.description, body.type, body.multiple_values)
    made = await call.write(
        lambda unit: service.define(unit, call.principal, draft, body.default_value)
    )
    return answer(_record(made), 201)


async def update(call: Call) -> Response:
    attribute_id, body = call.id(), typed(await call.json(), AttributeChanges)
    changes = {k: v for k, v in msgspec.structs.asdict(body).items() if v is not UNSET}
    if not changes:
        raise BadRequest("Bad Request: nothing to change")
    if "default_value" in changes:
        changes["default"] = changes.pop("default_value")
    made = await call.write(
        lambda unit: service.redefine(
            unit, call.principal, service.get_attribute(unit, attribute_id), changes
        )
    )
    return answer(_record(made))


async def delete(call: Call) -> Response:
    attribute_id = call.id()
    await call.write(
        lambda unit: service.remove_attribute(
            unit, call.principal, service.get_attribute(unit, attribute_id)
        )
    )
    return answer(Success())


def _record(definition: Definition) -> AttributeRecord:
    return AttributeRecord(
        definition.id,
        definition.name,
        definition.label,
        definition.description,
        definition.type,
        definition.multiple_values,
        service.shown_value(definition, definition.default),
        definition.system,
    )


_ALL = "/api/v1/user-attributes"
_ONE = _ALL + "/{id}"
_MANAGE = Permission.ATTRIBUTES_MANAGE

ROUTES = (
    Route(
        "GET",
        _ALL,
        list_attributes,
        _MANAGE,
        "userAttributesList",
        "List user attributes",
        TAG,
        answer=AttributeList,
    ),
    Route(
        "POST",
        _ALL,
        define,
        _MANAGE,
        "userAttributesCreate",
        "Define a user attribute",
        TAG,
        201,
        body=NewAttribute,
        answer=AttributeRecord,
        errors=(409,),
        extension=True,
    ),
    Route(
        "PATCH",
        _ONE,
        update,
        _MANAGE,
        "userAttributesUpdate",
        "Change a user attribute",
        TAG,
        body=AttributeChanges,
        answer=AttributeRecord,
        errors=(404,),
        extension=True,
    ),
    Route(
        "DELETE",
        _ONE,
        delete,
        _MANAGE,
        "userAttributesDelete",
        "Delete a user attribute and all its values",
        TAG,
        answer=Success,
        errors=(400, 404),
        extension=True,
    ),
)
