"""The API over a driver that crashes, hangs and hoards: it answers, and it answers others."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from dragoman.connections import dialling
from dragoman.connections.dialling import Destination
from dragoman.dialects.base import Target
from dragoman.dialects.isolation import session as session_module
from dragoman.dialects.pool import FRESH_SECONDS
from tests.dialects.unruly import DIALECT
from tests.queries.fakes import CONNECTION, Live, live_server


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with live_server(tmp_path_factory.mktemp("isolated"), max_queries_per_connection=3) as made:
        yield made


@pytest.fixture(autouse=True)
def unruly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts the unruly driver behind every connection, with a time limit of one second."""
    where = Destination(CONNECTION, 1, DIALECT, Target("unruly", {"queryTimeoutSeconds": 1}, {}))

    async def opened(*_: Any) -> Destination:
        return where

    monkeypatch.setattr(dialling, "locate", lambda *_: None)
    monkeypatch.setattr(dialling, "opened_aside", opened)
    monkeypatch.setattr(session_module, "GRACE_SECONDS", 1.0)


def ask(live: Live, word: str) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    answer = live.post({"sql": f"SELECT '{word}'"}, "text/csv")
    return answer, time.monotonic() - began


def well(live: Live) -> None:
    assert httpx.get(f"http://127.0.0.1:{live.port}/healthz").status_code == 200
    assert ask(live, "all")[0].text.count("\n") == 3001


@pytest.mark.parametrize(
    ("word", "status", "cause", "most"),
    [
        ("segfault", 502, "driver_crashed", 5),
        ("hang", 408, "query_timeout", 6),
        ("nonsense", 502, "driver_crashed", 5),
    ],
)
def test_the_worst_of_a_driver_is_an_error_in_time(
    live: Live, word: str, status: int, cause: str, most: float
) -> None:
    well(live)
    answer, seconds = ask(live, word)
    assert (answer.status_code, answer.json()["cause"]) == (status, cause)
    assert seconds < most
    well(live)


def test_a_crash_in_the_middle_breaks_the_answer_off(live: Live) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        ask(live, "crash later")
    well(live)


def test_a_killed_worker_is_replaced(live: Live) -> None:
    well(live)
    killed = workers()
    assert killed
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    time.sleep(FRESH_SECONDS)  # then the pool asks for a sign of life
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
