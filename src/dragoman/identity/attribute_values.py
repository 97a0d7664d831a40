"""Values of user attributes: who has which, and what counts for who asks.

A user's own values win over those of their groups, and these over the default (contract §5.10).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Table, bindparam, delete, insert, select

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.identity import attribute_definitions as definitions
from dragoman.identity.attribute_definitions import Definition, Type
from dragoman.identity.chunks import chunks
from dragoman.identity.groups import Group, groups_of
from dragoman.identity.tables import (
    group_attribute_values,
    user_attribute_values,
    user_group_members,
    user_groups,
)
from dragoman.identity.users import Kind, embed_email, touch, user_of
from dragoman.store import UnitOfWork
from dragoman.store.prepared import Prepared

Value = str | bool | Decimal
Texts = dict[str, list[str]]


def set_attribute(
    unit: UnitOfWork, actor: Principal, user_id: str, attribute: str, values: Sequence[str]
) -> None:
    """Give a user an attribute's values; none removes it. An attribute that nobody defined is
    defined by this, as one of several texts. Raises `BadRequest` for values it does not take."""
    known = {*definitions.custom(unit), *definitions.SETTABLE}
    if attribute not in known and values:
        draft = Definition("", attribute, attribute, multiple_values=True)
        definitions.define(unit, actor, draft)
    set_attributes(unit, actor, user_id, {attribute: list(values)})


def set_attributes(
    unit: UnitOfWork,
    actor: Principal,
    user_id: str,
    given: Mapping[str, object],
    *,
    replace: bool = False,
    strict: bool = False,
) -> None:
    """Give a user these values by attribute name; null, `""` and `[]` remove.

    `replace`: the user keeps no value of other attributes that are not the system's.
    Raises `BadRequest` for an attribute that is not there, and for a value that it does not take.
    """
    before = own_values(unit, user_id)
    after = _wanted(unit, before, given, replace=replace, strict=strict)
    if _store(unit, user_attribute_values, "user_id", user_id, before, after):
        touch(unit, user_id)
        _record(unit, actor, ("user", user_id), before, after)


def set_group_attributes(
    unit: UnitOfWork,
    actor: Principal,
    group: Group,
    given: Mapping[str, object],
    *,
    replace: bool = False,
) -> None:
    """As `set_attributes`, for all members of a group."""
    before = group_values(unit, [group.id]).get(group.id, {})
    after = _wanted(unit, before, given, replace=replace, strict=False)
    if _store(unit, group_attribute_values, "group_id", group.id, before, after):
        _record(unit, actor, ("group", group.id), before, after)


def own_values(unit: UnitOfWork, user_id: str | None) -> Texts:
    """A user's own values by attribute name; nothing for nobody."""
    if user_id is None:
        return {}
    return {name: msgspec.json.decode(text) for name, text in _OWN.all(unit, user_id=user_id)}


def values_of_users(unit: UnitOfWork, user_ids: Sequence[str]) -> dict[str, Texts]:
    """Own values by user id; who has none is not in it."""
    return _of_many(unit, user_attribute_values, "user_id", user_ids)


def group_values(unit: UnitOfWork, group_ids: Sequence[str]) -> dict[str, Texts]:
    """Values by group id; a group that has none is not in it."""
    return _of_many(unit, group_attribute_values, "group_id", group_ids)


def attributes(unit: UnitOfWork, asker: Principal) -> dict[str, tuple[Value, ...]]:
    """Everything that counts for who asks, the system's attributes included; an attribute without
    a value is not in it. Numbers are decimals."""
    known = definitions.custom(unit)
    texts: dict[str, Sequence[str]] = {
        name: definition.default for name, definition in known.items() if definition.default
    }
    texts |= _of_groups(unit, asker.user_id, known)
    texts |= own_values(unit, asker.user_id)
    found = {name: _typed(known.get(name), values) for name, values in texts.items() if values}
    return {**found, **_system(unit, asker)}


