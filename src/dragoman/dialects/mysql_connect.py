"""Signing in to MySQL or MariaDB with pymysql, over a socket that the network has checked.

pymysql alone would take plain text when the server offers no TLS, and take any certificate; the
connection here decides both by the operator's rules before the first byte of a password is sent.
"""

from __future__ import annotations

import functools
import ssl
from typing import Any

from dragoman.dialects.base import SessionOptions, Target
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.mysql_errors import connect_failure
from dragoman.dialects.network import Address, Network, TlsPolicy, probe_tls
from dragoman.dialects.tls_rule import must_have_tls

_CLIENT_SSL = 0x0000_0800
# Plugins that send the password as it is.
_CLEAR_TEXT = frozenset({b"mysql_clear_password", b"dialog"})


def sign_in(target: Target, network: Network, options: SessionOptions, database: str | None) -> Any:
    """An open pymysql connection whose values come as text. Raises `DatabaseFailure`.

    `target`: as whom to sign in now, `Target.current`.
    """
    from pymysql.converters import conversions

    sock, address = network.connect(target.host, target.port, options.connect_seconds)
    connection = _connection_class()(
        host=address.host,
        port=address.port,
        user=target.username,
        # As bytes: given text, the driver would encode it as Latin-1.
        password=target.password.reveal().encode(),
        database=database or None,
        charset="utf8mb4",
        conv={kind: f for kind, f in conversions.items() if not isinstance(kind, int)},
        local_infile=False,
        ssl_disabled=True,
        autocommit=None,
        read_timeout=options.connect_seconds,
        write_timeout=options.connect_seconds,
        program_name="dragoman",
        defer_connect=True,
    )
    connection.rules = (network.tls, address, target.renew is None)
    try:
        connection.connect(sock)
    except DatabaseFailure:
        raise
    except Exception as error:  # noqa: BLE001 - on a stranger's bytes pymysql raises anything
        raise connect_failure(error, target.secrets) from None
    finally:
        if not connection.open:
            sock.close()
    return connection


@functools.cache
def _connection_class() -> Any:
    from pymysql import connections

    base: Any = connections.Connection

    class CheckedConnection(base):
        """pymysql's connection with our rules for TLS."""

        rules: tuple[TlsPolicy, Address, bool]

        def _request_authentication(self) -> None:
            """The greeting is read and nothing is sent yet: decide on TLS."""
            policy, address, plaintext_allowed = self.rules
            if self.server_capabilities & _CLIENT_SSL:
                self.ssl = self._ssl_required = True
                self.client_flag |= _CLIENT_SSL
                self.ctx = _Verified(policy, self.connect_timeout)
            else:
                must_have_tls(address, policy, ever_allowed=plaintext_allowed)
            super()._request_authentication()

        def _process_auth(self, plugin_name: bytes, auth_packet: Any, handler: Any = None) -> Any:
            if plugin_name in _CLEAR_TEXT and not self._secure:
                raise DatabaseFailure(
                    Stage.AUTHENTICATION,
                    Cause.TLS_UNSUPPORTED,
                    "The server asks for the password in plain text over a connection without TLS.",
                    "Switch TLS on in the server.",
                )
            return base._process_auth(self, plugin_name, auth_packet, handler)

    return CheckedConnection


class _Verified:
    """Stands where pymysql has an SSL context, so that a failed handshake explains itself."""

    def __init__(self, policy: TlsPolicy, timeout: float) -> None:
        self._policy = policy
        self._timeout = timeout

    def wrap_socket(self, sock: Any, server_hostname: str) -> ssl.SSLSocket:
        """The verified connection. Raises `DatabaseFailure` (tls)."""
        return probe_tls(sock, server_hostname, self._policy, timeout=self._timeout)
