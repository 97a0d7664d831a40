"""Thrift messages as HTTPS requests to the workspace, each once, each of a bounded size."""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from dragoman.dialects.adapters.clickhouse.door import Door
from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network

PORT: Final = 443
MAX_BODY: Final = 256 << 20
_CHUNK: Final = 1 << 20


class Refused(Exception):
    """An answer with another status than 200; `reason` is the service's, for a person."""

    def __init__(self, status: int, reason: str, body: bytes = b"") -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.reason = reason
        self.body = body


class TlsDoor(Door):
    """The door to a workspace. Its tokens are sent over TLS only."""

    def __init__(self, target: Target, network: Network, seconds: float) -> None:
        always: dict[str, Any] = {"port": PORT, "trustServerCertificate": False}
        super().__init__(replace(target, settings={**target.settings, **always}), network, seconds)

    def open(self) -> socket.socket:
        """See `Door.open`."""
        sock = super().open()
        if not isinstance(sock, ssl.SSLSocket):
            sock.close()
            raise DatabaseFailure(
                Stage.TLS,
                Cause.TLS_UNSUPPORTED,
                "This host offers no TLS, so it is no Databricks workspace.",
                "Check the host: it is the workspace's, as in the browser's address.",
            )
        return sock


class Web:
    """Requests to one host through a pool of urllib3 that opens no connection itself."""

    def __init__(self, manager: Any, host: str) -> None:
        self._manager = manager
        self._origin = f"http://{host}:{PORT}"  # the door encrypts

    def post(self, path: str, body: bytes, headers: Mapping[str, str], seconds: float) -> bytes:
        """The body of the answer. Raises `Refused`, `Interrupted` or `DatabaseFailure`."""
        return self._sent("POST", path, body, headers, seconds)

    def get(self, path: str, headers: Mapping[str, str], seconds: float) -> bytes:
        """As `post`."""
        return self._sent("GET", path, None, headers, seconds)

    def _sent(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> bytes:
        raw = self._manager.urlopen(
            method,
            self._origin + path,
            body=body,
            headers={"User-Agent": "dragoman", **headers},
            timeout=seconds,
            preload_content=False,
        )
        data = _body(raw)
        if raw.status != 200:
            said = raw.headers.get("x-databricks-reason-phrase")
            said = said or raw.headers.get("x-thriftserver-error-message") or ""
            raise Refused(raw.status, str(said), data)
        return data


class Messages:
    """What Thrift's protocol writes to and reads from; every flush is one request."""

    def __init__(self, web: Web, path: str, sign: Callable[[], str], seconds: float) -> None:
        """`sign`: gives the Authorization header. `seconds`: how long an answer may take."""
        self._web = web
        self._path = path
        self._sign = sign
        self._written = bytearray()
        self._answer = io.BytesIO()
        self.seconds = seconds

    def write(self, data: bytes) -> None:
        """Part of a message."""
        self._written += data

    def flush(self) -> None:
        """Send the message and take the answer."""
        body, self._written = bytes(self._written), bytearray()
        headers = {"Content-Type": "application/x-thrift", "Authorization": self._sign()}
        self._answer = io.BytesIO(self._web.post(self._path, body, headers, self.seconds))

    # The name is Thrift's.
    def readAll(self, size: int) -> bytes:  # noqa: N802
        """Exactly `size` bytes of the answer."""
        data = self._answer.read(max(size, 0))
        if len(data) != size:
            raise EOFError("the answer ends early")
        return data


def _body(raw: Any) -> bytes:
    """The whole body, of a bounded size; a connection with more in it is dropped."""
    received = bytearray()
    while chunk := raw.read(_CHUNK, decode_content=True):
        received += chunk
        if len(received) > MAX_BODY:
            with contextlib.suppress(Exception):
                raw.close()
            raise ValueError("the answer is too long")
    raw.release_conn()
    return bytes(received)
