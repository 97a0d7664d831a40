"""Acting as a user (`userId`): organization keys only, with the user's rights, on record."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from tests.support.clients import Client, assert_error
from tests.support.server import Server

LOG = "/api/v1/audit-log"


@pytest.fixture
def model(server: Server) -> str:
    """A shared model with a view and a topic."""
    sent = {"connectionId": server.create("duckdb"), "modelKind": "SHARED", "modelName": "Sales"}
    made = server.root.post("/api/v1/models", json=sent).json()["model"]["id"]
    for name, text in (
        ("o.view", "sql: SELECT 1 AS id\ndimensions: {id: }"),
        ("t.topic", "base_view: o"),
    ):
        file = {"fileName": name, "yaml": text}
        assert server.root.post(f"/api/v1/models/{made}/yaml", json=file).status_code == 200
    return made


def member(server: Server, name: str, role: str | None = None) -> identity.User:
    user = server.user(f"{name}@example.com")
    if role is not None:
        [connection] = server.root.get("/api/v1/connections").json()["connections"]
        server.grant(user, connection["id"], role)
    return user


def check(client: Client, model: str, user: str) -> httpx.Response:
    return client.get(f"/api/v1/models/{model}/content-validator?userId={user}")


def plan(client: Client, model: str, user: str) -> httpx.Response:
    query = {"modelId": model, "table": "o", "fields": ["o.id"]}
    return client.post("/api/v1/query/run", json={"query": query, "planOnly": True, "userId": user})


@pytest.mark.parametrize("ask", [check, plan])
def test_a_key_has_the_rights_of_the_user(server: Server, model: str, ask: Any) -> None:
    ann, bob = member(server, "ann", "QUERIER"), member(server, "bob")
    assert ask(server.root, model, ann.id).status_code == 200
    assert_error(ask(server.root, model, bob.id), 404)
    told = assert_error(ask(server.root, model, str(uuid.uuid4())), 404)
    assert "User not found" in told["message"]
    assert_error(ask(server.root, model, "x"), 400)
    with server.unit() as unit:
        identity.set_disabled(unit, OPERATOR, ann, disabled=True)
    assert_error(ask(server.root, model, ann.id), 404)


@pytest.mark.parametrize("ask", [check, plan])
def test_a_person_acts_only_as_themselves(server: Server, model: str, ask: Any) -> None:
    ann, bob = member(server, "ann", "QUERIER"), member(server, "bob", "QUERIER")
    client = server.client(server.personal("ann@example.com"))
    assert ask(client, model, ann.id).status_code == 200
    told = assert_error(ask(client, model, bob.id), 403)
    assert "cannot act on behalf of other users" in told["message"]


def test_a_narrowed_key_stays_narrow(server: Server, model: str) -> None:
    admin = server.user("root@example.com", admin=True)
    sent = {"type": "organization", "name": "n", "scope": {"connectionIds": [str(uuid.uuid4())]}}
    key = server.root.post("/api/v1/api-keys", json=sent).json()["token"]
    assert check(server.root, model, admin.id).status_code == 200
    assert_error(check(server.client(key), model, admin.id), 404)
    assert_error(plan(server.client(key), model, admin.id), 404)


def test_both_names_are_on_record(server: Server, model: str) -> None:
    ann = member(server, "ann", "MODELER")
    plan(server.root, model, ann.id)
    body = {"find": "o", "replacement": "p", "find_or_replace_type": "VIEW"}
    path = f"/api/v1/models/{model}/content-validator"
    answer = server.root.post(f"{path}?userId={ann.id}", json=body)
    assert answer.status_code == 200, answer.text
    rows = server.root.get(f"{LOG}?actorId={ann.id}").json()["records"]
    assert {row["action"] for row in rows} >= {"query.act_as"}
    assert len(rows) >= 2
    for row in rows:
        assert (row["actorKind"], row["actorName"]) == ("organization", "root")
        assert (row["actingAsId"], row["actingAsName"]) == (ann.id, "ann@example.com")
    plain = server.root.get(f"{LOG}?action=connection.create").json()["records"]
    assert {row["actingAsId"] for row in plain} == {None}
