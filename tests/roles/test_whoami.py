"""Who a token stands for and what it may do, as clients ask at their start."""

from __future__ import annotations

from dragoman.access.policy import Permission
from tests.roles.conftest import Place
from tests.support.clients import assert_error

WHO = "/api/v1/whoami"
QUERIES = {"READ", "USE_WORKBOOKS", "QUERY_TOPICS", "QUERY_FULL_MODEL", "QUERY_SQL", "VIEW_SQL"}


def test_a_member(place: Place) -> None:
    user, client = place.person()
    nothing = client.get(WHO).json()
    assert nothing["user"] == {"id": user, "membershipId": user}
    assert (nothing["keyScope"], nothing["orgRole"]) == ("user", "MEMBER")
    assert nothing["rolesByModel"] == {}
    place.give(user, "QUERY_TOPICS", modelId=place.model)
    place.give(user, "QUERIER", modelId=place.other)
    roles = client.get(WHO).json()["rolesByModel"]
    assert set(roles) == {place.model, place.other}  # no branch, no schema model
    assert roles[place.other] == {
        "roleName": "QUERIER",
        "baseRole": "QUERIER",
        "connectionId": place.connection,
        "permissions": roles[place.other]["permissions"],
    }
    assert set(roles[place.other]["permissions"]) == QUERIES
    few = {"READ", "USE_WORKBOOKS", "QUERY_TOPICS"}
    assert set(roles[place.model]["permissions"]) == few
    place.give(user, "MODELER", connectionId=place.connection)
    roles = client.get(WHO).json()["rolesByModel"]
    assert set(roles) == {place.model, place.other, place.connection}
    assert {row["roleName"] for row in roles.values()} == {"MODELER"}
    assert set(roles[place.model]["permissions"]) == QUERIES | {"UPDATE", "UPDATE_RESTRICTED"}


def test_a_custom_role_of_a_group(place: Place) -> None:
    user, client = place.person()
    place.server.custom_role("Asker", "QUERY_TOPICS")
    group = place.group(user)
    path = f"/api/v1/user-groups/{group}/model-roles"
    wanted = {"roleName": "Asker", "modelId": place.model}
    assert place.root.post(path, json=wanted).status_code == 200
    (role,) = client.get(WHO).json()["rolesByModel"].values()
    assert (role["roleName"], role["baseRole"]) == ("Asker", "QUERY_TOPICS")


def test_an_organization_key(place: Place) -> None:
    found = place.root.get(WHO).json()
    assert (found["keyScope"], found["orgRole"]) == ("organization", "ORG_ADMIN")
    assert found["user"]["id"]
    assert found["rolesByModelTruncated"] is False
    assert found["rolesByModel"][place.model]["roleName"] == "CONNECTION_ADMIN"


def test_some_models(place: Place) -> None:
    user, client = place.person()
    place.give(user, "VIEWER", modelId=place.model)
    one = client.get(WHO, params={"modelId": place.model}).json()["rolesByModel"]
    assert list(one) == [place.model]
    assert one[place.model]["permissions"] == []
    for asked in (place.other, f"{place.model},{place.other}", place.branch):
        assert_error(client.get(WHO, params={"modelId": asked}), 404)
    assert_error(client.get(WHO, params={"modelId": "no"}), 400)


def test_an_admins_key_on_some_connections_names_the_role_that_it_has_there(place: Place) -> None:
    body = {
        "type": "organization",
        "name": "one connection",
        "scope": {"connectionIds": [place.connection]},
    }
    made = place.root.post("/api/v1/api-keys", json=body)
    assert made.status_code == 201, made.text
    said = place.server.client(made.json()["token"]).get(WHO).json()
    role = said["rolesByModel"][place.model]
    assert (role["roleName"], role["baseRole"]) == ("CONNECTION_ADMIN", "CONNECTION_ADMIN")
    assert "MANAGE" in role["permissions"]
    assert said["orgRole"] == "MEMBER"


def test_a_narrowed_token(place: Place) -> None:
    body = {
        "type": "organization",
        "name": "narrow",
        "scope": {"permissions": [Permission.QUERIES_TOPIC.value]},
    }
    made = place.root.post("/api/v1/api-keys", json=body)
    assert made.status_code == 201, made.text
    client = place.server.client(made.json()["token"])
    role = client.get(WHO).json()["rolesByModel"]
    assert set(role[place.model]["permissions"]) == {"READ", "USE_WORKBOOKS", "QUERY_TOPICS"}
