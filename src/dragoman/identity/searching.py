"""Lists of users and groups: found by a condition, sorted, a page at a time.

A condition is made of tests on named fields; a test on an absent value is false, and its opposite
true. A page costs the same wherever it begins: only ids are skipped, and they come from an index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    and_,
    exists,
    false,
    func,
    not_,
    or_,
    select,
    true,
)

from dragoman.identity.attribute_values import Texts, group_values, values_of_users
from dragoman.identity.chunks import chunks
from dragoman.identity.groups import Group, Member
from dragoman.identity.tables import user_group_members as memberships
from dragoman.identity.tables import user_groups as groups
from dragoman.identity.tables import users
from dragoman.identity.users import COLUMNS, Kind, User, user_from
from dragoman.store import UnitOfWork


class Field(StrEnum):
    """What a test may be on. Names and addresses are compared without regard to case."""

    ID = "id"
    EMAIL = "email"
    NAME = "name"
    EXTERNAL_ID = "external_id"
    ACTIVE = "active"
    CREATED = "created_at"
    UPDATED = "updated_at"
    EMBED_EXTERNAL_ID = "embed_external_id"
    EMBED_ENTITY = "embed_entity"
    GROUP = "group"
    MEMBER = "member"


class Op(StrEnum):
    """How a field is compared (RFC 7644 table 3)."""

    EQ = "eq"
    NE = "ne"
    CO = "co"
    SW = "sw"
    EW = "ew"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    PR = "pr"


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison. `value`: text, times in the stored form; a truth for `ACTIVE`."""

    field: Field
    op: Op
    value: str | bool = ""


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of the parts holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Condition


Condition = Test | All | Either | Not


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list asks for. `start` counts from 0."""

    condition: Condition | None = None
    order: Field = Field.CREATED
    descending: bool = False
    start: int = 0
    count: int = 100


class UserDetail(msgspec.Struct, frozen=True):
    """A user with all that lists show. `attributes`: the user's own values."""

    user: User
    profile: dict[str, Any]
    groups: list[Group]
    attributes: Texts


class GroupDetail(msgspec.Struct, frozen=True):
    """A group with all that lists show; `members` is None where nobody asked for them."""

    group: Group
    members: list[Member] | None
    attributes: Texts


def search_users(unit: UnitOfWork, kind: Kind, wanted: Wanted) -> tuple[int, list[UserDetail]]:
    """How many users of a kind the condition finds, and one page of them."""
    fields = {**_USER_FIELDS, Field.EMAIL: _EMAILS[kind]}
    where = and_(users.c.kind == kind.value, _condition(unit, fields, wanted.condition))
    total, ids = _page(unit, users, where, fields, wanted)
    rows = _of_ids(unit, select(*COLUMNS, users.c.profile), users, ids)
    profiles = {row[0]: row[-1] for row in rows.values()}
    found = [user_from(rows[user_id][:-1]) for user_id in ids if user_id in rows]
    return total, _detailed(unit, found, profiles)


def user_detail(unit: UnitOfWork, user: User) -> UserDetail:
    """One user with all that lists show."""
    text = unit.db.execute(select(users.c.profile).where(users.c.id == user.id)).scalar()
    return _detailed(unit, [user], {user.id: text})[0]


def search_groups(
    unit: UnitOfWork, wanted: Wanted, *, members: bool = True
) -> tuple[int, list[GroupDetail]]:
    """How many groups the condition finds, and one page of them."""
    where = _condition(unit, _GROUP_FIELDS, wanted.condition)
    total, ids = _page(unit, groups, where, _GROUP_FIELDS, wanted)
    columns = [groups.c[name] for name in Group.__struct_fields__]
    rows = _of_ids(unit, select(*columns), groups, ids)
    found = [Group(*rows[group_id]) for group_id in ids if group_id in rows]
    return total, _group_details(unit, found, members=members)


def group_detail(unit: UnitOfWork, group: Group, *, members: bool = True) -> GroupDetail:
    """One group with all that lists show."""
    return _group_details(unit, [group], members=members)[0]


def _detailed(
    unit: UnitOfWork, found: Sequence[User], profiles: Mapping[str, str | None]
) -> list[UserDetail]:
    ids = [user.id for user in found]
    belongs: dict[str, list[Group]] = {}
    columns = [groups.c[name] for name in Group.__struct_fields__]
    for chunk in chunks(ids):
        statement = select(memberships.c.user_id, *columns).join(groups)
        mine = statement.where(memberships.c.user_id.in_(chunk)).order_by(groups.c.name_key)
        for user_id, *group in unit.db.execute(mine):
            belongs.setdefault(user_id, []).append(Group(*group))
    values = values_of_users(unit, ids)
    return [
        UserDetail(
            user,
            msgspec.json.decode(profiles.get(user.id) or "{}"),
            belongs.get(user.id, []),
            values.get(user.id, {}),
        )
        for user in found
    ]


def _group_details(unit: UnitOfWork, found: Sequence[Group], *, members: bool) -> list[GroupDetail]:
    ids = [group.id for group in found]
    inside: dict[str, list[Member]] = {}
    for chunk in chunks(ids) if members else ():
        statement = select(memberships.c.group_id, users.c.id, _SHOWN_EMAIL, users.c.name)
        mine = statement.join(users).where(memberships.c.group_id.in_(chunk))
        for group_id, *member in unit.db.execute(mine.order_by(users.c.email)):
            inside.setdefault(group_id, []).append(Member(*member))
    values = group_values(unit, ids)
    return [
        GroupDetail(group, inside.get(group.id, []) if members else None, values.get(group.id, {}))
        for group in found
    ]


