"""Signing in to Oracle through a tunnel that dials the checked address and does TLS.

A port of a listener speaks TLS or it does not, and does not say which: TLS is tried first. The thin
driver would also follow a listener that sends it to another host, which is refused here.
Source: python-oracledb documentation, "Connecting to Oracle Database"; packet types of Oracle Net.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

from dragoman.dialects.adapters.local_tunnel import LOCAL, LocalTunnel, dial
from dragoman.dialects.adapters.oracle import errors
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network

# A listener without TLS takes the handshake for the beginning of a packet, and waits for the rest.
TLS_SECONDS: Final = 2.0
_HEADER: Final = 8
_ACCEPT, _REFUSE, _REDIRECT = 2, 4, 5


class NoRedirect:
    """Looks at the packets until the listener has accepted; says False to a redirection."""

    def __init__(self) -> None:
        self._seen = b""
        self._decided = False

    def __call__(self, data: bytes) -> bool:
        """Whether to go on."""
        if self._decided:
            return True
        self._seen += data
        while len(self._seen) >= _HEADER:
            length, kind = int.from_bytes(self._seen[:2], "big"), self._seen[4]
            if kind == _REDIRECT:
                return False
            if kind in (_ACCEPT, _REFUSE) or length < _HEADER:
                self._decided, self._seen = True, b""
            elif len(self._seen) < length:
                break
            self._seen = self._seen[length:]
        return True


def open_tunnel(target: Target, network: Network, options: SessionOptions) -> LocalTunnel:
    """Dial and verify. Raises `DatabaseFailure`."""
    seconds = options.connect_seconds
    return LocalTunnel(dial(target, network, seconds, TLS_SECONDS), seconds, NoRedirect())


def sign_in(tunnel: LocalTunnel, target: Target, options: SessionOptions) -> Any:
    """An open connection of the driver. Raises `DatabaseFailure`."""
    oracledb: Any = importlib.import_module("oracledb")
    try:
        return oracledb.connect(
            user=target.username,
            password=target.password.reveal(),
            host=LOCAL,
            port=tunnel.port,
            protocol="tcp",
            service_name=target.database,
            tcp_connect_timeout=options.connect_seconds,
            retry_count=0,
            # A break goes in band: what is out of band does not pass the tunnel.
            disable_oob=True,
            # Otherwise the server is told the account and name of this machine.
            program="dragoman",
            machine="dragoman",
            osuser="dragoman",
            terminal="unknown",
        )
    except Exception as error:  # noqa: BLE001 - drivers raise anything
        if tunnel.refused:
            raise _redirected() from None
        raise errors.connect_failure(error, target.secrets) from None


def _redirected() -> DatabaseFailure:
    return DatabaseFailure(
        Stage.AUTHENTICATION,
        Cause.ADDRESS_DENIED,
        "The listener sends its clients to another address, which is not followed.",
        "Name that server itself as host: a node instead of the cluster's name.",
    )
