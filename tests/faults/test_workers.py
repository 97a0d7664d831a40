"""Several server processes: one that dies is replaced, and none outlives its supervisor."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.support.live import CONNECTIONS, LiveServer, live_server

SECONDS = 25.0


def workers(server: LiveServer) -> list[int]:
    """The pids of the worker processes."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return [
        int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ask(server: LiveServer) -> int:
    with httpx.Client(base_url=server.address, timeout=5, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {server.token}"}
        return http.get(CONNECTIONS, headers=headers).status_code


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_worker_that_dies_is_replaced_and_none_outlives_its_supervisor(home: Path) -> None:
    with live_server(home, workers=2) as server:
        first = workers(server)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        deadline = time.monotonic() + SECONDS
        while len(set(workers(server)) - {first[0]}) < 2:
            assert ask(server) == 200
            assert time.monotonic() < deadline
            time.sleep(0.1)
        last = workers(server)
        server.kill()
        deadline = time.monotonic() + SECONDS
        while any(is_running(pid) for pid in last):
            assert time.monotonic() < deadline, "workers hold the port after their supervisor"
            time.sleep(0.1)