# pages

Column = tuple[ColumnElement[Any], bool]
_SHOWN_EMAIL = func.coalesce(users.c.embed_email, users.c.email)
_EMAILS: dict[Kind, Column] = {
    kind: (_SHOWN_EMAIL if kind is Kind.EMBED else users.c.email, True) for kind in Kind
}


def _page(
    unit: UnitOfWork,
    table: Table,
    where: ColumnElement[bool],
    fields: Mapping[Field, Any],
    wanted: Wanted,
) -> tuple[int, list[str]]:
    """How many rows there are, and the ids of those on the page."""
    total = unit.db.execute(select(func.count()).select_from(table).where(where)).scalar_one()
    if not wanted.count or wanted.start >= total:
        return total, []
    by = _ordered(unit, fields[wanted.order][0])
    order = [each.desc() if wanted.descending else each.asc() for each in (by, table.c.id)]
    statement = select(table.c.id).where(where).order_by(*order)
    return total, list(
        unit.db.execute(statement.limit(wanted.count).offset(wanted.start)).scalars()
    )


def _of_ids(
    unit: UnitOfWork, statement: Select[Any], table: Table, ids: Sequence[str]
) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for chunk in chunks(ids):
        for row in unit.db.execute(statement.where(table.c.id.in_(chunk))):
            found[row[0]] = tuple(row)
    return found


def _ordered(unit: UnitOfWork, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column in the order of its code points, as SQLite has it, whatever the database's own."""
    if unit.db.dialect.name == "sqlite" or str(column.type).startswith("BOOL"):
        return column
    return column.collate("C")


# conditions


def _in_group(test: ColumnElement[bool]) -> ColumnElement[bool]:
    joined = select(1).select_from(memberships.join(groups))
    return exists(joined.where(memberships.c.user_id == users.c.id, test).correlate(users))


def _has_member(test: ColumnElement[bool]) -> ColumnElement[bool]:
    inside = select(1).select_from(memberships)
    return exists(inside.where(memberships.c.group_id == groups.c.id, test).correlate(groups))


# Each field: its column, whether it is compared without regard to case, and for a field of several
# values how a test on one of them becomes one on the row.
_USER_FIELDS: dict[Field, tuple[Any, ...]] = {
    Field.ID: (users.c.id, False),
    Field.NAME: (users.c.name_key, True),
    Field.EXTERNAL_ID: (users.c.external_id, False),
    Field.ACTIVE: (users.c.disabled_at.is_(None), False),
    Field.CREATED: (users.c.created_at, False),
    Field.UPDATED: (users.c.updated_at, False),
    Field.EMBED_EXTERNAL_ID: (users.c.embed_external_id, False),
    Field.EMBED_ENTITY: (users.c.embed_entity, False),
    Field.GROUP: (groups.c.mini_id, False, _in_group),
}
_GROUP_FIELDS: dict[Field, tuple[Any, ...]] = {
    Field.ID: (groups.c.mini_id, False),
    Field.NAME: (groups.c.name_key, True),
    Field.EXTERNAL_ID: (groups.c.external_id, False),
    Field.CREATED: (groups.c.created_at, False),
    Field.UPDATED: (groups.c.updated_at, False),
    Field.MEMBER: (memberships.c.user_id, False, _has_member),
}


def _condition(
    unit: UnitOfWork, fields: Mapping[Field, tuple[Any, ...]], condition: Condition | None
) -> ColumnElement[bool]:
    match condition:
        case None:
            return true()
        case All(parts):
            return and_(true(), *(_condition(unit, fields, part) for part in parts))
        case Either(parts):
            return or_(false(), *(_condition(unit, fields, part) for part in parts))
        case Not(part):
            return not_(_condition(unit, fields, part))
        case Test(field, op, value):
            return _test(unit, fields[field], op, value)


def _test(
    unit: UnitOfWork, field: tuple[Any, ...], op: Op, value: str | bool
) -> ColumnElement[bool]:
    if op is Op.NE:
        return not_(_test(unit, field, Op.EQ, value))
    column, folded, *several = field
    if isinstance(value, bool):
        return column if value else not_(column)
    test = _COMPARED[op](_ordered(unit, column), value.casefold() if folded else value)
    # Never unknown, so that `not` means what it says.
    test = and_(column.is_not(None), test)
    return several[0](test) if several else test


def _contains(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    # LIKE has no regard to case on SQLite; this is the same on both.
    return func.replace(column, value, "") != column if value else true()


def _ends(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    begin = func.length(column) - len(value) + 1
    return and_(begin >= 1, func.substr(column, begin) == value)


_COMPARED: Mapping[Op, Callable[[ColumnElement[Any], str], ColumnElement[bool]]] = {
    Op.EQ: lambda column, value: column == value,
    Op.CO: _contains,
    Op.SW: lambda column, value: func.substr(column, 1, len(value)) == value,
    Op.EW: _ends,
    Op.GT: lambda column, value: column > value,
    Op.GE: lambda column, value: column >= value,
    Op.LT: lambda column, value: column < value,
    Op.LE: lambda column, value: column <= value,
    Op.PR: lambda column, _value: column != "",
}
