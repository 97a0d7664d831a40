"""The one policy: each permission and what it asks for.

A route names its permission; the dispatcher asks `admits` before the route runs, and a service
asks `allow` once it knows the connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dragoman.access.principal import Principal
from dragoman.access.roles import Role


class Permission(StrEnum):
    """Everything that may be permitted."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    CONNECTIONS_CREATE = "connections:create"
    CONNECTIONS_LIST = "connections:list"
    CONNECTIONS_READ = "connections:read"
    CONNECTIONS_UPDATE = "connections:update"
    CONNECTIONS_DELETE = "connections:delete"
    CONNECTIONS_TEST = "connections:test"
    CONNECTIONS_SQL = "connections:sql"
    SCHEDULES_MANAGE = "schedules:manage"
    CATALOG_READ = "catalog:read"
    CATALOG_REFRESH = "catalog:refresh"
    QUERIES_TOPIC = "queries:topic"
    QUERIES_ASK = "queries:ask"
    ENVIRONMENTS_MANAGE = "environments:manage"
    MODELS_LIST = "models:list"
    MODELS_READ = "models:read"
    MODELS_BRANCH = "models:branch"
    MODELS_EDIT = "models:edit"
    MODELS_ADMIN = "models:admin"
    AUDIT_READ = "audit:read"
    ROLES_MANAGE = "roles:manage"
    USERS_MANAGE = "users:manage"
    API_KEYS_OWN = "api-keys:own"
    API_KEYS_MANAGE = "api-keys:manage"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a permission asks for, besides organization admins, who may do everything.

    `role`: the least role on the connection in question. `anywhere`: a CONNECTION_ADMIN of any
    connection qualifies, since there is no connection yet. `signed_in`: every valid token.
    """

    role: Role | None = None
    anywhere: bool = False
    signed_in: bool = False


RULES: dict[Permission, Rule] = {
    Permission.PUBLIC: Rule(signed_in=True),
    Permission.SIGNED_IN: Rule(signed_in=True),
    Permission.CONNECTIONS_CREATE: Rule(role=Role.CONNECTION_ADMIN, anywhere=True),
    # The list itself shows only what the caller may read.
    Permission.CONNECTIONS_LIST: Rule(signed_in=True),
    Permission.CONNECTIONS_READ: Rule(role=Role.QUERY_TOPICS),
    Permission.CONNECTIONS_UPDATE: Rule(role=Role.CONNECTION_ADMIN),
    Permission.CONNECTIONS_DELETE: Rule(role=Role.CONNECTION_ADMIN),
    Permission.CONNECTIONS_TEST: Rule(role=Role.CONNECTION_ADMIN),
    Permission.CONNECTIONS_SQL: Rule(role=Role.QUERIER),
    Permission.SCHEDULES_MANAGE: Rule(role=Role.CONNECTION_ADMIN),
    Permission.CATALOG_READ: Rule(role=Role.QUERIER),
    Permission.CATALOG_REFRESH: Rule(role=Role.CONNECTION_ADMIN),
    Permission.QUERIES_TOPIC: Rule(role=Role.QUERY_TOPICS),
    Permission.QUERIES_ASK: Rule(role=Role.QUERIER),
    Permission.ENVIRONMENTS_MANAGE: Rule(),
    # As the connections' list.
    Permission.MODELS_LIST: Rule(signed_in=True),
    Permission.MODELS_READ: Rule(role=Role.VIEWER),
    Permission.MODELS_BRANCH: Rule(role=Role.QUERIER),
    Permission.MODELS_EDIT: Rule(role=Role.MODELER),
    Permission.MODELS_ADMIN: Rule(role=Role.CONNECTION_ADMIN),
    Permission.AUDIT_READ: Rule(),
    Permission.ROLES_MANAGE: Rule(role=Role.CONNECTION_ADMIN),
    Permission.USERS_MANAGE: Rule(),
    Permission.API_KEYS_OWN: Rule(signed_in=True),
    Permission.API_KEYS_MANAGE: Rule(),
}

# No narrowing takes these away: they show nothing of a connection.
ALWAYS = frozenset((Permission.PUBLIC, Permission.SIGNED_IN))
# What other permissions lead through. A narrowed token has it there, though not by itself.
_PASSED = ALWAYS | {Permission.CONNECTIONS_READ, Permission.MODELS_READ}


def admits(principal: Principal, permission: Permission) -> bool:
    """Whether the principal may come as far as the service, before any resource is known."""
    rule, scope = RULES[permission], principal.scope
    if scope is not None and permission not in ALWAYS:
        if not scope.permits(permission):
            return False
        if scope.connection_ids is not None and rule.anywhere:
            return False
    return principal.organization_admin or rule.signed_in or rule.role is not None


def allow(principal: Principal, permission: Permission, role: Role) -> bool:
    """Whether the principal, who has `role` on the resource, has the permission on it."""
    rule, scope = RULES[permission], principal.scope
    if scope is not None and permission not in _PASSED and not scope.permits(permission):
        return False
    if principal.organization_admin or rule.signed_in:
        return True
    return rule.role is not None and role.rank >= rule.role.rank
