"""Bounded conversation with a server nobody trusts yet: every read has a size and a deadline."""

from __future__ import annotations

import socket
import time

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage

PROBE_SECONDS = 10.0
"""How long one probe may take when the caller does not say."""


class Deadline:
    """A point in time, and the seconds left until then."""

    __slots__ = ("_end",)

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left; raises `TimeoutError` when there are none."""
        seconds = self._end - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("deadline passed")
        return seconds


def exchange(sock: socket.socket, send: bytes, size: int, deadline: Deadline) -> bytes:
    """Send, then read exactly `size` bytes and not one more. Raises `DatabaseFailure` (tls)."""
    try:
        if send:
            sock.settimeout(deadline.left())
            sock.sendall(send)
        return _receive(sock, size, deadline)
    except TimeoutError as error:
        raise silent() from error
    except OSError as error:
        raise hung_up() from error


def _receive(sock: socket.socket, size: int, deadline: Deadline) -> bytes:
    received = bytearray()
    while len(received) < size:
        sock.settimeout(deadline.left())
        chunk = sock.recv(size - len(received))
        if not chunk:
            raise ConnectionResetError("closed by the server")
        received += chunk
    return bytes(received)


def silent() -> DatabaseFailure:
    """The server took the connection and then said nothing, or too little, in time."""
    return DatabaseFailure(
        Stage.TLS,
        Cause.TIMEOUT,
        "The server accepted the connection but did not answer in time.",
        "Check that this is the port of the database, and that no proxy in between swallows it.",
    )


def hung_up() -> DatabaseFailure:
    """The server closed the connection before the conversation was over."""
    return DatabaseFailure(
        Stage.TLS,
        Cause.CONNECTION_LOST,
        "The server closed the connection right after it was opened.",
        "Check that this is the port of the database, and that it accepts this client's address.",
    )
