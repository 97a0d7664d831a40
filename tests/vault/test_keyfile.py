"""The key file: its mode, its owner, its first moment and its replacement."""

from __future__ import annotations

import multiprocessing
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from dragoman.vault import (
    KEY_FILE_NAME,
    KeyRing,
    KeyRingError,
    create_keyring,
    load_keyring,
    read_keyring,
    update_keyring,
    write_keyring,
)

PROCESSES = 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / KEY_FILE_NAME


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()}


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_file_is_made_for_its_owner_only(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        ring = create_keyring(path)
    finally:
        os.umask(before)
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert names(path.parent) == {KEY_FILE_NAME}
    assert read_keyring(path) == ring


def test_an_existing_file_is_not_made_again(path: Path) -> None:
    first = create_keyring(path)
    assert create_keyring(path) == first
    assert load_keyring(home=path.parent, value=None, command=None) == first


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666])
def test_a_file_open_to_others_is_refused_with_the_command_that_mends_it(
    path: Path, bits: int
) -> None:
    create_keyring(path)
    path.chmod(bits)
    with pytest.raises(KeyRingError, match=f"{bits:04o}") as caught:
        load_keyring(home=path.parent, value=None, command=None)
    assert caught.value.fix == f"chmod 600 {path}"


def test_the_command_is_quoted_for_the_shell(tmp_path: Path) -> None:
    path = tmp_path / "my home" / KEY_FILE_NAME
    create_keyring(path)
    path.chmod(0o644)
    with pytest.raises(KeyRingError) as caught:
        read_keyring(path)
    assert caught.value.fix == f"chmod 600 '{path}'"


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    create_keyring(path)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(KeyRingError, match="belongs to user"):
        read_keyring(path)


def test_what_is_no_regular_file_is_refused(path: Path) -> None:
    path.mkdir(parents=True, mode=0o700)
    with pytest.raises(KeyRingError):
        read_keyring(path)
    path.rmdir()
    os.mkfifo(path, 0o600)
    with pytest.raises(KeyRingError, match="regular"):
        read_keyring(path)


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(KeyRingError, match="No such file"):
        read_keyring(path)


def test_a_dangling_link_is_not_followed_into_a_new_file(path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(path.parent / "elsewhere")
    with pytest.raises(KeyRingError):
        load_keyring(home=path.parent, value=None, command=None)
    assert names(path.parent) == {KEY_FILE_NAME}


def test_a_home_that_cannot_hold_the_file_is_a_key_ring_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(KeyRingError, match="Cannot make") as caught:
        create_keyring(path)
    assert "hard links" in caught.value.fix
    assert names(path.parent) == set()


def test_the_file_is_replaced_whole(path: Path) -> None:
    ring = create_keyring(path)
    inode = path.stat().st_ino
    write_keyring(path, ring.rotated())
    assert path.stat().st_ino != inode
    assert mode(path) == 0o600
    assert read_keyring(path).ids[1] == ring.primary.id
    assert names(path.parent) == {KEY_FILE_NAME}


def test_a_failed_replacement_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = create_keyring(path)

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_keyring(path, ring.rotated())
    assert read_keyring(path) == ring
    assert names(path.parent) == {KEY_FILE_NAME}


def test_rotations_at_once_lose_no_key(path: Path) -> None:
    create_keyring(path)
    made: list[str] = []

    def rotate() -> None:
        made.append(update_keyring(path, KeyRing.rotated).primary.id)

    threads = [threading.Thread(target=rotate) for _ in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == PROCESSES
    assert set(made) < set(read_keyring(path).ids)


def _start(home: Path, gate: Any, answers: Any) -> None:
    gate.wait()
    answers.put(load_keyring(home=home, value=None, command=None).ids)


def test_processes_that_start_together_agree_on_one_key(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    gate, answers = spawn.Barrier(PROCESSES), spawn.Queue()
    started = [
        spawn.Process(target=_start, args=(path.parent, gate, answers)) for _ in range(PROCESSES)
    ]
    for process in started:
        process.start()
    seen = {answers.get(timeout=60) for _ in started}
    for process in started:
        process.join(timeout=60)
    assert [process.exitcode for process in started] == [0] * PROCESSES
    assert seen == {read_keyring(path).ids}
    assert names(path.parent) == {KEY_FILE_NAME}
