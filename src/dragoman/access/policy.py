"""The one policy: each permission and what it asks for.

A route names its permission; the dispatcher asks `admits` before the route runs, and a service
asks `allow` once it knows the connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dragoman.access.principal import Principal, PrincipalKind
from dragoman.access.roles import Role


class Permission(StrEnum):
    """Everything that may be permitted."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    SESSION_OWN = "session:own"
    SESSION_END = "session:end"
    EMBED = "embed"
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
    QUERIES_OWN = "queries:own"
    ENVIRONMENTS_MANAGE = "environments:manage"
    MODELS_LIST = "models:list"
    MODELS_READ = "models:read"
    MODELS_BRANCH = "models:branch"
    MODELS_EDIT = "models:edit"
    MODELS_ADMIN = "models:admin"
    MODELS_MIGRATE = "models:migrate"
    AUDIT_READ = "audit:read"
    ROLES_LIST = "roles:list"
    ROLES_MANAGE = "roles:manage"
    ROLES_DEFINE = "roles:define"
    USERS_MANAGE = "users:manage"
    API_KEYS_OWN = "api-keys:own"
    API_KEYS_CREATE = "api-keys:create"
    API_KEYS_MANAGE = "api-keys:manage"
    ATTRIBUTES_MANAGE = "attributes:manage"
    EMAIL_ONLY_READ = "email-only:read"
    EMAIL_ONLY_MANAGE = "email-only:manage"
    SCIM = "scim"
    IDENTITY_PROVIDERS_MANAGE = "identity-providers:manage"


class Thing(StrEnum):
    """What a permission is a permission on."""

    NOTHING = "nothing"
    CONNECTION = "connection"
    MODEL = "model"
    OWN = "own"


