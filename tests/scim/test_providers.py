"""What Okta and Microsoft Entra ID send, written after their public documentation.

Okta: "SCIM protocol, version 2.0" (developer.okta.com). Entra ID: "Develop a SCIM endpoint" and
"Known issues and resolutions with SCIM 2.0 protocol compliance" (learn.microsoft.com).
"""

from __future__ import annotations

import uuid
from typing import Any

from tests.scim.test_server import GROUPS, USERS, changed, create, create_group, patch
from tests.support.server import Server

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CORE = "urn:ietf:params:scim:schemas:core:2.0:"


def test_okta(server: Server) -> None:
    root = server.root
    # Okta looks for the user, does not find them, and creates them.
    look = {"filter": 'userName eq "ann.lee@example.com"', "startIndex": 1, "count": 100}
    assert root.get(USERS, params=look).json()["totalResults"] == 0
    sent = {
        "schemas": [f"{CORE}User"],
        "userName": "ann.lee@example.com",
        "name": {"givenName": "Ann", "familyName": "Lee"},
        "emails": [{"primary": True, "value": "ann.lee@example.com", "type": "work"}],
        "displayName": "Ann Lee",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }
    made = root.post(USERS, json=sent, headers={"Content-Type": "application/scim+json"})
    assert made.status_code == 201
    user, place = made.json(), f"{USERS}/{made.json()['id']}"
    assert user["emails"] == sent["emails"]
    assert root.get(USERS, params=look).json()["Resources"] == [user]

    # A change of the profile is a GET and a PUT of all of it.
    put = {**user, "name": {"givenName": "Ann", "familyName": "Fox"}, "displayName": "Ann Fox"}
    answer = root.put(place, json=put)
    assert answer.status_code == 200
    assert answer.json()["name"]["familyName"] == "Fox"
    assert answer.json()["externalId"] == sent["externalId"]

    # Deactivation and back.
    value = {"schemas": [PATCH], "Operations": [{"op": "replace", "value": {"active": False}}]}
    assert root.patch(place, json=value).json()["active"] is False
    value["Operations"] = [{"op": "replace", "value": {"active": True}}]
    assert root.patch(place, json=value).json()["active"] is True

    # Groups are pushed: made, renamed with the id in the value, filled and emptied.
    assert root.get(GROUPS, params={"filter": 'displayName eq "Sales"'}).json()["totalResults"] == 0
    body = {"schemas": [f"{CORE}Group"], "displayName": "Sales", "members": []}
    group = root.post(GROUPS, json=body).json()
    path = f"{GROUPS}/{group['id']}"
    rename = {"op": "replace", "value": {"id": group["id"], "displayName": "Sales EU"}}
    assert patch(server, path, rename).json()["displayName"] == "Sales EU"
    member = {"value": user["id"], "display": "ann.lee@example.com"}
    add = {"op": "add", "path": "members", "value": [member]}
    assert _members(patch(server, path, add)) == [user["id"]]
    remove = {"op": "remove", "path": f'members[value eq "{user["id"]}"]'}
    assert _members(patch(server, path, remove)) == []
    assert _members(patch(server, path, remove, add)) == [user["id"]]
    replace = {"op": "replace", "path": "members", "value": [member]}
    assert _members(patch(server, path, replace)) == [user["id"]]
    assert root.delete(path).status_code == 204


