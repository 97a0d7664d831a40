"""Groups of users: made, renamed, filled and deleted, each change with its audit row.

A group has two ids (contract §1.9): the short one names it in SCIM and in roles, the UUID in
permits; `group_of` takes either. Members are users; a group has no groups in it.
"""

from __future__ import annotations

import secrets
import string
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.api.errors import BadRequest, Conflict, NotFound
from dragoman.identity.chunks import chunks
from dragoman.identity.tables import user_group_members as memberships
from dragoman.identity.tables import user_groups as groups
from dragoman.identity.tables import users
from dragoman.store import UnitOfWork
from dragoman.store.metadata import AnyRow

NAME_CHARACTERS = 64
_MINI_CHARACTERS = 8
_ALPHABET = string.digits + string.ascii_letters


class Group(msgspec.Struct, frozen=True):
    """A group of users. `id`: UUID; `mini_id`: 8 characters of base62; times as stored.

    `external_id`: what an identity provider calls it.
    """

    id: str
    mini_id: str
    name: str
    external_id: str | None
    created_at: str
    updated_at: str


class Member(msgspec.Struct, frozen=True):
    """A user in a group. `id` is the membership id of the organization."""

    id: str
    email: str
    name: str


def create_group(
    unit: UnitOfWork,
    actor: Principal,
    name: str,
    members: Iterable[str] = (),
    external_id: str | None = None,
) -> Group:
    """Make a group of these user ids. Raises `BadRequest` for a bad name or an unknown user,
    `Conflict` for a name that is taken, in any case."""
    shown = _checked(name)
    mini = "".join(secrets.choice(_ALPHABET) for _ in range(_MINI_CHARACTERS))
    made = Group(str(uuid.uuid4()), mini, shown, external_id, unit.now, unit.now)
    _refuse_taken(unit, shown)
    row = {**msgspec.structs.asdict(made), "name_key": _key(shown)}
    try:
        unit.db.execute(insert(groups).values(row))
    except IntegrityError:  # another process was faster
        raise _taken(shown) from None
    added = _add(unit, made.id, members)
    after = {"name": shown, "members": added}
    audit.record(unit, actor, "group.create", ("group", made.id), after=after)
    return made


def rename_group(unit: UnitOfWork, actor: Principal, group: Group, name: str) -> Group:
    """Give a group another name. Raises as `create_group`."""
    shown = _checked(name)
    if shown == group.name:
        return group
    if _key(shown) != _key(group.name):
        _refuse_taken(unit, shown)
    return _change(unit, actor, "group.rename", group, {"name": shown, "name_key": _key(shown)})


def set_external_id(
    unit: UnitOfWork, actor: Principal, group: Group, external_id: str | None
) -> Group:
    """Note what an identity provider calls the group."""
    if external_id == group.external_id:
        return group
    return _change(unit, actor, "group.external_id", group, {"external_id": external_id})


def delete_group(unit: UnitOfWork, actor: Principal, group: Group) -> None:
    """Delete a group and what was given to it; its members stay users."""
    unit.db.execute(delete(groups).where(groups.c.id == group.id))
    audit.record(unit, actor, "group.delete", ("group", group.id), before={"name": group.name})


def set_members(unit: UnitOfWork, actor: Principal, group: Group, members: Iterable[str]) -> None:
    """Make these users, and no others, the members. Raises `BadRequest` for an unknown user."""
    wanted = set(members)
    there = _member_ids(unit, group.id)
    change_members(unit, actor, group, add=wanted - there, remove=there - wanted)


def change_members(
    unit: UnitOfWork,
    actor: Principal,
    group: Group,
    *,
    add: Iterable[str] = (),
    remove: Iterable[str] = (),
) -> None:
    """Add and remove members; who is in, or out, already stays so. Raises `BadRequest` for an
    unknown user to add."""
    removed = _remove(unit, group.id, remove)
    added = _add(unit, group.id, add)
    if not added and not removed:
        return
    unit.db.execute(update(groups).where(groups.c.id == group.id).values(updated_at=unit.now))
    after = {"added": added, "removed": removed}
    audit.record(unit, actor, "group.members", ("group", group.id), after=after)


def group_of(unit: UnitOfWork, group_id: str) -> Group | None:
    """The group of that short id or UUID."""
    found = select(*_GROUP).where(or_(groups.c.mini_id == group_id, groups.c.id == group_id))
    row = unit.db.execute(found).first()
    return _group(row) if row else None


