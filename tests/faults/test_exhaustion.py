"""More connections than the process may have files, and a store that goes away."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import resource
import signal
import socket
import time
import uuid
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.support import engines
from tests.support.bodies import body
from tests.support.clients import assert_error, at_once
from tests.support.live import CONNECTIONS, live_server
from tests.support.patience import SLOW_MACHINE
from tests.support.server import running_server, settings_for

FILES = 120


def _few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))


def test_a_crowd_of_idle_clients_is_only_a_wait(home: Path) -> None:
    with live_server(home, before=_few_files) as server:
        made = server.create()
        crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(FILES * 3)]
        time.sleep(0.5)
        assert server.process.poll() is None
        busy = Path(f"/proc/{server.pid}/stat").read_text().split()
        time.sleep(1)
        later = Path(f"/proc/{server.pid}/stat").read_text().split()
        ticks = (int(later[13]) + int(later[14])) - (int(busy[13]) + int(busy[14]))
        for each in crowd:
            each.close()
        # It waits for files to come free; it does not burn a processor on it.
        assert ticks / os.sysconf("SC_CLK_TCK") < 0.7
        deadline = time.monotonic() + 60
        while True:
            with httpx.Client(base_url=server.address, timeout=5, trust_env=False) as http:
                try:
                    headers = {"Authorization": f"Bearer {server.token}"}
                    answer = http.get(f"{CONNECTIONS}/{made}", headers=headers)
                    break
                except httpx.TransportError:
                    assert time.monotonic() < deadline
        assert answer.status_code == 200
        assert server.root.post(CONNECTIONS, json=body("postgres")).status_code == 201


@pytest.mark.engine("postgres")
def test_a_store_that_went_away_is_503(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context(engines.run_embedded_postgres())
        except engines.Unavailable as reason:
            pytest.skip(str(reason))
        settings = settings_for(tmp_path / "home", engine.url("postgresql"))
        with running_server(settings) as server:
            made = server.create()
            root = server.root
            os.kill(engine.pid, signal.SIGQUIT)  # immediate shutdown: as a crash
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    psycopg.connect(engine.url("postgresql"), connect_timeout=2).close()
            for method, path, sent in (
                ("GET", CONNECTIONS, None),
                ("GET", f"{CONNECTIONS}/{made}", None),
                ("POST", CONNECTIONS, body("postgres")),
                ("PATCH", f"{CONNECTIONS}/{made}", {"name": "x"}),
                ("POST", f"{CONNECTIONS}/{made}/test", None),
                ("GET", "/readyz", None),
            ):
                began = time.monotonic()
                answer = root.request(method, path, json=sent)
                assert_error(answer, 503)
                assert "retry-after" in answer.headers, path
                assert engine.password not in answer.text
                assert time.monotonic() - began < 12 + SLOW_MACHINE
            assert root.get("/healthz").status_code == 200


@pytest.mark.engine("postgres")
def test_a_store_that_says_nothing_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes stand still: the kernel goes on acknowledging what is sent to them."""
    monkeypatch.setattr("dragoman.store.engine.ANSWER_SECONDS", 1.0)
    with contextlib.ExitStack() as stack:
        try:
            engine = stack.enter_context(engines.run_embedded_postgres())
        except engines.Unavailable as reason:
            pytest.skip(str(reason))
        settings = settings_for(tmp_path / "home", engine.url("postgresql"))
        with running_server(settings) as server:
            root, made = server.root, server.create()
            children = Path(f"/proc/{engine.pid}/task/{engine.pid}/children").read_text()
            processes = [engine.pid, *map(int, children.split())]
            for each in processes:
                os.kill(each, signal.SIGSTOP)
            try:
                # More than the store has threads: those that wait hold up nobody for long.
                for answer in at_once(14, lambda _: root.get(f"{CONNECTIONS}/{made}")):
                    assert_error(answer, 503)
                    assert "retry-after" in answer.headers
                assert_error(root.get("/readyz"), 503)
                assert root.get("/healthz").status_code == 200
            finally:
                for each in reversed(processes):
                    os.kill(each, signal.SIGCONT)
            deadline = time.monotonic() + 60
            while root.get(f"{CONNECTIONS}/{made}").status_code != 200:
                assert time.monotonic() < deadline


def test_names_that_anybody_may_send_are_not_kept(tmp_path: Path) -> None:
    """What is remembered for each path, token or address would fill the memory."""
    from prometheus_client import REGISTRY

    with running_server(settings_for(tmp_path / "home")) as server:

        def series() -> int:
            return sum(len(metric.samples) for metric in REGISTRY.collect())

        def ask(number: int) -> None:
            server.anonymous.get(f"/docs/{number}-{'x' * 1000}")
            server.anonymous.get(f"/nowhere/{number}")
            server.anonymous.request(f"M{number}", "/nowhere")
            server.anonymous.request(f"M{number}", CONNECTIONS)
            server.root.get(f"{CONNECTIONS}/{uuid.uuid4()}")

        ask(0)
        before, caches = series(), _cached()
        for number in range(1, 60):
            ask(number)
        assert series() == before
        assert _cached() - caches < 20


def _cached() -> int:
    """Entries of all unbounded caches of ours."""
    return sum(
        each.cache_info().currsize
        for each in gc.get_objects()
        if isinstance(each, functools._lru_cache_wrapper)
        and each.cache_info().maxsize is None
        and str(each.__module__).startswith("dragoman")
    )
