"""PATCH on documents, without a server."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dragoman.api.errors import BadRequest
from dragoman.scim.attributes import ENTERPRISE, GROUPS, USER, USER_ATTRIBUTE, USERS
from dragoman.scim.patching import patched

WORK = {"type": "work", "value": "a@work", "primary": True}
HOME = {"type": "home", "value": "a@home"}
ANN = {
    "userName": "ann@example.com",
    "active": True,
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "emails": [WORK, HOME],
}


def after(*operations: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy(ANN)
    found = patched(USERS, ANN, {"Operations": list(operations)})
    assert before == ANN  # what is patched stays as it was
    return found


@pytest.mark.parametrize("op", ["add", "Add", "replace", "REPLACE"])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("active", False), ("active", "False"), ("ACTIVE", "false"),
        ("active", [{"value": "False"}]),
        ("active", {"value": False}), (f"{USER}:active", False), (None, {"active": "False"}),
        (None, {f"{USER}:active": False}), ("", {"Active": False}),
    ],
)  # fmt: skip
def test_simple_attribute_in_every_form(op: str, path: str | None, value: object) -> None:
    assert after({"op": op, "path": path, "value": value})["active"] is False


def test_parts_of_a_complex_attribute() -> None:
    found = after({"op": "replace", "path": "name.familyName", "value": "Fox"})
    assert found["name"] == {"givenName": "Ann", "familyName": "Fox"}
    found = after({"op": "replace", "path": "name", "value": {"familyName": "Fox"}})
    assert found["name"] == {"givenName": "Ann", "familyName": "Fox"}
    found = after({"op": "add", "value": {"name.middleName": "B", "name": {"givenName": "A"}}})
    assert found["name"] == {"givenName": "A", "familyName": "Lee", "middleName": "B"}
    found = after(
        {"op": "remove", "path": "name.givenName"}, {"op": "remove", "path": "NAME.familyname"}
    )
    assert "name" not in found
    assert "name" not in after({"op": "remove", "path": "name"})


def test_values_that_fit_a_filter() -> None:
    found = after({"op": "replace", "path": 'emails[type eq "work"].value', "value": "b@work"})
    assert found["emails"] == [{**WORK, "value": "b@work"}, HOME]
    found = after({"op": "Add", "path": 'phoneNumbers[type eq "mobile"].value', "value": "1"})
    assert found["phoneNumbers"] == [{"type": "mobile", "value": "1"}]
    found = after({"op": "replace", "path": 'emails[type eq "home"]', "value": {"value": "c@home"}})
    assert found["emails"] == [WORK, {**HOME, "value": "c@home"}]
    assert after({"op": "remove", "path": 'emails[type eq "home"]'})["emails"] == [WORK]
    assert after({"op": "remove", "path": 'emails[type eq "fax"]'})["emails"] == [WORK, HOME]
    found = after({"op": "remove", "path": 'emails[primary eq "True"].primary'})
    assert found["emails"] == [{"type": "work", "value": "a@work"}, HOME]
    found = after({"op": "replace", "path": 'roles[primary eq "True"].value', "value": "Admin"})
    assert found["roles"] == [{"primary": True, "value": "Admin"}]


def test_attribute_of_several_values() -> None:
    new = {"type": "other", "value": "x", "primary": True}
    found = after({"op": "add", "path": "emails", "value": [new, HOME]})
    assert found["emails"] == [{"type": "work", "value": "a@work"}, HOME, new]
    assert after({"op": "replace", "path": "emails", "value": new})["emails"] == [new]
    assert after({"op": "remove", "path": "emails"})["emails"] == []
    assert after({"op": "remove", "path": "emails", "value": [HOME]})["emails"] == [WORK]


def test_extensions() -> None:
    found = after(
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Sales"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "26118915"},
        {"op": "add", "value": {ENTERPRISE: {"division": "EU"}, f"{ENTERPRISE}:costCenter": "7"}},
        {"op": "Replace", "path": f"{USER_ATTRIBUTE}:region", "value": "eu"},
    )
    assert found[ENTERPRISE] == {
        "department": "Sales", "manager": {"value": "26118915"}, "division": "EU",
        "costCenter": "7",
    }  # fmt: skip
    assert found[USER_ATTRIBUTE] == {"region": "eu"}
    removed = {"Operations": [{"op": "remove", "path": f"{ENTERPRISE}:manager.value"}]}
    assert "manager" not in patched(USERS, found, removed)[ENTERPRISE]
    assert (
        patched(USERS, found, {"Operations": [{"op": "remove", "path": ENTERPRISE}]})[ENTERPRISE]
        == {}
    )


def test_members() -> None:
    group = {"displayName": "Sales", "members": [{"value": "1", "display": "A"}, {"value": "2"}]}

    def ids(*operations: dict[str, Any]) -> list[str]:
        found = patched(GROUPS, group, {"operations": list(operations)})
        return [member["value"] for member in found["members"]]

    assert ids({"op": "add", "path": "members", "value": [{"value": "3"}, {"value": "1"}]}) == [
        "1", "2", "3",
    ]  # fmt: skip
    assert ids({"op": "remove", "path": 'members[value eq "1"]'}) == ["2"]
    assert ids({"op": "Remove", "path": "members", "value": [{"$ref": None, "value": "2"}]}) == [
        "1"
    ]
    assert ids({"op": "replace", "path": "members", "value": [{"value": "9"}]}) == ["9"]
    assert ids({"op": "add", "value": {"members": [{"value": "4"}]}}) == ["1", "2", "4"]
    assert ids({"op": "remove", "path": 'members[value eq "1" or value eq "2"]'}) == []
    assert ids({"op": "remove", "path": "members"}) == []


def test_what_nobody_asked_for_by_name_is_left_alone() -> None:
    """Okta sends the id along, Entra ID attributes that are not mapped."""
    value = {"id": "1", "schemas": [], "meta": {}, "groups": [], "unheard": 1, "title": "Boss"}
    found = after({"op": "replace", "value": value})
    assert found == {**ANN, "title": "Boss"}


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ({"op": "move", "path": "title", "value": "x"}, "invalidSyntax"),
        ({"path": "title", "value": "x"}, "invalidSyntax"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "add", "value": "x"}, "invalidValue"),
        ({"op": "add", "path": 7, "value": "x"}, "invalidPath"),
        ({"op": "add", "path": "unheard", "value": "x"}, "invalidPath"),
        ({"op": "add", "path": "name.unheard", "value": "x"}, "invalidPath"),
        ({"op": "add", "path": 'name[a eq "b"]', "value": "x"}, "invalidPath"),
        ({"op": "add", "path": "id", "value": "x"}, "mutability"),
        ({"op": "add", "path": "groups", "value": []}, "mutability"),
        ({"op": "add", "path": "active", "value": "perhaps"}, "invalidValue"),
        ({"op": "add", "path": 'emails[type gt "zzz"].value', "value": "x"}, "noTarget"),
        ({"op": "add", "path": "emails[", "value": "x"}, "invalidFilter"),
        ("no object", "invalidSyntax"),
    ],
)
def test_what_is_refused(operation: Any, kind: str) -> None:
    with pytest.raises(BadRequest) as refused:
        after(operation)
    assert refused.value.extra == {"scimType": kind}


@pytest.mark.parametrize("body", [{}, {"Operations": []}, {"Operations": {}}])
def test_no_operations(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        patched(USERS, ANN, body)
