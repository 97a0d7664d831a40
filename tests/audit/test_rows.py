"""The audit: a row for every change, in the change's own transaction, without secrets."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from dragoman import audit, clock
from dragoman.access.principal import OPERATOR
from dragoman.access.roles import Role
from dragoman.identity import service as identity
from dragoman.identity import tokens
from dragoman.system import audit_routes
from tests.support.bodies import body
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, ENVIRONMENTS, Server

LOG = "/api/v1/audit-log"
MARK = "MARK-4711"


def rows(server: Server, query: str = "") -> list[dict[str, Any]]:
    answer = server.root.get(f"{LOG}?pageSize=100&{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["records"]


def test_every_change_leaves_a_row_and_no_row_has_a_secret(server: Server) -> None:
    root, made = server.root, server.create(passwordUnencrypted=MARK)
    path = f"{CONNECTIONS}/{made}"
    root.patch(path, json={"name": "New", "passwordUnencrypted": MARK + "2"})
    other = server.create()
    sent = {"baseConnectionId": made, "environmentConnectionIds": [other]}
    environment = root.post(ENVIRONMENTS, json=sent).json()["data"][0]["id"]
    root.put(f"{ENVIRONMENTS}/{environment}", json={"userAttributeValues": ["dev"]})
    root.delete(f"{ENVIRONMENTS}/{environment}")
    root.delete(path)
    root.post(f"{path}/restore", json={"passwordUnencrypted": MARK + "3"})
    server.custom_role("Readers", Role.VIEWER)
    user = server.user("ann@example.com")
    server.grant(user, made, "QUERIER")
    token = server.personal("ann@example.com")
    with server.unit() as unit:
        identity.set_attribute(unit, OPERATOR, user.id, "stage", ["dev"])
        identity.set_disabled(unit, OPERATOR, user, disabled=True)
        identity.set_disabled(unit, OPERATOR, user, disabled=False)
        tokens.revoke(unit, OPERATOR, tokens.list_tokens(unit)[0].id)
    found = rows(server)
    assert [row["action"] for row in reversed(found)] == [
        "egress.policy", "token.create", "connection.create", "connection.update",
        "connection.create",
        "environment.create", "environment.update", "environment.delete", "connection.delete",
        "connection.restore", "role.create", "user.create", "role.grant", "token.create",
        "attribute.create", "user.attribute", "user.suspend", "user.resume", "token.revoke",
    ]  # fmt: skip
    everything = json.dumps(found)
    assert MARK not in everything
    assert token not in everything
    assert server.root.token not in everything


def test_row_says_who_what_when_and_from_where(server: Server) -> None:
    made = server.create()
    server.root.patch(
        f"{CONNECTIONS}/{made}",
        json={"name": "New", "passwordUnencrypted": MARK},
        headers={"X-Request-Id": "r-1"},
    )
    row = rows(server)[0]
    assert (row["action"], row["actorKind"], row["actorName"]) == (
        "connection.update", "organization", "root",
    )  # fmt: skip
    assert (row["resourceType"], row["resourceId"]) == ("connection", made)
    assert (row["requestId"], row["address"]) == ("r-1", "127.0.0.1")
    assert row["before"] == {"name": "Mine"}
    assert row["after"] == {"name": "New", "secrets": ["passwordUnencrypted"]}
    assert abs(clock.parse(row["at"]) - clock.now()) < timedelta(minutes=1)
    assert row["actorTokenId"]


def test_refused_changes_leave_no_row(server: Server) -> None:
    made = server.create()
    before = len(rows(server))
    server.root.post(CONNECTIONS, json={"dialect": "postgres"})
    server.root.patch(f"{CONNECTIONS}/{made}", json={"host": "evil.example.com"})
    server.root.post(CONNECTIONS, json=body("postgres", baseRole="No such role"))
    server.root.get(f"{CONNECTIONS}/{made}")
    assert len(rows(server)) == before


def test_change_and_row_are_there_together_or_not_at_all(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no row today")

    client = server.root
    with monkeypatch.context() as patched:
        patched.setattr(audit, "record", broken)
        assert client.post(CONNECTIONS, json=body("postgres")).status_code == 500
    assert server.sql("SELECT count(*) FROM connections") == [(0,)]
    assert server.sql("SELECT count(*) FROM connection_secrets") == [(0,)]


def test_pages_follow_each_other(server: Server) -> None:
    for number in range(7):
        server.custom_role(f"role {number}", Role.VIEWER)
    expected = [row["id"] for row in rows(server)]
    seen, query = [], "pageSize=3"
    while True:
        page = server.root.get(f"{LOG}?{query}").json()
        info = page["pageInfo"]
        assert info["totalRecords"] == len(expected)
        assert info["pageSize"] == 3
        seen += [row["id"] for row in page["records"]]
        assert info["hasNextPage"] is (info["nextCursor"] is not None)
        if not info["hasNextPage"]:
            break
        assert len(page["records"]) == 3
        query = f"pageSize=3&cursor={info['nextCursor']}"
        # Rows that come meanwhile are newer: they shift nothing.
        server.custom_role(f"later {len(seen)}", Role.VIEWER)
        expected.append("")
    assert seen == [each for each in expected if each]


def test_filters(server: Server) -> None:
    made = server.create()
    server.custom_role("Readers", Role.VIEWER)
    assert [row["action"] for row in rows(server, "action=role.create")] == ["role.create"]
    assert [row["resourceId"] for row in rows(server, "resourceType=connection")] == [made]
    assert len(rows(server, f"resourceId={made}")) == 1
    assert {row["actorName"] for row in rows(server, "actorName=root")} == {"root"}
    assert rows(server, "action=role.create&actorName=root") == []


@pytest.mark.parametrize(
    "query",
    ["pageSize=0", "pageSize=101", "pageSize=x", "pageSize=-1", "pageSize=٣", "cursor=x",
     "cursor=-1", "cursor=99999999999999999999", "actor=x", "action=a&action=b", "actorName=%00",
     "since=x", "until=2026-13-01", "since=0001-01-01T00:00:00%2B14:00", "format=csv",
     "format=ndjson&pageSize=5", "format=ndjson&cursor=5"],
)  # fmt: skip
def test_queries_that_are_refused(sqlite_server: Server, query: str) -> None:
    assert_error(sqlite_server.root.get(f"{LOG}?{query}"), 400)


def test_large_cursor_is_only_the_beginning(server: Server) -> None:
    answer = server.root.get(f"{LOG}?cursor=999999999999999")
    assert answer.status_code == 200


def test_only_admins_read_it(server: Server) -> None:
    made = server.create()
    member = server.member("m@example.com", **{made: "CONNECTION_ADMIN"})
    assert_error(member.get(LOG), 403)
    assert_error(server.anonymous.get(LOG), 401)
    assert server.member("a@example.com", admin=True).get(LOG).status_code == 200


def test_old_rows_are_forgotten(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()
    for days in (0, 5, 10):
        monkeypatch.setattr(clock, "now", lambda days=days: start + timedelta(days=days))
        server.custom_role(f"role {days}", Role.VIEWER)
    with server.unit() as unit:
        assert audit.forget(unit, days=7) == 2  # with the row of the egress policy
        assert audit.forget(unit, days=5) == 0
        assert audit.forget(unit, days=4) == 1
    assert [row["resourceId"] for row in rows(server, "action=role.create")] == ["role 10"]


def test_filters_of_who_and_when(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()
    for days in (1, 2, 3):
        monkeypatch.setattr(clock, "now", lambda days=days: start + timedelta(days=days))
        server.custom_role(f"role {days}", Role.VIEWER)
    monkeypatch.setattr(clock, "now", lambda: start)

    def days(query: str) -> list[str]:
        return [row["resourceId"][-1] for row in rows(server, f"action=role.create&{query}")]

    two = clock.wire(start + timedelta(days=2))
    assert days("") == ["3", "2", "1"]
    assert days(f"since={two}") == ["3", "2"]
    assert days(f"until={two}") == ["1"]
    assert days(f"since={two}&until={two}") == []
    made = server.root.post(CONNECTIONS, json=body("postgres"), headers={"X-Request-Id": "r-7"})
    [row] = [row for row in rows(server, "requestId=r-7") if row["resourceType"] == "connection"]
    assert row["resourceId"] == made.json()["data"]
    assert row in rows(server, f"actorId={row['actorTokenId']}")
    assert rows(server, "actorId=nobody") == []


def test_export_as_ndjson(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_routes, "_BATCH", 2)
    for number in range(5):
        server.custom_role(f"role {number}", Role.VIEWER)
    listed = rows(server)
    for asked in (
        server.root.get(f"{LOG}?format=ndjson"),
        server.root.get(LOG, headers={"Accept": "application/x-ndjson"}),
    ):
        assert asked.status_code == 200
        assert asked.headers["content-type"].startswith("application/x-ndjson")
        assert [json.loads(line) for line in asked.text.splitlines()] == listed[::-1]
    one = server.root.get(f"{LOG}?format=ndjson&resourceId=role%203").text
    assert [json.loads(line)["resourceId"] for line in one.splitlines()] == ["role 3"]
    assert server.root.get(f"{LOG}?format=ndjson&action=none").text == ""
    member = server.member("m@example.com")
    assert_error(member.get(f"{LOG}?format=ndjson"), 403)
