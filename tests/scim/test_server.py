"""SCIM over HTTP: users, groups, lists, errors, discovery."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from dragoman.access.principal import OPERATOR
from dragoman.identity import service as identity
from dragoman.identity.service import Definition, Type
from tests.support.server import Server

USERS = "/api/scim/v2/Users"
GROUPS = "/api/scim/v2/Groups"
EMBED = "/api/scim/v2/embed/Users"
OWN = "urn:omni:params:1.0:UserAttribute"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def define(server: Server, name: str, kind: Type = Type.STRING, *, several: bool = False) -> None:
    with server.unit() as unit:
        draft = Definition("", name, name, None, kind, several)
        identity.define(unit, OPERATOR, draft)


def create(server: Server, who: str = "ann", **more: Any) -> dict[str, Any]:
    sent = {"userName": f"{who}@example.com", "displayName": who.title(), **more}
    answer = server.root.post(USERS, json=sent)
    assert answer.status_code == 201, answer.text
    return answer.json()


def create_group(server: Server, name: str, *members: dict[str, Any], **more: Any) -> Any:
    sent = {"displayName": name, "members": [{"value": each["id"]} for each in members], **more}
    answer = server.root.post(GROUPS, json=sent)
    assert answer.status_code == 201, answer.text
    return answer.json()


def patch(server: Server, path: str, *operations: dict[str, Any]) -> httpx.Response:
    schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
    return server.root.patch(path, json={"schemas": schemas, "Operations": list(operations)})


def changed(server: Server, user: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
    answer = patch(server, f"{USERS}/{user['id']}", *operations)
    assert answer.status_code == 200, answer.text
    assert server.root.get(f"{USERS}/{user['id']}").json() == answer.json()
    return answer.json()


def refused(answer: httpx.Response, status: int, kind: str | None = None) -> dict[str, Any]:
    """The answer is a SCIM error that has the pairs of the house's errors as well."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/scim+json"
    body = answer.json()
    assert body["schemas"] == [ERROR]
    assert (body["status"], body["error"]) == (str(status), str(status))
    assert body["detail"] == body["message"]
    assert body.get("scimType") == kind
    return body


def test_user_lives(server: Server) -> None:
    answer = server.root.post(
        USERS, json={"userName": "Ann@Example.com", "displayName": "Ann", "externalId": "00u1"}
    )
    made = answer.json()
    place = f"{USERS}/{made['id']}"
    assert answer.status_code == 201
    assert answer.headers["content-type"] == "application/scim+json"
    assert answer.headers["location"] == made["meta"]["location"]
    assert made["meta"]["location"].endswith(place)
    assert made["userName"] == "ann@example.com"
    assert made["emails"] == [{"primary": True, "value": "ann@example.com"}]
    assert (made["active"], made["externalId"], made["groups"]) == (True, "00u1", [])
    assert server.root.get(place).json() == made

    again = server.root.post(USERS, json={"userName": "ANN@example.com", "displayName": "A"})
    refused(again, 409, "uniqueness")
    replaced = server.root.put(place, json={"userName": "anna@example.com", "active": False})
    assert replaced.status_code == 200
    assert replaced.json()["userName"] == "anna@example.com"
    assert replaced.json()["displayName"] == "anna@example.com"
    assert replaced.json()["active"] is False
    assert "externalId" not in replaced.json()

    assert server.root.delete(place).status_code == 204
    refused(server.root.get(place), 404)
    refused(server.root.delete(place), 404)
    create(server, "anna")  # the address is free again


def test_deactivation_ends_tokens_at_once(server: Server) -> None:
    member = server.member("ann@example.com")
    assert member.get("/api/v1/connections").status_code == 200
    with server.unit() as unit:
        user = {"id": identity.get_user(unit, "ann@example.com").id}
    assert (
        changed(server, user, {"op": "replace", "path": "active", "value": False})["active"]
        is False
    )
    assert member.get("/api/v1/connections").status_code == 401
    changed(server, user, {"op": "replace", "path": "active", "value": True})
    assert member.get("/api/v1/connections").status_code == 200
    server.root.delete(f"{USERS}/{user['id']}")
    assert member.get("/api/v1/connections").status_code == 401


