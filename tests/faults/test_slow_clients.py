"""Clients that send little, late or without end: each is given up, and nobody else waits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from dragoman.api import call, protocol
from dragoman.app import create_app
from tests.support.live import CONNECTIONS
from tests.support.patience import SLOW_MACHINE
from tests.support.server import running_server, settings_for

SHORT = 0.7
LATE = SLOW_MACHINE


@contextlib.contextmanager
def listening(home: Path) -> Iterator[tuple[int, str]]:
    """A server on a real socket in this process, with short limits: its port and a key."""
    settings = settings_for(home)
    with running_server(settings) as other:
        key = other.key()
    config = uvicorn.Config(
        create_app(settings), http=protocol.LimitedProtocol, log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield listener.getsockname()[1], key
        finally:
            server.should_exit = True
            thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, str]]:
    monkeypatch.setattr(call, "BODY_SECONDS", SHORT)
    monkeypatch.setattr(protocol, "HEAD_SECONDS", SHORT)
    with listening(tmp_path / "home") as found:
        yield found


def ask(port: int, sent: bytes, drip: bytes = b"") -> tuple[bytes, float]:
    """What came back before the server hung up, and how long that took; `drip` goes on coming."""
    began = time.monotonic()
    answer = b""
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.settimeout(0.1)
        with contextlib.suppress(ConnectionError):
            client.sendall(sent)
            while time.monotonic() - began < SHORT + LATE:
                try:
                    piece = client.recv(65536)
                except TimeoutError:
                    client.sendall(drip)
                    continue
                if not piece:
                    break
                answer += piece
    return answer, time.monotonic() - began


HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("sent", "drip"),
    [
        (b"", b""),
        (b"G", b""),
        (HALF_A_HEAD, b""),
        (HALF_A_HEAD, b"X-A: b\r\n"),
        (b"", b"\r\n"),
        (HALF_A_HEAD + b"\r\n" + HALF_A_HEAD, b"X-A: b\r\n"),
        (HALF_A_HEAD + b"\r\n", b"\r\n"),
    ],
    ids=["nothing", "one byte", "half", "half and drops", "line ends", "second", "line ends after"],
)
def test_a_head_that_does_not_come_is_given_up(
    place: tuple[int, str], sent: bytes, drip: bytes
) -> None:
    _, seconds = ask(place[0], sent, drip)
    assert SHORT * 0.5 < seconds < SHORT + LATE - 1


def test_a_body_that_does_not_come_is_a_408(place: tuple[int, str]) -> None:
    port, key = place
    head = (
        f"POST {CONNECTIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
        "Content-Length: 1000\r\n\r\n{"
    )
    for drip in (b"", b" "):
        answer, seconds = ask(port, head.encode(), drip)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"status":408' in answer
        assert seconds < SHORT * 2 + LATE


def test_a_body_that_was_answered_is_not_read_for_ever(place: tuple[int, str]) -> None:
    head = f"POST {CONNECTIONS} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n"
    answer, seconds = ask(place[0], head.encode(), b"x" * 1000)
    assert answer.startswith(b"HTTP/1.1 401")
    assert seconds < SHORT + LATE - 1


@pytest.mark.parametrize(
    "endless",
    [b"X-A: " + b"b" * 500, b"X-A: b\r\n" * 60],
    ids=["one line", "many lines"],
)
def test_a_head_without_end_is_refused_before_it_fills_the_memory(
    place: tuple[int, str], endless: bytes
) -> None:
    answer = b""
    with socket.create_connection(("127.0.0.1", place[0])) as client:
        client.sendall(HALF_A_HEAD)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 20_000_000:
                client.sendall(endless)
                sent += len(endless)
        with contextlib.suppress(ConnectionError):
            answer = client.recv(4096)
    assert sent < 10_000_000
    assert not answer or answer.startswith(b"HTTP/1.1 431")


def test_headers_beyond_the_limit_are_a_431_with_our_body(place: tuple[int, str]) -> None:
    for size in (40_000, 90_000):
        sent = HALF_A_HEAD + b"Connection: close\r\nX-A: " + b"b" * size + b"\r\n\r\n"
        answer, _ = ask(place[0], sent)
        assert answer.startswith(b"HTTP/1.1 431"), size
        assert b'"status":431' in answer


def test_others_are_served_meanwhile(place: tuple[int, str]) -> None:
    port, key = place
    slow: list[Any] = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    try:
        for each in slow:
            each.sendall(HALF_A_HEAD)
        request = (
            f"GET {CONNECTIONS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: Bearer {key}\r\n\r\n"
        )
        answer, seconds = ask(port, request.encode())
        assert answer.startswith(b"HTTP/1.1 200")
        assert seconds < SHORT + LATE - 1
    finally:
        for each in slow:
            each.close()
