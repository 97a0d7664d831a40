"""Signing in with pyexasol, over a socket that the network has checked.

pyexasol alone looks the name up itself, reports each connection to its maker, and tells the server
which system and user it runs as. Here the socket is ours, telemetry is off, and it says nothing.
"""

from __future__ import annotations

import functools
import json
import math
from typing import Any

from dragoman.dialects.adapters.exasol import errors
from dragoman.dialects.adapters.exasol.wire import SharedSocket
from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.network import Network, probe_tls

_SILENT = {"clientOs": "", "clientRuntime": "", "driverName": "dragoman"}


def sign_in(target: Target, network: Network, options: SessionOptions) -> Any:
    """An open connection without autocommit. Raises `DatabaseFailure`."""
    from exasol.telemetry import client as telemetry

    telemetry.disable()
    sock = _dial(target, network, options)
    with sock.at_most(2 * options.connect_seconds) as late:
        try:
            return _connection_class()(
                sock,
                dsn=target.host,
                user=target.username,
                password=target.password.reveal(),
                autocommit=False,
                # Whole seconds; our own clock stops what ends between two of them.
                query_timeout=max(1, math.ceil(options.timeout_seconds)),
                connection_timeout=options.connect_seconds,
                socket_timeout=options.connect_seconds,
                verbose_error=False,
                client_name="dragoman",
                client_version="",
                client_os_username="dragoman",
            )
        except Exception as error:  # noqa: BLE001 - on a stranger's bytes drivers raise anything
            sock.hang_up()
            sock.close()
            if late.is_set():
                raise _too_slow() from None
            raise errors.connect_failure(error, target.secrets) from None


def _dial(target: Target, network: Network, options: SessionOptions) -> SharedSocket:
    """Always with TLS: every supported version of the server offers it."""
    sock, address = network.connect(target.host, target.port, options.connect_seconds)
    verify = not target.settings.get("trustServerCertificate")
    secured = probe_tls(sock, address.host, network.tls, verify, timeout=options.connect_seconds)
    return SharedSocket(secured, options.connect_seconds)


@functools.cache
def _connection_class() -> Any:
    import websocket
    from pyexasol import ExaConnection

    base: Any = ExaConnection
    driver: Any = websocket

    class CheckedConnection(base):
        """pyexasol's connection over our socket."""

        def __init__(self, wire: SharedSocket, **options: Any) -> None:
            self.wire = wire
            super().__init__(**options)

        def _init_json(self) -> None:
            super()._init_json()
            # A number with a fraction stays text: a decimal must not become a float on its way.
            self.json_decode = functools.partial(json.loads, parse_float=str)

        def _init_ws(self) -> None:
            self._ws = driver.create_connection(
                f"ws://{_authority(self.options['dsn'])}/",
                timeout=self.options["connection_timeout"],
                socket=self.wire,
                redirect_limit=0,
                suppress_origin=True,
                skip_utf8_validation=True,
                enable_multithread=True,
            )
            if self._ws.handshake_response.status != 101:
                raise ValueError("the server speaks no WebSocket")
            self._ws_send = self._ws.send
            self._ws_recv = self._ws.recv

        def req(self, req: dict[str, Any]) -> dict[str, Any]:
            """See pyexasol; nothing of this machine is told."""
            self.wire.start_message()
            if "clientOs" in req:
                req = {**req, **_SILENT}
            return base.req(self, req)

    return CheckedConnection


def _authority(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _too_slow() -> DatabaseFailure:
    message = "The server did not finish its answer in time."
    return DatabaseFailure(Stage.AUTHENTICATION, Cause.TIMEOUT, message)
