"""Models over HTTP: list, create, rename, delete, branches, versions (contract §3.2, §3.7)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.models.conftest import House, built
from tests.support.clients import Client, assert_error
from tests.support.server import MODELS, Server


@pytest.fixture
def house(server: Server) -> House:
    """Models are listed here, so each test has a server of its own."""
    return built(server)


def make(client: Client, connection: str, kind: str, name: str | None, **more: Any) -> str:
    sent = {"connectionId": connection, "modelKind": kind, "modelName": name, **more}
    answer = client.post(MODELS, json={k: v for k, v in sent.items() if v is not None})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["success"] is True
    assert "error" not in body
    assert body["model"]["modelKind"] == kind
    return body["model"]["id"]


def listed(client: Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get(MODELS, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["records"]


def test_schema_is_answered_with_the_one_that_is_there(server: Server) -> None:
    connection = server.create(name="Shop")
    for _ in range(2):
        answer = server.root.post(MODELS, json={"connectionId": connection, "modelName": "Other"})
        assert answer.json()["model"] == {"id": connection, "name": "Shop", "modelKind": "SCHEMA"}
    (row,) = listed(server.root, modelKind="SCHEMA")
    assert (row["id"], row["connectionId"], row["baseModelId"]) == (connection, connection, None)


@pytest.mark.parametrize(
    ("sent", "status", "words"),
    [
        ({"modelKind": "BRANCH", "modelName": "a"}, 400, "baseModelId: Required"),
        ({"modelKind": "SHARED_EXTENSION", "baseModelId": "{other}"}, 400, "does not belong"),
        ({"modelKind": "SHARED", "modelName": " "}, 400, "printable"),
        ({"modelKind": "SHARED", "baseModelId": str(uuid.uuid4())}, 404, "does not exist"),
        ({"modelKind": "SHARED", "unknown": 1}, 400, "Unrecognized key(s) in object: 'unknown'"),
        ({"modelKind": "OTHER"}, 400, "modelKind"),
        ({"connectionId": "x"}, 400, "Invalid connectionId format"),
        ({"connectionId": str(uuid.uuid4())}, 404, "does not exist"),
    ],
)
def test_refusals_of_create(server: Server, sent: dict[str, Any], status: int, words: str) -> None:
    connection, other = server.create(), server.create()
    body = {"connectionId": connection, **sent}
    body = {k: other if v == "{other}" else v for k, v in body.items()}
    assert words in assert_error(server.root.post(MODELS, json=body), status)["message"]


def test_create_needs_its_body(server: Server) -> None:
    body = assert_error(server.root.post(MODELS, json={}), 400)
    assert body["message"] == "Bad Request: connectionId: Required"


def test_names_are_unique_under_one_base(house: House) -> None:
    root = house.server.root
    sent = {"connectionId": house.connection, "modelKind": "SHARED", "modelName": "Sales"}
    body = assert_error(root.post(MODELS, json=sent), 400)
    assert body["message"] == "Bad Request: Model name must be unique"
    other = make(root, house.server.create(), "SHARED", "Sales")
    assert other != house.shared
    unnamed = [make(root, house.connection, "SHARED", None) for _ in range(2)]
    assert len(set(unnamed)) == 2


def test_access_grants_make_the_model_file(server: Server) -> None:
    grant = {
        "name": "eu",
        "accessBoostable": True,
        "userAttribute": "region",
        "allowedValues": ["EU"],
    }
    connection = server.create()
    made = make(server.root, connection, "SHARED", "S", accessGrants=[grant])
    (row,) = server.sql("SELECT definition FROM model_files WHERE model_id = :id", id=made)
    assert '"eu":{"user_attribute":"region","allowed_values":["EU"]' in row[0]


def test_list_filters_sorts_and_pages(house: House) -> None:
    root = house.server.root
    for name in ("b", "c/d", "a"):
        make(root, house.connection, "BRANCH", name, baseModelId=house.shared)
    extension = make(
        root, house.connection, "SHARED_EXTENSION", "Ext", baseModelId=house.shared,
        allowAsWorkbookBase=True, useIsolatedBranches=True,
    )  # fmt: skip
    names = [row["name"] for row in listed(root, baseModelId=house.shared, sortField="name")]
    assert sorted(names) == ["Ext", "a", "b", "c/d"]
    query = {"modelKind": "BRANCH", "sortField": "name", "sortDirection": "asc", "pageSize": 2}
    first = root.get(MODELS, params=query).json()
    assert [row["name"] for row in first["records"]] == ["a", "b"]
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "nextCursor": first["pageInfo"]["nextCursor"],
        "pageSize": 2,
        "totalRecords": 3,
    }
    second = root.get(MODELS, params={**query, "cursor": first["pageInfo"]["nextCursor"]}).json()
    assert [row["name"] for row in second["records"]] == ["c/d"]
    assert second["pageInfo"]["nextCursor"] is None
    (found,) = listed(root, name="SALES")
    assert found["id"] == house.shared
    (found,) = listed(root, modelId=house.shared, include="activeBranches")
    assert [branch["name"] for branch in found["branches"]] == ["a", "b", "c/d"]
    assert {row["id"] for row in listed(root, explorable="true")} == {house.shared, extension}
    for field in ("name", "modelKind", "connectionId", "baseModelId", "createdAt", "updatedAt"):
        seen: list[str] = []
        cursor = None
        while cursor is not None or not seen:
            more = {} if cursor is None else {"cursor": cursor}
            page = root.get(MODELS, params={"sortField": field, "pageSize": 1, **more}).json()
            seen += [row["id"] for row in page["records"]]
            cursor = page["pageInfo"]["nextCursor"]
        assert len(seen) == len(set(seen)) == page["pageInfo"]["totalRecords"] == 6


@pytest.mark.parametrize(
    "query",
    [
        {"pageSize": "0"},
        {"pageSize": "x"},
        {"sortField": "size"},
        {"sortDirection": "up"},
        {"modelKind": "x"},
        {"modelId": "x"},
        {"cursor": "x"},
        {"cursor": "!!"},
        {"include": "everything"},
        {"includeDeleted": "perhaps"},
        {"unknown": "1"},
    ],
)
def test_refusals_of_list(sqlite_server: Server, query: dict[str, str]) -> None:
    assert_error(sqlite_server.root.get(MODELS, params=query), 400)


def test_rename(house: House) -> None:
    root = house.server.root

    def rename(model: str, name: str) -> Any:
        return root.patch(f"{MODELS}/{model}", json={"name": name})

    done = rename(house.shared, "Revenue").json()
    assert done == {"success": True, "model": {"id": house.shared, "name": "Revenue"}}
    assert rename(house.shared, "Revenue").status_code == 200
    make(root, house.connection, "SHARED", "Sales")
    assert "must be unique" in assert_error(rename(house.shared, "Sales"), 400)["message"]
    assert "kind SCHEMA" in assert_error(rename(house.connection, "X"), 400)["message"]
    make(root, house.connection, "BRANCH", "team/project", baseModelId=house.shared)
    other = make(root, house.connection, "BRANCH", "other", baseModelId=house.shared)
    body = assert_error(rename(other, "team"), 400)
    assert body["message"] == "Bad Request: Branch name would create git ref path conflict"
    assert "git-compatible" in assert_error(rename(other, "a b"), 400)["message"]
    assert assert_error(rename(str(uuid.uuid4()), "x"), 404)["message"] == "Model not found"


def test_delete(house: House) -> None:
    root = house.server.root
    branch = make(root, house.connection, "BRANCH", "mine", baseModelId=house.shared)
    body = assert_error(root.delete(f"{MODELS}/{house.connection}"), 400)
    assert body["message"] == "Bad Request: Cannot delete a model with kind SCHEMA"
    assert "of this kind" in assert_error(root.delete(f"{MODELS}/{branch}"), 400)["message"]
    assert root.delete(f"{MODELS}/{house.shared}").json() == {"success": True}
    again = assert_error(root.delete(f"{MODELS}/{house.shared}"), 404)
    assert again["message"] == "Model already deleted"
    assert [row["modelKind"] for row in listed(root)] == ["SCHEMA"]
    rows = listed(root, includeDeleted="1")
    assert {row["id"] for row in rows if row["deletedAt"]} == {house.shared, branch}
    make(root, house.connection, "SHARED", "Sales")


def test_models_go_and_come_with_their_connection(house: House) -> None:
    root, path = house.server.root, f"/api/v1/connections/{house.connection}"
    root.delete(path)
    assert listed(root) == []
    assert all(row["deletedAt"] for row in listed(root, includeDeleted="true"))
    assert_error(root.patch(f"{MODELS}/{house.shared}", json={"name": "x"}), 404)
    root.post(f"{path}/restore", json={"passwordUnencrypted": "again"})
    assert {row["id"] for row in listed(root)} == {house.connection, house.shared}


def test_who_may_do_what(house: House) -> None:
    """Contract §2.4: viewers read, queriers branch, modelers edit and merge, admins create."""
    server, connection = house.server, house.connection
    server.root.patch(f"/api/v1/connections/{connection}", json={"baseRole": "NO_ACCESS"})
    roles = ("NO_ACCESS", "VIEWER", "QUERY_TOPICS", "QUERIER", "MODELER", "CONNECTION_ADMIN")
    clients = {role: server.member(f"{role}@example.com", **{connection: role}) for role in roles}

    def statuses(method: str, path: str, **options: Any) -> list[int]:
        return [c.request(method, path, **options).status_code for c in clients.values()]

    assert [len(listed(client)) for client in clients.values()] == [0, 2, 2, 2, 2, 2]
    read = f"{MODELS}/{house.shared}/versions"
    assert statuses("GET", read) == [404, 200, 200, 200, 200, 200]
    shared = {"connectionId": connection, "modelKind": "SHARED"}
    assert statuses("POST", MODELS, json=shared) == [404, 403, 403, 403, 403, 200]
    made = []
    for role, client in clients.items():
        sent = {**shared, "modelKind": "BRANCH", "modelName": role, "baseModelId": house.shared}
        made.append(client.post(MODELS, json=sent).status_code)
    assert made == [404, 403, 403, 200, 200, 200]
    house.branch("one")
    merge = f"{MODELS}/{house.shared}/branch/one/merge"
    assert statuses("POST", merge, json={}) == [404, 403, 403, 403, 200, 200]
    reset = f"{MODELS}/{house.shared}/cache_reset/p"
    assert statuses("POST", reset, json={}) == [404, 403, 403, 403, 200, 200]
    rename = {"name": "New"}
    assert statuses("PATCH", f"{MODELS}/{house.shared}", json=rename) == [404] + [403] * 4 + [200]
    one = f"{MODELS}/{house.shared}/branch/one"
    assert statuses("DELETE", one) == [404, 403, 403, 403, 200, 404]


def test_merge_over_http(house: House) -> None:
    root = house.server.root
    house.save({"orders.view": "label: A\n"})
    branch = house.branch("team/mine")
    path = f"{MODELS}/{house.shared}/branch/team%2Fmine"
    house.save({"orders.view": "label: B\n"}, branch)
    assert root.get(f"{path}/merge").json() == {
        "mergeable": True,
        "files": ["orders.view"],
        "conflicts": [],
    }
    house.save({"orders.view": "label: C\n"})
    told = root.get(f"{path}/merge").json()
    assert told["mergeable"] is False
    conflict = {
        "fileName": "orders.view",
        "path": ["label"],
        "base": "A",
        "shared": "C",
        "branch": "B",
    }
    assert told["conflicts"] == [conflict]
    refused = assert_error(root.post(f"{path}/merge", json={}), 400)
    assert refused["code"] == "merge_conflict"
    assert refused["conflicts"] == [conflict]
    assert_error(root.post(f"{path}/update", json={}), 400)
    assert root.post(f"{path}/update", json={"prefer": "branch"}).json()["version"] == 2
    done = root.post(f"{path}/merge", json={"delete_branch": True, "commit_message": "Both"})
    assert done.json() == {
        "success": True,
        "git_synced": False,
        "published_drafts_count": 0,
        "failed_drafts_count": 0,
        "version": 3,
        "files": ["orders.view"],
    }
    versions = root.get(f"{MODELS}/{house.shared}/versions").json()["versions"]
    assert versions[0]["message"] == "Both"
    gone = assert_error(root.post(f"{path}/merge"), 404)
    assert gone["message"] == "Shared model or branch model does not exist"
    assert_error(root.delete(path), 404)


def test_merge_without_a_body_says_so_itself(house: House) -> None:
    house.branch("mine")
    answer = house.server.root.post(f"{MODELS}/{house.shared}/branch/mine/merge")
    assert answer.status_code == 200
    branch = house.branch("other")
    house.save({"a.view": "label: A\n"}, branch)
    house.server.root.post(f"{MODELS}/{house.shared}/branch/other/merge")
    versions = house.server.root.get(f"{MODELS}/{house.shared}/versions").json()["versions"]
    assert versions[0]["message"] == "branch other merged via API"


def test_restore_over_http(house: House) -> None:
    root, path = house.server.root, f"{MODELS}/{house.shared}/versions"
    house.save({"a.view": "label: A\n"})
    house.save({"a.view": None})
    assert root.post(f"{path}/1/restore", json={}).json() == {"success": True, "version": 3}
    rows = root.get(path, params={"fileName": "a.view", "pageSize": 2}).json()["versions"]
    assert [row["files"] for row in rows] == [{"a.view": "written"}, {"a.view": "deleted"}]
    assert_error(root.post(f"{path}/9/restore", json={}), 404)
    assert_error(root.post(f"{path}/1/restore", json={"fileNames": ["b.view"]}), 404)
    house.save({"sub/b.view": "# Reference this view as sub__b\nlabel: B\n"})
    house.save({"sub/b.view": "# Reference this view as sub__b\nlabel: C\n"})
    rows = root.get(path, params={"fileName": "sub__b.view"}).json()["versions"]
    assert [row["version"] for row in rows] == [5, 4]
    restored = root.post(f"{path}/4/restore", json={"fileNames": ["sub__b.view"]})
    assert restored.json()["version"] == 6
    assert "label: B" in house.files()["sub/b.view"]
    assert_error(root.post(f"{path}/x/restore", json={}), 400)


def test_cache_resets(house: House) -> None:
    root, path = house.server.root, f"{MODELS}/{house.shared}/cache_reset/hourly%2Fone"
    first = root.post(path).json()["cache_reset"]
    assert (first["model_id"], first["policy_name"]) == (house.shared, "hourly/one")
    past = root.post(path, json={"resetAt": "2020-01-01T02:00:00+02:00"}).json()["cache_reset"]
    assert past["reset_at"] == "2020-01-01T00:00:00.000Z"
    assert past["created_at"] == first["created_at"]
    late = assert_error(root.post(path, json={"resetAt": "2999-01-01"}), 400)
    assert late["message"] == "Bad Request: resetAt cannot be future dated"
    assert_error(root.post(path, json={"resetAt": "soon"}), 400)


def test_a_hidden_model_is_not_there(server: Server) -> None:
    hidden = server.create(baseRole="NO_ACCESS")
    shared = make(server.root, hidden, "SHARED", "S")
    member = server.member("nobody@example.com")
    for method, path, sent in (
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("GET", "/versions", None),
        ("POST", "/versions/1/restore", {}),
        ("POST", "/cache_reset/p", {}),
        ("GET", "/branch/b/merge", None),
        ("POST", "/branch/b/merge", {}),
        ("DELETE", "/branch/b", None),
    ):
        texts = set()
        for model in (shared, str(uuid.uuid4())):
            answer = member.request(method, f"{MODELS}/{model}{path}", json=sent)
            texts.add(assert_error(answer, 404)["message"].replace(model, "X"))
        assert len(texts) == 1, path
