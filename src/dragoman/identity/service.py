"""Users, their attributes, and roles on connections.

What other rooms may use of this one, in one place: they import no other module of it.
"""

from __future__ import annotations

from sqlalchemy import select, update

from dragoman import audit
from dragoman.access.principal import Principal
from dragoman.identity import events
from dragoman.identity.acting import as_user
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
from dragoman.identity.grants import (
    Grant,
    grant_group_role,
    grant_role,
    grants_of,
    grants_of_group,
)
from dragoman.identity.groups import NAME_CHARACTERS as GROUP_NAME_CHARACTERS
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
from dragoman.identity.resolving import (
    granted_connections,
    granted_models,
    rights_named,
    rights_on,
    roles_with,
)
from dragoman.identity.roles import (
    ROLES_OFFERED,
    CustomRole,
    base_of,
    change_custom_role,
    create_custom_role,
    delete_custom_role,
    find_role,
    get_custom_role,
    holders_of,
    list_custom_roles,
    role_name,
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
    tokens,
    users,
)
from dragoman.identity.tokens import end as end_token
from dragoman.identity.tokens import issue as issue_token
from dragoman.identity.tokens import renew as renew_token
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
    living,
    make_user,
    profile_of,
    user_of,
)
from dragoman.store import UnitOfWork

__all__ = [
    "GROUP_NAME_CHARACTERS",
    "ROLES_OFFERED",
    "All",
    "Condition",
    "CustomRole",
    "Definition",
    "Either",
    "EmailOnlyPage",
    "Field",
    "Grant",
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
    "as_user",
    "attribute_texts",
    "attributes",
    "base_of",
    "change_custom_role",
    "change_members",
    "change_user",
    "create_custom_role",
    "create_group",
    "create_user",
    "custom",
    "define",
    "delete_custom_role",
    "delete_group",
    "delete_user",
    "email_only_page",
    "end_token",
    "ensure_embed_user",
    "find_group",
    "find_role",
    "find_user",
    "get_attribute",
    "get_custom_role",
    "get_group",
    "get_of_kind",
    "get_user",
    "grant_group_role",
    "grant_role",
    "granted_connections",
    "granted_models",
    "grants_of",
    "grants_of_group",
    "group_detail",
    "group_of",
    "groups_of",
    "holders_of",
    "issue_token",
    "list_attributes",
    "list_custom_roles",
    "list_groups",
    "list_users",
    "living",
    "make_user",
    "members_of",
    "own_values",
    "profile_of",
    "redefine",
    "remove_attribute",
    "rename_group",
    "renew_token",
    "rights_named",
    "rights_on",
    "role_name",
    "roles_with",
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
