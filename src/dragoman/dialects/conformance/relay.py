"""A way to a database that can be cut as a cable is: each connection by a port of this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Address, Network, TlsPolicy

_LOCAL = "127.0.0.1"


class Relayed:
    """A `Network` whose connections run through this process, where `cut` ends them.

    Where the way leads is checked by the network behind, as ever; so is whether plain text may go.
    """

    def __init__(self, network: Network) -> None:
        """`network`: where the connections really go."""
        self._network = network
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._plaintext = False
        self._gone = False

    @property
    def tls(self) -> TlsPolicy:
        """The rules of the network behind, for the address behind."""
        # The relay's own address is of this machine; that must not be what the rule looks at.
        return replace(self._network.tls, plaintext="loopback" if self._plaintext else "never")

    def resolve(self, host: str, port: int) -> Sequence[Address]:
        """As the network behind."""
        return self._network.resolve(host, port)

    def connect(self, host: str, port: int, timeout: float) -> tuple[socket.socket, Address]:
        """A connection to a relay of its own, whose port takes further clients too."""
        if self._gone:
            raise DatabaseFailure(Stage.TCP, Cause.REFUSED, f"The way to {host} is cut.")
        server, address = self._network.connect(host, port, timeout)
        self._plaintext = self._network.tls.allows_plaintext(address)
        listener = socket.create_server((_LOCAL, 0))
        self._keep(listener, server)

        def dial() -> socket.socket:
            return self._network.connect(host, port, timeout)[0]

        threading.Thread(target=self._accept, args=(listener, server, dial), daemon=True).start()
        near = Address(address.host, _LOCAL, listener.getsockname()[1])
        return socket.create_connection((near.ip, near.port), timeout), near

    def cut(self, *, for_good: bool = False) -> None:
        """Every connection that is open ends, and its port with it.

        New ones may be made, unless it is for good.
        """
        self._gone = for_good
        with self._lock:
            sockets, self._sockets = self._sockets, []
        for each in sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _keep(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._sockets += sockets

    def _accept(
        self, listener: socket.socket, first: socket.socket, dial: Callable[[], socket.socket]
    ) -> None:
        server: socket.socket | None = first
        # A failure to dial is that client's failure: its connection ends with this thread.
        with contextlib.suppress(Exception), listener:
            while True:
                client, _ = listener.accept()
                server = server or dial()
                server.settimeout(None)
                self._keep(client, server)
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=_carry, args=pair, daemon=True).start()
                server = None


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 18):
            sink.sendall(data)
    for each in (source, sink):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
