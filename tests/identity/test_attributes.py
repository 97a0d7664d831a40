"""User attributes: definitions, values, what counts for who asks."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from dragoman.access.principal import OPERATOR, Principal, PrincipalKind
from dragoman.api.errors import BadRequest
from dragoman.identity import service
from dragoman.identity.service import Definition, Type
from tests.support.clients import assert_error
from tests.support.server import Server

PATH = "/api/v1/user-attributes"


def define(server: Server, name: str, **more: Any) -> dict[str, Any]:
    answer = server.root.post(PATH, json={"name": name, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_attribute_lives(server: Server) -> None:
    root = server.root
    made = define(server, "region", label="Region", default_value="eu")
    assert made == {
        "id": made["id"], "name": "region", "label": "Region", "description": None,
        "type": "String", "multiple_values": False, "default_value": "eu", "system": False,
    }  # fmt: skip
    records = root.get(PATH).json()["records"]
    assert [r["name"] for r in records if not r["system"]] == ["region"]
    assert {r["name"] for r in records if r["system"]} >= {"omni_user_id", "omni_user_groups"}
    assert {r["id"] for r in records if r["system"]} == {""}
    assert_error(root.post(PATH, json={"name": "region"}), 409)

    place = f"{PATH}/{made['id']}"
    changed = root.patch(place, json={"multiple_values": True, "default_value": ["a", "b"]}).json()
    assert (changed["multiple_values"], changed["default_value"]) == (True, ["a", "b"])
    assert_error(root.patch(place, json={"multiple_values": False}), 400)
    assert (
        root.patch(place, json={"multiple_values": False, "default_value": None}).status_code == 200
    )
    assert_error(root.patch(place, json={}), 400)
    assert_error(root.patch(place, json={"name": "other"}), 400)
    ann = server.user("ann@example.com")
    with server.unit() as unit:
        service.set_attribute(unit, OPERATOR, ann.id, "region", ["us"])
    assert root.delete(place).status_code == 200
    assert_error(root.delete(place), 404)
    with server.unit() as unit:
        assert service.own_values(unit, ann.id) == {}


def test_only_admins_see_and_define_them(sqlite_server: Server) -> None:
    member = sqlite_server.member("ann@example.com")
    assert_error(member.get(PATH), 403)
    assert_error(member.post(PATH, json={"name": "x"}), 403)
    admin = sqlite_server.member("admin@example.com", admin=True)
    assert admin.get(PATH).status_code == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "a b"}, {"name": "omni_x"}, {"name": "x", "type": "Date"},
     {"name": "x", "type": "Number", "default_value": "many"}, {"name": "x", "unheard": 1},
     {"name": "x", "default_value": ["a", "b"]}, {"name": "x" * 121}],
)  # fmt: skip
def test_definitions_that_are_refused(sqlite_server: Server, body: dict[str, Any]) -> None:
    assert_error(sqlite_server.root.post(PATH, json=body), 400)


TEXT, SEVERAL = Definition("1", "t", "t"), Definition("1", "s", "s", multiple_values=True)
NUMBER = Definition("1", "n", "n", type=Type.NUMBER)


@pytest.mark.parametrize(
    ("definition", "given", "stored"),
    [
        (TEXT, None, []), (TEXT, "", []), (TEXT, [], []), (TEXT, "a", ["a"]), (TEXT, ["a"], ["a"]),
        (TEXT, True, ["true"]), (TEXT, 7, ["7"]), (TEXT, 1.50, ["1.5"]), (SEVERAL, "a", ["a"]),
        (SEVERAL, ["b", "a", "b"], ["b", "a"]), (NUMBER, "007.500", ["7.5"]), (NUMBER, -0.0, ["0"]),
        (NUMBER, 1e3, ["1000"]), (NUMBER, "12345678901234567890.1", ["12345678901234567890.1"]),
        (NUMBER, 100, ["100"]),
    ],
)  # fmt: skip
def test_values_as_they_are_stored(
    definition: Definition, given: object, stored: list[str]
) -> None:
    from dragoman.identity.attribute_definitions import texts_of

    assert texts_of(definition, given) == stored


@pytest.mark.parametrize(
    ("definition", "given"),
    [
        (TEXT, ["a", "b"]), (TEXT, {"a": 1}), (TEXT, "a\0"), (TEXT, "x" * 4001), (NUMBER, "a"),
        (NUMBER, True), (NUMBER, "NaN"), (NUMBER, float("inf")), (NUMBER, "1e999999"),
        (SEVERAL, [None]),
    ],
)  # fmt: skip
def test_values_that_are_refused(definition: Definition, given: object) -> None:
    from dragoman.identity.attribute_definitions import texts_of

    with pytest.raises(BadRequest, match=definition.name):
        texts_of(definition, given)


def asker(user: service.User) -> Principal:
    return Principal(PrincipalKind.PERSONAL, user.email, user_id=user.id)


def test_own_value_wins_over_groups_and_these_over_the_default(server: Server) -> None:
    define(server, "region", default_value="eu")
    define(server, "limit", type="Number", default_value=1)
    define(server, "stores", multiple_values=True)
    ann = server.user("ann@example.com")
    with server.unit() as unit:
        first = service.create_group(unit, OPERATOR, "A", [ann.id])
        second = service.create_group(unit, OPERATOR, "B", [ann.id])

        def has(name: str) -> object:
            return service.attributes(unit, asker(ann)).get(name)

        assert (has("region"), has("limit"), has("stores")) == (("eu",), (Decimal(1),), None)
        service.set_group_attributes(unit, OPERATOR, second, {"region": "b", "stores": ["2", "1"]})
        service.set_group_attributes(unit, OPERATOR, first, {"region": "a", "stores": ["1"]})
        assert has("region") == ("a",)  # the group whose name comes first
        assert has("stores") == ("1", "2")  # of several values: those of all groups
        service.set_attributes(unit, OPERATOR, ann.id, {"region": "own", "limit": 2})
        assert (has("region"), has("limit")) == (("own",), (Decimal(2),))
        service.set_attributes(unit, OPERATOR, ann.id, {"region": None})
        assert has("region") == ("a",)
        key = Principal(PrincipalKind.ORGANIZATION, "key", organization_admin=True)
        assert service.attribute_texts(unit, key) == {
            "region": ["eu"], "limit": ["1"], "omni_is_org_admin": ["true"],
        }  # fmt: skip


def test_system_attributes(server: Server) -> None:
    ann = server.user("ann@example.com")
    with server.unit() as unit:
        service.create_group(unit, OPERATOR, "Sales", [ann.id])
        found = service.attribute_texts(unit, asker(ann))
        assert found == {
            "omni_is_org_admin": ["false"], "omni_user_id": [ann.id],
            "omni_user_email": ["ann@example.com"], "omni_user_name": ["ann@example.com"],
            "omni_user_groups": ["Sales"],
        }  # fmt: skip
        eve = service.ensure_embed_user(unit, OPERATOR, "1", "Eve", entity="acme")
        found = service.attribute_texts(unit, asker(eve))
        assert found["omni_user_embed_entity"] == ["acme"]
        assert "omni_user_email" not in found
        given = {"omni_user_timezone": "Europe/Berlin", "omni_allows_personal_content": "no"}
        service.set_attributes(unit, OPERATOR, ann.id, given)
        assert service.own_values(unit, ann.id)["omni_allows_personal_content"] == ["false"]
        for bad in ({"omni_user_timezone": "EST"}, {"omni_user_id": "x"}, {"unheard": "x"}):
            with pytest.raises(BadRequest):
                service.set_attributes(unit, OPERATOR, ann.id, bad)


def test_embed_user_is_made_once_and_follows_later_logins(server: Server) -> None:
    server.user("eve@example.com")
    with server.unit() as unit:
        eve = service.ensure_embed_user(unit, OPERATOR, "X", "Eve", email="eve@example.com")
        assert eve.email == "eve@example.com"  # a member's address as well
        assert service.ensure_embed_user(unit, OPERATOR, "X", "Eve", email="eve@example.com") == eve
        again = service.ensure_embed_user(unit, OPERATOR, "X", "Eva", entity="acme")
        assert (again.id, again.name, again.embed_entity) == (eve.id, "Eva", "acme")
        found = service.find_user(unit, "eve@example.com")
        assert found is not None
        assert found.kind == "member"


EMAIL_ONLY = "/api/v1/users/email-only"


def test_email_only_users(server: Server) -> None:
    define(server, "region")
    define(server, "stores", multiple_values=True)
    root = server.root
    made = root.post(EMAIL_ONLY, json={"email": "A@x.com", "userAttributes": {"region": "eu"}})
    assert made.status_code == 200
    assert made.json()["email"] == "a@x.com"
    again = root.post(EMAIL_ONLY, json={"email": "a@x.com", "userAttributes": {"region": ""}})
    assert again.json() == made.json()
    users = [{"email": f"u{n}@x.com", "userAttributes": {"stores": ["1"]}} for n in range(20)]
    answer = root.post(f"{EMAIL_ONLY}/bulk", json={"users": users})
    assert answer.status_code == 201
    assert [r["email"] for r in answer.json()["results"]] == [u["email"] for u in users]

    page = root.get(EMAIL_ONLY, params={"sortDirection": "asc"}).json()
    assert page["records"][0] == {
        "user_id": made.json()["userId"], "email": "a@x.com", "user_attributes": {},
    }  # fmt: skip
    assert page["records"][1]["user_attributes"] == {"stores": ["1"]}
    assert (page["pageInfo"]["totalRecords"], page["pageInfo"]["hasNextPage"]) == (21, True)
    cursor = page["pageInfo"]["nextCursor"]
    rest = root.get(EMAIL_ONLY, params={"sortDirection": "asc", "cursor": cursor}).json()
    assert len({r["email"] for r in page["records"] + rest["records"]}) == 21
    assert rest["pageInfo"]["nextCursor"] is None
    only = root.get(EMAIL_ONLY, params={"email": "U3@x.com"}).json()["records"]
    assert [r["email"] for r in only] == ["u3@x.com"]

    # A member's address is no other's; an e-mail-only user may become a member.
    server.user("ann@x.com")
    assert_error(root.post(EMAIL_ONLY, json={"email": "ann@x.com"}), 400)
    promoted = root.post("/api/scim/v2/Users", json={"userName": "a@x.com", "displayName": "A"})
    assert (promoted.status_code, promoted.json()["id"]) == (201, made.json()["userId"])
    assert root.get(EMAIL_ONLY, params={"email": "a@x.com"}).json()["records"] == []


def test_nobody_finds_an_email_only_user_to_sign_in(sqlite_server: Server) -> None:
    sqlite_server.root.post(EMAIL_ONLY, json={"email": "a@x.com"})
    with sqlite_server.unit() as unit:
        assert service.find_user(unit, "a@x.com") is None
        # Whoever is invited becomes a member.
        assert service.create_user(unit, OPERATOR, "a@x.com").kind == "member"
        assert service.find_user(unit, "a@x.com") is not None


def test_email_only_users_that_are_refused(sqlite_server: Server) -> None:
    define(sqlite_server, "region")
    define(sqlite_server, "stores", multiple_values=True)
    root = sqlite_server.root
    for values in ({"unheard": "x"}, {"stores": "1"}, {"region": ["a", "b"]},
                   {"omni_user_timezone": "EST"}):  # fmt: skip
        assert_error(
            root.post(EMAIL_ONLY, json={"email": "a@x.com", "userAttributes": values}), 400
        )
    assert root.get(EMAIL_ONLY).json()["pageInfo"]["totalRecords"] == 0
    for body in ({}, {"email": "x"}, {"email": "a@x.com", "more": 1}):
        assert_error(root.post(EMAIL_ONLY, json=body), 400)
    for users in ([], [{"email": f"u{n}@x.com"} for n in range(21)],
                  [{"email": "ok@x.com"}, {"email": "bad"}]):  # fmt: skip
        assert_error(root.post(f"{EMAIL_ONLY}/bulk", json={"users": users}), 400)
    assert root.get(EMAIL_ONLY).json()["pageInfo"]["totalRecords"] == 0
    for query in ({"pageSize": 21}, {"cursor": "?"}, {"sortDirection": "up"}):
        assert_error(root.get(EMAIL_ONLY, params=query), 400)
    admin = sqlite_server.member("admin@example.com", admin=True)
    assert admin.get(EMAIL_ONLY).status_code == 200
    assert_error(admin.post(EMAIL_ONLY, json={"email": "a@x.com"}), 403)
