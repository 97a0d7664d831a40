"""Where the ring comes from, and how a running server notices a change."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

import pytest

from dragoman.secret import SecretStr
from dragoman.vault import (
    KEY_FILE_NAME,
    KeyRing,
    KeyRingError,
    KeyRingSource,
    keysource,
    load_keyring,
    render_keyring,
    update_keyring,
    write_keyring,
)


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def test_value_wins_over_the_file_and_makes_none(tmp_path: Path) -> None:
    ring = KeyRing.generate().rotated()
    assert load_keyring(home=tmp_path, value=render_keyring(ring), command=None) == ring
    assert list(tmp_path.iterdir()) == []


def test_value_and_command_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyRingError, match="both"):
        load_keyring(home=tmp_path, value=SecretStr("x"), command="y")


def test_an_empty_value_is_an_error_and_not_a_new_file(tmp_path: Path) -> None:
    with pytest.raises(KeyRingError, match="empty"):
        load_keyring(home=tmp_path, value=SecretStr(""), command=None)
    assert list(tmp_path.iterdir()) == []


def test_the_output_of_a_command_is_a_ring(tmp_path: Path) -> None:
    ring = KeyRing.generate().rotated()
    command = python(f"print({render_keyring(ring).reveal()!r})")
    assert load_keyring(home=tmp_path, value=None, command=command) == ring


def test_the_command_runs_without_a_shell(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    with pytest.raises(KeyRingError):
        load_keyring(home=tmp_path, value=None, command=f"echo x; touch {marker}")
    with pytest.raises(KeyRingError):
        load_keyring(home=tmp_path, value=None, command=f"echo $(touch {marker})")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "empty"),
        ("echo 'open", "open quote"),
        ("/no/such/program --token=SeCrEt", "cannot be started"),
        (python("import sys; print('SeCrEt'); print('SeCrEt', file=sys.stderr); sys.exit(3)"), "3"),
        (python("print('SeCrEt')"), "base64|bytes"),
        (python("import sys; sys.stdout.buffer.write(b'SeCrEt\\xff')"), "base64"),
    ],
)
def test_a_failing_command_tells_neither_output_nor_arguments(
    tmp_path: Path, command: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyRingError, match=said) as caught:
        load_keyring(home=tmp_path, value=None, command=command)
    error: BaseException | None = caught.value
    while error is not None:
        assert "SeCrEt" not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__
    assert "SeCrEt" not in "".join(capfd.readouterr())


def test_a_slow_command_is_ended_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keysource, "COMMAND_TIMEOUT_SECONDS", 0.3)
    began = time.monotonic()
    with pytest.raises(KeyRingError, match="no answer"):
        load_keyring(home=tmp_path, value=None, command="sh -c 'sleep 30; echo late'")
    assert time.monotonic() - began < 10


def test_a_rotated_file_is_noticed(tmp_path: Path) -> None:
    source = KeyRingSource(home=tmp_path)
    first = source.current()
    assert source.current() is first
    rotated = update_keyring(tmp_path / KEY_FILE_NAME, KeyRing.rotated)
    assert source.current() == rotated
    assert source.current().ids[1] == first.primary.id


def test_an_unchanged_file_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    KeyRingSource(home=tmp_path)
    source = KeyRingSource(home=tmp_path)
    reads: list[Path] = []
    monkeypatch.setattr(keysource, "read_keyring", reads.append)
    source.current()
    assert reads == []


def test_a_file_that_turns_bad_leaves_the_last_good_ring(tmp_path: Path) -> None:
    path = tmp_path / KEY_FILE_NAME
    source = KeyRingSource(home=tmp_path)
    good = source.current()
    path.write_text("{ half")
    assert source.current() == good
    assert source.problem is not None
    path.unlink()
    assert source.current() == good
    assert not path.exists()
    write_keyring(path, good)
    assert source.current() == good
    assert source.problem is None


def test_a_file_opened_to_others_while_running_is_a_problem(tmp_path: Path) -> None:
    source = KeyRingSource(home=tmp_path)
    good = source.current()
    (tmp_path / KEY_FILE_NAME).chmod(0o644)
    assert source.current() == good
    assert source.problem is not None
    assert "chmod 600" in source.problem.fix


def test_a_value_never_changes(tmp_path: Path) -> None:
    ring = KeyRing.generate()
    source = KeyRingSource(home=tmp_path, value=render_keyring(ring))
    assert source.current() == source.refreshed() == ring


def test_a_command_runs_again_for_an_unknown_key_but_not_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "ring"
    first = KeyRing.generate()
    output.write_text(render_keyring(first).reveal())
    source = KeyRingSource(home=tmp_path, command=f"cat {output}")
    rotated = first.rotated()
    output.write_text(render_keyring(rotated).reveal())
    assert source.current() == source.refreshed() == first
    later = time.monotonic() + keysource.COMMAND_PAUSE_SECONDS
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert source.refreshed() == rotated
    output.write_text(render_keyring(rotated.rotated()).reveal())
    assert source.refreshed() == rotated
