"""The MySQL adapter against servers that mean harm, each written here by hand."""

from __future__ import annotations

import builtins
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.dialects import registry
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.egress import EgressPolicy
from dragoman.secret import SecretStr
from tests.support.servers import serving

OK = b"\x00\x00\x00\x02\x00\x00\x00"
PASSWORD = "canary-of-a-password"


def packet(payload: bytes, sequence: int) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def greeting(version: bytes = b"8.0.40", *, tls: bool = False) -> bytes:
    flags = 0x00088200 | 0xA000 | (0x800 if tls else 0)
    return packet(
        b"\x0a" + version + b"\0" + struct.pack("<I", 7) + b"12345678\0"
        + struct.pack("<H", flags & 0xFFFF) + b"\x2d\x02\x00" + struct.pack("<H", flags >> 16)
        + b"\x15" + b"\0" * 10 + b"901234567890\0" + b"mysql_native_password\0",
        0,
    )  # fmt: skip


def read(client: socket.socket) -> bytes:
    header = client.recv(4, socket.MSG_WAITALL)
    return client.recv(int.from_bytes(header[:3], "little"), socket.MSG_WAITALL)


def one_row(*texts: bytes) -> bytes:
    """A result with one row, its columns texts."""
    column = b"\x03def\0\0\0\x01v\x01v\x0c\x2d\0\0\x01\0\0\xfd\0\0\0\0\0"
    end = b"\xfe\0\0\x02\0"
    row = b"".join(bytes([len(text)]) + text for text in texts)
    parts = (bytes([len(texts)]), *[column] * len(texts), end, row, end)
    return b"".join(packet(part, i + 1) for i, part in enumerate(parts))


def told(command: bytes) -> bytes:
    """What a server says to a statement of ours."""
    if b"VERSION" in command:
        return one_row(b"8.0.40", b"ANSI_QUOTES,NO_ZERO_DATE,ANSI")
    return one_row(b"8") if b"SELECT" in command else packet(OK, 1)


def rogue(on_select: bytes) -> Callable[[socket.socket], None]:
    """Lets anybody in and answers the user's statement with the given packet."""

    def handle(client: socket.socket) -> None:
        client.sendall(greeting())
        read(client)
        client.sendall(packet(OK, 2))
        while command := read(client):
            if b"stolen" in command:
                client.sendall(packet(on_select, 1))
            else:
                client.sendall(told(command))

    return handle


def connect(port: int) -> Any:
    settings = {"host": "localhost", "port": port, "database": "d", "username": "u"}
    where = Target("mysql", settings, {"passwordUnencrypted": SecretStr(PASSWORD)})
    options = SessionOptions(connect_seconds=2.0, timeout_seconds=2.0)
    return registry.get("mysql").connect(where, EgressPolicy.build(loopback=True), options)


def test_a_server_that_asks_for_a_local_file_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    really = builtins.open

    def spy(file: Any, *rest: Any, **named: Any) -> Any:
        opened.append(file)
        return really(file, *rest, **named)

    with serving(rogue(b"\xfb/etc/hostname")) as port:
        session = connect(port)
        monkeypatch.setattr(builtins, "open", spy)
        with pytest.raises(DatabaseFailure) as caught:
            list(session.run("SELECT stolen").batches)
        monkeypatch.undo()
        assert "/etc/hostname" not in [str(file) for file in opened]
        assert "file" in caught.value.message
        assert session.broken
        session.close()


def test_mysql_8_is_told_its_own_time_limit() -> None:
    said: list[bytes] = []

    def handle(client: socket.socket) -> None:
        client.sendall(greeting())
        read(client)
        client.sendall(packet(OK, 2))
        while command := read(client):
            said.append(command[1:])
            client.sendall(told(command))

    with serving(handle) as port:
        connect(port).close()
    assert b"SET SESSION max_execution_time = 2000" in said
    assert b"SET SESSION TRANSACTION READ ONLY" in said
    assert any(statement.endswith(b"sql_mode = 'NO_ZERO_DATE'") for statement in said)
    assert not any(b"max_statement_time" in statement for statement in said)


def test_a_server_that_asks_for_the_password_in_plain_text_does_not_get_it() -> None:
    received: list[bytes] = []

    def handle(client: socket.socket) -> None:
        client.sendall(greeting())
        received.append(read(client))
        client.sendall(packet(b"\xfemysql_clear_password\0", 2))
        received.append(client.recv(4096))

    with serving(handle) as port, pytest.raises(DatabaseFailure) as caught:
        connect(port)
    assert caught.value.stage is Stage.AUTHENTICATION
    assert not any(PASSWORD.encode() in sent for sent in received)
    assert PASSWORD not in repr(caught.value)


def test_a_server_that_hangs_up_in_the_middle_is_a_failure() -> None:
    with (
        serving(lambda client: client.sendall(greeting()[:40])) as port,
        pytest.raises(DatabaseFailure) as caught,
    ):
        connect(port)
    assert caught.value.cause in {Cause.CONNECTION_LOST, Cause.OTHER, Cause.TIMEOUT}


def test_too_many_connections_is_told_as_such() -> None:
    refusal = packet(b"\xff" + struct.pack("<H", 1040) + b"Too many connections", 0)
    with (
        serving(lambda client: client.sendall(refusal)) as port,
        pytest.raises(DatabaseFailure) as caught,
    ):
        connect(port)
    assert caught.value.cause is Cause.TOO_MANY_CONNECTIONS
