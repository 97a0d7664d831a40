"""Roles on models and connections: which are there, where they come from, who may give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from dragoman.access.policy import Permission
from dragoman.access.principal import Principal
from dragoman.access.roles import ALIASES, Role
from dragoman.api.errors import BadRequest, Forbidden, NotFound, Unprocessable
from dragoman.connections import service as connections
from dragoman.connections.service import Connection
from dragoman.identity import service as identity
from dragoman.identity.service import Grant, Group, Kind, User
from dragoman.models import service as models
from dragoman.roles.schemas import AssignRole, GroupRoleRow, Origin, UserRoleRow
from dragoman.store import UnitOfWork

# The API's word for a role in these operations, where it is not the stored one (contract §6.1).
_WORDS = {role.value: word for word, role in ALIASES.items()}
# Of equal roles, the one that is told as the one that counts.
_NEARER = {"USER": 0, "GROUP": 1, "BASE": 2, "ORG": 3}


@dataclass(frozen=True, slots=True)
class Filter:
    """Of which connection, or which model, roles are listed; None: of all."""

    connection_id: str | None = None
    model_id: str | None = None


def word(role: str) -> str:
    """A role's name as these operations say it."""
    return _WORDS.get(role, role)


def user_roles(
    unit: UnitOfWork, principal: Principal, user_id: str, wanted: Filter
) -> list[UserRoleRow]:
    """The roles of a user, a row for each source on each model, on the connections whose roles the
    principal manages. Raises `Forbidden`, `NotFound`."""
    places = managed(unit, principal)
    user = _user(unit, user_id)
    given = list(identity.grants_of(unit, user.id))
    base_of = cache(partial(identity.base_of, unit))
    rows: list[UserRoleRow] = []
    for connection in places:
        sources = [*_inherited(user, connection), *_sources(given, connection)]
        for model_id in _model_ids(unit, connection):
            if wanted.connection_id in (None, connection.id):
                rows += _resolved(base_of, connection, model_id, sources)
    return [row for row in rows if wanted.model_id in (None, row.model_id)]


def group_roles(
    unit: UnitOfWork, principal: Principal, group_id: str, wanted: Filter
) -> list[GroupRoleRow]:
    """As `user_roles`, of a group: what was given to it."""
    places = managed(unit, principal)
    group = _group(unit, group_id)
    given = list(identity.grants_of_group(unit, group))
    base_of = cache(partial(identity.base_of, unit))
    return [
        GroupRoleRow(**_fields(base_of, connection, model_id, source, origin))
        for connection in places
        if wanted.connection_id in (None, connection.id)
        for model_id in _model_ids(unit, connection)
        if wanted.model_id in (None, model_id)
        for source, origin in _sources(given, connection, depth=0)
        if source.model_id in (None, model_id)
    ]


def assign_user(unit: UnitOfWork, principal: Principal, user_id: str, wanted: AssignRole) -> Grant:
    """Give a user a role. Raises `BadRequest`, `Forbidden`, `NotFound`, `Unprocessable`."""
    grant = _grant(unit, principal, wanted)
    user = _user(unit, user_id)
    _check_strength(unit, principal, grant, identity.grants_of(unit, user.id), None)
    identity.grant_role(unit, principal, user.id, grant.connection_id, grant.role, grant.model_id)
    return grant


def assign_group(
    unit: UnitOfWork, principal: Principal, group_id: str, wanted: AssignRole
) -> tuple[Group, Grant]:
    """Give all members of a group a role. Raises as `assign_user`."""
    grant = _grant(unit, principal, wanted)
    group = _group(unit, group_id)
    _check_strength(unit, principal, grant, identity.grants_of_group(unit, group), group)
    identity.grant_group_role(
        unit, principal, group, grant.connection_id, grant.role, grant.model_id
    )
    return group, grant


def managed(unit: UnitOfWork, principal: Principal) -> list[Connection]:
    """The connections whose roles the principal manages. Raises `Forbidden` where there is none."""
    found = connections.live(unit, principal, Permission.ROLES_MANAGE)
    if not found and not principal.organization_admin:
        raise Forbidden("Forbidden: roles are for admins of the organization or of a connection")
    return found


def _user(unit: UnitOfWork, user_id: str) -> User:
    user = identity.user_of(unit, user_id)
    if user is None:
        raise NotFound("User not found in organization")
    return user