def get_group(unit: UnitOfWork, group_id: str, *, hold: bool = False) -> Group:
    """As `group_of`, but raises `NotFound`. `hold`: nobody else changes it before the end of the
    unit of work."""
    group = group_of(unit, group_id)
    if group is not None and hold:
        unit.db.execute(select(groups.c.id).where(groups.c.id == group.id).with_for_update())
        group = group_of(unit, group.id)
    if group is None:
        raise NotFound(f"No group {group_id[:80]}")
    return group


def find_group(unit: UnitOfWork, name: str) -> Group | None:
    """The group of that name, in any case."""
    row = unit.db.execute(select(*_GROUP).where(groups.c.name_key == _key(name))).first()
    return _group(row) if row else None


def list_groups(unit: UnitOfWork) -> list[Group]:
    """All groups by name."""
    return [_group(row) for row in unit.db.execute(select(*_GROUP).order_by(groups.c.name_key))]


def groups_of(unit: UnitOfWork, user_id: str | None) -> list[Group]:
    """The groups that a user is in, by name; none for nobody."""
    if user_id is None:
        return []
    mine = memberships.c.user_id == user_id
    statement = select(*_GROUP).join(memberships).where(mine).order_by(groups.c.name_key)
    return [_group(row) for row in unit.db.execute(statement)]


def members_of(unit: UnitOfWork, group_id: str) -> list[Member]:
    """The members of a group, given by its UUID, by e-mail address."""
    return [
        Member(*row)
        for row in unit.db.execute(
            select(users.c.id, users.c.email, users.c.name)
            .join(memberships)
            .where(memberships.c.group_id == group_id)
            .order_by(users.c.email)
        )
    ]


def _checked(name: str) -> str:
    shown = name.strip()
    if not shown or len(shown) > NAME_CHARACTERS or not shown.isprintable():
        raise BadRequest(f"Bad Request: a group's name has 1 to {NAME_CHARACTERS} characters")
    return shown


def _key(name: str) -> str:
    """What tells names apart: two that differ in case only are the same."""
    return name.strip().casefold()


def _refuse_taken(unit: UnitOfWork, name: str) -> None:
    if find_group(unit, name) is not None:
        raise _taken(name)


def _taken(name: str) -> Conflict:
    return Conflict(f"A group with the name {name} is there already")


def _change(
    unit: UnitOfWork, actor: Principal, action: str, group: Group, values: Mapping[str, Any]
) -> Group:
    changed = {**values, "updated_at": unit.now}
    try:
        unit.db.execute(update(groups).where(groups.c.id == group.id).values(changed))
    except IntegrityError:
        raise _taken(str(values.get("name"))) from None
    after = get_group(unit, group.id)
    shown = [name for name in values if name != "name_key"]
    audit.record(
        unit,
        actor,
        action,
        ("group", group.id),
        before={name: getattr(group, name) for name in shown},
        after={name: getattr(after, name) for name in shown},
    )
    return after


def _member_ids(unit: UnitOfWork, group_id: str) -> set[str]:
    statement = select(memberships.c.user_id).where(memberships.c.group_id == group_id)
    return set(unit.db.execute(statement).scalars())


def _add(unit: UnitOfWork, group_id: str, members: Iterable[str]) -> list[str]:
    """Those who were not in the group yet."""
    new = sorted(set(members) - _member_ids(unit, group_id))
    known: set[str] = set()
    for chunk in chunks(new):
        known.update(unit.db.execute(select(users.c.id).where(users.c.id.in_(chunk))).scalars())
    unknown = [user_id for user_id in new if user_id not in known]
    if unknown:
        raise BadRequest(f"Bad Request: no user {unknown[0][:80]}")
    if new:
        rows = [{"group_id": group_id, "user_id": user_id} for user_id in new]
        unit.db.execute(insert(memberships), rows)
    return new


def _remove(unit: UnitOfWork, group_id: str, members: Iterable[str]) -> list[str]:
    """Those who were in the group."""
    old = sorted(set(members) & _member_ids(unit, group_id))
    for chunk in chunks(old):
        mine = (memberships.c.group_id == group_id) & memberships.c.user_id.in_(chunk)
        unit.db.execute(delete(memberships).where(mine))
    return old


_GROUP = tuple(groups.c[name] for name in Group.__struct_fields__)


def _group(row: AnyRow) -> Group:
    return Group(*row)