def test_only_organization_keys_are_let_in(sqlite_server: Server) -> None:
    admin = sqlite_server.member("admin@example.com", admin=True)
    for path in (USERS, GROUPS, EMBED, "/api/scim/v2/Schemas"):
        body = refused(admin.get(path), 403)
        assert body["detail"] == "User-scoped API keys are not allowed to access the SCIM API."
        refused(sqlite_server.anonymous.get(path), 401)
    refused(sqlite_server.root.get("/api/scim/v2/Nothing"), 404)
    refused(sqlite_server.root.post(f"{USERS}/{uuid.uuid4()}"), 405)


def test_paths_in_any_case_and_unknown_parameters(sqlite_server: Server) -> None:
    made = create(sqlite_server)
    root = sqlite_server.root
    assert root.get("/api/scim/v2/users").json()["totalResults"] == 1
    assert root.get(f"/api/scim/v2/users/{made['id'].upper()}").json() == made
    assert root.get("/api/scim/v2/groups?aadOptscim062020").json()["totalResults"] == 0
    assert root.get("/api/scim/v2/embed/users").json()["totalResults"] == 0
    assert root.get("/api/scim/v2/serviceproviderconfig").status_code == 200


def test_who_wants_plain_json_gets_it(sqlite_server: Server) -> None:
    answer = sqlite_server.root.get(USERS, headers={"Accept": "application/json"})
    assert answer.headers["content-type"] == "application/json"


def test_user_attributes_in_every_form(sqlite_server: Server) -> None:
    server = sqlite_server
    define(server, "region")
    define(server, "limit", Type.NUMBER)
    define(server, "stores", several=True)
    made = create(server, **{OWN: {"region": "eu", "limit": "07.50", "stores": ["a", "b"]}})
    assert made[OWN] == {"limit": 7.5, "region": "eu", "stores": ["a", "b"]}
    user = changed(
        server, made,
        {"op": "Replace", "path": f"{OWN}:region", "value": "us"},
        {"op": "add", "path": OWN, "value": {"stores": "c"}},
        {"op": "remove", "path": f"{OWN}:limit"},
    )  # fmt: skip
    assert user[OWN] == {"region": "us", "stores": ["c"]}
    user = changed(
        server, made, {"op": "replace", "value": {OWN: {"region": None}, f"{OWN}:limit": 3}}
    )
    assert user[OWN] == {"limit": 3, "stores": ["c"]}
    refused(
        patch(server, f"{USERS}/{made['id']}", {"op": "add", "value": {OWN: {"color": "red"}}}),
        400, "invalidValue",
    )  # fmt: skip
    refused(
        patch(server, f"{USERS}/{made['id']}", {"op": "add", "value": {OWN: {"limit": "many"}}}),
        400, "invalidValue",
    )  # fmt: skip
    put = {"userName": "ann@example.com", OWN: {"region": True}}
    assert server.root.put(f"{USERS}/{made['id']}", json=put).json()[OWN] == {"region": "true"}


