"""The first bytes of TDS: the pre-login, and a TLS handshake inside its packets.

Source: Microsoft, [MS-TDS] 2.2.3.1 (packet header), 2.2.6.5 (PRELOGIN), 2.2.7 (tokens).
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Generator, Iterator
from typing import Final

from dragoman.dialects.base import Target
from dragoman.dialects.entra import by_token
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Deadline, TlsPolicy, probe_tls
from dragoman.dialects.network.deadline import exchange

PRELOGIN: Final = 0x12
LOGIN: Final = 0x10
ANSWER: Final = 0x04
HEADER: Final = 8
END: Final = 1
NOT_SUPPORTED: Final = 2
_VERSION, _ENCRYPTION, _FEDERATION, _TERMINATOR = 0, 1, 6, 0xFF
_ENVIRONMENT, _ROUTING, _FEATURES, _FEDERATED = 0xE3, 20, 0xAE, 0xEE
_WITH_LENGTH: Final = frozenset({0xAA, 0xAB, 0xAD, 0xE3, 0xED, 0x79, 0xA9, 0xE4})
_DONE: Final = frozenset({0xFD, 0xFE, 0xFF})
_MAX_MESSAGE: Final = 1 << 16
_PACKET: Final = 4096
# Places of offsets in a login, each before a length; and of the server's name among them.
_OFFSETS: Final = (36, 40, 44, 48, 52, 56, 60, 64, 68, 78, 82, 86)
_SERVER_NAME, _EXTENSION, _FLAGS, _HAS_EXTENSION = 52, 56, 27, 0x10
_LONGEST_NAME: Final = 128
# The version of a client, the wish for encryption, and that a token will be sent.
_ASK: Final = (
    struct.pack(">BHHBHHBHHB", _VERSION, 16, 6, _ENCRYPTION, 22, 1, _FEDERATION, 23, 1, _TERMINATOR)
    + struct.pack(">BBHH", 18, 6, 0, 0)
    + b"\x01"
)


class _Tls12(TlsPolicy):
    """Inside TDS 7 packets TLS ends at 1.2: a later one says more after the handshake."""

    __slots__ = ()

    def context(self, verify: bool = True) -> ssl.SSLContext:
        """See `TlsPolicy.context`."""
        context = TlsPolicy.context(self, verify)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context


def packet(kind: int, payload: bytes) -> bytes:
    """One packet that is a whole message."""
    return struct.pack(">BBHHBB", kind, END, HEADER + len(payload), 0, 1, 0) + payload


def read_packet(sock: socket.socket, deadline: Deadline) -> tuple[int, bool, bytes]:
    """Type, whether the message ends with it, payload. Raises `DatabaseFailure` (tls)."""
    kind, status, length = struct.unpack(">BBH4x", exchange(sock, b"", HEADER, deadline))
    if length < HEADER:
        raise stranger()
    return kind, bool(status & END), exchange(sock, b"", length - HEADER, deadline)


def read_message(sock: socket.socket, kind: int, deadline: Deadline) -> bytes:
    """The payload of one message of that type. Raises `DatabaseFailure` (tls)."""
    message, last = b"", False
    while not last:
        found, last, payload = read_packet(sock, deadline)
        message += payload
        if found != kind or len(message) > _MAX_MESSAGE:
            raise stranger()
    return message


def greet(sock: socket.socket, timeout: float, *, token: bool = False) -> bytes:
    """Ask for encryption; the server's pre-login. `token`: whether a token will be sent.

    Raises `DatabaseFailure` (tls).
    """
    deadline = Deadline(timeout)
    exchange(sock, packet(PRELOGIN, _ASK + bytes([token])), 0, deadline)
    greeting = read_message(sock, ANSWER, deadline)
    _encryption_at(greeting)
    return greeting


def offers_tls(greeting: bytes) -> bool:
    """Whether the server takes a TLS handshake."""
    return greeting[_encryption_at(greeting)] in (1, 3)


def without_tls(greeting: bytes) -> bytes:
    """The same greeting for a client on this machine that need not encrypt."""
    at = _encryption_at(greeting)
    return greeting[:at] + bytes([NOT_SUPPORTED]) + greeting[at + 1 :]


def verifies(target: Target) -> bool:
    """Whether the server's certificate is verified; always before a token is sent."""
    return by_token(target) or not target.settings.get("trustServerCertificate")


def packets(kind: int, payload: bytes) -> bytes:
    """A message as packets of the size that every server takes before it agrees to another."""
    size = _PACKET - HEADER
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    return b"".join(
        struct.pack(
            ">BBHHBB",
            kind,
            END if number == len(parts) else 0,
            HEADER + len(part),
            0,
            number & 0xFF,
            0,
        )
        + part
        for number, part in enumerate(parts, 1)
    )


