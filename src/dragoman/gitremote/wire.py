"""One conversation with a server nobody trusts: bounded in bytes, in silence and in time."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Generator

from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.network import Address, Deadline, Network, probe_tls
from dragoman.gitremote.address import RepositoryAddress
from dragoman.gitremote.failures import silent, too_large, unreachable
from dragoman.gitremote.limits import MEGABYTE, Limits


class Budget:
    """Counts what arrives and what time is left; raises `GitFailure` past either."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.deadline = Deadline(limits.total_seconds)
        self._allowed = limits.reference_bytes
        self._taken = 0
        self.cut = False

    def took(self, data: bytes) -> bytes:
        """Counts received bytes."""
        self._taken += len(data)
        if self._taken > self._allowed:
            raise too_large("an answer", f"{self._allowed // MEGABYTE} MB")
        return data

    def references_read(self) -> None:
        """The list of branches has come; a pack may follow, which is larger."""
        self._allowed = self.limits.answer_bytes

    def patience(self) -> float:
        """Seconds that the next read or write may wait."""
        try:
            return min(self.limits.answer_seconds, self.deadline.left())
        except TimeoutError:
            raise silent() from None

    @contextlib.contextmanager
    def at_most(self, hang_up: Callable[[], None]) -> Generator[None]:
        """Hangs up when the whole conversation takes too long: a trickle passes every time-out of
        a socket. `cut` then says why the block failed."""

        def ring() -> None:
            self.cut = True
            hang_up()

        timer = threading.Timer(self.limits.total_seconds, ring)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def dial(
    network: Network, address: RepositoryAddress, limits: Limits
) -> tuple[socket.socket, Address]:
    """A connected socket to a checked address. Raises `GitFailure` (settings, dns, tcp)."""
    try:
        return network.connect(address.host, address.port, limits.dial_seconds)
    except DatabaseFailure as failure:
        raise unreachable(failure) from None


def dial_tls(network: Network, address: RepositoryAddress, budget: Budget) -> socket.socket:
    """As `dial`, with TLS on it. Raises `GitFailure` (settings, dns, tcp, tls)."""
    sock, checked = dial(network, address, budget.limits)
    try:
        return probe_tls(sock, checked.host, network.tls, timeout=budget.patience())
    except DatabaseFailure as failure:
        raise unreachable(failure) from None


def hang_up(sock: socket.socket) -> None:
    """End a conversation from another thread; whoever waits for an answer gets an error."""
    with contextlib.suppress(OSError):
        # SSLSocket's own would pull the TLS state from under a thread that reads.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
