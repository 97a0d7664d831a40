"""Work on a whole model over HTTP: check, find and replace names, migrate."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.models.conftest import House
from tests.models.schema import generate
from tests.support.clients import assert_error
from tests.support.server import MODELS

ORDERS = "measures:\n  total:\n    sql: ${amount}  # net\n    aggregate_type: sum\n"
SHOP = "base_view: orders\ndefault_filters:\n  orders.total:\n    greater_than: 1\n"


@pytest.fixture
def shop(house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    generate(monkeypatch)
    house.save({"public/orders.view": ORDERS, "shop.topic": SHOP})
    return house


def at(house: House, path: str) -> str:
    return f"{MODELS}/{house.shared}/{path}"


def test_a_model_that_is_right(shop: House) -> None:
    assert shop.server.root.get(at(shop, "validate")).json() == []
    found = shop.server.root.get(at(shop, "validate"), params={"format": "object"}).json()
    assert found == {"valid": True, "issues": []}


def test_issues_have_all_keys_that_clients_read(shop: House) -> None:
    shop.save({"shop.topic": f"{SHOP}joins:\n  nobody: {{}}\n", "public/users.view": "labell: x\n"})
    issues = shop.server.root.get(at(shop, "validate")).json()
    by_file = {issue["file"]: issue for issue in issues}
    topic, view = by_file["shop.topic"], by_file["public/users.view"]
    assert "nobody" in topic["message"]
    assert (topic["is_warning"], topic["severity"]) == (False, "error")
    assert topic["yaml_path"].startswith("shop.topic,joins")
    assert topic["line"] == 6
    assert view["yaml_path"] == "public/users.view,labell"
    assert set(view["auto_fix"]) == {"description_short", "description_unique"}
    one = shop.server.root.get(at(shop, "validate"), params={"limit": 1}).json()
    assert len(one) == 1
    verdict = shop.server.root.get(at(shop, "validate"), params={"format": "object"}).json()
    assert verdict["valid"] is False
    for query in ({"limit": "0"}, {"limit": "x"}, {"format": "xml"}):
        assert_error(shop.server.root.get(at(shop, "validate"), params=query), 400)


def test_a_branch_is_checked_as_it_is(shop: House) -> None:
    branch = shop.branch("mine")
    shop.save({"shop.topic": "base_view: nobody\n"}, branch)
    assert shop.server.root.get(at(shop, "validate")).json() == []
    assert shop.server.root.get(at(shop, "validate"), params={"branchId": branch}).json()


def test_names_are_found_and_replaced(shop: House) -> None:
    root, path = shop.server.root, at(shop, "content-validator")
    found = root.get(path, params={"find": "orders.total", "find_type": "FIELD"}).json()
    assert found == {
        "model_id": shop.shared,
        "branch": None,
        "content": [],
        "model_files": {"shop.topic": ["default_filters,orders.total"]},
    }
    branch = shop.branch("mine")
    sent = {
        "find": "orders.total",
        "replacement": "orders.revenue",
        "find_or_replace_type": "FIELD",
    }
    done = root.post(path, json={**sent, "branch_id": branch}).json()
    assert done["replaced_model_files_count"] == 1
    assert done["replaced_queries_count"] == done["replaced_documents_count"] == 0
    assert "orders.revenue:" in shop.files(branch)["shop.topic"]
    assert shop.files()["shop.topic"] == SHOP
    view = {"find": "orders", "replacement": "sales", "find_or_replace_type": "VIEW"}
    assert root.post(path, json=view).json()["replaced_model_files_count"] == 1
    assert shop.files()["shop.topic"] == SHOP.replace("orders", "sales")
    named = root.get(path, params={"branch_id": branch}).json()["branch"]
    assert named == {"id": branch, "name": "mine"}


@pytest.mark.parametrize(
    "sent",
    [
        {"find": "total", "replacement": "a.b", "find_or_replace_type": "FIELD"},
        {"find": "a.b", "replacement": "a.b[month]", "find_or_replace_type": "FIELD"},
        {"find": "a.b", "replacement": "c", "find_or_replace_type": "VIEW"},
        {"find": "a", "replacement": "", "find_or_replace_type": "VIEW"},
        {"find": "a", "replacement": "b", "find_or_replace_type": "view"},
        {"find": "a", "replacement": "b", "find_or_replace_type": "VIEW", "labels": "none"},
    ],
)
def test_refusals_of_replacements(shop: House, sent: dict[str, Any]) -> None:
    assert_error(shop.server.root.post(at(shop, "content-validator"), json=sent), 400)


def test_refusals_of_finding(shop: House) -> None:
    root, path = shop.server.root, at(shop, "content-validator")
    for query in (
        {"find": "orders"},
        {"find_type": "VIEW"},
        {"find": "total", "find_type": "FIELD"},
        {"labels": "gone"},
        {"content_filter_mode": "SOME"},
    ):
        assert_error(root.get(path, params=query), 400)


def test_migrate(shop: House) -> None:
    root, server = shop.server.root, shop.server
    other = server.create(name="Other")
    sent = {"connectionId": other, "modelKind": "SHARED", "modelName": "Target"}
    target = root.post(MODELS, json=sent).json()["model"]["id"]
    shop.save({"old.view": "label: Old\n", "model": "week_start_day: Sunday\n"}, target)
    body = {"targetModelId": target, "commitMessage": "Moved"}
    kept = {**body, "deleteViewsAndTopicsMissingFromSource": False}
    assert root.post(at(shop, "migrate"), json=kept).json() == {"success": True}
    assert set(shop.files(target)) == {"model", "old.view", "public/orders.view", "shop.topic"}
    assert root.post(at(shop, "migrate"), json=body).status_code == 200
    assert set(shop.files(target)) == {"model", "public/orders.view", "shop.topic"}
    branch = {**body, "branchName": "from/source"}
    assert root.post(at(shop, "migrate"), json=branch).status_code == 200
    branches = root.get(MODELS, params={"modelId": target, "include": "activeBranches"}).json()
    assert [b["name"] for b in branches["records"][0]["branches"]] == ["from/source"]


def test_refusals_of_migrate(shop: House) -> None:
    server = shop.server
    body = {"targetModelId": shop.shared}
    for sent, words in (
        ({**body, "gitRef": " "}, "Bad Request: gitRef is empty"),
        ({**body, "gitRef": "main"}, "no git configuration"),
        ({"targetModelId": "x"}, "Bad Request: targetModelId is not a valid UUID"),
        ({"targetModelId": shop.connection}, "must be a shared model"),
    ):
        assert (
            words in assert_error(server.root.post(at(shop, "migrate"), json=sent), 400)["message"]
        )
    gone = server.root.post(f"{MODELS}/{uuid.uuid4()}/migrate", json=body)
    assert assert_error(gone, 404)["message"] == "Not Found: Source model not found"
    admin = server.member("admin@example.com", admin=True)
    assert_error(admin.post(at(shop, "migrate"), json=body), 403)