def with_server_name(login: bytes, host: str) -> bytes:
    """The login with this server's name in the place of the tunnel's address: Azure tells by it
    which server of many is meant. Raises `ValueError` or `struct.error` for what is no login.

    Source: [MS-TDS] 2.2.6.4 (LOGIN7).
    """
    at, count = struct.unpack_from("<HH", login, _SERVER_NAME)
    name = host.encode("utf-16-le")
    if len(host) > _LONGEST_NAME or at + 2 * count > len(login):
        raise ValueError("no login")
    added = len(name) - 2 * count
    changed = bytearray(login[:at] + name + login[at + 2 * count :])
    struct.pack_into("<I", changed, 0, len(changed))
    for place in _OFFSETS:
        offset: int = struct.unpack_from("<H", changed, place)[0]
        if offset > at:
            struct.pack_into("<H", changed, place, offset + added)
    struct.pack_into("<H", changed, _SERVER_NAME + 2, len(host))
    if changed[_FLAGS] & _HAS_EXTENSION:
        place = struct.unpack_from("<H", changed, _EXTENSION)[0]
        features: int = struct.unpack_from("<I", changed, place)[0]
        if features > at:
            struct.pack_into("<I", changed, place, features + added)
    return bytes(changed)


def _encryption_at(greeting: bytes) -> int:
    for start in range(0, len(greeting) - 4, 5):
        if greeting[start] == _TERMINATOR:
            break
        option, offset, length = struct.unpack_from(">BHH", greeting, start)
        if option == _ENCRYPTION and length == 1 and offset < len(greeting):
            return offset
    raise stranger()


def readable(sockets: list[socket.socket], seconds: float | None = None) -> list[socket.socket]:
    """Those that have bytes or an end to read; waits for one, at most `seconds`."""
    poll = select.poll()
    for sock in sockets:
        poll.register(sock, select.POLLIN)
    found = {number for number, _ in poll.poll(None if seconds is None else seconds * 1000)}
    return [sock for sock in sockets if sock.fileno() in found]


@contextlib.contextmanager
def _wrapping(inner: socket.socket, server: socket.socket, seconds: float) -> Generator[None]:
    """Puts the handshake into packets, and takes it out of them, for the time of the block."""
    done, deadline = threading.Event(), Deadline(seconds)

    def carry() -> None:
        try:
            while not done.is_set():
                ready = readable([inner, server], min(0.02, deadline.left()))
                if inner in ready:
                    if not (data := inner.recv(_MAX_MESSAGE - HEADER - 1)):
                        return
                    server.sendall(packet(PRELOGIN, data))
                if server in ready:
                    inner.sendall(read_packet(server, deadline)[2])
        except (OSError, DatabaseFailure):
            # The other end of the pair sees a server that hung up.
            with contextlib.suppress(OSError):
                inner.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=carry, name="tds-handshake", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def start_tls(
    server: socket.socket, host: str, policy: TlsPolicy, verify: bool, timeout: float
) -> tuple[ssl.SSLSocket, socket.socket]:
    """The encrypted socket, and the socket at which its bytes come out, to be carried on.

    Raises `DatabaseFailure` (tls).
    """
    outer, inner = socket.socketpair()
    strict = _Tls12(policy.ca_file, policy.plaintext)
    try:
        with _wrapping(inner, server, timeout):
            return probe_tls(outer, host, strict, verify, timeout=timeout), inner
    except BaseException:
        inner.close()
        raise


def sends_elsewhere(answer: bytes) -> bool:
    """Whether the server's answer to a login names another server to go to."""
    return any(
        kind == _ENVIRONMENT and body[:1] == bytes([_ROUTING]) for kind, body in _tokens(answer)
    )


def _tokens(answer: bytes) -> Iterator[tuple[int, bytes]]:
    """The tokens as far as they are understood; one that is not is taken for a redirection."""
    at = 0
    while at < len(answer):
        kind, start = answer[at], at + 1
        if kind in _WITH_LENGTH:
            end = start + 2 + int.from_bytes(answer[start : start + 2], "little")
            yield kind, answer[start + 2 : end]
        elif kind in _DONE:
            end = start + 12
        elif kind == _FEDERATED:
            end = start + 4 + int.from_bytes(answer[start : start + 4], "little")
        elif kind == _FEATURES:
            end = _after_features(answer, start)
        else:
            yield _ENVIRONMENT, bytes([_ROUTING])
            return
        at = end


def _after_features(answer: bytes, at: int) -> int:
    while at < len(answer) and answer[at] != _TERMINATOR:
        at += 5 + int.from_bytes(answer[at + 1 : at + 5], "little")
    return at + 1


def stranger() -> DatabaseFailure:
    """What answers does not speak TDS."""
    return DatabaseFailure(
        Stage.TLS,
        Cause.OTHER,
        "Something answers, but it is not a SQL Server.",
        "Check host, port and dialect.",
    )
