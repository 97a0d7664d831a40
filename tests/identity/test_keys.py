"""API keys over HTTP: the contract's shapes and codes, whose keys are whose, rotation, expiry."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest

from dragoman import clock
from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.identity import tokenformat, tokens
from tests.support.clients import Client, assert_error, at_once
from tests.support.server import CONNECTIONS, Server, running_server, settings_for

KEYS = "/api/v1/api-keys"
CONTRACT = {"createdAt", "enabled", "id", "membershipId", "name", "type"}


def make(client: Client, **changes: Any) -> dict[str, Any]:
    answer = client.post(KEYS, json={"type": "organization", "name": "ci", **changes})
    assert answer.status_code == 201, answer.text
    return answer.json()


def listed(client: Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"{KEYS}?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["records"]


def works(server: Server, token: str) -> bool:
    return server.client(token).get(CONNECTIONS).status_code == 200


def test_a_key_is_made_shown_disabled_and_revoked(server: Server) -> None:
    made = make(server.root)
    token, path = made["token"], f"{KEYS}/{made['id']}"
    assert tokenformat.parse(token) == "organization"
    shown = server.root.get(path).json()
    assert made == {**shown, "token": token}
    assert shown.keys() >= CONTRACT
    assert (shown["type"], shown["name"], shown["enabled"]) == ("organization", "ci", True)
    assert (shown["membershipId"], shown["expired"], shown["scope"]) == (None, False, None)
    assert works(server, token)
    for enabled in (False, False, True):
        answer = server.root.put(path, json={"enabled": enabled})
        assert (answer.status_code, answer.json()["enabled"]) == (200, enabled)
        assert works(server, token) is enabled
    answer = server.root.delete(path)
    assert (answer.status_code, answer.json()) == (
        200, {"message": "API token revoked", "success": True},
    )  # fmt: skip
    assert not works(server, token)
    for again in (server.root.get(path), server.root.delete(path),
                  server.root.put(path, json={"enabled": True}),
                  server.root.post(f"{path}/rotate", json={})):  # fmt: skip
        assert_error(again, 404)
    rows = server.root.get(f"/api/v1/audit-log?resourceId={made['id']}").json()["records"]
    changes = [row["action"] for row in reversed(rows)]
    uses = ("token.first_use", "token.refuse")  # told by the housekeeping, seconds later
    assert [each for each in changes if each not in uses] == [
        "token.create", "token.disable", "token.enable", "token.revoke",
    ]  # fmt: skip
    assert token[9:] not in str(rows)


def test_of_two_revocations_at_once_one_finds_nothing(server: Server) -> None:
    path = f"{KEYS}/{make(server.root)['id']}"
    root = server.root
    codes = at_once(2, lambda _: root.delete(path).status_code)
    assert sorted(codes) == [200, 404]


def test_what_the_contract_refuses(server: Server) -> None:
    server.user("ann@example.com", admin=True)
    ann = server.client(server.personal("ann@example.com"))
    personal = make(ann, type="personal")
    assert_error(ann.put(f"{KEYS}/{personal['id']}", json={"enabled": False}), 400)
    path = f"{KEYS}/{make(server.root)['id']}"
    for body in ({}, {"enabled": "no"}, {"enabled": False, "name": "x"}, {"enabled": None}):
        assert_error(server.root.put(path, json=body), 400)
    for query in ("pageSize=0", "pageSize=101", "type=robot", "sortField=id", "cursor=x",
                  "sortDirection=up", f"cursor={uuid.uuid4()}", "page=1"):  # fmt: skip
        assert_error(server.root.get(f"{KEYS}?{query}"), 400)
    for method in ("GET", "PUT", "DELETE"):
        assert_error(server.root.request(method, f"{KEYS}/x", json={"enabled": True}), 400)
        missing = server.root.request(method, f"{KEYS}/{uuid.uuid4()}", json={"enabled": True})
        assert_error(missing, 404)
    assert_error(server.root.patch(path, json={}), 405)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_without_a_token_a_change_is_400_and_with_an_unknown_one_403(
    server: Server, method: str
) -> None:
    path = f"{KEYS}/{make(server.root)['id']}"
    unknown = tokenformat.generate("organization").reveal()

    def ask(**headers: str) -> Any:
        return server.anonymous.request(method, path, json={"enabled": False}, headers=headers)

    assert_error(ask(), 400)
    for header in ("Bearer", "Bearer ", f"Basic {unknown}", unknown):
        assert_error(ask(Authorization=header), 400)
    for token in (unknown, "hunter2"):
        refused = assert_error(ask(Authorization=f"Bearer {token}"), 403)
        assert refused["message"] == "Invalid bearer token"
    assert server.root.get(path).status_code == 200
    assert_error(server.anonymous.get(path), 401)


def test_a_member_has_only_their_own(server: Server) -> None:
    ann, bob = server.member("ann@example.com"), server.member("bob@example.com")
    organization = make(server.root)
    own = make(ann, type="personal", name="laptop 2")
    assert {each["name"] for each in listed(ann)} == {"laptop", "laptop 2"}
    assert {each["createdBy"]["email"] for each in listed(ann)} == {"ann@example.com"}
    assert own["membershipId"] == own["createdBy"]["membershipId"]
    for other in (organization, make(bob, type="personal")):
        path = f"{KEYS}/{other['id']}"
        assert_error(ann.get(path), 404)
        assert_error(ann.delete(path), 404)
        assert_error(ann.post(f"{path}/rotate", json={}), 404)
        assert_error(ann.put(path, json={"enabled": False}), 403)
    assert_error(ann.post(KEYS, json={"type": "organization", "name": "x"}), 403)
    assert_error(server.root.post(KEYS, json={"type": "personal", "name": "x"}), 403)
    assert ann.delete(f"{KEYS}/{own['id']}").status_code == 200
    assert not works(server, own["token"])
    assert works(server, organization["token"])


def test_an_admin_revokes_but_does_not_become_somebody_else(server: Server) -> None:
    ann = server.member("ann@example.com")
    admin = server.member("root@example.com", admin=True)
    own = make(ann, type="personal")
    path = f"{KEYS}/{own['id']}"
    assert admin.get(path).json()["id"] == own["id"]
    assert_error(admin.post(f"{path}/rotate", json={}), 403)
    assert admin.delete(path).status_code == 200
    assert not works(server, own["token"])


def test_pages_and_order(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    client, start = server.root, clock.now()
    for number, name in enumerate(["c", "a", "b", "a"], 1):
        moment = start + timedelta(seconds=number)
        monkeypatch.setattr(clock, "now", lambda moment=moment: moment)
        make(client, name=name)

    def walk(query: str) -> list[str]:
        names, cursor = [], ""
        while True:
            page = client.get(f"{KEYS}?pageSize=2&{query}{cursor}").json()
            info = page["pageInfo"]
            assert (info["pageSize"], info["totalRecords"]) == (2, 5)
            names += [each["name"] for each in page["records"]]
            if not info["hasNextPage"]:
                assert info["nextCursor"] is None
                return names
            assert info["nextCursor"] == page["records"][-1]["id"]
            cursor = f"&cursor={info['nextCursor']}"

    assert walk("") == ["a", "b", "a", "c", "root"]
    assert walk("sortDirection=asc&type=organization") == ["root", "c", "a", "b", "a"]
    assert walk("sortField=name&sortDirection=asc") == ["a", "a", "b", "c", "root"]
    assert walk("sortField=name") == ["root", "c", "b", "a", "a"]
    assert listed(client, "type=mcp") == listed(client, "type=personal") == []


def test_rotation_leaves_the_old_secret_for_a_while(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, start = make(server.root), clock.now()
    path = f"{KEYS}/{made['id']}/rotate"
    answer = server.root.post(path, json={"overlapHours": 2})
    assert answer.status_code == 200, answer.text
    second = answer.json()
    assert second["id"] == made["id"]
    until = clock.parse(second["previousSecretExpiresAt"])
    assert abs(until - start - timedelta(hours=2)) < timedelta(minutes=5)
    assert works(server, made["token"])
    assert works(server, second["token"])
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(hours=3))
    assert not works(server, made["token"])
    assert works(server, second["token"])
    assert server.root.get(f"{KEYS}/{made['id']}").json()["previousSecretExpiresAt"] is None
    third = server.root.post(path, json={}).json()
    fourth = server.root.post(path, json={"overlapHours": 0}).json()
    assert fourth["previousSecretExpiresAt"] is None
    working = [works(server, each["token"]) for each in (made, second, third, fourth)]
    assert working == [False, False, False, True]
    for hours in (-1, 169, 1.5, "1"):
        assert_error(server.root.post(path, json={"overlapHours": hours}), 400)


def test_a_revoked_or_disabled_key_ends_with_both_its_secrets(server: Server) -> None:
    made = make(server.root)
    path = f"{KEYS}/{made['id']}"
    second = server.root.post(f"{path}/rotate", json={}).json()
    both = [made["token"], second["token"]]
    server.root.put(path, json={"enabled": False})
    assert not any(works(server, token) for token in both)
    server.root.put(path, json={"enabled": True})
    assert all(works(server, token) for token in both)
    server.root.delete(path)
    assert not any(works(server, token) for token in both)


def test_an_expired_key_stays_listed_until_it_is_forgotten(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = clock.now()
    ends = clock.wire(start + timedelta(days=1))
    made = make(server.root, expiresAt=ends)
    path = f"{KEYS}/{made['id']}"
    assert (made["expiresAt"], made["expired"]) == (ends, False)
    revoked = make(server.root)
    server.root.delete(f"{KEYS}/{revoked['id']}")
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=2))
    assert not works(server, made["token"])
    shown = server.root.get(path).json()
    assert (shown["expired"], shown["enabled"]) == (True, True)
    assert_error(server.root.post(f"{path}/rotate", json={}), 409)
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(days=3))
    with server.unit() as unit:
        assert tokens.forget(unit, days=5) == 0
        assert tokens.forget(unit, days=1) == 2
    assert_error(server.root.get(path), 404)
    for moment in (ends, "2026-01-01", "tomorrow", "2999-01-01T00:00:00", 5):
        body = {"type": "organization", "name": "x", "expiresAt": moment}
        assert_error(server.root.post(KEYS, json=body), 400)


@pytest.mark.parametrize(
    "changes",
    [{"name": ""}, {"name": "a\0b"}, {"name": "x" * 201}, {"name": None}, {"type": "mcp"},
     {"user": "x"}, {"scope": {}, "other": 1}, {"scope": {"permissions": []}},
     {"scope": {"permissions": ["fly"]}}, {"scope": {"permissions": ["public"]}},
     {"scope": {"connectionIds": ["x"]}}, {"scope": {"ids": []}}],
)  # fmt: skip
def test_bodies_that_are_refused(sqlite_server: Server, changes: dict[str, Any]) -> None:
    body = {"type": "organization", "name": "ci", **changes}
    assert_error(sqlite_server.root.post(KEYS, json=body), 400)


def test_personal_tokens_have_a_limit(tmp_path: Any, store_url: str) -> None:
    settings = settings_for(tmp_path / "home", store_url, personal_tokens_per_user=3)
    with running_server(settings) as server:
        ann = server.member("ann@example.com")
        first = make(ann, type="personal")
        body = {"type": "personal", "name": "x"}
        codes = at_once(3, lambda _: ann.post(KEYS, json=body).status_code)
        assert sorted(codes) == [201, 409, 409]
        ann.delete(f"{KEYS}/{first['id']}")
        make(ann, type="personal")
        make(server.member("bob@example.com"), type="personal")


def test_a_key_outlives_its_makers_rights_and_the_maker(server: Server) -> None:
    admin = server.member("ann@example.com", admin=True)
    made, own = make(admin), make(admin, type="personal")
    with server.unit() as unit:
        ann = identity.get_user(unit, "ann@example.com")
        identity.set_attribute(unit, OPERATOR, ann.id, "region", ["north"])
        identity.set_disabled(unit, OPERATOR, ann, disabled=True)
    assert works(server, made["token"])
    assert not works(server, own["token"])
    path = f"{KEYS}/{made['id']}"
    shown = server.root.get(path).json()
    assert shown["createdBy"] == {
        "membershipId": ann.id, "name": "ann@example.com", "email": "ann@example.com",
        "suspended": True,
    }  # fmt: skip
    assert shown["membershipId"] is None
    [row] = server.root.get("/api/v1/audit-log?action=user.suspend").json()["records"]
    assert row["after"] == {"organizationKeys": [made["id"]]}
    server.sql("DELETE FROM users WHERE id = :id", id=ann.id)
    assert works(server, made["token"])
    assert server.root.get(path).json()["createdBy"] is None
    assert_error(server.root.get(f"{KEYS}/{own['id']}"), 404)
