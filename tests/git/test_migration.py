"""A model's files at a ref of its repository, brought into another model."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from dragoman.models.service import Model
from tests.git.conftest import ORDERS, USERS, Kept, new_model
from tests.support.clients import assert_error


@pytest.fixture
def other(kept: Kept) -> Model:
    return new_model(kept.server, "Other")


def migrate(kept: Kept, target: Model, ref: str, **body: Any) -> httpx.Response:
    sent = {"targetModelId": target.id, "gitRef": ref, **body}
    return kept.client.post(f"/api/v1/models/{kept.model.id}/migrate", json=sent)


def test_branch_tag_and_commit(kept: Kept, other: Model) -> None:
    first = kept.push({"users.view.yaml": USERS, "notes.yaml": "none of ours"})
    kept.push({"orders.view.yaml": ORDERS})
    kept.bare.tag("v1", first)
    kept.configure()
    kept.save({"mine.view": ORDERS})  # what the source has now is not asked for
    assert migrate(kept, other, "main").status_code == 200
    assert kept.files(other) == {"users.view": USERS, "orders.view": ORDERS}
    for ref in ("v1", first, "refs/tags/v1"):
        kept.save({"orders.view": ORDERS}, other)
        answer = migrate(kept, other, ref)
        assert answer.json() == {"success": True}, answer.text
        assert kept.files(other) == {"users.view": USERS}


def test_what_is_not_there_or_cannot_be_read_changes_nothing(kept: Kept, other: Model) -> None:
    kept.push({"users.view.yaml": USERS})
    kept.push({"users.view.yaml": "dimensions: ["}, "broken")
    kept.configure()
    kept.save({"orders.view": ORDERS}, other)
    for ref, words in (("gone", "has no gone"), ("broken", "users.view.yaml:2:1")):
        assert words in assert_error(migrate(kept, other, ref), 400)["message"]
    assert kept.files(other) == {"orders.view": ORDERS}


def test_a_target_in_git_is_changed_on_a_branch(kept: Kept) -> None:
    kept.push({"users.view.yaml": USERS})
    kept.configure()
    refused = assert_error(migrate(kept, kept.model, "main"), 400)["message"]
    assert refused == "Bad Request: Target model has git enabled but branchName was not provided"
    assert migrate(kept, kept.model, "main", branchName="back").status_code == 200
    assert kept.files() == {}


def test_nobody_without_the_right_makes_the_server_dial(kept: Kept, other: Model) -> None:
    kept.configure()
    admin = kept.server.member("admin@example.com", admin=True)
    sent = {"targetModelId": other.id, "gitRef": "main"}
    refused = admin.post(f"/api/v1/models/{kept.model.id}/migrate", json=sent)
    assert_error(refused, 403)
    assert not kept.https.requests
