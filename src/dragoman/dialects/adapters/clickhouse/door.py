"""How HTTP leaves the house: sockets that the network checked, TLS by the operator's rules.

urllib3 keeps its connections, but opens none itself: no second look-up of the name, no proxy of the
environment, no redirect to another place, no retry.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import weakref
from collections.abc import Generator
from http import HTTPStatus
from typing import Any, Final

from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure
from dragoman.dialects.network import Address, Network, TlsPolicy, probe_tls
from dragoman.dialects.tls_rule import must_have_tls

# What OpenSSL says when the other side answers a handshake with something that is not TLS.
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_MESSAGE"})
# Answers that are no rows: settings of the server, texts of errors.
_MAX_WHOLE: Final = 1 << 24


class Interrupted(Exception):
    """The conversation broke off: lost, or (`timed_out`) no answer in time."""

    def __init__(self, error: BaseException, *, timed_out: bool) -> None:
        super().__init__(type(error).__name__)
        self.timed_out = timed_out


def encrypted(
    sock: socket.socket, address: Address, policy: TlsPolicy, *, verify: bool, timeout: float
) -> ssl.SSLSocket | None:
    """TLS on a fresh socket; None where the server speaks none and plain text is allowed to it.

    HTTP has no greeting that says whether TLS is spoken: it is tried. The socket is used up.
    Raises `DatabaseFailure` (tls).
    """
    try:
        return probe_tls(sock, address.host, policy, verify, timeout=timeout)
    except DatabaseFailure as failure:
        if failure.cause is not Cause.TLS_UNSUPPORTED or not _speaks_none(failure.__cause__):
            raise
    must_have_tls(address, policy)
    return None


def _speaks_none(error: BaseException | None) -> bool:
    """A server that speaks TLS and finds no agreement is no reason to go on without."""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return True
    return isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS


class Door:
    """Opens sockets to one server, and can hang all of them up from another thread."""

    def __init__(self, target: Target, network: Network, seconds: float) -> None:
        """`seconds`: for dialling and for the TLS handshake."""
        self._target = target
        self._network = network
        self._seconds = seconds
        self._verify = not target.settings.get("trustServerCertificate")
        self._tls: bool | None = None  # unknown until the first socket
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._lock = threading.Lock()

    def open(self) -> socket.socket:
        """A connected socket, encrypted if the server offers it. Raises `DatabaseFailure`."""
        sock, address = self._network.connect(self._target.host, self._target.port, self._seconds)
        if self._tls is False:
            return self._kept(self._plain(sock, address))
        policy = self._network.tls
        secured = encrypted(sock, address, policy, verify=self._verify, timeout=self._seconds)
        if secured is None:
            # Once TLS was spoken, a server without it is somebody else.
            if self._tls:
                must_have_tls(address, policy, ever_allowed=False)
            self._tls = False
            return self.open()
        self._tls = True
        return self._kept(secured)

    def hang_up(self) -> None:
        """End every conversation; whoever waits for an answer gets an error."""
        with self._lock:
            sockets = list(self._open)
        for each in sockets:
            with contextlib.suppress(OSError):
                # SSLSocket's own would pull the TLS state from under a thread that reads.
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    @contextlib.contextmanager
    def at_most(self, seconds: float) -> Generator[threading.Event]:
        """Hang up when the block takes longer; the event then is set.

        The driver's time-outs count from byte to byte, so a slow trickle passes them.
        """
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

    def _plain(self, sock: socket.socket, address: Address) -> socket.socket:
        """The name may have moved since the last time: the rule is asked again."""
        try:
            must_have_tls(address, self._network.tls)
        except DatabaseFailure:
            sock.close()
            raise
        return sock

    def _kept(self, sock: socket.socket) -> socket.socket:
        # Head and body of a request are two writes: the second must not wait for an answer.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        with self._lock:
            self._open.add(sock)
        return sock


@contextlib.contextmanager
def broken_off() -> Generator[None]:
    """Errors of urllib3 and of sockets as `Interrupted`."""
    from urllib3.exceptions import HTTPError
    from urllib3.exceptions import TimeoutError as NoAnswer

    try:
        yield
    except (HTTPError, OSError) as error:
        late = isinstance(error, NoAnswer | TimeoutError)
        raise Interrupted(error, timed_out=late) from error


def _read_whole(response: Any) -> None:
    """The body at once, as the driver wants it, and no more of it than makes sense."""
    body = response.read(_MAX_WHOLE + 1)
    if len(body) > _MAX_WHOLE:
        response.close()
        raise Interrupted(ValueError("too long"), timed_out=False)
    response._body = body


def pool_manager(door: Door) -> Any:
    """urllib3's pool manager whose connections all come through the door."""
    from urllib3 import HTTPConnectionPool, PoolManager
    from urllib3.connection import HTTPConnection

    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return door.open()

    class Pool(HTTPConnectionPool):
        ConnectionCls: Any = Connection

    class Manager(PoolManager):
        def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> Any:
            """Once, to this server and no other; the driver would repeat after an `HTTPError`."""
            streamed = kw.get("preload_content") is False
            kw |= {"retries": False, "preload_content": False, "decode_content": False}
            with broken_off():
                response = super().urlopen(method, url, redirect=False, **kw)
                if not streamed or response.status != HTTPStatus.OK:
                    _read_whole(response)
                return response

    manager: Any = Manager(num_pools=1, maxsize=2)
    # TLS is the door's business: to urllib3 every connection is plain HTTP.
    manager.pool_classes_by_scheme = {"http": Pool}
    return manager
