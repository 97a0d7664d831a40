"""uvicorn's HTTP protocol with limits on the head of a request: its size, and the time it takes.

uvicorn alone reads a head of any length for as long as the client likes, and anybody may be that
client: it comes before any token is seen.
"""

from __future__ import annotations

import asyncio

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from dragoman.api.errors import HeadersTooLarge

HEAD_SECONDS = 15.0
# More than the dispatcher takes, which can answer with a request id.
MAX_HEAD_BYTES = 65_536


class LimitedProtocol(HttpToolsProtocol):
    """One connection. It is closed when a head does not arrive in `HEAD_SECONDS`, when it passes
    `MAX_HEAD_BYTES`, and when a client goes on sending a body that was answered already."""

    _in_head = False
    _head_bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first head."""
        super().connection_made(transport)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what belongs to an unfinished head."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse()
        elif self._idle():
            self._start()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._start()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        self._stop()
        super().on_headers_complete()

    def _idle(self) -> bool:
        # None before the first request, whatever the annotation says.
        return self.cycle is None or self.cycle.response_complete  # pyright: ignore[reportUnnecessaryComparison]

    def _start(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self.transport.close()

    def _refuse(self) -> None:
        error = HeadersTooLarge(f"The headers are larger than {MAX_HEAD_BYTES} bytes")
        content = msgspec.json.encode(error.body())
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
            b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(content), content)
        )
        self.transport.close()
