"""Entity tags: who changes what another one changed meanwhile is told so."""

from __future__ import annotations

from tests.scim.test_server import GROUPS, USERS, create, create_group, patch, refused
from tests.support.server import Server

RENAME = {"op": "replace", "path": "displayName", "value": "Other"}


def test_a_reader_who_has_the_version_gets_no_body(sqlite_server: Server) -> None:
    root, ann = sqlite_server.root, create(sqlite_server)
    tag = ann["meta"]["version"]
    place = f"{USERS}/{ann['id']}"
    assert root.get(place).headers["etag"] == tag
    unchanged = root.get(place, headers={"If-None-Match": f'"other", {tag}'})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == tag
    assert patch(sqlite_server, place, RENAME).json()["meta"]["version"] != tag
    changed = root.get(place, headers={"If-None-Match": tag}, params={"attributes": "userName"})
    assert changed.status_code == 200
    assert "meta" not in changed.json()
    assert changed.headers["etag"] != tag


def test_a_change_for_another_version_is_refused(server: Server) -> None:
    root, ann = server.root, create(server)
    place, first = f"{USERS}/{ann['id']}", {"If-Match": ann["meta"]["version"]}
    body = {"userName": "ann@example.com", "displayName": "Second"}
    second = root.put(place, json=body, headers=first)
    assert second.status_code == 200
    tag = second.headers["etag"]
    third = root.put(place, json={**body, "displayName": "Third"}, headers=first)
    refused(third, 412)
    assert third.headers["etag"] == tag
    refused(root.delete(place, headers=first), 412)
    refused(root.patch(place, json={"Operations": [RENAME]}, headers=first), 412)
    assert root.get(place).json()["displayName"] == "Second"
    # A strong tag of the same text is the same here; any version will do for `*`.
    answer = root.patch(
        place, json={"Operations": [RENAME]}, headers={"If-Match": tag.removeprefix("W/")}
    )
    assert answer.status_code == 200
    assert root.delete(place, headers={"If-Match": "*"}).status_code == 204
    refused(root.delete(place, headers={"If-Match": "*"}), 404)


def test_members_are_part_of_a_groups_version(sqlite_server: Server) -> None:
    root, ann = sqlite_server.root, create(sqlite_server)
    group = create_group(sqlite_server, "Sales")
    place, first = f"{GROUPS}/{group['id']}", group["meta"]["version"]
    add = {"op": "add", "path": "members", "value": [{"value": ann["id"]}]}
    second = patch(sqlite_server, place, add).json()["meta"]["version"]
    assert second != first
    assert patch(sqlite_server, place, add).json()["meta"]["version"] == second
    body = {"displayName": "Sales", "members": []}
    refused(root.put(place, json=body, headers={"If-Match": first}), 412)
    assert root.put(place, json=body, headers={"If-Match": second}).status_code == 200
    # Without the members, nobody knows.
    bare = root.get(place, params={"excludedAttributes": "members"})
    assert "etag" not in bare.headers
    assert "version" not in bare.json()["meta"]
    listed = root.get(GROUPS, params={"filter": 'displayName eq "sales"'}).json()["Resources"][0]
    assert listed["meta"]["version"] == root.get(place).headers["etag"]


def test_groups_in_groups_are_refused(sqlite_server: Server) -> None:
    inner = create_group(sqlite_server, "Inner")
    member = {"value": inner["id"], "type": "Group"}
    answer = sqlite_server.root.post(GROUPS, json={"displayName": "Outer", "members": [member]})
    assert "no groups" in refused(answer, 400, "invalidValue")["detail"]
