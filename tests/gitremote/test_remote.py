"""Fetching and pushing, over SSH and HTTPS, against real bare repositories."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dragoman.gitremote import Moved, Remote
from tests.gitremote.conftest import ME
from tests.support.gitserver import Bare

YAML = (".yaml",)
FIRST = {"README.md": b"hello", "omni/m/users.view.yaml": b"a: 1\n", "omni/m/notes.txt": b"x"}


def test_reads_the_files_of_one_folder(bare: Bare, remote: Remote) -> None:
    head = bare.commit(FIRST)
    found = remote.snapshot("main", "omni/m", YAML)
    assert found.commit == head
    assert found.files == {"users.view.yaml": b"a: 1\n"}
    assert remote.references() == {"refs/heads/main": head}


def test_reads_what_changed_since(bare: Bare, remote: Remote) -> None:
    bare.commit(FIRST)
    remote.snapshot("main", "omni/m", YAML)
    head = bare.commit({"omni/m/deep/er/x.view.yaml": b"b", "omni/m/users.view.yaml": None})
    found = remote.snapshot("main", "omni/m", YAML)
    assert (found.commit, found.files) == (head, {"deep/er/x.view.yaml": b"b"})
    # and an older commit still, by its id
    assert remote.snapshot("main", "nowhere", YAML).files == {}


def test_a_lost_cache_is_fetched_again(bare: Bare, remote: Remote, tmp_path: Path) -> None:
    bare.commit(FIRST)
    first = remote.snapshot("main", "omni/m", YAML)
    shutil.rmtree(tmp_path / "cache")
    assert remote.snapshot("main", "omni/m", YAML) == first


def test_a_damaged_cache_is_fetched_again(bare: Bare, remote: Remote, tmp_path: Path) -> None:
    bare.commit(FIRST)
    first = remote.snapshot("main", "omni/m", YAML)
    for pack in (tmp_path / "cache").glob("objects/pack/*"):
        pack.unlink()
    assert remote.snapshot("main", "omni/m", YAML) == first


def test_pushes_changes_and_leaves_the_rest(bare: Bare, remote: Remote) -> None:
    head = bare.commit(FIRST)
    changes = {"users.view.yaml": b"a: 2\n", "new/y.view.yaml": b"n", "gone.yaml": None}
    made = remote.push("main", head, head, "omni/m", changes, "Change users", ME)
    assert bare.head() == made
    assert bare.files() == {
        **FIRST, "omni/m/users.view.yaml": b"a: 2\n", "omni/m/new/y.view.yaml": b"n"
    }  # fmt: skip
    newest, before = bare.log()
    assert newest.message == b"Change users\n"
    assert newest.author == b"Ada <ada@example.com>"
    assert before.id.decode() == head
    # what was pushed is read again without a surprise
    assert remote.snapshot("main", "omni/m", YAML).commit == made


def test_first_commit_of_an_empty_repository(bare: Bare, remote: Remote) -> None:
    assert remote.snapshot("main", "omni/m", YAML).commit is None
    made = remote.push("main", None, None, "omni/m", {"a.yaml": b"1"}, "First", ME)
    assert bare.head() == made
    assert bare.files() == {"omni/m/a.yaml": b"1"}


def test_new_branch_from_another(bare: Bare, remote: Remote) -> None:
    head = bare.commit(FIRST)
    made = remote.push("feature/x", None, head, "omni/m", {"b.yaml": b"2"}, "On a branch", ME)
    assert (bare.head(), bare.head("feature/x")) == (head, made)
    assert remote.push("same", None, head, "omni/m", {}, "Nothing", ME) == head
    assert bare.head("same") == head


def test_removing_the_last_file_removes_its_folder(bare: Bare, remote: Remote) -> None:
    head = bare.commit({"README.md": b"hello", "omni/m/deep/x.yaml": b"1"})
    remote.push("main", head, head, "omni/m", {"deep/x.yaml": None}, "Away", ME)
    assert bare.files() == {"README.md": b"hello"}


def test_a_push_onto_a_branch_that_moved_changes_nothing(bare: Bare, remote: Remote) -> None:
    head = bare.commit(FIRST)
    remote.snapshot("main", "omni/m", YAML)
    later = bare.commit({"other": b"1"})
    with pytest.raises(Moved):
        remote.push("main", head, head, "omni/m", {"a.yaml": b"1"}, "Late", ME)
    with pytest.raises(Moved):
        remote.push("main", None, head, "omni/m", {"a.yaml": b"1"}, "Late", ME)
    assert bare.head() == later


def test_tags_and_ids_are_references_too(bare: Bare, remote: Remote) -> None:
    from dulwich.refs import Ref

    old = bare.commit(FIRST)
    bare.repo.refs[Ref(b"refs/tags/v1")] = old.encode()
    bare.commit({"omni/m/users.view.yaml": b"a: 3\n"})
    assert remote.snapshot("v1", "omni/m", YAML).files == {"users.view.yaml": b"a: 1\n"}
    assert remote.snapshot(old, "omni/m", YAML).commit == old
    assert remote.snapshot("nosuch", "omni/m", YAML).commit is None


def test_many_files(bare: Bare, remote: Remote) -> None:
    bare.commit({f"omni/m/s{n % 7}/v{n}.view.yaml": b"x: %d" % n for n in range(500)})
    found = remote.snapshot("main", "omni/m", YAML)
    assert len(found.files) == 500
    assert found.files["s3/v10.view.yaml"] == b"x: 10"
