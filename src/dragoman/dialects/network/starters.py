"""How PostgreSQL and MySQL start TLS: both speak a few plain bytes first.

Sources: PostgreSQL documentation, "Message Flow: SSL Session Encryption"; MySQL documentation,
"Connection Phase Packets" (HandshakeV10, SSLRequest, ERR_Packet).
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network.deadline import PROBE_SECONDS, Deadline, exchange

_POSTGRES_SSL_REQUEST = struct.pack("!ii", 8, 80877103)

_MYSQL_MAX_GREETING = 1024  # a real one has about 100 bytes, an error at most 512 of text
_CLIENT_SSL = 0x0000_0800
_CLIENT_PROTOCOL_41 = 0x0000_0200
_CLIENT_SECURE_CONNECTION = 0x0000_8000
_CLIENT_PLUGIN_AUTH = 0x0008_0000
_UTF8MB4 = 45
_TOO_MANY_CONNECTIONS = 1040
_HOST_REFUSED = {
    1129: "Unblock this client on the server (FLUSH HOSTS), then try again.",
    1130: "Let the user sign in from this client's address (the host part of CREATE USER).",
}


def postgres_starttls(sock: socket.socket, *, timeout: float = PROBE_SECONDS) -> bool:
    """Ask a PostgreSQL server for TLS. True: it waits for the handshake. False: it offers none.

    Reads one byte only, so nothing that was sent ahead in plain text can pass as encrypted.
    Raises `DatabaseFailure` (tls): timeout, connection_lost, other (not a PostgreSQL server).
    """
    answer = exchange(sock, _POSTGRES_SSL_REQUEST, 1, Deadline(timeout))
    if answer == b"S":
        return True
    if answer == b"N":
        return False
    # An 'E' comes with a text, but nothing has proven yet who sends it: it is not repeated.
    raise _not_this_protocol("PostgreSQL")


@dataclass(frozen=True, slots=True)
class MysqlGreeting:
    """What a MySQL or MariaDB server says of itself before anybody signs in."""

    version: str
    offers_tls: bool
    connection_id: int


def mysql_greeting(sock: socket.socket, *, timeout: float = PROBE_SECONDS) -> MysqlGreeting:
    """Read the first packet of a MySQL or MariaDB server.

    Raises `DatabaseFailure`: stage authentication when the server turns the client away
    (too_many_connections, permission_denied, other; with the native code), stage tls otherwise
    (timeout, connection_lost, other: not a MySQL server).
    """
    deadline = Deadline(timeout)
    header = exchange(sock, b"", 4, deadline)
    length, sequence = int.from_bytes(header[:3], "little"), header[3]
    if not 1 < length <= _MYSQL_MAX_GREETING or sequence != 0:
        raise _not_this_protocol("MySQL")
    payload = exchange(sock, b"", length, deadline)
    if payload[0] == 0xFF:
        raise _turned_away(payload)
    return _parse_greeting(payload)


def mysql_starttls(sock: socket.socket, *, timeout: float = PROBE_SECONDS) -> None:
    """Tell a MySQL server, whose greeting offered it, that the TLS handshake follows."""
    flags = _CLIENT_SSL | _CLIENT_PROTOCOL_41 | _CLIENT_SECURE_CONNECTION | _CLIENT_PLUGIN_AUTH
    body = struct.pack("<IIB23x", flags, 1 << 24, _UTF8MB4)
    packet = len(body).to_bytes(3, "little") + b"\x01" + body
    exchange(sock, packet, 0, Deadline(timeout))


def _parse_greeting(payload: bytes) -> MysqlGreeting:
    """Protocol 10: version, NUL, connection id (4), scramble (8), NUL, lower capabilities (2)."""
    version, nul, rest = payload[1:].partition(b"\0")
    if payload[0] != 10 or not nul or len(rest) < 15:
        raise _not_this_protocol("MySQL")
    connection_id = int.from_bytes(rest[:4], "little")
    capabilities = int.from_bytes(rest[13:15], "little")
    return MysqlGreeting(_printable(version), bool(capabilities & _CLIENT_SSL), connection_id)


def _turned_away(payload: bytes) -> DatabaseFailure:
    if len(payload) < 3:
        return _not_this_protocol("MySQL")
    code = int.from_bytes(payload[1:3], "little")
    text = payload[3:]
    # MariaDB puts '#' and an SQLSTATE before the text here, MySQL does not.
    text = text[6:] if text[:1] == b"#" else text
    message = f"The server turned the connection away: {_printable(text)}"
    if code == _TOO_MANY_CONNECTIONS:
        fix = "Wait, close idle connections, or raise max_connections on the server."
        cause = Cause.TOO_MANY_CONNECTIONS
    else:
        fix = _HOST_REFUSED.get(code)
        cause = Cause.PERMISSION_DENIED if fix else Cause.OTHER
    return DatabaseFailure(Stage.AUTHENTICATION, cause, message, fix, str(code))


def _printable(raw: bytes) -> str:
    """Text of a stranger: at most 200 characters, nothing that moves a cursor or splits a line."""
    text = raw[:400].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else " " for c in text)[:200]


def _not_this_protocol(product: str) -> DatabaseFailure:
    return DatabaseFailure(
        Stage.TLS,
        Cause.OTHER,
        f"Something answers, but it is not a {product} server.",
        "Check host, port and dialect.",
    )
