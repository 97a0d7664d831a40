"""The worker's door to other machines, and the server's end of it.

The worker asks; the server's `Network` resolves, checks and dials, and the socket is handed over
(SCM_RIGHTS). So the rules for addresses are the server's, and a worker needs no way of its own.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from typing import Any

from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.isolation import plain, wire
from dragoman.dialects.network import Address, Network, TlsPolicy


class Door:
    """A `Network` for the worker. Any of its threads may use it, one at a time."""

    def __init__(self, sock: socket.socket, tls: TlsPolicy) -> None:
        self.tls = tls
        self._sock = sock
        self._lock = threading.Lock()

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        """See `Network.resolve`."""
        with self._lock:
            answer = self._ask({"kind": "resolve", "host": host, "port": port})
        return [Address(*told) for told in answer["addresses"]]

    def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
        """See `Network.connect`."""
        asked = {"kind": "connect", "host": host, "port": port, "timeout": timeout}
        with self._lock:
            answer = self._ask(asked)
            _, numbers, _, _ = socket.recv_fds(self._sock, 1, 1)
        return socket.socket(fileno=numbers[0]), Address(*answer["address"])

    def _ask(self, message: wire.Message) -> wire.Message:
        wire.send(self._sock, message)
        answer, _ = wire.receive(self._sock)
        if answer["kind"] == "failed":
            raise plain.to_failure(answer["failure"])
        return answer


def serve(sock: socket.socket, network: Network, most_seconds: float) -> None:
    """Answer one question of a worker, in at most about so many seconds.

    Raises `WireBroken` and `OSError` when the worker is gone or talks nonsense.
    """
    sock.settimeout(most_seconds)
    try:
        asked, _ = wire.receive(sock)
        _answer(sock, network, asked, most_seconds)
    except (KeyError, TypeError, ValueError):
        raise wire.WireBroken("the worker asked for no address") from None


def _answer(sock: socket.socket, network: Network, asked: Any, most_seconds: float) -> None:
    host, port = str(asked["host"]), int(asked["port"])
    try:
        if asked["kind"] == "resolve":
            found = [_told(address) for address in network.resolve(host, port)]
            wire.send(sock, {"kind": "resolved", "addresses": found})
            return
        seconds = min(float(asked["timeout"]), most_seconds)
        dialled, address = network.connect(host, port, seconds)
    except DatabaseFailure as failure:
        wire.send(sock, {"kind": "failed", "failure": plain.from_failure(failure)})
        return
    with dialled:
        wire.send(sock, {"kind": "connected", "address": _told(address)})
        socket.send_fds(sock, [b"\0"], [dialled.fileno()])


def _told(address: Address) -> tuple[str, str, int]:
    return address.host, address.ip, address.port
