"""No shared, sample or readable key (CVE-2023-27524, CVE-2021-41192): the server makes its own,
or does not start."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.app import create_app
from dragoman.secret import SecretStr
from dragoman.vault import KeyRingError
from tests.support.live import environment, live_server
from tests.support.server import running_server, settings_for

WEAK = {
    "a word": "changeme",
    "a sample of another product": "CHANGE_ME_TO_A_COMPLEX_RANDOM_SECRET",
    "zeros": base64.b64encode(bytes(32)).decode(),
    "one byte": base64.b64encode(b"\x41" * 32).decode(),
    "a pattern": base64.b64encode(b"0123456789abcdef" * 2).decode(),
    "too short": base64.b64encode(b"\x9c\x01\x7f" * 5).decode(),
    "a count": base64.b64encode(bytes(range(32))).decode(),
    "an empty ring": '{"version": 1, "keys": []}',
}


def start(home: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """What `dragoman serve` says when it refuses; a server that starts is a failure."""
    return subprocess.run(
        [sys.executable, "-m", "dragoman.cli", "serve", "--port", "0"],
        env=environment(home, settings),
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


@pytest.mark.parametrize("name", WEAK)
def test_a_weak_key_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(KeyRingError) as refused:
        create_app(settings_for(tmp_path / "home", keys=SecretStr(WEAK[name])))
    assert WEAK[name] not in str(refused.value)


def test_a_server_with_a_weak_key_does_not_start(tmp_path: Path) -> None:
    done = start(tmp_path / "home", keys=WEAK["a word"])
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert WEAK["a word"] not in done.stdout + done.stderr


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o644])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    settings = settings_for(tmp_path / "home")
    with running_server(settings):
        pass
    file = tmp_path / "home" / "keys.json"
    file.chmod(mode)
    with pytest.raises(KeyRingError) as refused:
        create_app(settings)
    assert "chmod 600" in refused.value.fix
    assert file.read_text() not in str(refused.value)


def test_each_installation_has_a_key_of_its_own(tmp_path: Path) -> None:
    keys = []
    for name in ("one", "two"):
        with live_server(tmp_path / name):
            file = tmp_path / name / "keys.json"
            assert file.stat().st_mode & 0o777 == 0o600
            assert (tmp_path / name).stat().st_mode & 0o077 == 0
            keys.append(file.read_text())
    assert keys[0] != keys[1]


def test_a_lost_key_file_is_told_before_any_secret_is_asked_for(tmp_path: Path) -> None:
    """A new key beside a store with sealed secrets would look like a working server."""
    home = tmp_path / "home"
    with live_server(home) as server:
        server.create()
        token = server.token
    (home / "keys.json").unlink()
    with live_server(home, token) as server:
        made = server.root.get("/api/v1/connections").json()["connections"][0]["id"]
        diagnosis = server.root.post(f"/api/v1/connections/{made}/test").json()
        assert diagnosis["success"] is False
        assert "does not open" in diagnosis["stages"][0]["message"]
