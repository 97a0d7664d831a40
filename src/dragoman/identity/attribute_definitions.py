"""Definitions of user attributes: the system's own, and those that the organization makes.

A value is text in the store, whatever its type: numbers keep every digit (contract §5.10).
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, cast
from zoneinfo import available_timezones

import msgspec
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, Conflict, NotFound
from dragoman.identity.tables import (
    group_attribute_values,
    user_attribute_values,
    user_attributes,
)
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow
from dragoman.store.prepared import Prepared

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]{0,119}")
_RESERVED = "omni_"
VALUE_CHARACTERS = 4000
_TRUTHS = {
    "true": "true",
    "yes": "true",
    "1": "true",
    "false": "false",
    "no": "false",
    "0": "false",
}


class Type(StrEnum):
    """What the values are."""

    STRING = "String"
    NUMBER = "Number"


class Definition(msgspec.Struct, frozen=True):
    """A user attribute. `default`: texts that count where neither the user nor one of their groups
    has a value; None for none. `id` is empty for those of the system."""

    id: str
    name: str
    label: str
    description: str | None = None
    type: Type = Type.STRING
    multiple_values: bool = False
    default: tuple[str, ...] | None = None

    @property
    def system(self) -> bool:
        """Whether everybody has it, and nobody may define it."""
        return self.id == ""


TIMEZONE = "omni_user_timezone"
PERSONAL_CONTENT = "omni_allows_personal_content"
SYSTEM = (
    Definition("", "omni_user_id", "User ID", "The membership id of who asks."),
    Definition("", "omni_user_email", "User email", "The e-mail address of who asks."),
    Definition("", "omni_user_name", "User name", "The name of who asks."),
    Definition(
        "", "omni_user_groups", "User groups", "The groups of who asks.", multiple_values=True
    ),
    Definition("", "omni_is_org_admin", "Is organization admin", "true or false."),
    Definition("", "omni_user_embed_entity", "Embed entity", "The entity of an embed user."),
    Definition("", TIMEZONE, "Time zone", "The time zone that who asks sees readings in."),
    Definition("", PERSONAL_CONTENT, "Allows personal content", "true or false."),
)
# The rest of the system's attributes say what is so; these are set.
SETTABLE = {TIMEZONE, PERSONAL_CONTENT}
_SYSTEM = {definition.name: definition for definition in SYSTEM}


def list_attributes(unit: UnitOfWork) -> list[Definition]:
    """All attributes: the system's, then the organization's by name."""
    return [*SYSTEM, *sorted(custom(unit).values(), key=lambda each: each.name)]


def custom(unit: UnitOfWork) -> dict[str, Definition]:
    """The attributes that the organization defined, by name."""
    return {definition.name: definition for definition in map(_definition, _ALL.all(unit))}


def settable(unit: UnitOfWork, name: str) -> Definition:
    """The attribute of that name, which users may have values of. Raises `BadRequest`."""
    if name in _SYSTEM:
        if name not in SETTABLE:
            raise BadRequest(f"Bad Request: the attribute '{name}' is the system's own")
        return _SYSTEM[name]
    found = custom(unit).get(name)
    if found is None:
        raise BadRequest(
            f"Bad Request: no user attribute '{name[:80]}'; define it with"
            " POST /api/v1/user-attributes"
        )
    return found


def define(
    unit: UnitOfWork,
    actor: Principal,
    draft: Definition,
    default: object = None,
) -> Definition:
    """Define an attribute like the draft, with an id and this default.

    Raises `BadRequest` for a bad name or default, `Conflict` for a name that is taken.
    """
    name = draft.name
    if not _NAME.fullmatch(name) or name.lower().startswith(_RESERVED):
        raise BadRequest(
            "Bad Request: name: letters, digits, _ and -, beginning with a letter or _;"
            f" names with {_RESERVED} are the system's"
        )
    own_id, label = str(uuid.uuid4()), draft.label or name
    made = msgspec.structs.replace(draft, id=own_id, label=label, default=_default(draft, default))
    row = {**_row(made), "created_at": unit.now, "updated_at": unit.now}
    try:
        unit.db.execute(insert(user_attributes).values(row))
    except IntegrityError:
        raise Conflict(f"A user attribute {name} is there already") from None
    audit.record(unit, actor, "attribute.create", ("attribute", made.id), after=_shown(made))
    return made


def get_attribute(unit: UnitOfWork, attribute_id: str) -> Definition:
    """The attribute of that id. Raises `NotFound`."""
    for definition in custom(unit).values():
        if definition.id == attribute_id:
            return definition
    raise NotFound(f"No user attribute {attribute_id[:80]}")


def redefine(
    unit: UnitOfWork, actor: Principal, before: Definition, changes: dict[str, Any]
) -> Definition:
    """Change `label`, `description`, `multiple_values` or `default` of an attribute.

    Raises `BadRequest` for a bad default, and for one value where somebody has several.
    """
    after = msgspec.structs.replace(before, **changes)
    default = changes.get("default", before.default)
    after = msgspec.structs.replace(after, default=_default(after, default))
    if before.multiple_values and not after.multiple_values:
        _check_single(unit, before.name)
    row = {**_row(after), "updated_at": unit.now}
    mine = update(user_attributes).where(user_attributes.c.id == before.id)
    unit.db.execute(mine.values(row))
    resource = ("attribute", before.id)
    audit.record(
        unit, actor, "attribute.update", resource, before=_shown(before), after=_shown(after)
    )
    return after


def remove_attribute(unit: UnitOfWork, actor: Principal, definition: Definition) -> None:
    """Delete an attribute with everybody's values of it."""
    for table in (user_attribute_values, group_attribute_values):
        unit.db.execute(delete(table).where(table.c.attribute == definition.name))
    unit.db.execute(delete(user_attributes).where(user_attributes.c.id == definition.id))
    resource = ("attribute", definition.id)
    audit.record(unit, actor, "attribute.delete", resource, before=_shown(definition))


