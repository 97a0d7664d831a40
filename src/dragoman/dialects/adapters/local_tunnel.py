"""A port of this machine that leads to a server which was dialled and verified by us.

For drivers that look names up, trust certificates and follow a server's directions by themselves.
The port takes one client and is closed then; who comes before the driver gets a connection without
a password. What is plain stays inside this machine.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Final

from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure
from dragoman.dialects.network import Network, probe_tls
from dragoman.dialects.tls_rule import must_have_tls

LOCAL: Final = "127.0.0.1"
# How a port without TLS ends the handshake, or does not.
NO_TLS: Final = frozenset({Cause.TLS_UNSUPPORTED, Cause.TIMEOUT, Cause.CONNECTION_LOST})
_CHUNK: Final = 16_384

Look = Callable[[bytes], bool]


def dial(
    target: Target, network: Network, seconds: float, tls_seconds: float, verify: bool = True
) -> socket.socket:
    """A connection to a port that speaks TLS or does not, and does not say which.

    TLS is tried first, for `tls_seconds`. Raises `DatabaseFailure`.
    """
    server, address = network.connect(target.host, target.port, seconds)
    try:
        limit = min(seconds, tls_seconds)
        return probe_tls(server, address.host, network.tls, verify, timeout=limit)
    except DatabaseFailure as failure:
        if failure.cause not in NO_TLS:
            raise
    must_have_tls(address, network.tls)
    return network.connect(target.host, target.port, seconds)[0]


class LocalTunnel:
    """Takes `server` over (encrypted or not), and carries bytes for one client.

    `look`: sees what the server sends before the client does; once it says False, the server is
    left and `refused` is set.
    """

    def __init__(self, server: socket.socket, seconds: float, look: Look) -> None:
        """`seconds`: how long the port waits for its client."""
        self.refused = False
        self._server = server
        self._look = look
        self._client: socket.socket | None = None
        self._listener = socket.create_server((LOCAL, 0), backlog=1)
        self._listener.settimeout(seconds)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="local-tunnel", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hang up on both sides; harmless at any time."""
        for sock in (self._listener, self._client, self._server):
            if sock is not None:
                with contextlib.suppress(OSError):
                    # SSLSocket's own would pull the TLS state from under the other thread.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
        self._thread.join(5)

    def _run(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._server:
            with self._listener:
                self._client, _ = self._listener.accept()
            self._client.settimeout(None)
            with self._client:
                self._carry(self._client)

    def _carry(self, client: socket.socket) -> None:
        poll = select.poll()
        poll.register(client, select.POLLIN)
        poll.register(self._server, select.POLLIN)
        # TLS may hold bytes already that no poll shows.
        ready = {self._server.fileno()}
        while True:
            if self._server.fileno() in ready and not self._from_server(client):
                return
            if client.fileno() in ready:
                if not (data := client.recv(_CHUNK)):
                    return
                self._server.settimeout(None)
                self._server.sendall(data)
            ready = {number for number, _ in poll.poll()}

    def _from_server(self, client: socket.socket) -> bool:
        """Pass on what has arrived; False at its end."""
        self._server.settimeout(0)
        while True:
            try:
                data = self._server.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                return True
            if not data:
                return False
            if not self._look(data):
                self.refused = True
                return False
            client.sendall(data)
