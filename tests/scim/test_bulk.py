"""Bulk requests: references, order, failures, limits."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.scim.bulk import MOST_OPERATIONS
from tests.scim.test_server import EMBED, GROUPS, USERS, create, names, refused
from tests.support.server import Server

BULK = "/api/scim/v2/Bulk"


def user(who: str) -> dict[str, Any]:
    data = {"userName": f"{who}@example.com", "displayName": who}
    return {"method": "POST", "path": "/Users", "bulkId": who, "data": data}


def group(name: str, *members: str) -> dict[str, Any]:
    data = {"displayName": name, "members": [{"value": f"bulkId:{each}"} for each in members]}
    return {"method": "POST", "path": "/Groups", "bulkId": name, "data": data}


def send(server: Server, *operations: Any, **more: Any) -> list[dict[str, Any]]:
    schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]
    body = {"schemas": schemas, "Operations": list(operations), **more}
    answer = server.root.post(BULK, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]
    return answer.json()["Operations"]


def statuses(results: list[dict[str, Any]]) -> list[str]:
    return [each["status"] for each in results]


def test_a_group_of_users_who_come_after_it(server: Server) -> None:
    results = send(server, group("Sales", "ann", "bob"), user("ann"), user("bob"))
    assert statuses(results) == ["201"] * 3
    assert [each["bulkId"] for each in results] == ["Sales", "ann", "bob"]
    found = server.root.get(results[0]["location"])
    assert found.headers["etag"] == results[0]["version"]
    assert {m["display"] for m in found.json()["members"]} == {"ann", "bob"}


def test_every_method(sqlite_server: Server) -> None:
    ann = create(sqlite_server)
    place, tag = f"/users/{ann['id']}", ann["meta"]["version"]
    operations = [{"op": "Replace", "path": "displayName", "value": "Anna"}]
    results = send(
        sqlite_server,
        {"method": "patch", "path": place, "data": {"Operations": operations}, "version": tag},
        {"method": "DELETE", "path": place, "version": tag},
        group("Sales"),
        {"method": "PATCH", "path": "/Groups/bulkId:Sales", "data": {"Operations": [
            {"op": "add", "path": "members", "value": [{"value": ann["id"]}]}]}},
        {"method": "PUT", "path": place, "data": {"userName": "a@example.com"}},
        {"method": "DELETE", "path": place},
    )  # fmt: skip
    assert statuses(results) == ["200", "412", "201", "200", "200", "204"]
    assert all("location" in each for each in results)
    assert names(sqlite_server.root.get(USERS)) == []
    assert [g["displayName"] for g in sqlite_server.root.get(GROUPS).json()["Resources"]] == [
        "Sales"
    ]


def test_what_fails_fails_alone(server: Server) -> None:
    create(server, "ann")
    results = send(
        server,
        user("ann"),
        group("Ours", "ann"),
        user("bob"),
        group("Circle", "Circle"),
        {"method": "GET", "path": "/Users/x"},
        {"method": "DELETE", "path": "/Schemas/x"},
        {"method": "POST", "path": EMBED.removeprefix("/api/scim/v2"), "bulkId": "e"},
        {"method": "PUT", "path": "/Users/\0", "data": {"userName": "x@example.com"}},
        {"method": "PATCH", "path": "/Users/x"},
    )
    # The address is taken; so its group has nobody to hold; nor has one that waits for itself.
    expected = ["409", "409", "201", "409", "405", "404", "405", "404", "400"]
    assert statuses(results) == expected
    assert results[0]["response"]["scimType"] == "uniqueness"
    assert "location" not in results[0]
    assert len(server.root.get(USERS).json()["Resources"]) == 2
    assert server.root.get(GROUPS).json()["totalResults"] == 0


def test_stops_at_the_errors_allowed(sqlite_server: Server) -> None:
    create(sqlite_server, "ann")
    results = send(sqlite_server, user("ann"), user("bob"), failOnErrors=1)
    assert statuses(results) == ["409"]
    assert names(sqlite_server.root.get(USERS)) == ["Ann"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"Operations": {}},
        {"Operations": ["POST"]},
        {"Operations": [{"method": "POST", "path": "/Users", "data": {}}]},
        {"Operations": [{"method": "POST", "path": 1, "bulkId": "x"}]},
        {"Operations": [user("x"), user("x")]},
        {"Operations": [user("x")], "failOnErrors": 0},
        {"Operations": [{**user("x"), "data": [[[[[[[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]]]]]]]}]},
    ],
)
def test_what_is_no_bulk_request(sqlite_server: Server, body: dict[str, Any]) -> None:
    refused(sqlite_server.root.post(BULK, json=body), 400, "invalidSyntax")
    assert names(sqlite_server.root.get(USERS)) == []


def test_limits_are_those_told(sqlite_server: Server) -> None:
    told = sqlite_server.root.get("/api/scim/v2/ServiceProviderConfig").json()
    assert told["bulk"]["supported"]
    assert told["etag"]["supported"]
    assert told["bulk"]["maxOperations"] == MOST_OPERATIONS
    operations = [{"method": "DELETE", "path": "/Users/x"}] * (MOST_OPERATIONS + 1)
    refused(sqlite_server.root.post(BULK, json={"Operations": operations}), 413)
    large = {"Operations": [], "padding": "x" * told["bulk"]["maxPayloadSize"]}
    refused(sqlite_server.root.post(BULK, json=large), 413)
