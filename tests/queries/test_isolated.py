"""The API over a driver that crashes, hangs and hoards: it answers, and it answers others."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from dragoman.connections import dialling
from dragoman.connections.dialling import Destination
from dragoman.dialects import pool
from dragoman.dialects.base import Target
from dragoman.dialects.isolation import session as session_module
from dragoman.queries import by_hand
from tests.dialects.unruly import DIALECT
from tests.queries.fakes import CONNECTION, Live, live_server


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with live_server(tmp_path_factory.mktemp("isolated"), max_queries_per_connection=3) as made:
        yield made


@pytest.fixture(autouse=True)
def limited(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Puts the unruly driver behind every connection. Changes the connection's time limit, which
    no healthy query reaches at first."""
    limit = 60

    async def opened(*_: Any) -> Destination:
        target = Target("unruly", {"queryTimeoutSeconds": limit}, {})
        return Destination(CONNECTION, limit, DIALECT, target)

    def change(seconds: int) -> None:
        nonlocal limit
        limit = seconds

    monkeypatch.setattr(by_hand, "locate", lambda *_: None)
    monkeypatch.setattr(dialling, "opened_aside", opened)
    monkeypatch.setattr(session_module, "GRACE_SECONDS", 1.0)
    return change


def ask(live: Live, word: str) -> httpx.Response:
    return live.post({"sql": f"SELECT '{word}'"}, "text/csv")


def well(live: Live) -> None:
    assert httpx.get(f"http://127.0.0.1:{live.port}/healthz").status_code == 200
    assert ask(live, "all").text.count("\n") == 3001


@pytest.mark.parametrize(
    ("word", "limit", "status", "cause"),
    [
        ("segfault", 60, 502, "driver_crashed"),
        ("hang", 1, 408, "query_timeout"),
        ("nonsense", 60, 502, "driver_crashed"),
    ],
)
def test_the_worst_of_a_driver_is_an_error_in_time(
    live: Live, limited: Callable[[int], None], word: str, limit: int, status: int, cause: str
) -> None:
    well(live)
    limited(limit)
    began = time.monotonic()
    answer = ask(live, word)
    assert (answer.status_code, answer.json()["cause"]) == (status, cause)
    assert time.monotonic() - began < 30  # of the hour that it hangs, and of the longer limit
    limited(60)
    well(live)


def test_a_crash_in_the_middle_breaks_the_answer_off(live: Live) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        ask(live, "crash later")
    well(live)


def test_a_killed_worker_is_replaced(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "FRESH_SECONDS", 0)  # then the pool asks for a sign of life
    well(live)
    killed = workers()
    assert killed
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    well(live)
    assert not workers() & killed


def workers() -> set[int]:
    """The processes of drivers that this process has, and that are no mere remnants."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # threads and processes come and go meanwhile
            for pid in (task / "children").read_text().split():
                if b"isolation" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.add(int(pid))
    return found
