"""serve as a real process: it answers, refuses clearly, and stops when told."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@contextmanager
def serving(*options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "dragoman.cli", "serve", "--port", "0", "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["address"], process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def told_by(process: subprocess.Popen[str], lines: int) -> str:
    """The first lines on stderr."""
    assert process.stderr is not None
    return "".join(process.stderr.readline() for _ in range(lines))


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def test_it_answers_and_stops_on_sigterm(home: Path) -> None:
    with serving() as (address, process):
        assert get(f"{address}/readyz") == "ready"
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"dragoman on {address}" in told.splitlines()[0]
    assert "egress any" in told.splitlines()[0]
    assert "Traceback" not in told


def test_workers_share_their_figures(home: Path) -> None:
    with serving("--workers", "2") as (address, process):
        for _ in range(6):
            assert get(f"{address}/healthz") == "ok"
        figures = get(f"{address}/metrics")
        assert "DRAGOMAN_REDIS_URL" in told_by(process, 2)
        wanted = 'dragoman_requests_total{method="GET",route="/healthz",status="200"} 6.0'
        assert wanted in figures
        assert len(list(home.glob("metrics-*"))) == 1
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert not list(home.glob("metrics-*"))


def test_a_running_query_is_cancelled_at_the_limit(
    run: Run, home: Path, connected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = run("token", "create", "--kind", "organization").stdout.strip()
    monkeypatch.setenv("DRAGOMAN_SHUTDOWN_SECONDS", "1")
    endless = "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range < b.range"
    with serving() as (address, process), ThreadPoolExecutor(1) as asking:
        request = urllib.request.Request(
            f"{address}/api/v1/connections/{connected}/query",
            json.dumps({"sql": endless}).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        asked = asking.submit(urllib.request.urlopen, request, timeout=30)
        time.sleep(1.5)
        assert not asked.done()
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        process.communicate(timeout=20)
        assert time.monotonic() - began < 10
        assert asked.exception(timeout=5) is not None
    assert process.returncode == 0


def test_a_port_in_use(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = run("serve", "--port", str(taken.getsockname()[1]), code=1)
    assert "is in use" in refused.stderr
    assert "--port" in refused.stderr


def test_an_address_that_is_not_ours(run: Run) -> None:
    run("serve", "--host", "192.0.2.1", "--port", "0", code=1)


@pytest.mark.usefixtures("nothing_yet")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_keys_that_cannot_be_used(run: Run, home: Path, workers: str) -> None:
    home.mkdir()
    (home / "keys.json").write_text("{}")
    (home / "keys.json").chmod(0o600)
    assert "key" in run("serve", "--port", "0", "--workers", workers, code=6).stderr


def test_settings_that_cannot_be_used(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_EGRESS_ALLOW", "10.0.0.0/99")
    assert "DRAGOMAN_EGRESS_ALLOW" in run("serve", "--port", "0", code=2).stderr
