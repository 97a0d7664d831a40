"""What a person may do where: all that was given to them, to their groups and by custom roles,
resolved once and kept until any of it changes.

Several processes share a store. Each unit of work reads the epoch of the grants, one row that the
store's own triggers change with every grant, whoever writes it (docs/decisions/0020): what was
resolved under another epoch is not used, so that nothing that was taken away outlives its commit.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BindParameter, Engine, bindparam, null, select, union_all

from dragoman.access.policy import NOTHING, THROUGH_MODELS, Permission, Rights, rights_of
from dragoman.access.principal import Principal
from dragoman.access.roles import Role, builtin
from dragoman.identity.tables import (
    connection_roles,
    custom_role_permissions,
    custom_roles,
    grants_epoch,
    group_roles,
    model_roles,
)
from dragoman.identity.tables import user_group_members as memberships
from dragoman.store import UnitOfWork
from dragoman.store.prepared import Prepared

# People whose grants a process keeps; some 50 KB each where they have 500.
PEOPLE = 500


@dataclass(frozen=True, slots=True)
class Grants:
    """What a person was given, by the id of the connection or model. `through`: what roles on its
    models give on a connection."""

    connections: Mapping[str, Rights]
    models: Mapping[str, Rights]
    through: Mapping[str, Rights]
    connection_of: Mapping[str, str]

    def on_connection(self, connection_id: str) -> Rights:
        """Rights on a connection, beside those of its base role."""
        given = self.connections.get(connection_id, NOTHING)
        seen = self.through.get(connection_id)
        return given if seen is None else given | seen

    def on_model(self, connection_id: str, model_id: str) -> Rights:
        """Rights on a model of a connection, beside those of the connection's base role."""
        given = self.connections.get(connection_id, NOTHING)
        own = self.models.get(model_id)
        return given if own is None else given | own


EMPTY = Grants({}, {}, {}, {})


@dataclass(slots=True)
class Snapshot:
    """What is resolved of one epoch. `roles`: what custom roles give, by name."""

    epoch: str
    roles: Mapping[str, Rights]
    people: dict[str, Grants] = field(default_factory=dict[str, Grants])

    def rights(self, role: str) -> Rights:
        """What a role gives; one that is no longer defined gives nothing."""
        known = builtin(role)
        return self.roles.get(role, NOTHING) if known is None else rights_of(known)

    def grants(self, unit: UnitOfWork, user_id: str) -> Grants:
        """What was given to a user and to their groups."""
        known = self.people.get(user_id)
        if known is None:
            if len(self.people) >= PEOPLE:
                self.people.clear()
            known = self.people[user_id] = self._resolved(_GRANTS.all(unit, user=user_id))
        return known

    def _resolved(self, rows: Iterable[tuple[Any, ...]]) -> Grants:
        connections: dict[str, Rights] = {}
        models: dict[str, Rights] = {}
        through: dict[str, Rights] = {}
        places: dict[str, str] = {}
        for connection_id, model_id, role in rows:
            rights = self.rights(role)
            if not model_id:
                _join(connections, connection_id, rights)
                continue
            _join(models, model_id, rights)
            _join(through, connection_id, rights & THROUGH_MODELS)
            places[model_id] = connection_id
        return Grants(connections, models, through, places)


def _join(found: dict[str, Rights], key: str, rights: Rights) -> None:
    # Most rights are one of a few sets: the same object, however many have it.
    known = found.get(key)
    found[key] = rights if known is None or known <= rights else known | rights


_KEPT: weakref.WeakKeyDictionary[Engine, Snapshot] = weakref.WeakKeyDictionary()


def snapshot(unit: UnitOfWork) -> Snapshot:
    """What is resolved of the epoch that this unit of work sees."""
    row = _EPOCH.first(unit)
    epoch = "" if row is None else row[0]
    known = _KEPT.get(unit.db.engine)
    if known is None or known.epoch != epoch:
        # Whoever reads another epoch makes another snapshot: none is ever changed into a later one.
        known = _KEPT[unit.db.engine] = Snapshot(epoch, _custom_roles(unit))
    return known


def rights_on(
    unit: UnitOfWork,
    principal: Principal,
    connection_id: str,
    base_role: str,
    model_id: str | None = None,
) -> Rights:
    """What the principal may do to a connection, or to one of its models: all that the base role,
    their own roles and those of their groups give, together."""
    scope = principal.scope
    if scope is not None and not scope.reaches(connection_id):
        return NOTHING
    if scope is not None and scope.whole:
        return rights_of(Role.CONNECTION_ADMIN)
    now = snapshot(unit)
    base = NOTHING if principal.embedded else now.rights(base_role)
    if principal.user_id is None:
        return base
    grants = now.grants(unit, principal.user_id)
    given = (
        grants.on_connection(connection_id)
        if model_id is None
        else grants.on_model(connection_id, model_id)
    )
    return given if base <= given else base | given


def granted_connections(
    unit: UnitOfWork, principal: Principal, permission: Permission
) -> list[str]:
    """Ids of connections on which the principal was given the permission, base roles apart."""
    scope = principal.scope
    if scope is not None and scope.whole:
        return list(scope.connection_ids or ())
    grants = _of(unit, principal)
    ids = {*grants.connections, *grants.through}
    return [each for each in ids if permission in grants.on_connection(each)]


def granted_models(
    unit: UnitOfWork, principal: Principal, permission: Permission
) -> dict[str, str]:
    """Ids of models on which the principal was given the permission, with their connections'."""
    scope, grants = principal.scope, _of(unit, principal)
    return {
        each: grants.connection_of[each]
        for each, rights in grants.models.items()
        if permission in rights and (scope is None or scope.reaches(grants.connection_of[each]))
    }


def roles_with(unit: UnitOfWork, permission: Permission) -> list[str]:
    """Names of all roles, custom ones included, that give a permission."""
    now = snapshot(unit)
    return [name for name in (*Role, *now.roles) if permission in now.rights(name)]


def rights_named(unit: UnitOfWork, role: str) -> Rights:
    """What the role of that name gives."""
    return snapshot(unit).rights(role)


def _of(unit: UnitOfWork, principal: Principal) -> Grants:
    return EMPTY if principal.user_id is None else snapshot(unit).grants(unit, principal.user_id)


def _custom_roles(unit: UnitOfWork) -> dict[str, Rights]:
    found: dict[str, Rights] = {
        name: rights_of(builtin(base) or Role.NO_ACCESS) for name, base in _ROLES.all(unit)
    }
    for role, permission, given in _PERMISSIONS.all(unit):
        if permission in _KNOWN:
            one = frozenset((Permission(permission),))
            found[role] = found[role] | one if given else found[role] - one
    return found


_KNOWN = frozenset(permission.value for permission in Permission)
_EPOCH = Prepared(select(grants_epoch.c.value))
_ROLES = Prepared(select(custom_roles.c.name, custom_roles.c.base_role))
_PERMISSIONS = Prepared(select(custom_role_permissions))
_USER: BindParameter[str] = bindparam("user")
_GRANTS = Prepared(
    union_all(
        select(connection_roles.c.connection_id, null(), connection_roles.c.role).where(
            connection_roles.c.user_id == _USER
        ),
        select(model_roles.c.connection_id, model_roles.c.model_id, model_roles.c.role).where(
            model_roles.c.user_id == _USER
        ),
        select(group_roles.c.connection_id, group_roles.c.model_id, group_roles.c.role)
        .join(memberships, memberships.c.group_id == group_roles.c.group_id)
        .where(memberships.c.user_id == _USER),
    )
)
