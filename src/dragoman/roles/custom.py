"""Custom roles: who may define them, and what is in the way of deleting one."""

from __future__ import annotations

from msgspec import UNSET

from dragoman.access.policy import GRANTABLE, rights_of
from dragoman.access.principal import Principal
from dragoman.access.roles import Role, builtin
from dragoman.api.errors import BadRequest, Conflict
from dragoman.connections import service as connections
from dragoman.identity import service as identity
from dragoman.identity.service import CustomRole
from dragoman.roles.schemas import RoleBody, RoleChange, RoleRow
from dragoman.roles.service import managed
from dragoman.store import UnitOfWork


def list_all(unit: UnitOfWork, principal: Principal) -> list[RoleRow]:
    """Built-in roles, weakest first, then custom ones by name. Raises `Forbidden` for who manages
    no roles anywhere."""
    managed(unit, principal)
    return [*map(_builtin_row, Role), *map(_row, identity.list_custom_roles(unit))]


def get(unit: UnitOfWork, principal: Principal, name: str) -> RoleRow:
    """A role of that name. Raises `NotFound`, and as `list_all`."""
    managed(unit, principal)
    known = builtin(name)
    return _row(identity.get_custom_role(unit, name)) if known is None else _builtin_row(known)


def create(unit: UnitOfWork, principal: Principal, body: RoleBody) -> RoleRow:
    """Define a role. Raises `BadRequest`, `Conflict`."""
    base = _base(body.base_role)
    given, taken = body.permissions, body.without_permissions
    return _row(identity.create_custom_role(unit, principal, body.name, base, given, taken))


def change(unit: UnitOfWork, principal: Principal, name: str, body: RoleChange) -> RoleRow:
    """Define a role anew, for all who have it. Raises `BadRequest`, `NotFound`."""
    before = _custom(unit, name)
    base = before.base_role if body.base_role is UNSET else _base(body.base_role)
    given = before.given if body.permissions is UNSET else body.permissions
    taken = before.taken if body.without_permissions is UNSET else body.without_permissions
    return _row(identity.change_custom_role(unit, principal, name, base, given, taken))


def delete(unit: UnitOfWork, principal: Principal, name: str, instead: str | None) -> None:
    """Delete a role. One that somebody has needs another `instead`; one that is the base role of a
    connection is changed there. Raises `BadRequest`, `Conflict`, `NotFound`."""
    _custom(unit, name)
    replacement = None if instead is None else identity.role_name(unit, instead)
    if replacement == name:
        raise BadRequest("Bad Request: replacement: another role is expected")
    based = connections.with_base_role(unit, name)
    uses = identity.holders_of(unit, name)
    if based:
        uses["base roles of connections"] = based
    if based or (uses and replacement is None):
        told = ", ".join(f"{count} {what}" for what, count in uses.items())
        fix = "Give those connections another base role." if based else "Name a replacement."
        raise Conflict(f"The role {name} is in use: {told}", extra={"uses": uses, "fix": fix})
    identity.delete_custom_role(unit, principal, name, replacement)


def _custom(unit: UnitOfWork, name: str) -> CustomRole:
    if builtin(name) is not None:
        raise BadRequest(f"Bad Request: {name} is built in")
    return identity.get_custom_role(unit, name)


def _base(name: str) -> Role:
    base = builtin(name)
    if base is None:
        raise BadRequest(f"Bad Request: baseRole: one of {', '.join(Role)}")
    return base


def _builtin_row(role: Role) -> RoleRow:
    return RoleRow(role.value, role.value, False, [], [], sorted(rights_of(role)), role.rank)


def _row(role: CustomRole) -> RoleRow:
    return RoleRow(
        role.name,
        role.base_role.value,
        True,
        [*role.given],
        [*role.taken],
        sorted(role.rights & GRANTABLE),
        role.base_role.rank,
    )
