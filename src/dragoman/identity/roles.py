"""Custom roles: a base role, and permissions given on top of it or taken away from it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

import msgspec
from sqlalchemy import delete, func, insert, select, update

from dragoman import audit
from dragoman.access.policy import GRANTABLE, Permission, Rights, rights_of
from dragoman.access.principal import Principal
from dragoman.access.roles import Role, builtin
from dragoman.api.errors import BadRequest, Conflict, NotFound
from dragoman.identity.tables import (
    connection_roles,
    custom_role_permissions,
    custom_roles,
    group_roles,
    model_roles,
)
from dragoman.store import UnitOfWork

_ROLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 _\-]{0,79}")
ROLES_OFFERED = f"One of {', '.join(Role)} or a custom role."
_GIVEN_IN = (connection_roles, model_roles, group_roles)


class CustomRole(msgspec.Struct, frozen=True):
    """A custom role. `given` and `taken`: permissions by name, sorted."""

    name: str
    base_role: Role
    given: tuple[Permission, ...]
    taken: tuple[Permission, ...]
    created_at: str

    @property
    def rights(self) -> Rights:
        """What it permits."""
        return (rights_of(self.base_role) | frozenset(self.given)) - frozenset(self.taken)


def role_name(unit: UnitOfWork, name: str) -> str:
    """The stored name of a built-in or custom role. Raises `BadRequest` for another text."""
    known = find_role(unit, name)
    if known is None:
        raise BadRequest(f"Bad Request: no role '{name[:80]}'. {ROLES_OFFERED}")
    return known


def find_role(unit: UnitOfWork, name: str) -> str | None:
    """The stored name of a built-in or custom role; None when there is no such role."""
    known = builtin(name)
    if known is not None:
        return known.value
    if not _ROLE_NAME.fullmatch(name):
        return None
    found = select(custom_roles.c.name).where(custom_roles.c.name == name)
    return unit.db.execute(found).scalar()


def base_of(unit: UnitOfWork, name: str) -> Role:
    """The built-in role that a role is, or is made from."""
    found = select(custom_roles.c.base_role).where(custom_roles.c.name == name)
    return builtin(name) or builtin(unit.db.execute(found).scalar() or "") or Role.NO_ACCESS


def list_custom_roles(unit: UnitOfWork) -> list[CustomRole]:
    """All custom roles by name."""
    changed: dict[str, tuple[list[Permission], list[Permission]]] = {}
    table = custom_role_permissions
    for row in unit.db.execute(select(table).order_by(table.c.permission)):
        given, taken = changed.setdefault(row.role, ([], []))
        (given if row.given else taken).append(Permission(row.permission))
    return [
        CustomRole(
            row.name,
            Role(row.base_role),
            tuple(changed.get(row.name, ((), ()))[0]),
            tuple(changed.get(row.name, ((), ()))[1]),
            row.created_at,
        )
        for row in unit.db.execute(select(custom_roles).order_by(custom_roles.c.name))
    ]


def get_custom_role(unit: UnitOfWork, name: str) -> CustomRole:
    """A custom role. Raises `NotFound`."""
    for role in list_custom_roles(unit):
        if role.name == name:
            return role
    raise NotFound(f"Role '{name[:80]}' does not exist")


def create_custom_role(
    unit: UnitOfWork,
    actor: Principal,
    name: str,
    base: Role,
    given: Collection[str] = (),
    taken: Collection[str] = (),
) -> CustomRole:
    """Define a role that permits what `base` does, and `given`, but not `taken`.

    Raises `BadRequest`, and `Conflict` for a name that is taken.
    """
    if not _ROLE_NAME.fullmatch(name) or builtin(name.upper()) is not None:
        raise BadRequest(f"Bad Request: '{name[:80]}' cannot name a custom role")
    # Names that differ in case only would be taken for one another.
    same = select(custom_roles.c.name).where(func.lower(custom_roles.c.name) == name.lower())
    known = unit.db.execute(same).scalar()
    if known is not None:
        raise Conflict(f"A role {known} is there already")
    unit.db.execute(insert(custom_roles).values(name=name, base_role=base, created_at=unit.now))
    _set_permissions(unit, name, given, taken)
    made = get_custom_role(unit, name)
    audit.record(unit, actor, "role.create", ("role", name), after=_told(made))
    return made


def change_custom_role(
    unit: UnitOfWork,
    actor: Principal,
    name: str,
    base: Role,
    given: Collection[str],
    taken: Collection[str],
) -> CustomRole:
    """Define a role anew, for all who have it. Raises `BadRequest`, `NotFound`."""
    before = get_custom_role(unit, name)
    mine = custom_roles.c.name == name
    unit.db.execute(update(custom_roles).where(mine).values(base_role=base))
    _set_permissions(unit, name, given, taken)
    made = get_custom_role(unit, name)
    audit.record(unit, actor, "role.update", ("role", name), _told(before), _told(made))
    return made


def delete_custom_role(
    unit: UnitOfWork, actor: Principal, name: str, instead: str | None = None
) -> None:
    """Delete a role; `instead` is given to all who had it directly. Raises `NotFound`."""
    before = get_custom_role(unit, name)
    for table in _GIVEN_IN:
        mine = table.c.role == name
        if instead is None:
            unit.db.execute(delete(table).where(mine))
        else:
            unit.db.execute(update(table).where(mine).values(role=instead))
    unit.db.execute(delete(custom_roles).where(custom_roles.c.name == name))
    after = None if instead is None else {"instead": instead}
    audit.record(unit, actor, "role.delete", ("role", name), _told(before), after)


def holders_of(unit: UnitOfWork, name: str) -> dict[str, int]:
    """How often a role was given: to users on connections and on models, and to groups."""
    counted = {
        table.name: unit.db.execute(
            select(func.count()).select_from(table).where(table.c.role == name)
        ).scalar_one()
        for table in _GIVEN_IN
    }
    words = {
        "connection_roles": "users on connections",
        "model_roles": "users on models",
        "group_roles": "groups",
    }
    return {words[table]: count for table, count in counted.items() if count}


def _set_permissions(
    unit: UnitOfWork, name: str, given: Collection[str], taken: Collection[str]
) -> None:
    table = custom_role_permissions
    unit.db.execute(delete(table).where(table.c.role == name))
    both = sorted(set(given) & set(taken))
    if both:
        raise BadRequest(f"Bad Request: {both[0][:80]} is both given and taken away")
    rows = [
        {"role": name, "permission": permission, "given": is_given}
        for names, is_given in ((given, True), (taken, False))
        for permission in _checked(names)
    ]
    if rows:
        unit.db.execute(insert(table), rows)


def _checked(names: Iterable[str]) -> list[str]:
    offered = {permission.value for permission in GRANTABLE}
    for name in names:
        if name not in offered:
            raise BadRequest(
                f"Bad Request: a role cannot give or take '{name[:80]}'. "
                f"One of {', '.join(sorted(offered))}."
            )
    return sorted(set(names))


def _told(role: CustomRole) -> dict[str, object]:
    return {"base": role.base_role.value, "given": [*role.given], "taken": [*role.taken]}