def texts_of(definition: Definition, given: object, *, strict: bool = False) -> list[str]:
    """What was given as an attribute's value, as it is stored; nothing, `""` and `[]` mean none.

    `strict`: one value for an attribute of several is refused. Raises `BadRequest`.
    """
    if given is None or given == "" or given == []:
        return []
    if not isinstance(given, list | tuple):
        if strict and definition.multiple_values:
            raise _refused(definition, "takes a list of values")
        return [_text(definition, given)]
    texts = [_text(definition, each) for each in cast("Sequence[object]", given)]
    if len(texts) > 1 and not definition.multiple_values:
        raise _refused(definition, "takes one value")
    return list(dict.fromkeys(texts))


def shown_value(definition: Definition, texts: Sequence[str] | None) -> Any:
    """Stored texts as JSON: a list for an attribute of several values, otherwise one or null."""
    values = [_json(definition, text) for text in texts or ()]
    if definition.multiple_values:
        return values if texts is not None else None
    return values[0] if values else None


def _text(definition: Definition, given: object) -> str:
    if definition.type is Type.NUMBER:
        return _number(definition, given)
    if isinstance(given, bool):
        given = "true" if given else "false"
    if isinstance(given, int | float):
        given = _number(definition, given)
    if not isinstance(given, str):
        raise _refused(definition, "takes text")
    if "\0" in given or len(given) > VALUE_CHARACTERS:
        raise _refused(definition, f"takes up to {VALUE_CHARACTERS} characters and no NUL")
    if definition.name == TIMEZONE:
        return _zone(definition, given)
    if definition.name == PERSONAL_CONTENT:
        return _truth(definition, given)
    return given


def _number(definition: Definition, given: object) -> str:
    """The shortest text of the number, without an exponent."""
    finite = isinstance(given, int | str) or (isinstance(given, float) and math.isfinite(given))
    if isinstance(given, bool) or not finite:
        raise _refused(definition, "takes a number")
    try:
        number = Decimal(str(given).strip())
        if not number.is_finite() or abs(number.adjusted()) > 300:
            raise InvalidOperation
    except InvalidOperation:
        raise _refused(definition, "takes a number") from None
    text = format(number, "f")
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _zone(definition: Definition, given: str) -> str:
    # A name such as EST has no summer time and is not what people mean by it.
    if given not in available_timezones() or not ("/" in given or given == "UTC"):
        raise _refused(definition, "takes an IANA time zone such as Europe/Berlin")
    return given


def _truth(definition: Definition, given: str) -> str:
    truth = _TRUTHS.get(given.lower())
    if truth is None:
        raise _refused(definition, "takes true or false")
    return truth


def _json(definition: Definition, text: str) -> Any:
    if definition.type is not Type.NUMBER:
        return text
    if "." not in text:
        # Beyond that, readers of JSON lose digits (RFC 8259 section 6).
        return int(text) if abs(int(text)) < 2**53 else text
    return float(text) if format(Decimal(repr(float(text))), "f") == text else text


def _refused(definition: Definition, what: str) -> BadRequest:
    return BadRequest(f"Bad Request: the attribute '{definition.name}' {what}")


def _default(definition: Definition, given: object) -> tuple[str, ...] | None:
    return tuple(texts_of(definition, given)) or None


def _check_single(unit: UnitOfWork, name: str) -> None:
    for table in (user_attribute_values, group_attribute_values):
        statement = select(table.c["values"]).where(table.c.attribute == name)
        for text in unit.db.execute(statement).scalars():
            if len(msgspec.json.decode(text)) > 1:
                raise BadRequest(
                    f"Bad Request: multiple_values: somebody has several values of '{name}'"
                )


def _row(definition: Definition) -> dict[str, Any]:
    row = msgspec.structs.asdict(definition)
    default = row.pop("default")
    row["type"] = definition.type.value
    return {**row, "default_value": msgspec.json.encode(default).decode() if default else None}


def _shown(definition: Definition) -> dict[str, Any]:
    return {key: value for key, value in msgspec.to_builtins(definition).items() if key != "id"}


_ALL = Prepared(
    select(
        *(
            user_attributes.c["default_value" if name == "default" else name]
            for name in Definition.__struct_fields__
        )
    )
)


def _definition(row: AnyRow | tuple[Any, ...]) -> Definition:
    own_id, name, label, description, kind, multiple, default = row
    texts = tuple(msgspec.json.decode(default)) if default else None
    return Definition(own_id, name, label, description, Type(kind), bool(multiple), texts)