class Verdict(StrEnum):
    """What becomes of a request: what may not even be seen is not there (404), not refused."""

    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a permission asks for, besides organization admins, who may do everything.

    `role`: the least role on the thing in question. `anywhere`: a role on any connection will do,
    since there is no connection yet. `signed_in`: every valid token; where it is `on` one's own
    things, it finds no others. `key`: no personal token, not even an admin's (contract §1.4).
    `whole`: no narrowed token, which could otherwise come by one that may do more.
    """

    role: Role | None = None
    on: Thing = Thing.NOTHING
    anywhere: bool = False
    signed_in: bool = False
    key: bool = False
    whole: bool = False


def _connection(role: Role) -> Rule:
    return Rule(role, Thing.CONNECTION)


def _model(role: Role) -> Rule:
    return Rule(role, Thing.MODEL)


RULES: dict[Permission, Rule] = {
    Permission.PUBLIC: Rule(signed_in=True),
    Permission.SIGNED_IN: Rule(signed_in=True),
    # One's own sessions, password and second factor.
    Permission.SESSION_OWN: Rule(signed_in=True),
    Permission.SESSION_END: Rule(signed_in=True, on=Thing.OWN),
    Permission.CONNECTIONS_CREATE: Rule(role=Role.CONNECTION_ADMIN, anywhere=True),
    # The list itself shows only what the caller may read.
    Permission.CONNECTIONS_LIST: Rule(signed_in=True),
    Permission.CONNECTIONS_READ: _connection(Role.QUERY_TOPICS),
    Permission.CONNECTIONS_UPDATE: _connection(Role.CONNECTION_ADMIN),
    Permission.CONNECTIONS_DELETE: _connection(Role.CONNECTION_ADMIN),
    Permission.CONNECTIONS_TEST: _connection(Role.CONNECTION_ADMIN),
    Permission.CONNECTIONS_SQL: _connection(Role.QUERIER),
    Permission.SCHEDULES_MANAGE: _connection(Role.CONNECTION_ADMIN),
    Permission.CATALOG_READ: _connection(Role.QUERIER),
    Permission.CATALOG_REFRESH: _connection(Role.CONNECTION_ADMIN),
    Permission.QUERIES_TOPIC: _model(Role.QUERY_TOPICS),
    Permission.QUERIES_ASK: _model(Role.QUERIER),
    # Waiting for one's own question, or giving it up.
    Permission.QUERIES_OWN: Rule(signed_in=True, on=Thing.OWN),
    Permission.ENVIRONMENTS_MANAGE: Rule(),
    # As the connections' list.
    Permission.MODELS_LIST: Rule(signed_in=True),
    Permission.MODELS_READ: _model(Role.VIEWER),
    Permission.MODELS_BRANCH: _model(Role.QUERIER),
    Permission.MODELS_EDIT: _model(Role.MODELER),
    Permission.MODELS_ADMIN: _model(Role.CONNECTION_ADMIN),
    Permission.MODELS_MIGRATE: Rule(key=True),
    Permission.AUDIT_READ: Rule(),
    # An admin of connections sees what was given on those.
    Permission.ROLES_LIST: Rule(role=Role.CONNECTION_ADMIN, anywhere=True),
    Permission.ROLES_MANAGE: _connection(Role.CONNECTION_ADMIN),
    Permission.ROLES_DEFINE: Rule(),
    Permission.USERS_MANAGE: Rule(),
    Permission.API_KEYS_OWN: Rule(signed_in=True),
    Permission.API_KEYS_CREATE: Rule(signed_in=True, whole=True),
    Permission.API_KEYS_MANAGE: Rule(),
    Permission.ATTRIBUTES_MANAGE: Rule(),
    Permission.EMAIL_ONLY_READ: Rule(),
    Permission.EMAIL_ONLY_MANAGE: Rule(key=True),
    Permission.SCIM: Rule(key=True),
    Permission.EMBED: Rule(key=True),
    # A provider can be told to let somebody in as anybody.
    Permission.IDENTITY_PROVIDERS_MANAGE: Rule(whole=True),
}
# The permission by which a thing is seen at all.
SEEING = {
    Thing.CONNECTION: Permission.CONNECTIONS_READ,
    Thing.MODEL: Permission.MODELS_READ,
}

Rights = frozenset[Permission]
"""What somebody may do to a thing: the permissions that their roles on it give."""
NOTHING: Rights = frozenset()
_RIGHTS: dict[Role, Rights] = {
    role: frozenset(p for p, rule in RULES.items() if rule.role and role.rank >= rule.role.rank)
    for role in Role
}
# What a role may give: the rest is for admins of the organization, or for everybody.
GRANTABLE = _RIGHTS[Role.CONNECTION_ADMIN]
# Who may see a model of a connection may see so much of the connection.
THROUGH_MODELS: Rights = frozenset((Permission.CONNECTIONS_READ, Permission.CATALOG_READ))

# No narrowing takes these away: they show nothing of a connection.
ALWAYS = frozenset((Permission.PUBLIC, Permission.SIGNED_IN))
# All that somebody may do whose second factor is demanded and not set up yet; and an embed user,
# whom no operation lets in (contract §1.2).
_CONFINED = (PrincipalKind.ENROLLING, PrincipalKind.EMBED)
CONFINED = ALWAYS | {Permission.SESSION_OWN, Permission.SESSION_END}
# What other permissions lead through. A narrowed token has it there, though not by itself.
_PASSED = ALWAYS | {Permission.CONNECTIONS_READ, Permission.MODELS_READ}


def admits(principal: Principal, permission: Permission) -> bool:
    """Whether the principal may come as far as the service, before any resource is known."""
    rule, scope = RULES[permission], principal.scope
    if principal.kind in _CONFINED:
        return permission in CONFINED
    if scope is not None and permission not in ALWAYS:
        if rule.whole or not scope.permits(permission):
            return False
        if scope.connection_ids is not None and rule.anywhere:
            return False
    if rule.key:
        return _is_key(principal)
    return principal.organization_admin or rule.signed_in or rule.role is not None


def rights_of(role: Role) -> Rights:
    """What a built-in role gives."""
    return _RIGHTS[role]


def allow(principal: Principal, permission: Permission, rights: Rights) -> bool:
    """Whether the principal, who has those rights on the thing, has the permission on it."""
    rule, scope = RULES[permission], principal.scope
    if principal.kind in _CONFINED:
        return permission in CONFINED
    kept = scope is None or (scope.permits(permission) and not rule.whole)
    if not kept and permission not in _PASSED:
        return False
    if rule.key:
        return _is_key(principal)
    if principal.organization_admin or rule.signed_in:
        return True
    return permission in rights


def _is_key(principal: Principal) -> bool:
    return principal.organization_admin and not principal.is_person


def judge(principal: Principal, permission: Permission, rights: Rights, on: Thing) -> Verdict:
    """As `allow`; what is not allowed on a thing is forbidden only where the principal may see it.

    `on`: what the thing is.
    """
    if allow(principal, permission, rights):
        return Verdict.ALLOWED
    seeing = SEEING.get(on)
    if on is Thing.OWN:
        return Verdict.HIDDEN
    if seeing is None or allow(principal, seeing, rights):
        return Verdict.FORBIDDEN
    return Verdict.HIDDEN
