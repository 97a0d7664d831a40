"""Custom roles: what they permit, who defines them, what is in the way of deleting one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.roles.conftest import Place
from tests.support.clients import assert_error
from tests.support.server import CONNECTIONS, MODELS

ROLES = "/api/v1/roles"


def define(place: Place, name: str, base: str, **more: Any) -> dict[str, Any]:
    answer = place.root.post(ROLES, json={"name": name, "baseRole": base, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_role_gives_its_base_and_more_and_less(place: Place) -> None:
    made = define(
        place,
        "Analysts",
        "QUERIER",
        permissions=["models:edit"],
        withoutPermissions=["connections:sql"],
    )
    assert made["priority"] == 200
    assert "models:edit" in made["grants"]
    assert "connections:sql" not in made["grants"]
    assert place.root.get(f"{ROLES}/Analysts").json() == made
    user, client = place.person()
    place.give(user, "Analysts", connectionId=place.connection)
    sent = {"fileName": "n.view", "yaml": "sql: SELECT 1 AS id\n"}
    assert client.post(f"{MODELS}/{place.model}/yaml", json=sent).status_code == 200
    sql = f"{CONNECTIONS}/{place.connection}/query"
    assert_error(client.post(sql, json={"sql": "SELECT 1"}), 403)
    rows = place.roles(user, modelId=place.model)
    assert (rows[0]["roleName"], rows[0]["baseRole"]) == ("Analysts", "QUERIER")
    # A change counts at once, for all who have the role.
    changed = place.root.patch(f"{ROLES}/Analysts", json={"permissions": []}).json()
    assert "models:edit" not in changed["grants"]
    assert changed["withoutPermissions"] == ["connections:sql"]
    assert_error(client.post(f"{MODELS}/{place.model}/yaml", json=sent), 403)


def test_one_in_use_is_deleted_with_a_replacement_only(place: Place) -> None:
    define(place, "Readers", "VIEWER")
    user, client = place.person()
    place.give(user, "Readers", modelId=place.model)
    refused = assert_error(place.root.delete(f"{ROLES}/Readers"), 409)
    assert refused["uses"] == {"users on models": 1}
    for wrong in ("Readers", "nothing"):
        assert_error(place.root.delete(f"{ROLES}/Readers?replacement={wrong}"), 400)
    done = place.root.delete(f"{ROLES}/Readers?replacement=RESTRICTED_QUERIER")
    assert done.json() == {"success": True}
    assert place.roles(user, modelId=place.model)[0]["roleName"] == "RESTRICTED_QUERIER"
    assert client.get(f"{CONNECTIONS}/{place.connection}").status_code == 200
    assert_error(place.root.delete(f"{ROLES}/Readers"), 404)


def test_a_base_role_of_a_connection_is_changed_there(place: Place) -> None:
    define(place, "Floor", "VIEWER")
    made = place.server.create("postgres", baseRole="Floor")
    refused = assert_error(place.root.delete(f"{ROLES}/Floor?replacement=VIEWER"), 409)
    assert refused["uses"] == {"base roles of connections": 1}
    place.root.patch(f"{CONNECTIONS}/{made}", json={"baseRole": "VIEWER"})
    assert place.root.delete(f"{ROLES}/Floor").status_code == 200


def test_the_list_has_the_built_in_ones_first(place: Place) -> None:
    define(place, "Zeta", "VIEWER")
    names = [row["name"] for row in place.root.get(ROLES).json()["roles"]]
    assert names[:6] == [
        "NO_ACCESS", "VIEWER", "QUERY_TOPICS", "QUERIER", "MODELER", "CONNECTION_ADMIN",
    ]  # fmt: skip
    assert names[6:] == sorted(names[6:])
    assert place.root.get(f"{ROLES}/RESTRICTED_QUERIER").json()["name"] == "QUERY_TOPICS"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "x"}, 400),
        ({"name": "VIEWER", "baseRole": "VIEWER"}, 400),
        ({"name": "1st", "baseRole": "VIEWER"}, 400),
        ({"name": "x", "baseRole": "king"}, 400),
        ({"name": "x", "baseRole": "VIEWER", "permissions": ["audit:read"]}, 400),
        ({"name": "x", "baseRole": "VIEWER", "permissions": ["nothing"]}, 400),
        (
            {
                "name": "x",
                "baseRole": "VIEWER",
                "permissions": ["models:edit"],
                "withoutPermissions": ["models:edit"],
            },
            400,
        ),
        ({"name": "x", "baseRole": "VIEWER", "more": 1}, 400),
    ],
)
def test_refusals(place: Place, body: dict[str, Any], status: int) -> None:
    assert_error(place.root.post(ROLES, json=body), status)


def test_names_are_once_and_built_in_roles_stay(place: Place) -> None:
    define(place, "Once", "VIEWER")
    sent = {"name": "Once", "baseRole": "VIEWER"}
    assert_error(place.root.post(ROLES, json=sent), 409)
    assert_error(place.root.post(ROLES, json={**sent, "name": sent["name"].swapcase()}), 409)
    assert_error(place.root.post(ROLES, json={**sent, "name": "Viewer"}), 400)
    assert_error(place.root.patch(f"{ROLES}/VIEWER", json={"baseRole": "MODELER"}), 400)
    assert_error(place.root.delete(f"{ROLES}/VIEWER"), 400)
    assert_error(place.root.get(f"{ROLES}/nothing"), 404)


def test_only_admins_of_the_organization_define_roles(place: Place) -> None:
    user, client = place.person()
    place.give(user, "CONNECTION_ADMIN", connectionId=place.connection)
    assert client.get(ROLES).status_code == 200
    assert_error(client.post(ROLES, json={"name": "Mine", "baseRole": "VIEWER"}), 403)