def test_entra_users(sqlite_server: Server) -> None:
    server = sqlite_server
    root = server.root
    external, other = str(uuid.uuid4()), str(uuid.uuid4())
    look = {"filter": f'externalId eq "{external}"'}
    assert root.get(USERS, params=look).json()["Resources"] == []
    sent = {
        "schemas": [f"{CORE}User", ENTERPRISE],
        "externalId": external,
        "userName": "Ann@example.com",
        "active": True,
        "displayName": "Ann Lee",
        "emails": [{"primary": True, "type": "work", "value": "ann@example.com"}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "Ann Lee", "familyName": "Lee", "givenName": "Ann"},
        "roles": [],
        ENTERPRISE: {"employeeNumber": "701984", "department": "Sales"},
    }
    user = root.post(USERS, json=sent).json()
    assert root.get(USERS, params=look).json()["Resources"] == [user]
    assert user[ENTERPRISE] == sent[ENTERPRISE]

    user = changed(
        server, user,
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "ann.lee@example.com"},
        {"op": "Replace", "path": "name.familyName", "value": "Fox"},
        {"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+1 555 0100"},
        {"op": "Add", "path": 'addresses[type eq "work"].locality', "value": "Berlin"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Trade"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": other},
        {"op": "Remove", "path": f"{ENTERPRISE}:employeeNumber"},
    )  # fmt: skip
    assert user["emails"][0]["value"] == "ann.lee@example.com"
    assert user["name"]["familyName"] == "Fox"
    assert user["phoneNumbers"] == [{"type": "mobile", "value": "+1 555 0100"}]
    assert user["addresses"] == [{"type": "work", "locality": "Berlin"}]
    assert user[ENTERPRISE] == {"department": "Trade", "manager": {"value": other}}

    # The older form of its compliance: paths as the keys of one value, truths as text.
    user = changed(
        server, user,
        {"op": "replace", "value": {
            "displayName": "Ann Fox", "name.givenName": "Anna",
            'emails[type eq "work"].value': "anna@example.com",
            f"{ENTERPRISE}:department": "Finance",
        }},
    )  # fmt: skip
    assert (user["displayName"], user["name"]["givenName"]) == ("Ann Fox", "Anna")
    assert user["emails"][0]["value"] == "anna@example.com"
    assert user[ENTERPRISE]["department"] == "Finance"
    disable = {"op": "Replace", "path": "active", "value": "False"}
    assert changed(server, user, disable)["active"] is False
    disable = {"op": "Replace", "path": "active", "value": [{"$ref": None, "value": "True"}]}
    assert changed(server, user, disable)["active"] is True
    assert root.delete(f"{USERS}/{user['id']}").status_code == 204


def test_who_is_suspended_is_let_back_by_nothing_but_active_true(sqlite_server: Server) -> None:
    server = sqlite_server
    body = {"userName": "ann@example.com", "emails": [{"type": "work", "value": "a@example.com"}]}
    user = server.root.post(USERS, json={**body, "active": "False"}).json()
    place = f"{USERS}/{user['id']}"
    for operation in (
        {"op": "Remove", "path": "active"},
        {"op": "Replace", "path": "active", "value": None},
        {"op": "Replace", "value": {"active": None, "title": "x"}},
    ):
        assert changed(server, user, operation)["active"] is False
    assert server.root.put(place, json=body).json()["active"] is False
    # As Entra ID looks somebody up who is matched by the address for work.
    query = {"filter": 'emails[type eq "work"].value eq "A@example.com"'}
    assert server.root.get(USERS, params=query).json()["totalResults"] == 1
    query = {"filter": 'emails[type eq "home"].value eq "a@example.com"'}
    assert server.root.get(USERS, params=query).json()["totalResults"] == 0
    assert server.root.put(place, json={**body, "active": "True"}).json()["active"] is True


def test_entra_groups(sqlite_server: Server) -> None:
    server = sqlite_server
    ann, bob = create(server, "ann"), create(server, "bob")
    external = str(uuid.uuid4())
    sent: dict[str, Any] = {
        "schemas": [f"{CORE}Group", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": external, "displayName": "Sales", "meta": {"resourceType": "Group"},
    }  # fmt: skip
    group = server.root.post(GROUPS, json=sent).json()
    assert (group["externalId"], group["members"]) == (external, [])
    look = {"excludedAttributes": "members", "filter": 'displayName eq "sales"'}
    found = server.root.get(GROUPS, params=look).json()["Resources"]
    assert [each["id"] for each in found] == [group["id"]]
    assert "members" not in found[0]
    path = f"{GROUPS}/{group['id']}"
    both = [{"$ref": None, "value": each["id"]} for each in (ann, bob)]
    add = {"op": "Add", "path": "members", "value": both}
    assert sorted(_members(patch(server, path, add))) == sorted([ann["id"], bob["id"]])
    # It asks whether somebody is a member.
    asked = {"filter": f'id eq "{group["id"]}" and members eq "{ann["id"]}"'}
    assert server.root.get(GROUPS, params=asked).json()["totalResults"] == 1
    remove = {"op": "Remove", "path": "members", "value": both[:1]}
    assert _members(patch(server, path, remove)) == [bob["id"]]
    assert server.root.get(GROUPS, params=asked).json()["totalResults"] == 0
    rename = {"op": "Replace", "path": "displayName", "value": "Trade"}
    assert patch(server, path, rename).json()["displayName"] == "Trade"
    create_group(server, "Other", ann)


def _members(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [member["value"] for member in answer.json()["members"]]