def test_profile_is_kept(sqlite_server: Server) -> None:
    server = sqlite_server
    said = {
        "name": {"givenName": "Ann", "familyName": "Lee"},
        "phoneNumbers": [{"type": "work", "value": "1"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales"},
    }
    sent = {"userName": "ann@example.com", **said, "password": "s3cret", "x509": 1}
    made = server.root.post(USERS, json=sent).json()
    assert {key: made[key] for key in said} == said
    assert made["displayName"] == "Ann Lee"
    assert "password" not in made
    assert "s3cret" not in repr(server.sql("SELECT * FROM users"))
    assert "s3cret" not in repr(server.sql("SELECT * FROM audit_log"))


@pytest.mark.parametrize("values", [{}, {OWN: {}}, {OWN: {"region": "eu"}}])
def test_a_post_answers_what_a_get_does(server: Server, values: dict[str, Any]) -> None:
    define(server, "region")
    address = {"type": "work", "value": "a@b.example", "primary": True}
    enterprise = {"department": "Sales", "manager": {"value": "7"}}
    said = {
        "externalId": "00u1",
        "active": False,
        "name": {"givenName": "Ann", "familyName": ""},
        "emails": [address],
        "phoneNumbers": [],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": enterprise,
    }
    for who, more in (("ann", {}), ("bob", said)):
        made = create(server, who, **more, **values)
        assert server.root.get(f"{USERS}/{made['id']}").json() == made


def test_who_had_mail_only_keeps_values_as_a_member(sqlite_server: Server) -> None:
    server = sqlite_server
    define(server, "region")
    sent = {"email": "ann@example.com", "userAttributes": {"region": "eu"}}
    assert server.root.post("/api/v1/users/email-only", json=sent).status_code == 200
    made = create(server)
    assert made[OWN] == {"region": "eu"}
    assert server.root.get(f"{USERS}/{made['id']}").json() == made


def test_group_lives(server: Server) -> None:
    ann, bob = create(server, "ann"), create(server, "bob")
    made = create_group(server, "Sales", ann, externalId="g1")
    place = f"{GROUPS}/{made['id']}"
    assert len(made["id"]) == 8
    assert [(m["value"], m["display"]) for m in made["members"]] == [(ann["id"], "Ann")]
    assert server.root.get(place).json() == made
    assert server.root.get(f"{USERS}/{ann['id']}").json()["groups"][0]["value"] == made["id"]
    with server.unit() as unit:
        own_id = identity.get_group(unit, made["id"]).id
    assert server.root.get(f"{GROUPS}/{own_id}").json() == made

    assert "members" not in server.root.get(f"{place}?excludedAttributes=members").json()
    refused(server.root.post(GROUPS, json={"displayName": "SALES"}), 409, "uniqueness")
    refused(server.root.post(GROUPS, json={"displayName": "x" * 65}), 400, "invalidValue")
    refused(server.root.put(place, json={"displayName": "Sales"}), 400, "invalidValue")
    nobody = {"displayName": "Sales", "members": [{"value": str(uuid.uuid4())}]}
    refused(server.root.put(place, json=nobody), 400, "invalidValue")
    put = {"displayName": "Trade", "members": [{"value": bob["id"], "display": "?"}]}
    answer = server.root.put(place, json=put).json()
    assert answer["displayName"] == "Trade"
    assert [m["display"] for m in answer["members"]] == ["Bob"]
    assert server.root.delete(place).status_code == 204
    refused(server.root.get(place), 404)


def test_group_has_attributes_for_its_members(sqlite_server: Server) -> None:
    server = sqlite_server
    define(server, "region")
    ann = create(server, "ann")
    made = create_group(server, "Sales", ann, **{OWN: {"region": "eu"}})
    assert made[OWN] == {"region": "eu"}
    path = f"{GROUPS}/{made['id']}"
    answer = patch(server, path, {"op": "remove", "path": f"{OWN}:region"})
    assert OWN not in answer.json()


def test_embed_users_are_listed_and_deleted(server: Server) -> None:
    create(server)
    with server.unit() as unit:
        made = identity.ensure_embed_user(unit, OPERATOR, "E-1", "Eve", entity="acme")
        identity.ensure_embed_user(unit, OPERATOR, "e-1", "Other", email="ann@example.com")
    assert server.root.get(USERS).json()["totalResults"] == 1
    assert server.root.get(EMBED).json()["totalResults"] == 2
    found = server.root.get(EMBED, params={"filter": 'embedExternalId eq "E-1"'}).json()
    assert [user["id"] for user in found["Resources"]] == [made.id]
    assert found["Resources"][0]["embedEntity"] == "acme"
    place = f"{EMBED}/{made.id}"
    assert server.root.get(place).json()["displayName"] == "Eve"
    refused(server.root.get(f"{USERS}/{made.id}"), 404)
    refused(server.root.delete(f"{USERS}/{made.id}"), 404)
    assert server.root.delete(place).status_code == 204
    refused(server.root.get(place), 404)


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["displayName"] for each in answer.json()["Resources"]]


def test_pages(server: Server) -> None:
    for number in range(7):
        create(server, f"u{number}")
    get = server.root.get
    everybody = [f"U{number}" for number in range(7)]
    by_name = {"sortBy": "displayName"}
    assert names(get(USERS, params=by_name)) == everybody
    body = get(USERS, params={**by_name, "startIndex": 3, "count": 2}).json()
    assert [each["displayName"] for each in body["Resources"]] == ["U2", "U3"]
    assert (body["totalResults"], body["startIndex"], body["itemsPerPage"]) == (7, 3, 2)
    assert names(get(USERS, params={**by_name, "startIndex": -4, "count": 1})) == ["U0"]
    assert names(get(USERS, params={"count": 0})) == []
    assert names(get(USERS, params={"count": -1})) == []
    assert names(get(USERS, params={"startIndex": 8})) == []
    down = {"sortBy": "username", "sortOrder": "Descending", "count": 1}
    assert names(get(USERS, params=down)) == ["U6"]
    assert names(get(USERS, params={"sortBy": "name.familyName"})) == names(get(USERS))
    for bad in ({"count": "many"}, {"startIndex": "1;"}):
        refused(get(USERS, params=bad), 400, "invalidValue")
    refused(get(USERS, params={"sortBy": "a b"}), 400, "invalidFilter")


def test_what_is_answered(sqlite_server: Server) -> None:
    server = sqlite_server
    made = create(server, name={"givenName": "Ann", "familyName": "Lee"})
    get, place = server.root.get, f"{USERS}/{made['id']}"
    only = get(place, params={"attributes": "userName,name.givenName"}).json()
    assert only == {
        "schemas": made["schemas"], "id": made["id"],
        "userName": "ann@example.com", "name": {"givenName": "Ann"},
    }  # fmt: skip
    without = get(USERS, params={"excludedAttributes": "emails, NAME.familyName"}).json()
    assert "emails" not in without["Resources"][0]
    assert without["Resources"][0]["name"] == {"givenName": "Ann"}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b'{"userName": 1}', b'{"displayName": "x"}', b'{"userName": "no address"}',
     b'{"userName": "a@b.c", "active": "perhaps"}', b'{"userName": "a@b.c", "name": "x"}',
     b'{"userName": "a\\u0000@b.c"}', b'{"userName": "a@b.c", "displayName": "\\u0000"}'],
)  # fmt: skip
def test_bodies_that_are_refused(sqlite_server: Server, body: bytes) -> None:
    answer = sqlite_server.root.post(USERS, content=body)
    assert refused(answer, 400, answer.json()["scimType"])["scimType"] in (
        "invalidSyntax", "invalidValue",
    )  # fmt: skip


def test_discovery(sqlite_server: Server) -> None:
    define(sqlite_server, "region")
    get = sqlite_server.root.get
    config = get("/api/scim/v2/ServiceProviderConfig").json()
    assert config["patch"]["supported"] is True
    assert [t["id"] for t in get("/api/scim/v2/ResourceTypes").json()["Resources"]] == [
        "User",
        "Group",
    ]
    assert get("/api/scim/v2/ResourceTypes/User").json()["endpoint"] == "/Users"
    own = get(f"/api/scim/v2/Schemas/{OWN}").json()
    assert [attribute["name"] for attribute in own["attributes"]] == ["region"]
    refused(get("/api/scim/v2/Schemas/urn:nothing"), 404)
