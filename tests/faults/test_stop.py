"""Stopping and leaving: running queries end in the database, and the process ends in time."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.engines import Engine
from tests.support.live import CONNECTIONS, LiveServer, live_server
from tests.support.patience import SLOW_MACHINE

CSV = {"Accept": "text/csv"}


@pytest.fixture
def watcher(postgres_server: Engine) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_server.url("postgresql"), autocommit=True) as connection:
        yield connection


def connected(server: LiveServer, engine: Engine) -> str:
    return server.create(
        "postgres", host=engine.host, port=engine.port, database=engine.database,
        username=engine.username, passwordUnencrypted=engine.password,
    )  # fmt: skip


def active(watcher: psycopg.Connection[Any], mark: str) -> int:
    """How many statements with the mark run in the database now."""
    found = watcher.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE state = 'active' AND query LIKE %s AND pid <> pg_backend_pid()",
        [f"%{mark}%"],
    ).fetchone()
    assert found is not None
    return found[0]


def wait_until(what: Any, seconds: float = 10.0) -> float:
    """Seconds until `what()` is true."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - began


def query(server: LiveServer, made: str, sql: str) -> httpx.Response:
    with httpx.Client(base_url=server.address, timeout=60, trust_env=False) as http:
        headers = {"Authorization": f"Bearer {server.token}", **CSV}
        return http.post(f"{CONNECTIONS}/{made}/query", json={"sql": sql}, headers=headers)


@contextlib.contextmanager
def asking(server: LiveServer, made: str, *statements: str) -> Iterator[list[Future[Any]]]:
    with ThreadPoolExecutor(len(statements)) as threads:
        yield [threads.submit(query, server, made, sql) for sql in statements]


@pytest.mark.engine("postgres")
def test_a_stop_lets_short_queries_end(
    home: Path, postgres_server: Engine, watcher: psycopg.Connection[Any]
) -> None:
    with live_server(home, shutdown_seconds=15) as server:
        made = connected(server, postgres_server)
        sql = "SELECT 'short_stop' AS mark, pg_sleep(2)::text AS slept"
        with asking(server, made, sql, sql) as answers:
            wait_until(lambda: active(watcher, "short_stop") >= 2)
            began = time.monotonic()
            assert server.terminate() == 0
            assert time.monotonic() - began < 2 + SLOW_MACHINE
            for answer in answers:
                assert answer.result().status_code == 200
                assert "short_stop" in answer.result().text
    assert "Traceback" not in server.log.read_text()


@pytest.mark.engine("postgres")
def test_a_stop_cancels_long_queries_in_the_database(
    home: Path, postgres_server: Engine, watcher: psycopg.Connection[Any]
) -> None:
    with live_server(home, shutdown_seconds=1) as server:
        made = connected(server, postgres_server)
        sql = "SELECT 'long_stop' AS mark, pg_sleep(50)::text"
        with asking(server, made, sql, sql) as answers:
            wait_until(lambda: active(watcher, "long_stop") >= 2)
            began = time.monotonic()
            assert server.terminate() == 0
            assert time.monotonic() - began < 1 + SLOW_MACHINE
            assert active(watcher, "long_stop") == 0
            for answer in answers:
                # Either the connection broke, or the answer says that the server stops.
                failed = answer.exception()
                if failed is None:
                    assert answer.result().status_code == 503
                else:
                    assert isinstance(failed, httpx.TransportError)
    assert "Traceback" not in server.log.read_text()


@pytest.mark.engine("postgres")
def test_a_stop_ends_a_stream_that_is_under_way(
    home: Path, postgres_server: Engine, watcher: psycopg.Connection[Any]
) -> None:
    with live_server(home, shutdown_seconds=1) as server:
        made = connected(server, postgres_server)
        sql = "SELECT n, 'stream_stop' AS mark, repeat('x', 500) FROM generate_series(1, 9000000) n"
        with streaming(server, made, sql) as raw:
            assert raw.recv(65536).startswith(b"HTTP/1.1 200")
            began = time.monotonic()
            assert server.terminate() == 0
            assert time.monotonic() - began < 1 + SLOW_MACHINE
            wait_until(lambda: active(watcher, "stream_stop") == 0, 2)
            # The chunked answer has no proper end: nobody takes it for a whole one.
            rest = b""
            with contextlib.suppress(ConnectionError):
                while piece := raw.recv(1 << 20):
                    rest = (rest + piece)[-20:]
            assert not rest.endswith(b"0\r\n\r\n")


@contextlib.contextmanager
def streaming(server: LiveServer, made: str, sql: str) -> Iterator[socket.socket]:
    """A client that has asked and reads when it likes."""
    import json

    sent = json.dumps({"sql": sql}).encode()
    head = (
        f"POST {CONNECTIONS}/{made}/query HTTP/1.1\r\nHost: x\r\nAccept: text/csv\r\n"
        f"Authorization: Bearer {server.token}\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall(head.encode() + sent)
        yield raw


@pytest.mark.engine("postgres")
def test_a_client_that_leaves_cancels_its_query(
    home: Path, postgres_server: Engine, watcher: psycopg.Connection[Any]
) -> None:
    with live_server(home) as server:
        made = connected(server, postgres_server)
        waiting = "SELECT 'left_early' AS mark, pg_sleep(60)::text"
        with streaming(server, made, waiting):
            wait_until(lambda: active(watcher, "left_early") == 1)
        assert wait_until(lambda: active(watcher, "left_early") == 0) < 3
        rows = "SELECT n, 'left_late' AS mark, repeat('x', 500) FROM generate_series(1, 90000000) n"
        with streaming(server, made, rows) as raw:
            assert raw.recv(65536)
            wait_until(lambda: active(watcher, "left_late") == 1)
        assert wait_until(lambda: active(watcher, "left_late") == 0) < 3
        figures = server.anonymous.get("/metrics").text
        assert 'dragoman_queries_running{dialect="postgres"} 0.0' in figures
        # Its session was not given to the next one in a doubtful state.
        assert "1" in query(server, made, "SELECT 1 AS one").text


@pytest.mark.engine("postgres")
def test_many_clients_that_leave_at_once_leave_nothing_behind(
    home: Path, postgres_server: Engine, watcher: psycopg.Connection[Any]
) -> None:
    with live_server(home) as server:
        made = connected(server, postgres_server)
        for _ in range(3):
            with contextlib.ExitStack() as clients:
                for _ in range(20):
                    clients.enter_context(
                        streaming(server, made, "SELECT 'crowd' AS mark, pg_sleep(60)::text")
                    )
                wait_until(lambda: active(watcher, "crowd") == 10)
            wait_until(lambda: active(watcher, "crowd") == 0)
        wait_until(
            lambda: (
                'dragoman_queries_running{dialect="postgres"} 0.0'
                in server.anonymous.get("/metrics").text
            ),
            20,
        )
        assert "1" in query(server, made, "SELECT 1 AS one").text
