"""Databases that lie: they ask for files, send noise, never answer, or never stop.

CVE-2024-34693 (LOCAL INFILE), lightdash issue 22098 (unknown authentication code).
"""

from __future__ import annotations

import contextlib
import random
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.bodies import body
from tests.support.patience import SLOW_MACHINE
from tests.support.server import CONNECTIONS, Server, running_server, settings_for
from tests.support.servers import Handler, serving, unanswering

BUDGET = 35.0 + SLOW_MACHINE  # seconds: ten stages share one deadline
ENDLESS = 64 * 1024 * 1024


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(settings_for(tmp_path_factory.mktemp("rogue") / "home")) as server:
        yield server


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of files that were opened by Python code."""
    seen: list[str] = []
    real = open

    def watched(file: Any, *arguments: Any, **named: Any) -> Any:
        seen.append(str(file))
        return real(file, *arguments, **named)

    monkeypatch.setattr("builtins.open", watched)
    monkeypatch.setattr("io.open", watched)
    return seen


def diagnosed(server: Server, dialect: str, port: int) -> tuple[dict[str, Any], float]:
    """The diagnosis of a rogue server, and the seconds it took; the API answers others after."""
    began = time.monotonic()
    sent = body(dialect, host="127.0.0.1", port=port, queryTimeoutSeconds=5)
    answer = server.root.post(f"{CONNECTIONS}/test", json=sent)
    seconds = time.monotonic() - began
    assert answer.status_code == 200, answer.text
    assert server.anonymous.get("/healthz").status_code == 200
    assert "Traceback" not in answer.text
    return answer.json(), seconds


def packet(number: int, content: bytes) -> bytes:
    return struct.pack("<I", len(content))[:3] + bytes([number]) + content


# Protocol 10, capabilities without TLS but with LOCAL FILES (0x80), mysql_native_password.
GREETING = packet(
    0,
    b"\x0a8.0.36\x00" + struct.pack("<I", 7) + b"abcdefgh\x00" + b"\xff\xf7" + b"\x21" + b"\x02\x00"
    + b"\x0f\x80" + b"\x15" + bytes(10) + b"ijklmnopqrst\x00" + b"mysql_native_password\x00",
)  # fmt: skip
OK = b"\x00\x00\x00\x02\x00\x00\x00"


def _read_packet(client: Any) -> bytes:
    head = b""
    while len(head) < 4:
        piece = client.recv(4 - len(head))
        if not piece:
            raise ConnectionError
        head += piece
    size = int.from_bytes(head[:3], "little")
    content = b""
    while len(content) < size:
        piece = client.recv(size - len(content))
        if not piece:
            raise ConnectionError
        content += piece
    return content


def asking_for(name: str, received: list[bytes], when: str) -> Handler:
    """A MySQL server that wants a file of the client (0xFB) in answer to a login or a query."""

    def handle(client: Any) -> None:
        client.sendall(GREETING)
        received.append(_read_packet(client))
        if when == "login":
            client.sendall(packet(2, b"\xfb" + name.encode()))
        else:
            client.sendall(packet(2, OK))
        with contextlib.suppress(ConnectionError):
            while True:
                received.append(_read_packet(client))
                client.sendall(packet(1, b"\xfb" + name.encode()))

    return handle


@pytest.mark.parametrize("dialect", ["mysql", "mariadb", "starrocks"])
@pytest.mark.parametrize("when", ["login", "query"])
def test_a_server_that_asks_for_a_file_gets_none(
    victim: Server, tmp_path: Path, opened: list[str], dialect: str, when: str
) -> None:
    wanted = tmp_path / "wanted"
    wanted.write_text("file of this machine")
    opened.clear()
    received: list[bytes] = []
    with serving(asking_for(str(wanted), received, when)) as port:
        answer, seconds = diagnosed(victim, dialect, port)
    assert answer["success"] is False
    assert seconds < BUDGET
    assert received
    # The client says that it does not take part in LOCAL FILES, and sends none when asked anyway.
    capabilities = struct.unpack("<I", received[0][:4])[0]
    assert not capabilities & 0x80
    assert not capabilities & 0x1_0000  # several statements in one
    assert not any(b"file of this machine" in each for each in received)
    assert str(wanted) not in opened


def _noise(first: bytes, seed: int) -> Handler:
    def handle(client: Any) -> None:
        dice = random.Random(seed)
        client.sendall(first + dice.randbytes(dice.randint(1, 4000)))
        for _ in range(20):
            if not client.recv(4096):
                return
            client.sendall(dice.randbytes(dice.randint(1, 4000)))

    return handle


def _postgres(answer: Callable[[Any], None]) -> Handler:
    """Declines TLS as PostgreSQL does, then answers the start-up message."""

    def handle(client: Any) -> None:
        if client.recv(8)[4:] == b"\x04\xd2\x16\x2f":
            client.sendall(b"N")
            client.recv(4096)
        answer(client)

    return handle


def _silent(client: Any) -> None:
    while client.recv(4096):
        pass


def _endless(first: bytes) -> Callable[[Any], None]:
    def send(client: Any) -> None:
        client.sendall(first)
        for _ in range(ENDLESS // 65536):
            client.sendall(b"\x00" * 65536)

    return send


def _dripping(client: Any) -> None:
    """One byte now and then: no single read times out."""
    for _ in range(600):
        client.sendall(b"N")
        time.sleep(0.1)


POSTGRES: dict[str, Handler] = {
    "silent at once": _silent,
    "silent after the start": _postgres(_silent),
    "unknown authentication code": _postgres(
        lambda c: c.sendall(b"R" + struct.pack(">II", 8, 99)) or _silent(c)
    ),
    "endless after the start": _postgres(_endless(b"R" + struct.pack(">II", 8, 0))),
    "endless at once": _endless(b"N"),
    "a message of 2 GB": _postgres(lambda c: c.sendall(b"R\x7f\xff\xff\xff") or _silent(c)),
    "a negative length": _postgres(lambda c: c.sendall(b"E\xff\xff\xff\xff") or _silent(c)),
    "dripping": _dripping,
    "an error with no end": _postgres(
        lambda c: c.sendall(b"E\x00\x00\x10\x00Smessage") or _silent(c)
    ),
    "hangs up": lambda c: c.close(),
    **{f"noise {seed}": _postgres(_noise(b"", seed)) for seed in range(6)},
    **{f"noise at once {seed}": _noise(b"N", seed) for seed in range(3)},
}  # fmt: skip
MYSQL: dict[str, Handler] = {
    "silent at once": _silent,
    "silent after the greeting": lambda c: c.sendall(GREETING) or _silent(c),
    "endless": _endless(b""),
    "endless after the greeting": _endless(GREETING),
    "a greeting of 16 MB": lambda c: c.sendall(b"\xff\xff\xff\x00\x0a") or _silent(c),
    "dripping": _dripping,
    "hangs up": lambda c: c.close(),
    "an error": lambda c: c.sendall(packet(0, b"\xff\x10\x04Too many connections")),
    "an old protocol": lambda c: c.sendall(packet(0, b"\x09old\x00")) or _silent(c),
    **{f"noise {seed}": _noise(GREETING, seed) for seed in range(6)},
    **{f"noise at once {seed}": _noise(b"", seed) for seed in range(3)},
    **{
        f"noise in a packet {seed}": lambda c, s=seed: (
            c.sendall(packet(0, b"\x0a" + random.Random(s).randbytes(80))) or _silent(c)
        )
        for seed in range(3)
    },
}


# Each of these waits for a whole time-out of 10 seconds.
SILENT = {"silent after the start", "silent after the greeting", "a negative length",
          "an error with no end"}  # fmt: skip
CASES = [
    pytest.param(dialect, name, marks=[pytest.mark.slow] if name in SILENT else [])
    for dialect, handlers in (("postgres", POSTGRES), ("mysql", MYSQL))
    for name in handlers
]


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_a_hostile_server_costs_no_more_than_its_budget(
    victim: Server, dialect: str, name: str
) -> None:
    handler = (POSTGRES if dialect == "postgres" else MYSQL)[name]
    with serving(handler) as port:
        answer, seconds = diagnosed(victim, dialect, port)
    assert answer["success"] is False
    assert seconds < BUDGET
    assert len(answer["stages"]) == 10
    failed = next(stage for stage in answer["stages"] if stage["status"] == "failed")
    assert failed["message"]
    assert len(failed["message"]) < 1000


@pytest.mark.slow
def test_a_port_that_never_accepts_ends_in_time(victim: Server) -> None:
    with unanswering() as port:
        answer, seconds = diagnosed(victim, "postgres", port)
    assert answer["success"] is False
    assert seconds < BUDGET
