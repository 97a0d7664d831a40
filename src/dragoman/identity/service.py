"""Users, their attributes, and roles on connections.

What other rooms may use of this one, in one place: they import no other module of it.
"""

from __future__ import annotations

import re

from sqlalchemy import delete, insert, select, update

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.access.roles import Role, builtin
from dragoman.api.errors import BadRequest, Conflict
from dragoman.identity import events
from dragoman.identity.attribute_definitions import (
    Definition,
    Type,
    custom,
    define,
    get_attribute,
    list_attributes,
    redefine,
    remove_attribute,
    shown_value,
)
from dragoman.identity.attribute_values import (
    attribute_texts,
    attributes,
    own_values,
    set_attribute,
    set_attributes,
    set_group_attributes,
)
from dragoman.identity.email_only import EmailOnlyPage, email_only_page, save_email_only
from dragoman.identity.groups import (
    Group,
    Member,
    change_members,
    create_group,
    delete_group,
    find_group,
    get_group,
    group_of,
    groups_of,
    list_groups,
    members_of,
    rename_group,
    set_external_id,
    set_members,
)
from dragoman.identity.searching import (
    All,
    Condition,
    Either,
    Field,
    GroupDetail,
    Not,
    Op,
    Test,
    UserDetail,
    Wanted,
    group_detail,
    search_groups,
    search_users,
    user_detail,
)
from dragoman.identity.tables import (
    connection_roles,
    custom_roles,
    tokens,
    users,
)
from dragoman.identity.users import (
    Kind,
    Provided,
    User,
    change_user,
    create_user,
    delete_user,
    ensure_embed_user,
    find_user,
    get_of_kind,
    get_user,
    list_users,
    user_of,
)
from dragoman.store import UnitOfWork

__all__ = [
    "All",
    "Condition",
    "Definition",
    "Either",
    "EmailOnlyPage",
    "Field",
    "Group",
    "GroupDetail",
    "Kind",
    "Member",
    "Not",
    "Op",
    "Provided",
    "Test",
    "Type",
    "User",
    "UserDetail",
    "Wanted",
    "attribute_texts",
    "attributes",
    "change_members",
    "change_user",
    "create_custom_role",
    "create_group",
    "create_user",
    "custom",
    "define",
    "delete_group",
    "delete_user",
    "email_only_page",
    "ensure_embed_user",
    "find_group",
    "find_role",
    "find_user",
    "get_attribute",
    "get_group",
    "get_of_kind",
    "get_user",
    "grant_role",
    "granted_roles",
    "group_detail",
    "group_of",
    "groups_of",
    "list_attributes",
    "list_groups",
    "list_users",
    "members_of",
    "own_values",
    "redefine",
    "remove_attribute",
    "rename_group",
    "role_name",
    "role_on",
    "roles_at_least",
    "save_email_only",
    "search_groups",
    "search_users",
    "set_attribute",
    "set_attributes",
    "set_disabled",
    "set_external_id",
    "set_group_attributes",
    "set_members",
    "shown_value",
    "user_detail",
    "user_of",
]

_ROLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9 _\-]{0,79}")
ROLES_OFFERED = f"One of {', '.join(Role)} or a custom role."


def set_disabled(unit: UnitOfWork, actor: Principal, user: User, *, disabled: bool) -> None:
    """Suspend a member or let them back; a suspended one's sessions and personal tokens stop
    working at once. Organization keys that they made go on, and the row of the audit names them."""
    moment = unit.now if disabled else None
    changed = {"disabled_at": moment, "updated_at": unit.now}
    unit.db.execute(update(users).where(users.c.id == user.id).values(changed))
    action = "user.suspend" if disabled else "user.resume"
    made = select(tokens.c.id).where(tokens.c.maker_id == user.id, tokens.c.revoked_at.is_(None))
    keys = list(unit.db.execute(made.order_by(tokens.c.id)).scalars())
    after = {"organizationKeys": keys} if keys else None
    audit.record(unit, actor, action, ("user", user.id), after=after)
    events.announce(unit, user, events.Event.SUSPENDED if disabled else events.Event.RESUMED)


def grant_role(
    unit: UnitOfWork, actor: Principal, user_id: str, connection_id: str, role: str
) -> None:
    """Give a user a role on a connection in place of the one they had directly."""
    name = role_name(unit, role)
    table = connection_roles
    mine = (table.c.user_id == user_id) & (table.c.connection_id == connection_id)
    unit.db.execute(delete(table).where(mine))
    row = {"user_id": user_id, "connection_id": connection_id, "role": name}
    unit.db.execute(insert(table).values(row))
    audit.record(unit, actor, "role.grant", ("connection", connection_id), after=row)


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


def create_custom_role(unit: UnitOfWork, actor: Principal, name: str, base: Role) -> None:
    """Define a role that permits what `base` permits. Raises `BadRequest`, `Conflict`."""
    if not _ROLE_NAME.fullmatch(name) or builtin(name) is not None:
        raise BadRequest(f"Bad Request: '{name[:80]}' cannot name a custom role")
    if name in _custom(unit):
        raise Conflict(f"A role {name} is there already")
    unit.db.execute(insert(custom_roles).values(name=name, base_role=base, created_at=unit.now))
    audit.record(unit, actor, "role.create", ("role", name), after={"base": base.value})


def role_on(unit: UnitOfWork, principal: Principal, connection_id: str, base_role: str) -> Role:
    """The strongest role the principal has on a connection; its base role is the floor."""
    scope = principal.scope
    if scope is not None and not scope.reaches(connection_id):
        return Role.NO_ACCESS
    if scope is not None and scope.whole:
        return Role.CONNECTION_ADMIN
    custom = _custom(unit)
    candidates = [_tier(base_role, custom)]
    if principal.user_id is not None:
        table = connection_roles
        statement = select(table.c.role).where(
            table.c.user_id == principal.user_id, table.c.connection_id == connection_id
        )
        candidates += [_tier(name, custom) for name in unit.db.execute(statement).scalars()]
    return max(candidates, key=lambda role: role.rank)


def granted_roles(unit: UnitOfWork, principal: Principal) -> dict[str, Role]:
    """Roles given to this user directly, by connection id."""
    scope = principal.scope
    if scope is not None and scope.whole:
        return dict.fromkeys(scope.connection_ids or (), Role.CONNECTION_ADMIN)
    if principal.user_id is None:
        return {}
    table = connection_roles
    statement = select(table.c.connection_id, table.c.role).where(
        table.c.user_id == principal.user_id
    )
    custom = _custom(unit)
    return {row.connection_id: _tier(row.role, custom) for row in unit.db.execute(statement)}


def roles_at_least(unit: UnitOfWork, least: Role) -> list[str]:
    """Names of all roles, custom ones included, that reach a tier."""
    custom = _custom(unit)
    names = [*Role, *custom]
    return [name for name in names if _tier(name, custom).rank >= least.rank]


def _custom(unit: UnitOfWork) -> dict[str, str]:
    rows = unit.db.execute(select(custom_roles.c.name, custom_roles.c.base_role))
    return {row.name: row.base_role for row in rows}


def _tier(name: str, custom: dict[str, str]) -> Role:
    """The built-in role that a role amounts to; one that is no longer defined permits nothing."""
    return builtin(custom.get(name, name)) or Role.NO_ACCESS
