"""A tunnel for the driver: it dials a port of this machine, and we dial the server.

The driver looks names up itself, trusts what the environment says, and follows a server that sends
it elsewhere. Here the address was checked, TLS is verified by the operator's rules before the first
byte of a password, and a server that names another one gets no second sign-in. The port takes one
client and is closed then; who comes before the driver gets a connection without a password.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from typing import Final

from dragoman.dialects.adapters.mssql import tds
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.entra import by_token
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Address, Deadline, Network
from dragoman.dialects.tls_rule import must_have_tls

_CHUNK: Final = 16_384
_LOCAL: Final = "127.0.0.1"


class Tunnel:
    """One server connection and the local port that leads to it.

    `redirected`: the server named another server, and was left.
    """

    def __init__(self, target: Target, network: Network, options: SessionOptions) -> None:
        """Dial, greet, verify. Raises `DatabaseFailure`."""
        self.redirected = False
        self._options = options
        self._host = target.host
        self._plain: ssl.SSLSocket | socket.socket
        self._inner: socket.socket | None = None
        self._client: socket.socket | None = None
        seconds = options.connect_seconds
        self._server, address = network.connect(target.host, target.port, seconds)
        try:
            self._greeting = tds.greet(self._server, seconds, token=by_token(target))
            self._secure(target, address, network)
            self._server.settimeout(None)
        except BaseException:
            self._server.close()
            raise
        self._listener = socket.create_server((_LOCAL, 0), backlog=1)
        self._listener.settimeout(seconds)
        self._thread = threading.Thread(target=self._run, name="tds-tunnel", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where the driver dials, in its own spelling."""
        return f"tcp:{_LOCAL},{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Hang up on both sides; harmless at any time."""
        for sock in (self._listener, self._client, self._server):
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
        if threading.current_thread() is not self._thread:
            self._thread.join(5)

    def _secure(self, target: Target, address: Address, network: Network) -> None:
        if not tds.offers_tls(self._greeting):
            must_have_tls(address, network.tls, ever_allowed=not by_token(target))
            self._plain = self._server
            return
        verify = tds.verifies(target)
        self._plain, self._inner = tds.start_tls(
            self._server, address.host, network.tls, verify, self._options.connect_seconds
        )
        self._plain.setblocking(False)

    def _run(self) -> None:
        try:
            with self._listener:
                client, _ = self._listener.accept()
            self._client = client
            client.settimeout(None)
            self._pre_login(client)
            self._carry(client)
        except (OSError, ValueError, struct.error, DatabaseFailure):
            pass
        finally:
            for sock in (self._client, self._plain, self._inner, self._server):
                if sock is not None:
                    sock.close()

    def _pre_login(self, client: socket.socket) -> None:
        """The greeting was exchanged already; the driver gets it again, without TLS. Its login says
        the server's name, not this port's."""
        deadline = Deadline(self._options.connect_seconds)
        tds.read_message(client, tds.PRELOGIN, deadline)
        client.settimeout(None)
        client.sendall(tds.packet(tds.ANSWER, tds.without_tls(self._greeting)))
        login = tds.read_message(client, tds.LOGIN, deadline)
        client.settimeout(None)
        named = tds.with_server_name(login, self._host)
        self._plain.sendall(tds.packets(tds.LOGIN, named))

    def _carry(self, client: socket.socket) -> None:
        """Bytes both ways until one side ends; the answer to the login is looked at first."""
        answer: bytes | None = b""
        sides = [side for side in (client, self._inner, self._server) if side is not None]
        while True:
            ready = tds.readable(sides)
            if client in ready:
                if not (data := client.recv(_CHUNK)):
                    return
                self._plain.sendall(data)
            arrived, open_ = self._arrived(ready)
            if arrived and answer is not None:
                answer += arrived
                arrived, answer = self._login_answer(answer)
            if arrived:
                client.sendall(arrived)
            if not open_ or self.redirected:
                return

    def _arrived(self, ready: list[socket.socket]) -> tuple[bytes, bool]:
        """What the server sent, decrypted; and whether it may send more."""
        if self._inner is None:
            data = self._server.recv(_CHUNK) if self._server in ready else b""
            return data, bool(data) or self._server not in ready
        if self._inner in ready:
            self._server.sendall(self._inner.recv(4 * _CHUNK))
        if self._server not in ready:
            return b"", True
        if not (data := self._server.recv(_CHUNK)):
            return b"", False
        self._inner.sendall(data)
        return self._decrypted(), True

    def _decrypted(self) -> bytes:
        found = b""
        while True:
            try:
                data = self._plain.recv(_CHUNK)
            except ssl.SSLWantReadError:
                return found
            if not data:
                raise ConnectionResetError("the server ended TLS")
            found += data

    def _login_answer(self, answer: bytes) -> tuple[bytes, bytes | None]:
        """What may be passed on, and what is kept until the answer is whole."""
        payload, at = b"", 0
        while len(answer) - at >= tds.HEADER:
            length = int.from_bytes(answer[at + 2 : at + 4], "big")
            if length < tds.HEADER or len(answer) > 1 << 20:
                raise ConnectionResetError("not a packet")
            if len(answer) - at < length:
                break
            payload += answer[at + tds.HEADER : at + length]
            last, at = answer[at + 1] & tds.END, at + length
            if last:
                self.redirected = tds.sends_elsewhere(payload)
                return (b"" if self.redirected else answer), None
        return b"", answer


def redirected() -> DatabaseFailure:
    """The server told its client to go to another one."""
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.ADDRESS_DENIED,
        "The server sends its clients to another address, which is not followed.",
        "Name that server itself as host, or switch its connection policy to proxy.",
    )
