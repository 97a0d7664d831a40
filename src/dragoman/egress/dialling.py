"""TCP to addresses that were checked: one after the other, under one deadline."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Address, Deadline

_FIXES = {
    Cause.REFUSED: "Check the port, and that the database runs and listens on this address.",
    Cause.TIMEOUT: "Check host and port, and that no firewall drops packets from this server.",
    Cause.UNREACHABLE: "Check the network route and firewall between this server and the database.",
}
# The most telling failure is reported: refusal before silence, silence before "no route".
_TELLING = (Cause.REFUSED, Cause.TIMEOUT, Cause.UNREACHABLE)


def dial(addresses: Sequence[Address], deadline: Deadline) -> tuple[socket.socket, Address]:
    """The first connection that succeeds. Each attempt gets an equal share of the time left.

    Raises `DatabaseFailure` (tcp): refused, unreachable, timeout.
    """
    failures: dict[Cause, Address] = {}
    for index, address in enumerate(addresses):
        try:
            share = deadline.left() / (len(addresses) - index)
            return _connect(address, share), address
        except OSError as error:
            failures.setdefault(_cause(error), address)
    raise _failure(failures)


def _connect(address: Address, seconds: float) -> socket.socket:
    """Dial an IP address. The family is given, so the C library has nothing to look up."""
    family = socket.AF_INET6 if ":" in address.ip else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect((address.ip, address.port))
        sock.settimeout(None)
    except BaseException:
        sock.close()
        raise
    return sock


def _cause(error: OSError) -> Cause:
    if isinstance(error, TimeoutError):
        return Cause.TIMEOUT
    if isinstance(error, ConnectionError):
        return Cause.REFUSED
    return Cause.UNREACHABLE


def _failure(failures: dict[Cause, Address]) -> DatabaseFailure:
    cause = next(cause for cause in _TELLING if cause in failures)
    address = failures[cause]
    place = f"{address.host} ({address.ip}) port {address.port}"
    messages = {
        Cause.REFUSED: f"{place} refused the connection: nothing listens there.",
        Cause.TIMEOUT: f"{place} did not answer in time.",
        Cause.UNREACHABLE: f"{place} cannot be reached from this server.",
    }
    return DatabaseFailure(Stage.TCP, cause, messages[cause], _FIXES[cause])
