"""Merging and saving where a repository has a say."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from dragoman.access.principal import OPERATOR
from dragoman.api.errors import Forbidden
from dragoman.models.access import editable
from tests.git.conftest import ORDERS, USERS, Kept
from tests.support.clients import Client, assert_error


def merge(kept: Kept, client: Client | None = None, **body: Any) -> httpx.Response:
    path = f"/api/v1/models/{kept.model.id}/branch/change/merge"
    return (client or kept.client).post(path, json=body)


def start(kept: Kept, **changes: Any) -> None:
    kept.save({"users.view": USERS, "orders.view": ORDERS})
    kept.configure()
    kept.sync()
    if changes:
        assert kept.client.patch(kept.path, json=changes).status_code == 200
    kept.save({"orders.view": "label: Merged\n"}, kept.branch("change"))


def test_a_merge_is_pushed(kept: Kept) -> None:
    start(kept)
    done = merge(kept, commit_message="Orders are called otherwise").json()
    assert (done["success"], done["git_synced"]) == (True, True)
    assert kept.in_git()["orders.view.yaml"] == "label: Merged\n"
    assert kept.bare.log()[0].message == b"Orders are called otherwise\n"
    assert kept.sync()["didSync"] is False


def test_the_default_message(kept: Kept) -> None:
    start(kept)
    merge(kept)
    assert kept.bare.log()[0].message == b"branch change merged via API\n"


def test_a_merge_stands_when_git_is_away(kept: Kept) -> None:
    start(kept)
    kept.client.patch(kept.path, json={"cloneUrl": "https://localhost:1/r.git", "token": "x"})
    done = merge(kept).json()
    assert (done["success"], done["git_synced"]) == (True, False)
    assert kept.files()["orders.view"] == "label: Merged\n"


@pytest.mark.parametrize(
    "rule", [{"requirePullRequest": "always"}, {"gitFollower": True}], ids=["pr", "follower"]
)
def test_pull_requests_are_asked_for(kept: Kept, rule: dict[str, Any]) -> None:
    start(kept, **rule)
    head = kept.bare.head()
    assert "merge the pull request" in assert_error(merge(kept), 400)["message"]
    modeler = kept.server.member("mo@example.com", **{kept.model.connection_id: "MODELER"})
    forced = merge(kept, modeler, force_override_git_settings=True)
    assert "admin of the connection" in assert_error(forced, 403)["message"]
    assert kept.files()["orders.view"] == ORDERS
    done = merge(kept, force_override_git_settings=True).json()
    assert (done["success"], done["git_synced"]) == (True, False)
    assert kept.files()["orders.view"] == "label: Merged\n"
    assert kept.bare.head() == head


def test_the_shared_model_is_not_written_by_hand(kept: Kept) -> None:
    start(kept, requirePullRequest="always")
    branch = kept.branch("other")
    with kept.server.unit() as unit:
        with pytest.raises(Forbidden, match="write to a branch"):
            editable(unit, OPERATOR, kept.model.id, None)
        assert editable(unit, OPERATOR, kept.model.id, branch.id).id == branch.id
