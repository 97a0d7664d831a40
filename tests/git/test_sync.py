"""Model and repository, brought together: nothing is lost, collisions are told."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from dulwich.refs import Ref

from dragoman.git import syncing
from dragoman.gitremote import Remote
from dragoman.semantics.files import parse_path
from dragoman.semantics.files.folders import for_folder
from tests.git.conftest import ORDERS, USERS, Kept
from tests.models import schema
from tests.support.clients import assert_error, at_once


def test_first_sync_writes_an_empty_repository(kept: Kept) -> None:
    kept.configure()
    kept.save({"users.view": USERS, "sub/orders.view": ORDERS})
    done = kept.sync(commitMessage="The first one")
    assert done["didSync"] is True
    assert done["inSync"] is True
    assert done["gitSha"] == kept.bare.head()
    assert kept.in_git() == {"users.view.yaml": USERS, "sub/orders.view.yaml": ORDERS}
    assert kept.bare.log()[0].message == b"The first one\n"
    again = kept.sync()
    assert (again["didSync"], again["inSync"]) == (False, True)
    assert len(kept.bare.log()) == 1


def test_first_sync_reads_a_repository_that_has_files(kept: Kept) -> None:
    kept.push({"users.view.yaml": USERS, "notes.yaml": "none of ours", "README.md": "x"})
    kept.configure()
    done = kept.sync()
    assert (done["didSync"], done["inSync"], done["gitSha"]) == (True, True, kept.bare.head())
    assert kept.files() == {"users.view": USERS}
    assert len(kept.bare.log()) == 1


def test_nothing_on_either_side(kept: Kept) -> None:
    kept.configure()
    done = kept.sync()
    assert (done["didSync"], done["inSync"], done["gitSha"]) == (False, True, None)


def test_changes_of_both_sides_meet(kept: Kept) -> None:
    kept.save({"users.view": USERS, "orders.view": ORDERS})
    kept.configure()
    kept.sync()
    kept.save({"orders.view": "label: Ours\n", "mine.view": ORDERS})
    kept.push({"users.view.yaml": "label: Theirs\n", "yours.view.yaml": ORDERS})
    done = kept.sync()
    assert (done["didSync"], done["inSync"]) == (True, True)
    everything = {
        "users.view": "label: Theirs\n", "orders.view": "label: Ours\n",
        "mine.view": ORDERS, "yours.view": ORDERS,
    }  # fmt: skip
    assert kept.files() == everything
    assert kept.in_git() == {f"{name}.yaml": text for name, text in everything.items()}


def test_one_file_changed_in_two_places(kept: Kept) -> None:
    kept.save({"users.view": USERS})
    kept.configure()
    kept.sync()
    kept.save({"users.view": USERS.replace("label: Name", "label: Ours")})
    kept.push({"users.view.yaml": "description: Theirs\n" + USERS})
    assert kept.sync()["inSync"] is True
    both = "description: Theirs\n" + USERS.replace("label: Name", "label: Ours")
    assert kept.files() == {"users.view": both}
    assert kept.in_git() == {"users.view.yaml": both}


def test_one_property_changed_on_both_sides_is_told_and_nothing_moves(kept: Kept) -> None:
    kept.save({"users.view": USERS, "orders.view": ORDERS})
    kept.configure()
    kept.sync()
    ours = USERS.replace("label: Name", "label: Ours")
    theirs = USERS.replace("label: Name", "label: Theirs")
    kept.save({"users.view": ours, "orders.view": "label: Also ours\n"})
    head = kept.push({"users.view.yaml": theirs})
    done = kept.sync()
    assert (done["didSync"], done["inSync"], done["gitSha"]) == (False, False, head)
    assert done["conflicts"] == ["users.view: dimensions.name.label was changed on both sides"]
    assert "users.view" in done["message"]
    assert kept.files() == {"users.view": ours, "orders.view": "label: Also ours\n"}
    assert kept.in_git() == {"users.view.yaml": theirs, "orders.view.yaml": ORDERS}
    # settled by hand, the rest goes through
    kept.save({"users.view": theirs})
    assert kept.sync()["inSync"] is True
    assert kept.in_git()["orders.view.yaml"] == "label: Also ours\n"


def test_deleting(kept: Kept) -> None:
    kept.save({"a.view": ORDERS, "b.view": ORDERS, "c.view": ORDERS})
    kept.configure()
    kept.sync()
    kept.save({"a.view": None})
    kept.push({"b.view.yaml": None})
    assert kept.sync()["inSync"] is True
    assert kept.files() == {"c.view": ORDERS}
    assert kept.in_git() == {"c.view.yaml": ORDERS}


def test_deleted_here_and_changed_there_is_a_conflict(kept: Kept) -> None:
    kept.save({"a.view": ORDERS})
    kept.configure()
    kept.sync()
    kept.save({"a.view": None})
    kept.push({"a.view.yaml": "label: Other\n"})
    done = kept.sync()
    assert done["conflicts"] == ["a.view: deleted on one side, changed on the other"]
    assert (kept.files(), kept.in_git()) == ({}, {"a.view.yaml": "label: Other\n"})


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"users.view.yaml": "dimensions: [\n"}, "users.view.yaml:"),
        ({"users.view.yaml": "a: 1\na: 2\n"}, "users.view.yaml:2:1"),
        ({"users.view.yaml": ORDERS, "users.view.yml": ORDERS}, "another file of that name"),
    ],
)
def test_files_that_cannot_be_read_stay_where_they_are(
    kept: Kept, files: dict[str, str | None], told: str
) -> None:
    kept.configure()
    kept.push(files)
    done = kept.sync()
    assert (done["didSync"], done["inSync"]) == (False, False)
    assert told in done["message"]
    assert kept.files() == {}


@pytest.mark.parametrize("broken", ["dimensions: [\n", "a: 1\na: 2\n"])
def test_a_file_that_broke_there_takes_nothing_from_one_that_changed_here(
    kept: Kept, broken: str
) -> None:
    kept.save({"users.view": USERS})
    kept.configure()
    kept.sync()
    ours = USERS + "measures:\n  revenue: {}\n"
    kept.save({"users.view": ours})
    kept.push({"users.view.yaml": broken})
    done = kept.sync()
    assert (done["didSync"], done["inSync"]) == (False, False)
    assert "users.view" in done["message"]
    assert (kept.files(), kept.in_git()) == ({"users.view": ours}, {"users.view.yaml": broken})


def test_a_file_keeps_its_name_in_git(kept: Kept) -> None:
    kept.push({"sub/users.view.yml": USERS, "gone.view.yml": ORDERS})
    kept.configure()
    kept.sync()
    kept.save({"sub/users.view": ORDERS, "gone.view": None})
    assert kept.sync()["inSync"] is True
    assert kept.in_git() == {"sub/users.view.yml": ORDERS}
    assert kept.sync()["didSync"] is False


def test_what_belongs_to_a_folder_stays_out_of_the_model(kept: Kept) -> None:
    key, text = for_folder(parse_path("users.view"), USERS)
    kept.push({key: f"\ufeff{text}", ".github/ci.view.yaml": "on: push\n"})
    kept.configure()
    assert kept.sync()["inSync"] is True
    assert kept.files() == {"users.view": USERS}
    assert kept.sync()["didSync"] is False


def test_a_repository_that_repeats_the_schema_brings_only_what_it_adds(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema.generate(monkeypatch)
    head = "# Reference this view as orders\n"
    added = "  amount:\n    label: Paid # by whom?\n"
    combined = head + schema.ORDERS.replace("  amount:\n", added)
    kept.push(
        {
            "public/orders.view.yaml": combined,
            "public/users.view.yaml": schema.USERS,
            "relationships.yaml": schema.JOIN,
        }
    )
    kept.configure()
    kept.sync()
    assert kept.files() == {"public/orders.view": f"{head}dimensions:\n{added}"}
    before = kept.in_git()
    assert kept.sync()["didSync"] is False
    # a change there, then one here: git has the model's own text of that file from then on
    kept.push({"public/orders.view.yaml": combined.replace("Paid", "Due")})
    assert kept.sync()["inSync"] is True
    due = f"{head}dimensions:\n{added}".replace("Paid", "Due")
    assert kept.files() == {"public/orders.view": due}
    kept.save({"public/orders.view": f"label: Orders\n{due}"})
    kept.push({"public/orders.view.yaml": combined.replace("Paid", "Due") + "hidden: true\n"})
    assert kept.sync()["inSync"] is True
    assert kept.files() == {"public/orders.view": f"label: Orders\n{due}hidden: true\n"}
    after = {"public/orders.view.yaml": kept.files()["public/orders.view"]}
    assert kept.in_git() == before | after
    kept.push({"public/users.view.yaml": None})
    assert kept.sync()["inSync"] is True
    assert kept.files() == {"public/orders.view": f"label: Orders\n{due}hidden: true\n"}


def test_a_file_that_is_no_text(kept: Kept) -> None:
    kept.configure()
    kept.bare.commit({"omni/m/x.view.yaml": b"\xff\xfe"})
    assert "not UTF-8" in kept.sync()["message"]


def test_two_files_for_one_view(kept: Kept) -> None:
    kept.configure()
    kept.push({"users.view.yaml": ORDERS, "users.query.view.yaml": "sql: select 1\n"})
    answer = kept.client.post(f"{kept.path}/sync", json={})
    assert "Duplicate" in assert_error(answer, 400)["message"]
    assert kept.files() == {}


def test_somebody_pushes_in_the_middle(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.save({"a.view": ORDERS})
    kept.configure()
    real, raced = Remote.push, threading.Event()

    def push(self: Remote, *arguments: Any) -> str:
        if not raced.is_set():
            raced.set()
            kept.push({"b.view.yaml": ORDERS})
        return real(self, *arguments)

    monkeypatch.setattr(Remote, "push", push)
    assert kept.sync()["inSync"] is True
    assert kept.files() == {"a.view": ORDERS, "b.view": ORDERS}
    assert kept.in_git() == {"a.view.yaml": ORDERS, "b.view.yaml": ORDERS}


def test_somebody_saves_in_the_middle(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.push({"a.view.yaml": ORDERS})
    kept.configure()
    real, raced = syncing.Syncing._save, threading.Event()

    def save(self: Any, unit: Any, *arguments: Any) -> None:
        if not raced.is_set():
            raced.set()
            from dragoman.access.principal import OPERATOR
            from dragoman.models import service as models

            models.save_files(unit, OPERATOR, kept.model.id, {"a.view": "hidden: true\n"})
        real(self, unit, *arguments)

    monkeypatch.setattr(syncing.Syncing, "_save", save)
    assert kept.sync()["inSync"] is True
    # the save in the middle was undone with the unit that noticed it, and the sync went through
    assert kept.files() == {"a.view": ORDERS}


def test_a_push_that_was_not_noted_is_no_change(
    kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends between the push and the note of it."""
    kept.save({"a.view": ORDERS})
    kept.configure()

    class Killed(Exception):
        pass

    def save(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(syncing.Syncing, "_save", save)
        assert kept.client.post(f"{kept.path}/sync", json={}).status_code == 500
    assert kept.in_git() == {"a.view.yaml": ORDERS}
    done = kept.sync()
    assert (done["didSync"], done["inSync"]) == (False, True)
    assert len(kept.bare.log()) == 1


def test_syncs_at_once_agree(kept: Kept) -> None:
    kept.save({f"v{n}.view": ORDERS for n in range(5)})
    kept.configure()
    answers = at_once(4, lambda _: kept.client.post(f"{kept.path}/sync", json={}))
    assert {answer.status_code for answer in answers} == {200}
    assert kept.sync()["inSync"] is True
    assert len(kept.in_git()) == 5
    assert len(kept.bare.log()) == 1


def test_a_history_that_was_rewritten_is_one_side_among_two(kept: Kept) -> None:
    kept.save({"users.view": USERS, "orders.view": ORDERS})
    kept.configure()
    kept.sync()
    # a forced push: another beginning, one file otherwise, one as it was
    del kept.bare.repo.refs[Ref(b"refs/heads/main")]
    kept.push({"users.view.yaml": "label: Rewritten\n", "orders.view.yaml": ORDERS})
    kept.save({"orders.view": "label: Ours\n"})
    assert kept.sync()["inSync"] is True
    assert kept.files() == {"users.view": "label: Rewritten\n", "orders.view": "label: Ours\n"}
    assert len(kept.bare.log()) == 2
    assert kept.in_git()["orders.view.yaml"] == "label: Ours\n"


def test_names_of_files_in_other_letters(kept: Kept) -> None:
    kept.push({"größe/naïve 日本.topic.yaml": "base_view: users\n"})
    kept.save({"größe/señal.topic": "base_view: users\n"})
    kept.configure()
    assert kept.sync()["inSync"] is True
    assert set(kept.files()) == {"größe/naïve 日本.topic", "größe/señal.topic"}
    assert set(kept.in_git()) == {f"{key}.yaml" for key in kept.files()}


def test_another_path_starts_anew(kept: Kept) -> None:
    kept.save({"a.view": ORDERS})
    kept.configure()
    kept.sync()
    assert kept.client.patch(kept.path, json={"modelPath": "/bi/n"}).status_code == 200
    assert kept.sync()["inSync"] is True
    assert set(kept.bare.files()) == {"omni/m/a.view.yaml", "bi/n/a.view.yaml"}
    assert kept.files() == {"a.view": ORDERS}


def test_the_author_is_who_asked(kept: Kept) -> None:
    ada = kept.server.user("ada@example.com", admin=True)
    assert ada
    kept.save({"a.view": ORDERS})
    kept.configure()
    kept.client = kept.server.client(kept.server.personal("ada@example.com"))
    kept.sync()
    assert kept.bare.log()[0].author == b"ada@example.com <ada@example.com>"
    assert kept.bare.log()[0].committer.startswith(b"Dragoman ")


def test_a_base_branch_that_is_not_there(kept: Kept) -> None:
    kept.push({"a.view.yaml": ORDERS}, branch="trunk")
    kept.configure()
    answer = kept.client.post(f"{kept.path}/sync", json={})
    assert "no branch main" in assert_error(answer, 502)["message"]
    assert kept.client.patch(kept.path, json={"baseBranch": "trunk"}).status_code == 200
    assert kept.sync()["inSync"] is True


def test_unreachable_and_refused_remotes(kept: Kept) -> None:
    kept.configure(token="wrong-token")
    body = assert_error(kept.client.post(f"{kept.path}/sync", json={}), 502)
    assert body["stage"] == "authentication"
    assert "wrong-token" not in str(body)
    moved = {"cloneUrl": "https://localhost:1/repo.git", "token": "x"}
    assert kept.client.patch(kept.path, json=moved).status_code == 200
    assert assert_error(kept.client.post(f"{kept.path}/sync", json={}), 502)["stage"] == "tcp"


# Followers, and models that are changed by pull request


def test_a_follower_takes_what_git_has(kept: Kept) -> None:
    kept.save({"a.view": ORDERS, "mine.view": ORDERS})
    kept.push({"a.view.yaml": "label: Git's\n", "b.view.yaml": ORDERS})
    kept.configure(gitFollower=True)
    assert kept.sync()["inSync"] is True
    assert kept.files() == {"a.view": "label: Git's\n", "b.view": ORDERS}
    assert set(kept.in_git()) == {"a.view.yaml", "b.view.yaml"}
    kept.push({"b.view.yaml": None})
    kept.sync()
    assert kept.files() == {"a.view": "label: Git's\n"}


def test_with_pull_requests_the_base_branch_is_left_alone(kept: Kept) -> None:
    kept.push({"a.view.yaml": ORDERS})
    kept.configure(requirePullRequest="always")
    kept.sync()
    kept.save({"mine.view": ORDERS})
    head = kept.push({"b.view.yaml": ORDERS})
    done = kept.sync()
    assert (done["didSync"], done["inSync"], done["gitSha"]) == (True, False, head)
    assert "mine.view" in done["message"]
    assert kept.bare.head() == head
    assert set(kept.files()) == {"a.view", "b.view", "mine.view"}
    # what was held back is still known as ours
    kept.client.patch(kept.path, json={"requirePullRequest": "never"})
    assert kept.sync()["inSync"] is True
    assert "mine.view.yaml" in kept.in_git()


def test_users_only_asks_it_of_people(kept: Kept) -> None:
    kept.configure(requirePullRequest="users-only")
    kept.save({"a.view": ORDERS})
    kept.server.user("ada@example.com", admin=True)
    key, kept.client = kept.client, kept.server.client(kept.server.personal("ada@example.com"))
    assert kept.sync()["inSync"] is False
    kept.client = key
    assert kept.sync()["inSync"] is True
