"""kill -9 in the middle of `dragoman keys rotate`: every secret opens, and a second run ends it."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.bodies import body
from tests.support.live import (
    CONNECTIONS,
    LiveServer,
    command_line,
    environment,
    live_server,
)

NOWHERE = {"host": "127.0.0.1", "port": 1}


def _opens(server: LiveServer, connection_id: str) -> bool:
    stages = server.root.post(f"{CONNECTIONS}/{connection_id}/test").json()["stages"]
    return stages[0]["status"] == "passed"


def _keys(home: Path) -> list[dict[str, object]]:
    return json.loads(command_line(home, "keys", "list", "--json"))


def _kill_a_rotation(home: Path, after: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dragoman.cli", "keys", "rotate"],
        env=environment(home),
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(after)
    process.kill()
    process.wait()


def _kill_when(home: Path, moved: int) -> None:
    """Kill a rotation once so many secrets have moved (or it is through)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dragoman.cli", "keys", "rotate"],
        env=environment(home), cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    store = sqlite3.connect(home / "dragoman.db")
    first = store.execute("SELECT min(key_id) FROM connection_secrets").fetchone()[0]
    while process.poll() is None:
        statement = "SELECT count(*) FROM connection_secrets WHERE key_id <> ?"
        if store.execute(statement, [first]).fetchone()[0] >= moved:
            break
    process.kill()
    process.wait()
    store.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "moved", [200, pytest.param(0, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.slow)]
)
def test_a_killed_rotation_loses_nothing_and_can_be_run_again(home: Path, moved: int) -> None:
    with live_server(home) as server:
        made = [
            server.create("postgres", **NOWHERE, passwordUnencrypted=f"secret {number}")
            for number in range(300 if moved else 20)
        ]
        dice = random.Random(moved)
        if moved:
            _kill_when(home, moved)
        else:
            for _ in range(3):
                _kill_a_rotation(home, dice.uniform(0.3, 0.6))
        # The running server opens secrets on both keys, and seals new ones with the new.
        made.append(server.create("postgres", **NOWHERE))
        assert all(_opens(server, each) for each in [*dice.sample(made, 15), made[-1]])
        command_line(home, "keys", "rotate")
        keys = _keys(home)
        used = {str(key["id"]): key["secrets"] for key in keys}
        assert [key["state"] for key in keys].count("primary") == 1
        assert "missing" not in {key["state"] for key in keys}
        assert used[str(keys[0]["id"])] == len(made)
        assert all(_opens(server, each) for each in dice.sample(made, 15))
        command_line(home, "keys", "drop-retired")
        assert len(_keys(home)) == 1
        assert all(_opens(server, each) for each in dice.sample(made, 15))
        assert server.root.post(CONNECTIONS, json=body("postgres")).status_code == 201
    assert (home / "keys.json").stat().st_mode & 0o077 == 0
