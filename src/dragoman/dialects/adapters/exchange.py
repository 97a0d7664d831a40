"""Whole requests and answers over HTTP, through a door: what adapters of small answers need."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from typing import Any, Final

from dragoman.dialects.adapters.clickhouse.door import Door, broken_off

MAX_BODY: Final = 256 << 20
_CHUNK: Final = 1 << 20


class Exchange:
    """Conversations with one server over kept connections; may be used from several threads.

    No look-up of a name, no redirect, no retry and no proxy: the door dials, and that is all.
    """

    def __init__(self, door: Door, host: str, port: int) -> None:
        """`host`, `port`: what the server is called in requests."""
        from urllib3 import HTTPConnectionPool
        from urllib3.connection import HTTPConnection

        class Connection(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return door.open()

        class Pool(HTTPConnectionPool):
            ConnectionCls: Any = Connection

        # The door encrypts: to urllib3 every connection is plain HTTP.
        self._pool: Any = Pool(host, port, maxsize=2)

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | str | None,
        seconds: float,
    ) -> tuple[Any, bytes]:
        """The answer (urllib3's, read to its end) and its body, unpacked.

        `seconds`: between one byte and the next. Raises `DatabaseFailure` of the door,
        `Interrupted`, and `ValueError` for a body of more than `MAX_BODY` bytes.
        """
        with broken_off():
            raw = self._pool.urlopen(
                method,
                path,
                body=body,
                headers=headers,
                timeout=seconds,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
            )
            return raw, _whole(raw)

    def close(self) -> None:
        """Close what is kept; harmless at any time."""
        self._pool.close()


def _whole(raw: Any) -> bytes:
    received = bytearray()
    while chunk := raw.read(_CHUNK, decode_content=True):
        received += chunk
        if len(received) > MAX_BODY:
            with contextlib.suppress(Exception):
                raw.close()
            raise ValueError("the answer is too long")
    raw.release_conn()
    return bytes(received)
