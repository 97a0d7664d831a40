"""The socket under the driver: TLS that two threads may use, and that takes a bounded message.

A cancel is sent while another thread waits for the answer, and OpenSSL's state is not made for two
threads at once: every call into it is short and behind a lock, and nobody waits inside.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator
from typing import Final, TypeVar

T = TypeVar("T")

# An answer carries about what was asked for; a row may be longer than that, but not as long.
MAX_MESSAGE: Final = 256 << 20


class SharedSocket:
    """An encrypted socket with the few methods that a WebSocket needs. Usable by two threads."""

    def __init__(self, sock: ssl.SSLSocket, seconds: float) -> None:
        """Takes `sock` over. `seconds`: how long to wait for each piece."""
        sock.setblocking(False)
        self._sock = sock
        self._seconds = seconds
        self._lock = threading.Lock()
        self._received = 0

    def start_message(self) -> None:
        """Count the bytes that come in from here on as one message."""
        self._received = 0

    def recv(self, size: int) -> bytes:
        """At most `size` bytes; none when the server hung up."""
        data = self._patiently(lambda: self._sock.recv(size))
        self._received += len(data)
        if self._received > MAX_MESSAGE:
            raise ConnectionError("the answer is too long")
        return data

    def send(self, data: bytes) -> int:
        """Some of the bytes; returns how many."""
        return self._patiently(lambda: self._sock.send(data))

    def gettimeout(self) -> float:
        """Seconds that a call may wait."""
        return self._seconds

    def settimeout(self, seconds: float) -> None:
        """Change how long a call may wait."""
        self._seconds = seconds

    def fileno(self) -> int:
        """The descriptor."""
        return self._sock.fileno()

    def shutdown(self, how: int) -> None:
        """End the conversation; whoever waits for a byte gets an error."""
        # SSLSocket's own would pull the TLS state from under a thread that reads.
        socket.socket.shutdown(self._sock, how)

    def hang_up(self) -> None:
        """End the conversation; harmless at any time."""
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the descriptor back."""
        with self._lock:
            self._sock.close()

    @contextlib.contextmanager
    def at_most(self, seconds: float) -> Generator[threading.Event]:
        """Hang up when the block takes longer; the event then is set."""
        late = threading.Event()

        def ring() -> None:
            late.set()
            self.hang_up()

        timer = threading.Timer(seconds, ring)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _patiently(self, step: Callable[[], T]) -> T:
        deadline = time.monotonic() + self._seconds
        while True:
            try:
                with self._lock:
                    return step()
            except ssl.SSLWantReadError:
                self._wait(deadline, writing=False)
            except ssl.SSLWantWriteError:
                self._wait(deadline, writing=True)

    def _wait(self, deadline: float, *, writing: bool) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        poll = select.poll()
        poll.register(self._sock.fileno(), select.POLLOUT if writing else select.POLLIN)
        poll.poll(left * 1000)