def attribute_texts(unit: UnitOfWork, asker: Principal) -> dict[str, list[str]]:
    """As `attributes`, every value as text."""
    return {
        name: [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
        for name, values in attributes(unit, asker).items()
    }


def _wanted(
    unit: UnitOfWork, before: Texts, given: Mapping[str, object], *, replace: bool, strict: bool
) -> Texts:
    changed = {
        name: definitions.texts_of(definitions.settable(unit, name), value, strict=strict)
        for name, value in given.items()
    }
    kept = {n: v for n, v in before.items() if not replace or n in definitions.SETTABLE}
    return {name: values for name, values in {**kept, **changed}.items() if values}


def _store(
    unit: UnitOfWork, table: Table, owner: str, owner_id: str, before: Texts, after: Texts
) -> bool:
    """Write the difference; whether there was any."""
    gone = [name for name in before if before[name] != after.get(name)]
    new = [name for name in after if before.get(name) != after[name]]
    if gone:
        mine = (table.c[owner] == owner_id) & table.c.attribute.in_(gone)
        unit.db.execute(delete(table).where(mine))
    if new:
        rows = [{owner: owner_id, "attribute": name, "values": _json(after[name])} for name in new]
        unit.db.execute(insert(table), rows)
    return bool(gone or new)


def _record(
    unit: UnitOfWork, actor: Principal, resource: tuple[str, str], before: Texts, after: Texts
) -> None:
    names = [n for n in {**before, **after} if before.get(n) != after.get(n)]
    audit.record(
        unit,
        actor,
        f"{resource[0]}.attribute",
        resource,
        before={name: before.get(name) for name in names},
        after={name: after.get(name, []) for name in names},
    )


def _of_groups(
    unit: UnitOfWork, user_id: str | None, known: Mapping[str, Definition]
) -> dict[str, list[str]]:
    """Of an attribute of several values, those of all groups together; otherwise that of the group
    whose name comes first."""
    found: dict[str, list[str]] = {}
    for name, text in _OF_GROUPS.all(unit, user_id=user_id) if user_id else ():
        definition = known.get(name)
        there = found.setdefault(name, [])
        if not there or (definition and definition.multiple_values):
            there += [value for value in msgspec.json.decode(text) if value not in there]
    return found


def _typed(definition: Definition | None, texts: Iterable[str]) -> tuple[Value, ...]:
    if definition is not None and definition.type is Type.NUMBER:
        return tuple(Decimal(text) for text in texts)
    return tuple(texts)


def _system(unit: UnitOfWork, asker: Principal) -> dict[str, tuple[Value, ...]]:
    found: dict[str, tuple[Value, ...]] = {"omni_is_org_admin": (asker.organization_admin,)}
    user = user_of(unit, asker.user_id)
    if user is None:
        return found
    email = embed_email(user) if user.kind == Kind.EMBED else user.email
    groups = tuple(group.name for group in groups_of(unit, user.id))
    more = {
        "omni_user_id": (user.id,),
        "omni_user_email": (email,) if email else (),
        "omni_user_name": (user.name,),
        "omni_user_groups": groups,
        "omni_user_embed_entity": (user.embed_entity,) if user.embed_entity else (),
    }
    return {**found, **{name: values for name, values in more.items() if values}}


def _of_many(unit: UnitOfWork, table: Table, owner: str, ids: Sequence[str]) -> dict[str, Texts]:
    found: dict[str, Texts] = {}
    for chunk in chunks(ids):
        mine = table.c[owner].in_(chunk)
        statement = select(table.c[owner], table.c.attribute, table.c["values"]).where(mine)
        for owner_id, name, text in unit.db.execute(statement):
            found.setdefault(owner_id, {})[name] = msgspec.json.decode(text)
    return found


def _json(values: Any) -> str:
    return msgspec.json.encode(values).decode()


_OWN = Prepared(
    select(user_attribute_values.c.attribute, user_attribute_values.c["values"]).where(
        user_attribute_values.c.user_id == bindparam("user_id")
    )
)
_OF_GROUPS = Prepared(
    select(group_attribute_values.c.attribute, group_attribute_values.c["values"])
    .join_from(group_attribute_values, user_groups)
    .join(user_group_members, user_group_members.c.group_id == user_groups.c.id)
    .where(user_group_members.c.user_id == bindparam("user_id"))
    .order_by(user_groups.c.name_key)
)
