"""ClickHouse, over its HTTP interface."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, ClassVar

from dragoman.dialects.base import (
    Authentication,
    Declaration,
    Dialect,
    Driver,
    Proof,
    Session,
    SessionOptions,
    Target,
    Use,
)
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy
from dragoman.dialects.tls_rule import agreed, must_have_tls


class ClickHouse(Dialect):
    """ClickHouse. A schema is a database; there are no foreign keys to read."""

    declaration: ClassVar[Declaration] = Declaration(
        name="clickhouse",
        label="ClickHouse",
        driver=Driver("clickhouse_connect", "clickhouse-connect", "clickhouse"),
        authentication=(
            Authentication(None, "User and password", ("username", "passwordUnencrypted")),
        ),
        uses={
            "host": Use(required=True),
            "port": Use(),
            "database": Use(default="default"),
            "username": Use(required=True, hint="A fresh server has the user default."),
            "trustServerCertificate": Use(),
        },
        # The HTTPS interface; 8123 is the same without TLS.
        default_port=8443,
        sqlglot="clickhouse",
        proof=Proof.ENGINE,
        live=True,
        empty_password=True,
        notes=(
            "The HTTP interface is used: port 8443 with TLS, 8123 without; never 9000 or 9440.",
            "Statements run with readonly = 1: no SETTINGS clause, and no table function that "
            "reads files or other servers.",
            "A String may hold any bytes; those that are no UTF-8 text are replaced, with a "
            "notice.",
            "Primary keys are not read: here they order rows and may repeat.",
        ),
    )

    def starttls(
        self,
        sock: socket.socket,
        address: Address,
        target: Target,
        policy: TlsPolicy,
        *,
        timeout: float = PROBE_SECONDS,
    ) -> str:
        """Try TLS and verify the server; see `Dialect.starttls`."""
        from dragoman.dialects.adapters.clickhouse.door import encrypted

        verify = not target.settings.get("trustServerCertificate")
        secured = encrypted(sock, address, policy, verify=verify, timeout=timeout)
        if secured is None:
            return must_have_tls(address, policy)
        if verify:
            return agreed(secured)
        version = secured.version()
        secured.close()
        return f"{version}, certificate not verified"

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.clickhouse.session import ClickHouseSession

        return ClickHouseSession(target, network, options)

    def quote(self, identifier: str) -> str:
        """In double quotes, where a backslash escapes as in a string."""
        return '"' + identifier.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def default_schema(self, settings: Mapping[str, Any]) -> str:
        """See `Dialect.default_schema`."""
        return super().default_schema(settings) or str(settings.get("database") or "default")


DIALECT = ClickHouse()
