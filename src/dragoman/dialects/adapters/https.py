"""How HTTPS of the clouds' own libraries leaves the house: sockets come from the checked network.

The libraries build on requests and urllib3 (or carry copies of them). Here these keep connections
and open none: no second look-up of a name, no proxy or CA file of the environment, no redirect, no
plain text. That holds for every host that an answer may name, not only for the first.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import socket
import threading
import weakref
from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network, probe_tls


class Interrupted(BaseException):
    """A conversation that ended without an answer.

    The libraries try again, for minutes, after any `Exception`, and log the request; this passes
    through them.
    """

    def __init__(self, failure: DatabaseFailure) -> None:
        super().__init__(failure)
        self.failure = failure


class Door:
    """Opens sockets, and can hang all of them up from another thread.

    `seconds`: the limit of dialling and of the TLS handshake. `answer_seconds`: how long the other
    side may be silent. `advice`: what to check when nobody sensible answers.
    """

    def __init__(self, network: Network, seconds: float, advice: str = "") -> None:
        self.network = network
        self.answer_seconds = seconds
        self.advice = advice
        self._seconds = seconds
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()

    def open(self, host: str, port: int) -> socket.socket:
        """A connected socket with TLS, the server's certificate verified. Raises `Interrupted`."""
        try:
            sock, address = self.network.connect(host, port, self._seconds)
            secured = probe_tls(sock, address.host, self.network.tls, timeout=self._seconds)
        except DatabaseFailure as failure:
            raise Interrupted(failure) from None
        with self._lock:
            self._open.add(secured)
        return secured

    def hang_up(self) -> None:
        """End every conversation; whoever waits for an answer gets an error."""
        with self._lock:
            sockets = list(self._open)
        for each in sockets:
            with contextlib.suppress(OSError):
                # SSLSocket's own would pull the TLS state from under a thread that reads.
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def at_most(self, seconds: float) -> Generator[None]:
        """Hang up when the block takes longer; it then raises `Interrupted` (timeout).

        Time-outs of sockets count from byte to byte, so a slow trickle passes them.
        """
        late = threading.Event()

        def ring() -> None:
            late.set()
            self.hang_up()

        timer = threading.Timer(seconds, ring)
        timer.daemon = True
        timer.start()
        try:
            yield
        except Interrupted:
            if late.is_set():
                raise Interrupted(no_answer()) from None
            raise
        finally:
            timer.cancel()


def guard(session: Any, door: Door, requests: str = "requests", urllib3: str = "urllib3") -> None:
    """Makes a session of requests use the door and nothing of the environment.

    `requests`, `urllib3`: the modules that it is made of.
    """
    session.trust_env = False
    session.adapters.clear()
    session.mount("https://", _adapter_class(requests, urllib3)(door))


@functools.cache
def _adapter_class(requests: str, urllib3: str) -> Any:
    base: Any = importlib.import_module(f"{requests}.adapters").HTTPAdapter
    silence: Any = importlib.import_module(f"{requests}.exceptions").Timeout

    class CheckedAdapter(base):
        """Sends a request once, over a connection of the door."""

        def __init__(self, door: Door) -> None:
            self.door = door
            super().__init__(max_retries=0)

        def init_poolmanager(self, connections: int, maxsize: int, *_: Any, **__: Any) -> None:
            self.poolmanager = _pools(self.door, urllib3, connections, maxsize)

        def get_connection_with_tls_context(self, request: Any, *_: Any, **__: Any) -> Any:
            asked = urlsplit(str(request.url))
            return self.poolmanager.connection_from_host(asked.hostname, asked.port or 443, "https")

        def cert_verify(self, *_: Any, **__: Any) -> None:
            """TLS is the door's business."""

        def send(self, request: Any, stream: bool = False, **_: Any) -> Any:
            try:
                seconds = self.door.answer_seconds
                answer: Any = base.send(self, request, stream=stream, timeout=seconds)
            except silence:
                raise Interrupted(no_answer()) from None
            except Exception:  # noqa: BLE001 - whatever it is, there is no answer
                raise Interrupted(_lost(self.door.advice)) from None
            if answer.is_redirect:
                raise Interrupted(_redirected(self.door.advice))
            return answer

    return CheckedAdapter


def _pools(door: Door, urllib3: str, connections: int, maxsize: int) -> Any:
    library: Any = importlib.import_module(urllib3)
    http: Any = importlib.import_module(f"{urllib3}.connection").HTTPConnection
    base: Any = library.HTTPConnectionPool

    class Connection(http):
        default_port = 443

        def _new_conn(self) -> socket.socket:
            return door.open(self.host, self.port)

    class Pool(base):
        scheme = "https"
        ConnectionCls: Any = Connection

    manager: Any = library.PoolManager(num_pools=connections, maxsize=maxsize)
    # To urllib3 every connection is plain: it comes encrypted.
    manager.pool_classes_by_scheme = {"https": Pool}
    return manager


def no_answer() -> DatabaseFailure:
    """The other side said nothing in time."""
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.TIMEOUT,
        "The server accepted the connection but did not answer in time.",
    )


def unwell(advice: str = "Try again later.") -> DatabaseFailure:
    """The service answered again and again that it cannot answer now."""
    message = "The service answers with errors (HTTP status 5xx or 429)."
    return DatabaseFailure(Stage.AUTHENTICATION, Cause.OTHER, message, advice)


def _lost(advice: str) -> DatabaseFailure:
    message = "The server closed the connection without an answer over HTTP."
    return DatabaseFailure(Stage.AUTHENTICATION, Cause.CONNECTION_LOST, message, advice or None)


def _redirected(advice: str) -> DatabaseFailure:
    message = "The server sends clients on to another address; nothing is sent there."
    return DatabaseFailure(Stage.AUTHENTICATION, Cause.OTHER, message, advice or None)