def _group(unit: UnitOfWork, group_id: str) -> Group:
    group = identity.group_of(unit, group_id)
    if group is None:
        raise NotFound("User group not found in organization")
    return group


def _grant(unit: UnitOfWork, principal: Principal, wanted: AssignRole) -> Grant:
    """What is asked for, checked: the principal manages roles there."""
    if wanted.model_id is None and wanted.connection_id is None:
        raise BadRequest("Bad Request: connectionId or modelId is required")
    connection_id = wanted.connection_id
    if wanted.model_id is not None:
        model = models.load(unit, wanted.model_id)
        if model is None or model.deleted_at is not None:
            raise NotFound("Model does not exist")
        models.check(
            unit, principal, model, Permission.ROLES_MANAGE, missing="Model does not exist"
        )
        if connection_id is not None and connection_id != model.connection_id:
            raise Unprocessable("Model does not belong to connection")
        # The schema model stands for its connection.
        if model.id != model.connection_id and models.bearer(model) != model.id:
            raise Unprocessable(
                "Only shared and shared_extension models can be assigned model roles"
            )
        connection_id = model.connection_id
    else:
        _check_connection(unit, principal, str(connection_id))
    role = identity.find_role(unit, wanted.role_name)
    if role is None:
        raise Unprocessable("Invalid role")
    on_model = wanted.model_id if wanted.model_id != connection_id else None
    return Grant(str(connection_id), on_model, role)


def _check_connection(unit: UnitOfWork, principal: Principal, connection_id: str) -> None:
    try:
        connections.get(unit, principal, connection_id, Permission.ROLES_MANAGE)
    except NotFound:
        raise NotFound("Connection does not exist") from None


def _check_strength(
    unit: UnitOfWork,
    principal: Principal,
    grant: Grant,
    given: Iterable[Grant],
    group: Group | None,
) -> None:
    """Nobody gives, or takes away, a role that may do more than their own. Raises `Forbidden`."""
    connection = connections.load(unit, grant.connection_id)
    if principal.organization_admin or connection is None:
        return
    own = connections.rights_on(unit, principal, connection, grant.model_id)
    place = (grant.connection_id, grant.model_id, group)
    before = [g.role for g in given if (g.connection_id, g.model_id, g.group) == place]
    for role in (grant.role, *before):
        if not identity.rights_named(unit, role) <= own:
            raise Forbidden(f"Forbidden: the role {word(role)} may do more than you may")


def _model_ids(unit: UnitOfWork, connection: Connection) -> list[str]:
    """The schema model, then the models that roles can be given on."""
    return [connection.id, *models.bearers(unit, connection.id)]


Source = tuple[Grant, Origin]


def _inherited(user: User, connection: Connection) -> Iterator[Source]:
    if user.kind != Kind.EMBED:  # base roles do not hold for them
        yield Grant(connection.id, None, str(connection.settings["baseRole"])), Origin("BASE")
    if user.organization_admin:
        yield Grant(connection.id, None, Role.CONNECTION_ADMIN.value), Origin("ORG")


def _sources(given: Iterable[Grant], connection: Connection, depth: int = 1) -> list[Source]:
    return [
        (
            grant,
            Origin("USER")
            if grant.group is None
            else Origin("GROUP", depth, grant.group.mini_id, grant.group.name),
        )
        for grant in given
        if grant.connection_id == connection.id
    ]


def _resolved(
    base_of: Callable[[str], Role],
    connection: Connection,
    model_id: str,
    sources: Iterable[Source],
) -> list[UserRoleRow]:
    rows = [
        UserRoleRow(**_fields(base_of, connection, model_id, source, origin), resolved=False)
        for source, origin in sources
        if source.model_id in (None, model_id)
    ]
    rows.sort(key=lambda row: (-row.priority, _NEARER[row.from_.type]))
    for strongest in rows[:1]:
        strongest.resolved = True
    return rows


def _fields(
    base_of: Callable[[str], Role],
    connection: Connection,
    model_id: str,
    source: Grant,
    origin: Origin,
) -> dict[str, Any]:
    base = base_of(source.role)
    return {
        "role_name": word(source.role),
        "base_role": word(base.value),
        "connection_id": connection.id,
        "model_id": model_id,
        "from_": origin,
        "priority": base.rank,
    }
