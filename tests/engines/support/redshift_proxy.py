"""What lets Amazon's own driver sign in to PostgreSQL: a proxy that drops the driver's parameters.

The driver announces itself in the startup message by four parameters that Redshift knows and
PostgreSQL refuses. It also takes the end of PostgreSQL's list of SCRAM's mechanisms for a mechanism
without a name, so the list is sent without its end. All else passes as it is.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Generator
from typing import Any

import psycopg
from psycopg import sql

from tests.engines.support.drivers import with_driver
from tests.support.engines import Engine
from tests.support.servers import serving

DROPPED = frozenset(
    {b"client_protocol_version", b"driver_version", b"os_version", b"driver_discovery_version"}
)
_TLS = struct.pack("!I", 80877103)
_SASL = struct.pack("!I", 10)


@contextlib.contextmanager
def amazons_driver(engine: Engine) -> Generator[Callable[..., Any]]:
    """Gives what opens a connection of the driver, with that server behind the proxy.

    Its arguments replace those of `redshift_connector.connect`. Raises `Unavailable`.
    """
    with_driver("redshift", "redshift_connector")
    import redshift_connector  # pyright: ignore[reportMissingImports]

    _hash_as_usual(engine)
    with proxy(engine.port) as port:
        whom = {"database": engine.database, "user": engine.username, "password": engine.password}

        def sign_in(**changes: Any) -> Any:
            given = {"host": "127.0.0.1", "port": port, "ssl": False, **whom, **changes}
            return redshift_connector.connect(**given)

        yield sign_in


def _hash_as_usual(engine: Engine) -> None:
    """The tests' server hashes its password once, for speed; the driver refuses less than 4096."""
    with psycopg.connect(engine.url("postgresql"), autocommit=True) as connection:
        connection.execute("SET scram_iterations = 4096")
        role, word = sql.Identifier(engine.username), sql.Literal(engine.password)
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, word))


@contextlib.contextmanager
def proxy(port: int) -> Generator[int]:
    """The port of a proxy before the server on that port of 127.0.0.1."""

    def handle(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:
            server.sendall(_without(_startup(client)))
            client.sendall(_first_answer(server))
            back = threading.Thread(target=_carry, args=(server, client), daemon=True)
            back.start()
            _carry(client, server)
            back.join()

    with serving(handle) as listening:
        yield listening


def _startup(client: socket.socket) -> bytes:
    """The first message, whose length comes first; a request for TLS is declined before it."""
    while True:
        length = struct.unpack("!I", _exactly(client, 4))[0]
        body = _exactly(client, length - 4)
        if body != _TLS:
            return body
        client.sendall(b"N")


def _without(body: bytes) -> bytes:
    version, *parts = body[:4], *body[4:].rstrip(b"\0").split(b"\0")
    pairs = zip(parts[::2], parts[1::2], strict=True)
    kept = b"".join(name + b"\0" + value + b"\0" for name, value in pairs if name not in DROPPED)
    return struct.pack("!I", len(kept) + 9) + version + kept + b"\0"


def _first_answer(server: socket.socket) -> bytes:
    kind, length = struct.unpack("!cI", _exactly(server, 5))
    body = _exactly(server, length - 4)
    if kind == b"R" and body.startswith(_SASL):
        body = body[:-1]
    return struct.pack("!cI", kind, len(body) + 4) + body


def _exactly(client: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = client.recv(size - len(found))
        if not piece:
            raise ConnectionError("the other side hung up")
        found += piece
    return found


def _carry(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
