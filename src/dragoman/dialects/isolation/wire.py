"""Messages between the server and a worker, over a pair of Unix sockets.

A message is a JSON object and some bytes (an Arrow stream, mostly). JSON and not pickle: the worker
speaks to strangers, and what it says must not run here.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, cast

Message = dict[str, Any]

_HEAD: Final = struct.Struct(">IQ")
MAX_JSON: Final = 64 << 20
MAX_BYTES: Final = 1 << 30


class WireBroken(Exception):
    """The other side is gone, or does not keep to the form."""


def send(sock: socket.socket, message: Message, data: memoryview | bytes = b"") -> None:
    """Write one message. Raises `OSError` as the socket does, its time-out included."""
    text = json.dumps(message, separators=(",", ":")).encode()
    sock.sendall(_HEAD.pack(len(text), len(data)) + text)
    if len(data):
        sock.sendall(data)


def receive(
    sock: socket.socket, before: Callable[[], None] = lambda: None
) -> tuple[Message, bytearray]:
    """Read one message; `before` runs ahead of each read, to set the time-out that is left.

    Raises `WireBroken`, and `TimeoutError` where a time-out is set.
    """
    size, extra = _HEAD.unpack(_exactly(sock, _HEAD.size, before))
    if size > MAX_JSON or extra > MAX_BYTES:
        raise WireBroken("a message is too long")
    try:
        message: object = json.loads(_exactly(sock, size, before))
    except ValueError:
        raise WireBroken("a message is not JSON") from None
    if not isinstance(message, dict):
        raise WireBroken("a message is no object")
    return cast("Message", message), _exactly(sock, extra, before)


def _exactly(sock: socket.socket, size: int, before: Callable[[], None]) -> bytearray:
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        before()
        try:
            count = sock.recv_into(view[filled:])
        except TimeoutError:
            raise
        except OSError:
            raise WireBroken("the socket broke") from None
        if not count:
            raise WireBroken("the other side hung up")
        filled += count
    return data
