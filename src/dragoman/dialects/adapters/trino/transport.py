"""HTTP to one Trino coordinator: every request goes through the door, whatever its URL says.

A coordinator names the address of each next page itself. Only path and query of it are used, so no
answer can send credentials elsewhere. Proxies, .netrc and CA variables of the environment, and
redirects, have no say.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

from dragoman.dialects.adapters.clickhouse.door import Door
from dragoman.dialects.adapters.exchange import Exchange
from dragoman.dialects.base import Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network


class CheckedDoor(Door):
    """The door of a target; a password passes it only over TLS, as Trino itself wants it."""

    def __init__(self, target: Target, network: Network, seconds: float) -> None:
        super().__init__(target, network, seconds)
        self._secret = has_password(target)

    def open(self) -> socket.socket:
        """See `Door.open`."""
        sock = super().open()
        if self._secret and not isinstance(sock, ssl.SSLSocket):
            sock.close()
            raise password_in_plain_text()
        return sock


def has_password(target: Target) -> bool:
    """Whether there is something that must not be sent in plain text."""
    return bool(target.password.reveal())


def password_in_plain_text() -> DatabaseFailure:
    """A password is set and the coordinator offers no TLS."""
    return DatabaseFailure(
        Stage.TLS,
        Cause.TLS_UNSUPPORTED,
        "The coordinator offers no TLS on this port, and Trino takes passwords over TLS only.",
        "Use the HTTPS port, or an empty password if the coordinator knows no users.",
    )


def http_session(target: Target, door: Door) -> Any:
    """A requests session that reaches this coordinator and nothing else."""
    import requests
    from requests.adapters import HTTPAdapter
    from requests.auth import HTTPBasicAuth

    exchange = Exchange(door, target.host, target.port)

    class Adapter(HTTPAdapter):
        def send(self, request: Any, *_: Any, timeout: Any = None, **__: Any) -> Any:
            raw, body = exchange.send(
                request.method, request.path_url, request.headers, request.body, timeout
            )
            response: Any = self.build_response(request, raw)
            response._content = body
            response._content_consumed = True
            # A place to go on at is not followed: the caller sees the status.
            response.headers.pop("location", None)
            return response

        def close(self) -> None:
            exchange.close()

    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter())
    if has_password(target):
        # As bytes: given text, requests would encode it as Latin-1.
        session.auth = HTTPBasicAuth(
            target.username.encode(),  # pyright: ignore[reportArgumentType]
            target.password.reveal().encode(),  # pyright: ignore[reportArgumentType]
        )
    return session
