"""Lists and single reads follow one rule; other people's ids are not there; secrets never come
back (CVE-2019-12413, Redash 1979, CVE-2021-41972, CVE-2026-42093)."""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest

from dragoman.access.roles import Role
from dragoman.app import routes
from dragoman.dialects.properties import SECRETS
from tests.support.bodies import NAMES, body
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, ENVIRONMENTS, Server

ROLES = [role.value for role in Role]


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))]
)
def test_a_list_is_what_single_reads_give(server: Server, seed: int) -> None:
    dice = random.Random(seed)
    made = [server.create(baseRole=dice.choice(ROLES), name=f"n{n}") for n in range(12)]
    for each in dice.sample(made, 2):
        server.root.delete(f"{CONNECTIONS}/{each}")
    for number in range(4):
        granted = {each: dice.choice(ROLES) for each in dice.sample(made, dice.randint(0, 6))}
        member = server.member(f"m{number}@example.com", **granted)
        listed = {row["id"]: row for row in member.get(CONNECTIONS).json()["connections"]}
        single = {}
        for each in made:
            answer = member.get(f"{CONNECTIONS}/{each}")
            assert answer.status_code in (200, 404)
            if answer.status_code == 200:
                single[each] = answer.json()["connection"]
        assert set(listed) == set(single)
        for each, row in listed.items():
            assert {name: single[each][name] for name in row} == row


def test_ids_of_others_are_not_there(server: Server) -> None:
    """The same words as for an id that nobody has: not 403."""
    hidden = server.create(baseRole="NO_ACCESS")
    mine = server.create(baseRole="NO_ACCESS")
    member = server.member("admin-of-one@example.com", **{mine: "CONNECTION_ADMIN"})
    nowhere = str(uuid.uuid4())
    calls: list[tuple[str, str, Any]] = [
        (route.method, route.path, body("postgres", sql="SELECT 1") if route.body else None)
        for route in routes()
        if route.path.startswith(f"{CONNECTIONS}/{{id}}")
    ]
    assert len(calls) >= 6
    for method, path, sent in calls:
        if path.endswith("/query"):
            sent = {"sql": "SELECT 1"}
        elif sent:
            sent.pop("sql")
        answers = [
            member.request(method, path.replace("{id}", each), json=sent)
            for each in (hidden, nowhere)
        ]
        # A body that is none of the route's may be refused before the connection is looked for.
        refused = "/dbt" in path and answers[0].status_code == 400
        for answer in answers:
            assert_error(answer, 400 if refused else 404)
        texts = [answers[0].text.replace(hidden, "X"), answers[1].text.replace(nowhere, "X")]
        assert texts[0] == texts[1], path
    assert server.show(hidden)["name"] == "Mine"


def test_a_hidden_model_is_no_base(server: Server) -> None:
    """An extension of a model of another connection: only who sees it is told why not."""
    mine, hidden = server.create(baseRole="NO_ACCESS"), server.create(baseRole="NO_ACCESS")
    member = server.member("extender@example.com", **{mine: "CONNECTION_ADMIN"})
    made = {"modelKind": "SHARED_EXTENSION", "modelName": "More", "connectionId": mine}
    answers = [
        member.post("/api/v1/models", json={**made, "baseModelId": base})
        for base in (hidden, str(uuid.uuid4()))
    ]
    for answer in answers:
        assert_error(answer, 404)
    told = server.root.post("/api/v1/models", json={**made, "baseModelId": hidden})
    assert_error(told, 400)


def test_environments_and_the_audit_log_are_for_admins_of_the_organization(server: Server) -> None:
    mine = server.create(baseRole="NO_ACCESS")
    member = server.member("connection-admin@example.com", **{mine: "CONNECTION_ADMIN"})
    sent = {"baseConnectionId": mine, "environmentConnectionIds": [mine]}
    assert_error(member.get(ENVIRONMENTS), 403)
    assert_error(member.post(ENVIRONMENTS, json=sent), 403)
    assert_error(member.get("/api/v1/audit-log"), 403)


@pytest.mark.parametrize("dialect", NAMES)
def test_secrets_go_in_and_never_come_out(server: Server, dialect: str) -> None:
    made = server.create(dialect)
    for text in (
        server.root.get(f"{CONNECTIONS}/{made}").text,
        server.root.get(CONNECTIONS).text,
        server.root.get("/api/v1/audit-log").text,
    ):
        for name in SECRETS:
            assert f'"{name}":' not in text.replace(f'"{name}":"stored"', "")


def test_nothing_can_be_assigned_that_is_not_a_setting(sqlite_server: Server) -> None:
    made = sqlite_server.create()
    before = sqlite_server.show(made)
    for name in ("id", "createdAt", "createdBy", "deletedAt", "version", "updatedAt", "secrets",
                 "created_by", "lastTestedAt", "organizationId"):  # fmt: skip
        sent = {name: "00000000-0000-0000-0000-000000000000"}
        assert_error(sqlite_server.root.patch(f"{CONNECTIONS}/{made}", json=sent), 400)
        assert_error(sqlite_server.root.post(CONNECTIONS, json={**body("postgres"), **sent}), 400)
    assert sqlite_server.show(made) == before


def test_an_idempotency_key_of_another_token_is_another_key(server: Server) -> None:
    key = {"Idempotency-Key": "shared"}
    other = server.client(server.key("other"))
    first = server.root.post(CONNECTIONS, json=body("postgres"), headers=key)
    second = other.post(CONNECTIONS, json=body("postgres", name="Other"), headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["data"] != second.json()["data"]
