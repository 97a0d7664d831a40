"""What an application says of its user's groups and roles holds in place of what it said before."""

from __future__ import annotations

import hashlib
import re

from dragoman.access.principal import Principal
from dragoman.access.roles import Role
from dragoman.api.errors import BadRequest
from dragoman.identity import service as identity
from dragoman.identity.service import Group, User
from dragoman.models import service as models
from dragoman.store import UnitOfWork

# What an application may give, and custom roles that build on it (contract §5.13).
_ROLES = (Role.VIEWER, Role.QUERY_TOPICS)
ENTITY_GROUP = "omni-system-sso-embed-entity-group-"
_Place = tuple[str, str | None]


def set_groups(
    unit: UnitOfWork, actor: Principal, user: User, names: list[str], entity: str | None
) -> None:
    """Put the user into these groups, which must be there, and into that of their entity, which is
    made; and take them out of all others. Raises `BadRequest`."""
    wanted: dict[str, Group] = {}
    for name in names:
        group = None if "\0" in name else identity.find_group(unit, name)
        if group is None:
            raise BadRequest(f"Bad Request: groups: there is no group '{name[:80]}'")
        wanted[group.id] = group
    if entity is not None:
        name = entity_group(entity)
        group = identity.find_group(unit, name) or identity.create_group(unit, actor, name)
        wanted[group.id] = group
    there = {group.id: group for group in identity.groups_of(unit, user.id)}
    for group_id, group in wanted.items():
        if group_id not in there:
            identity.change_members(unit, actor, group, add=[user.id])
    for group_id, group in there.items():
        if group_id not in wanted:
            identity.change_members(unit, actor, group, remove=[user.id])


def entity_group(entity: str) -> str:
    """The name of the group of an entity; of a long one, or one that no name can hold, a hash."""
    name = ENTITY_GROUP + entity
    # Names have no regard to case; entities have.
    plain = entity.isascii() and entity.isprintable() and entity == entity.strip().lower()
    if plain and len(name) <= identity.GROUP_NAME_CHARACTERS:
        return name
    return ENTITY_GROUP + hashlib.sha256(entity.encode()).hexdigest()[:24]


def is_entity_group(name: str) -> bool:
    """Whether the group is that of an entity of an embedding application."""
    return name.casefold().startswith(ENTITY_GROUP)


def set_roles(
    unit: UnitOfWork,
    actor: Principal,
    user: User,
    connections: dict[str, str],
    of_models: dict[str, str],
) -> None:
    """Give the user these roles, by ids of connections and of models, and no others. Raises
    `BadRequest`, also for a role on a model that is below the one on its connection."""
    wanted: dict[_Place, str] = {}
    for each, role in connections.items():
        name = _role(unit, "connectionRoles", each, role)
        schema = models.load(unit, each)
        if schema is None or schema.deleted_at is not None or schema.connection_id != each:
            raise BadRequest(f"Bad Request: connectionRoles: there is no connection {each}")
        wanted[each, None] = name
    for each, role in of_models.items():
        name = _role(unit, "modelRoles", each, role)
        model = models.load(unit, each)
        if model is None or model.deleted_at is not None or models.bearer(model) != model.id:
            raise BadRequest(f"Bad Request: modelRoles: no role is given on a model {each}")
        if model.id == model.connection_id:
            raise BadRequest("Bad Request: modelRoles: a schema model has the connection's roles")
        above = wanted.get((model.connection_id, None))
        if above is not None and _rank(unit, name) < _rank(unit, above):
            raise BadRequest("Bad Request: modelRoles: below the role on the connection")
        wanted[model.connection_id, model.id] = name
    own = (grant for grant in identity.grants_of(unit, user.id) if grant.group is None)
    there: dict[_Place, str] = {(each.connection_id, each.model_id): each.role for each in own}
    for place in {**there, **wanted}:
        role = wanted.get(place, Role.NO_ACCESS.value)
        if there.get(place) != role:
            connection, model_id = place
            identity.grant_role(unit, actor, user.id, connection, role, model_id)


def _role(unit: UnitOfWork, where: str, resource_id: str, role: str) -> str:
    name = identity.role_name(unit, role)
    if identity.base_of(unit, name) not in _ROLES or not _is_uuid(resource_id):
        raise BadRequest(f"Bad Request: {where}: VIEWER or RESTRICTED_QUERIER by id")
    return name


def _rank(unit: UnitOfWork, name: str) -> int:
    return identity.base_of(unit, name).rank


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None
