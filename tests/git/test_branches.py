"""A branch here and a branch there: commits, pull requests, webhooks."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import pytest

from dragoman.git import webhook
from dragoman.models.service import Model
from dragoman.secret import SecretStr
from tests.git.conftest import ORDERS, USERS, Kept
from tests.support.clients import assert_error


def start(kept: Kept, **changes: Any) -> Model:
    kept.save({"users.view": USERS, "orders.view": ORDERS})
    kept.configure(gitServiceProvider="github", webUrl="https://github.com/o/r", **changes)
    kept.sync()
    return kept.branch("ada/change")


def test_commit_makes_the_git_branch_and_then_adds_to_it(kept: Kept) -> None:
    branch = start(kept)
    head = kept.bare.head()
    kept.save({"users.view": "label: Changed\n", "orders.view": None}, branch)
    answer = kept.commit(branch, "First")
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert {name: done[name] for name in ("did_sync", "in_sync", "git_sha", "pr_url")} == {
        "did_sync": True, "in_sync": True, "git_sha": kept.bare.head("ada/change"),
        "pr_url": "https://github.com/o/r/compare/main...ada/change?expand=1",
    }  # fmt: skip
    assert kept.in_git("ada/change") == {"users.view.yaml": "label: Changed\n"}
    assert kept.bare.head() == head
    assert [c.id.decode() for c in kept.bare.log("ada/change")][1] == head
    kept.save({"orders.view": ORDERS}, branch)
    kept.save({"more.view": ORDERS}, branch)
    assert kept.commit(branch, "Second").json()["in_sync"] is True
    assert len(kept.bare.log("ada/change")) == 3
    assert set(kept.in_git("ada/change")) == {
        "users.view.yaml",
        "orders.view.yaml",
        "more.view.yaml",
    }
    again = kept.commit(branch, "Third").json()
    assert (again["did_sync"], again["in_sync"]) == (False, True)
    assert kept.files() == {"users.view": USERS, "orders.view": ORDERS}


def test_a_branch_without_changes_is_made_too(kept: Kept) -> None:
    branch = start(kept)
    done = kept.commit(branch).json()
    assert done["git_sha"] == kept.bare.head("ada/change") == kept.bare.head()


def test_changes_made_in_git_come_to_the_branch(kept: Kept) -> None:
    branch = start(kept)
    kept.save({"users.view": "label: Changed\n"}, branch)
    kept.commit(branch)
    kept.push({"orders.view.yaml": "label: Reviewed\n"}, "ada/change")
    done = kept.commit(branch).json()
    assert (done["did_sync"], done["in_sync"]) == (True, True)
    assert kept.files(branch)["orders.view"] == "label: Reviewed\n"
    assert kept.files()["orders.view"] == ORDERS


def test_a_collision_on_a_branch(kept: Kept) -> None:
    branch = start(kept)
    kept.save({"orders.view": "label: A\n"}, branch)
    kept.commit(branch)
    kept.save({"orders.view": "label: B\n"}, branch)
    kept.push({"orders.view.yaml": "label: C\n"}, "ada/change")
    done = kept.commit(branch).json()
    assert (done["did_sync"], done["in_sync"]) == (False, False)
    assert done["conflicts"]
    assert kept.in_git("ada/change")["orders.view.yaml"] == "label: C\n"
    assert kept.files(branch)["orders.view"] == "label: B\n"


def test_merged_in_git_it_comes_back_to_the_model(kept: Kept) -> None:
    branch = start(kept)
    kept.client.patch(kept.path, json={"requirePullRequest": "always"})
    kept.save({"orders.view": "label: A\n"}, branch)
    kept.commit(branch)
    kept.bare.branch("main", "ada/change")
    assert kept.sync()["inSync"] is True
    assert kept.files()["orders.view"] == "label: A\n"


def test_what_must_or_must_not_exist(kept: Kept) -> None:
    branch = start(kept)
    body = assert_error(kept.commit(branch, require_branch_exists=True), 400)
    assert "does not exist" in body["message"]
    both = kept.commit(branch, require_branch_exists=True, allow_branch_exists=False)
    assert_error(both, 400)
    assert kept.commit(branch, allow_branch_exists=False).status_code == 200
    assert "exists already" in assert_error(
        kept.commit(branch, allow_branch_exists=False), 400
    )["message"]  # fmt: skip
    assert kept.commit(branch, require_branch_exists=True).status_code == 200
    assert_error(kept.commit(branch, message=""), 400)
    assert_error(kept.commit(kept.model), 404)


def test_a_branch_called_like_the_base_branch(kept: Kept) -> None:
    start(kept)
    assert_error(kept.commit(kept.branch("main")), 400)


def test_a_git_branch_that_began_before_the_model_changed(kept: Kept) -> None:
    """What that branch did not touch stays as the model has it now."""
    start(kept)
    kept.bare.branch("elsewhere")
    kept.push({"users.view.yaml": "label: On the branch\n"}, "elsewhere")
    kept.save({"orders.view": "label: Newer\n"})
    kept.sync()
    branch = kept.branch("elsewhere")
    assert kept.commit(branch).json()["in_sync"] is True
    assert kept.files(branch) == {
        "users.view": "label: On the branch\n", "orders.view": "label: Newer\n"
    }  # fmt: skip


# Webhooks


def secret_of(kept: Kept) -> str:
    return kept.client.get(f"{kept.path}?include=webhookSecret").json()["webhookSecret"]


def deliver(kept: Kept, body: Any, **headers: str) -> Any:
    address = kept.client.get(kept.path).json()["webhookUrl"]
    path = address.removeprefix("http://127.0.0.1:8000")
    content = json.dumps(body).encode()
    return kept.server.anonymous.post(path, content=content, headers=headers), content


def signed(secret: str, body: Any) -> dict[str, str]:
    digest = hmac.digest(secret.encode(), json.dumps(body).encode(), "sha256").hex()
    return {"X-Hub-Signature-256": f"sha256={digest}"}


def ended(kept: Kept, job_id: str) -> Any:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        [(state, result, error)] = kept.server.sql(
            "SELECT state, result, error FROM jobs WHERE id = :id", id=job_id
        )
        if state in ("completed", "failed"):
            assert error is None
            return json.loads(result)
        time.sleep(0.1)
    raise AssertionError("the job does not end")


def test_a_push_is_synced_by_a_job(kept: Kept) -> None:
    branch = start(kept)
    kept.commit(branch)
    kept.push({"orders.view.yaml": "label: Pushed\n"})
    kept.push({"users.view.yaml": "label: Pushed too\n"}, "ada/change")
    body = {"ref": "refs/heads/main"}
    answer, _ = deliver(kept, body, **signed(secret_of(kept), body))
    assert answer.status_code == 202, answer.text
    result = ended(kept, answer.json()["jobId"])
    assert {name: each["inSync"] for name, each in result.items()} == {
        "main": True, "ada/change": True
    }  # fmt: skip
    assert kept.files()["orders.view"] == "label: Pushed\n"
    assert kept.files(branch)["users.view"] == "label: Pushed too\n"
    [(actor,)] = kept.server.sql(
        "SELECT DISTINCT actor_name FROM audit_log WHERE action = 'git.sync' "
        "AND resource_id = :id", id=branch.id
    ) or [("",)]  # fmt: skip
    assert actor


def test_a_pull_request_makes_a_branch(kept: Kept) -> None:
    start(kept, branchPerPullRequest=True)
    kept.bare.branch("from/outside")
    kept.push({"users.view.yaml": "label: Outside\n"}, "from/outside")
    body = {"action": "opened", "pull_request": {"head": {"ref": "from/outside"}}}
    secret = secret_of(kept)
    answer, _ = deliver(kept, body, **signed(secret, body))
    ended(kept, answer.json()["jobId"])
    [(branch_id,)] = kept.server.sql("SELECT id FROM models WHERE name = 'from/outside'")
    with kept.server.unit() as unit:
        from dragoman.models import service as models

        assert models.files(unit, branch_id)["users.view"] == "label: Outside\n"
    # a name that no branch can have is no reason to fail
    body = {"action": "opened", "pull_request": {"head": {"ref": "a b*"}}}
    assert deliver(kept, body, **signed(secret, body))[0].status_code == 202


def test_calls_that_are_not_signed(kept: Kept) -> None:
    start(kept)
    body = {"ref": "refs/heads/main"}
    wrong: list[dict[str, str]] = [
        {}, signed("other", body), {"X-Gitlab-Token": "x"}, {"X-Hub-Signature-256": "sha256="},
        {"Authorization": "Basic !!"}, {"X-Hub-Signature": secret_of(kept)},
    ]  # fmt: skip
    for headers in wrong:
        assert_error(deliver(kept, body, **headers)[0], 401)
    unknown = kept.server.anonymous.post(f"/api/webhooks/model/{kept.model.connection_id}")
    assert_error(unknown, 401)
    assert_error(kept.server.anonymous.post("/api/webhooks/model/x"), 401)
    assert kept.server.sql("SELECT * FROM jobs WHERE kind = 'GIT_SYNC'") == []


SECRET = SecretStr("s3cret")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-hub-signature-256": "sha256=" + hmac.digest(b"s3cret", b"body", "sha256").hex()},
        {"x-hub-signature": "sha256=" + hmac.digest(b"s3cret", b"body", "sha256").hex()},
        {"x-gitlab-token": "s3cret"},
        {"authorization": "Basic " + base64.b64encode(b"any:s3cret").decode()},
    ],
)
def test_each_host_signs_its_own_way(headers: dict[str, str]) -> None:
    assert webhook.is_signed(headers, b"body", SECRET)
    assert not webhook.is_signed(headers, b"body", SecretStr("other"))
    if "hub" in next(iter(headers)):
        assert not webhook.is_signed(headers, b"another", SECRET)


@pytest.mark.parametrize(
    ("body", "branch"),
    [
        ({"pull_request": {"head": {"ref": "a/b"}}}, "a/b"),
        ({"object_attributes": {"source_branch": "a"}}, "a"),
        ({"pullrequest": {"source": {"branch": {"name": "a"}}}}, "a"),
        ({"pullRequest": {"fromRef": {"displayId": "a"}}}, "a"),
        ({"resource": {"sourceRefName": "refs/heads/a"}}, "a"),
        ({"ref": "refs/heads/main"}, None),
        ({"pull_request": {"head": {"ref": 1}}}, None),
        ([], None),
        ("x", None),
    ],
)
def test_the_branch_of_a_pull_request(body: Any, branch: str | None) -> None:
    assert webhook.pull_request_branch(json.dumps(body).encode()) == branch
    assert webhook.pull_request_branch(b"\xff{") is None
