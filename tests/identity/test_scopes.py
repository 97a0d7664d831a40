"""Narrowed tokens: never more than their owner may, and never more than they were narrowed to."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.access.policy import ALWAYS, RULES, Permission, admits, allow
from dragoman.access.principal import Principal, PrincipalKind
from dragoman.access.roles import Role
from dragoman.access.scope import Scope
from tests.support.bodies import body
from tests.support.clients import Client, assert_error
from tests.support.server import CONNECTIONS, Server

KEYS = "/api/v1/api-keys"
ADMIN = Principal(PrincipalKind.ORGANIZATION, "key", "t", None, True)
MEMBER = Principal(PrincipalKind.PERSONAL, "ann", "t", "u")


def narrowed(
    server: Server, maker: Client, kind: str = "organization", **scope: list[str]
) -> Client:
    sent = {"type": kind, "name": "narrow", "scope": scope}
    answer = maker.post(KEYS, json=sent)
    assert answer.status_code == 201, answer.text
    return server.client(answer.json()["token"])


@pytest.mark.parametrize("owner", [ADMIN, MEMBER], ids=["admin", "member"])
@pytest.mark.parametrize("named", list(Permission))
def test_a_narrowed_token_may_no_more_than_both_its_owner_and_its_scope(
    owner: Principal, named: Permission
) -> None:
    for scope in (Scope((named.value,)), Scope((named.value,), ("c",)), Scope(None, ("c",))):
        token = owner.narrowed(scope)
        for permission in Permission:
            if admits(token, permission):
                assert admits(owner, permission)
                assert permission in ALWAYS or scope.permits(permission)
            for role in Role:
                if allow(token, permission, role):
                    assert allow(owner, permission, role)
    expected = admits(owner, named) and not RULES[named].whole
    assert admits(owner.narrowed(Scope((named.value,))), named) is expected


@pytest.mark.parametrize("permission", list(Permission))
def test_on_some_connections_nothing_of_the_organization_is_in_reach(
    permission: Permission,
) -> None:
    token, rule = ADMIN.narrowed(Scope(None, ("c",))), RULES[permission]
    expected = rule.signed_in or (rule.role is not None and not rule.anywhere)
    assert admits(token, permission) is (expected and not rule.whole)


def test_a_key_for_one_connection(server: Server) -> None:
    mine, other = server.create(baseRole="QUERIER"), server.create(baseRole="QUERIER")
    key = narrowed(server, server.root, connectionIds=[mine])
    assert [each["id"] for each in key.get(CONNECTIONS).json()["connections"]] == [mine]
    assert key.get(f"{CONNECTIONS}/{mine}").status_code == 200
    assert key.patch(f"{CONNECTIONS}/{mine}", json={"name": "New"}).status_code == 200
    assert_error(key.get(f"{CONNECTIONS}/{other}"), 404)
    assert_error(key.delete(f"{CONNECTIONS}/{other}"), 404)
    assert_error(key.post(CONNECTIONS, json=body("postgres")), 403)
    assert_error(key.get("/api/v1/audit-log"), 403)
    models = key.get("/api/v1/models").json()["records"]
    assert {each["connectionId"] for each in models} <= {mine}
    assert [each["name"] for each in key.get(KEYS).json()["records"]] == ["narrow"]


def test_a_key_for_some_permissions(server: Server) -> None:
    made = server.create()
    key = narrowed(server, server.root, permissions=["connections:list", "connections:read"])
    assert [each["id"] for each in key.get(CONNECTIONS).json()["connections"]] == [made]
    assert key.get(f"{CONNECTIONS}/{made}").status_code == 200
    assert_error(key.patch(f"{CONNECTIONS}/{made}", json={"name": "New"}), 403)
    assert_error(key.delete(f"{CONNECTIONS}/{made}"), 403)
    assert_error(key.get("/api/v1/audit-log"), 403)
    assert_error(key.get(KEYS), 403)
    reader = narrowed(server, server.root, permissions=["audit:read"])
    assert reader.get("/api/v1/audit-log").status_code == 200
    assert_error(reader.get(CONNECTIONS), 403)


def test_a_narrowed_key_sets_up_no_identity_provider(server: Server) -> None:
    """One of its own could let it in as anybody."""
    scope = {"permissions": [Permission.IDENTITY_PROVIDERS_MANAGE.value]}
    sent = {"type": "organization", "name": "narrow", "scope": scope}
    assert_error(server.root.post(KEYS, json=sent), 400)
    key = narrowed(server, server.root, permissions=[Permission.AUDIT_READ.value])
    assert_error(key.get("/api/v1/identity-providers"), 403)


def test_a_personal_token_follows_its_owner(server: Server) -> None:
    made, other = server.create(), server.create()
    ann = server.member("ann@example.com", **{made: "CONNECTION_ADMIN", other: "CONNECTION_ADMIN"})
    token = narrowed(server, ann, "personal", connectionIds=[made])
    assert token.patch(f"{CONNECTIONS}/{made}", json={"name": "a"}).status_code == 200
    assert_error(token.patch(f"{CONNECTIONS}/{other}", json={"name": "a"}), 404)
    assert_error(token.post(CONNECTIONS, json=body("postgres")), 403)
    server.sql("UPDATE connection_roles SET role = 'QUERIER'")
    assert_error(token.patch(f"{CONNECTIONS}/{made}", json={"name": "b"}), 403)


def test_a_narrowed_token_makes_and_rotates_no_others(server: Server) -> None:
    names = ["api-keys:own", "api-keys:manage"]
    wide = server.root.post(KEYS, json={"type": "organization", "name": "wide"}).json()
    key = narrowed(server, server.root, permissions=names)
    sent: dict[str, Any] = {"type": "organization", "name": "x", "scope": {"permissions": names}}
    assert_error(key.post(KEYS, json=sent), 403)
    assert_error(key.post(f"{KEYS}/{wide['id']}/rotate", json={}), 403)
    [own] = [each for each in key.get(KEYS).json()["records"] if each["name"] == "narrow"]
    assert own["scope"] == {"permissions": sorted(names), "connectionIds": None}
    again = key.post(f"{KEYS}/{own['id']}/rotate", json={"overlapHours": 0}).json()
    assert again["scope"] == own["scope"]
