"""Roles and the policy: who may do what, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dragoman.access.policy import (
    RULES,
    Permission,
    Thing,
    Verdict,
    admits,
    allow,
    judge,
    rights_of,
)
from dragoman.access.principal import OPERATOR, Principal, PrincipalKind
from dragoman.access.roles import Role, builtin
from dragoman.access.scope import Scope

MEMBER = Principal(PrincipalKind.PERSONAL, "m", user_id="u")

# The least role on a connection (contract §2.4); None where a role is not what decides.
LEAST = {
    Permission.CONNECTIONS_CREATE: Role.CONNECTION_ADMIN,
    Permission.CONNECTIONS_READ: Role.QUERY_TOPICS,
    Permission.CONNECTIONS_SQL: Role.QUERIER,
    Permission.CONNECTIONS_UPDATE: Role.CONNECTION_ADMIN,
    Permission.CONNECTIONS_DELETE: Role.CONNECTION_ADMIN,
    Permission.CONNECTIONS_TEST: Role.CONNECTION_ADMIN,
    Permission.ROLES_LIST: Role.CONNECTION_ADMIN,
    Permission.ROLES_MANAGE: Role.CONNECTION_ADMIN,
    Permission.SCHEDULES_MANAGE: Role.CONNECTION_ADMIN,
    Permission.CATALOG_READ: Role.QUERIER,
    Permission.CATALOG_REFRESH: Role.CONNECTION_ADMIN,
    Permission.QUERIES_TOPIC: Role.QUERY_TOPICS,
    Permission.QUERIES_ASK: Role.QUERIER,
    Permission.MODELS_READ: Role.VIEWER,
    Permission.MODELS_BRANCH: Role.QUERIER,
    Permission.MODELS_EDIT: Role.MODELER,
    Permission.MODELS_ADMIN: Role.CONNECTION_ADMIN,
}
EVERYBODY = {
    Permission.PUBLIC,
    Permission.SIGNED_IN,
    Permission.CONNECTIONS_LIST,
    Permission.MODELS_LIST,
    Permission.API_KEYS_OWN,
    Permission.API_KEYS_CREATE,
    Permission.QUERIES_OWN,
    Permission.SESSION_OWN,
    Permission.SESSION_END,
}


def test_every_permission_has_a_rule() -> None:
    assert set(RULES) == set(Permission)


@pytest.mark.parametrize("permission", list(Permission))
@pytest.mark.parametrize("role", list(Role))
def test_member(permission: Permission, role: Role) -> None:
    least = LEAST.get(permission)
    expected = permission in EVERYBODY or (least is not None and role.rank >= least.rank)
    assert allow(MEMBER, permission, rights_of(role)) is expected


@pytest.mark.parametrize("admin", [True, False])
@pytest.mark.parametrize("permission", list(Permission))
def test_who_signed_in_may_what_their_personal_token_may(
    permission: Permission, admin: bool
) -> None:
    token = replace(MEMBER, organization_admin=admin)
    session = replace(token, kind=PrincipalKind.SESSION)
    assert admits(session, permission) is admits(token, permission)
    for role in Role:
        for on in Thing:
            assert judge(session, permission, rights_of(role), on) is judge(
                token, permission, rights_of(role), on
            )


@pytest.mark.parametrize("permission", list(Permission))
def test_admin_of_the_organization(permission: Permission) -> None:
    assert allow(OPERATOR, permission, rights_of(Role.NO_ACCESS))


def test_roles_include_those_below() -> None:
    ranks = [role.rank for role in Role]
    assert ranks == sorted(set(ranks))
    assert (Role.NO_ACCESS.rank, Role.QUERY_TOPICS.rank) == (0, 150)  # seen on a live instance


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("VIEWER", Role.VIEWER),
        ("RESTRICTED_QUERIER", Role.QUERY_TOPICS),
        ("viewer", None),
        ("", None),
        ("name", None),
        ("__class__", None),
    ],
)
def test_names_of_roles(name: str, role: Role | None) -> None:
    assert builtin(name) is role


def test_a_narrowed_token_makes_no_others() -> None:
    permission = Permission.API_KEYS_CREATE
    key = Principal(PrincipalKind.ORGANIZATION, "k", organization_admin=True)
    assert admits(key, permission)
    for scope in (Scope((permission.value,)), Scope(None, ("c",))):
        assert not admits(key.narrowed(scope), permission)
        assert not allow(key.narrowed(scope), permission, frozenset())


def test_a_permission_of_keys_is_no_personal_token_s() -> None:
    admin = Principal(PrincipalKind.PERSONAL, "a", user_id="u", organization_admin=True)
    key = Principal(PrincipalKind.ORGANIZATION, "k", organization_admin=True)
    for principal, expected in ((admin, False), (MEMBER, False), (key, True), (OPERATOR, True)):
        assert admits(principal, Permission.MODELS_MIGRATE) is expected
        assert (
            allow(principal, Permission.MODELS_MIGRATE, rights_of(Role.CONNECTION_ADMIN))
            is expected
        )


@pytest.mark.parametrize(
    ("role", "thing", "verdict"),
    [
        (Role.CONNECTION_ADMIN, Thing.CONNECTION, Verdict.ALLOWED),
        (Role.QUERY_TOPICS, Thing.CONNECTION, Verdict.FORBIDDEN),
        (Role.VIEWER, Thing.CONNECTION, Verdict.HIDDEN),
        (Role.VIEWER, Thing.MODEL, Verdict.FORBIDDEN),
        (Role.NO_ACCESS, Thing.MODEL, Verdict.HIDDEN),
        (Role.NO_ACCESS, Thing.NOTHING, Verdict.FORBIDDEN),
    ],
)
def test_what_may_not_be_seen_is_not_there(role: Role, thing: Thing, verdict: Verdict) -> None:
    assert judge(MEMBER, Permission.CONNECTIONS_UPDATE, rights_of(role), thing) is verdict
