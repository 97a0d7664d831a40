"""Roles of users and groups over HTTP, and that they count wherever a model is used."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from tests.roles.conftest import Place
from tests.support.clients import Client, assert_error
from tests.support.server import CONNECTIONS, MODELS

FILE = {"fileName": "o.view", "yaml": "sql: SELECT 1 AS id\ndimensions: {id: {}}\n"}


def reads(client: Client, model: str) -> bool:
    status = client.get(f"{MODELS}/{model}/yaml").status_code
    assert status in (200, 404)
    return status == 200


def edits(client: Client, model: str) -> int:
    return client.post(f"{MODELS}/{model}/yaml", json=FILE).status_code


def listed(client: Client) -> set[str]:
    return {row["id"] for row in client.get(MODELS).json()["records"]}


def test_a_role_on_a_model_is_for_that_model_and_its_branches(place: Place) -> None:
    user, client = place.person()
    assert listed(client) == set()
    made = place.give(user, "VIEWER", modelId=place.model)
    assert made == {
        "membershipId": user,
        "connectionId": place.connection,
        "modelId": place.model,
        "roleName": "VIEWER",
    }
    assert reads(client, place.model)
    assert reads(client, place.branch)
    assert not reads(client, place.other)
    assert not reads(client, place.connection)  # the schema model
    assert listed(client) == {place.model, place.branch}
    assert_error(client.get(f"{CONNECTIONS}/{place.connection}"), 404)
    assert edits(client, place.branch) == edits(client, place.model) == 403
    place.give(user, "QUERIER", modelId=place.model)
    assert (edits(client, place.branch), edits(client, place.model)) == (200, 403)
    assert client.get(f"{CONNECTIONS}/{place.connection}").status_code == 200
    place.give(user, "MODELER", modelId=place.model)
    assert (edits(client, place.model), edits(client, place.other)) == (200, 404)


def test_no_access_takes_it_away_at_once(place: Place) -> None:
    user, client = place.person()
    place.give(user, "MODELER", modelId=place.model)
    assert reads(client, place.model)
    place.give(user, "NO_ACCESS", modelId=place.model)
    assert not reads(client, place.model)
    assert listed(client) == set()


def test_questions_and_branches_follow_the_model_s_role(place: Place) -> None:
    user, client = place.person()
    sent = {"connectionId": place.connection, "baseModelId": place.model, "modelKind": "BRANCH"}
    ask = {
        "query": {"modelId": place.model, "userEditedSQL": "SELECT 1"},
        "planOnly": True,
    }
    for role, asked, branched in (
        ("NO_ACCESS", 404, 404),
        ("VIEWER", 403, 403),
        ("RESTRICTED_QUERIER", 403, 403),
        ("QUERIER", 200, 200),
    ):
        place.give(user, role, modelId=place.model)
        assert client.post("/api/v1/query/run", json=ask).status_code == asked
        body = {**sent, "modelName": f"of-{role.lower()}"}
        assert client.post(MODELS, json=body).status_code == branched
    # SQL on the connection itself is not a matter of one model.
    sql = {"sql": "SELECT 1"}
    assert_error(client.post(f"{CONNECTIONS}/{place.connection}/query", json=sql), 403)


def test_a_group_s_role_is_its_members(place: Place) -> None:
    user, client = place.person()
    group = place.group(user)
    path = f"/api/v1/user-groups/{group}/model-roles"
    made = place.root.post(path, json={"roleName": "VIEWER", "modelId": place.other})
    assert made.json() == {
        "userGroupId": group,
        "connectionId": place.connection,
        "modelId": place.other,
        "roleName": "VIEWER",
    }
    assert (reads(client, place.other), reads(client, place.model)) == (True, False)
    found = place.root.get(path).json()
    assert found["userGroupId"] == group
    (row,) = found["results"]
    assert (row["modelId"], row["from"]["depth"]) == (place.other, 0)
    with place.server.unit() as unit:
        identity.delete_group(unit, OPERATOR, identity.get_group(unit, group))
    assert not reads(client, place.other)


def test_rows_tell_each_source_and_which_counts(place: Place) -> None:
    user, _ = place.person()
    group = place.group(user)
    place.give(user, "VIEWER", modelId=place.model)
    sent = {"roleName": "RESTRICTED_QUERIER", "connectionId": place.connection}
    place.root.post(f"/api/v1/user-groups/{group}/model-roles", json=sent)
    rows = place.roles(user, modelId=place.model)
    told = [
        (row["from"]["type"], row["roleName"], row["priority"], row["resolved"]) for row in rows
    ]
    assert told == [
        ("GROUP", "RESTRICTED_QUERIER", 150, True),
        ("USER", "VIEWER", 100, False),
        ("BASE", "NO_ACCESS", 0, False),
    ]
    assert rows[0]["from"]["miniUuid"] == group
    every = place.roles(user, connectionId=place.connection)
    assert {row["modelId"] for row in every} == {place.connection, place.model, place.other}
    resolved = [row["modelId"] for row in every if row["resolved"]]
    assert len(resolved) == len(set(resolved)) == 3
    assert place.roles(user, connectionId=str(uuid.uuid4())) == []


def test_refusals(place: Place) -> None:
    user, client = place.person()
    nowhere = str(uuid.uuid4())
    there = {"connectionId": place.connection}
    cases: list[tuple[Any, str, int, str]] = [
        ({}, user, 400, "roleName"),
        ({"roleName": ""}, user, 400, "roleName"),
        ({"roleName": "VIEWER"}, user, 400, "connectionId or modelId is required"),
        ({"roleName": "VIEWER", "modelId": "x"}, user, 400, "Invalid model ID"),
        ({"roleName": "VIEWER", "connectionId": "x"}, user, 400, "Invalid connection ID"),
        ({"roleName": "VIEWER", "modelId": nowhere}, user, 404, "Model does not exist"),
        ({"roleName": "VIEWER", "connectionId": nowhere}, user, 404, "Connection does not exist"),
        ({"roleName": "VIEWER", **there}, nowhere, 404, "User not found in organization"),
        ({"roleName": "king", **there}, user, 422, "Invalid role"),
        ({"roleName": "VIEWER", "modelId": place.branch}, user, 422, "Only shared"),
        (
            {"roleName": "VIEWER", "modelId": place.model, "connectionId": nowhere},
            user,
            422,
            "does not belong",
        ),
    ]
    for body, whom, status, words in cases:
        answer = place.root.post(f"/api/v1/users/{whom}/model-roles", json=body)
        assert words in assert_error(answer, status)["message"], body
    assert_error(place.root.get(f"/api/v1/users/{nowhere}/model-roles"), 404)
    assert_error(place.root.get("/api/v1/user-groups/nobody/model-roles"), 404)
    assert_error(client.get(f"/api/v1/users/{user}/model-roles"), 403)


def test_an_admin_of_a_connection_gives_roles_on_it_alone(place: Place) -> None:
    admin, manager = place.person()
    user, client = place.person()
    place.give(admin, "CONNECTION_ADMIN", connectionId=place.connection)
    elsewhere = place.server.create("postgres", baseRole="VIEWER")
    path = f"/api/v1/users/{user}/model-roles"
    made = manager.post(path, json={"roleName": "MODELER", "connectionId": place.connection})
    assert made.json()["modelId"] == place.connection
    assert edits(client, place.model) == 200
    sent = {"roleName": "VIEWER", "connectionId": elsewhere}
    assert_error(manager.post(path, json=sent), 404)
    rows = manager.get(path).json()["results"]
    assert {row["connectionId"] for row in rows} == {place.connection}


def test_nobody_gives_or_takes_what_is_more_than_their_own(place: Place) -> None:
    with place.server.unit() as unit:
        identity.create_custom_role(
            unit, OPERATOR, "Half admin", identity_role("CONNECTION_ADMIN"), (), ("models:edit",)
        )
    half, manager = place.person()
    user, _ = place.person()
    place.give(half, "Half admin", connectionId=place.connection)
    path = f"/api/v1/users/{user}/model-roles"
    there = {"connectionId": place.connection}
    assert_error(manager.post(path, json={"roleName": "MODELER", **there}), 403)
    assert manager.post(path, json={"roleName": "QUERIER", **there}).status_code == 200
    place.give(user, "CONNECTION_ADMIN", **there)
    assert_error(manager.post(path, json={"roleName": "NO_ACCESS", **there}), 403)
    base = manager.patch(f"{CONNECTIONS}/{place.connection}", json={"baseRole": "MODELER"})
    assert "may do more" in assert_error(base, 403)["message"]


def identity_role(name: str) -> Any:
    from dragoman.access.roles import Role

    return Role(name)


@pytest.mark.parametrize("query", [{"modelId": "x"}, {"connectionId": "x"}, {"other": "x"}])
def test_bad_filters(place: Place, query: dict[str, str]) -> None:
    user, _ = place.person()
    assert_error(place.root.get(f"/api/v1/users/{user}/model-roles", params=query), 400)
