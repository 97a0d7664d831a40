"""Trino, over its REST protocol."""

from __future__ import annotations

import socket
from typing import ClassVar

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
from dragoman.dialects.features import Feature
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy
from dragoman.dialects.spelling import INSTANT, Spelling
from dragoman.dialects.tls_rule import agreed, must_have_tls


class Trino(Dialect):
    """Trino. `database` is the catalog of names written without one."""

    spelling: ClassVar[Spelling] = Spelling(
        slow="SELECT COUNT(*) AS {mark} FROM UNNEST(sequence(1, 10000)) a(x)"
        " CROSS JOIN UNNEST(sequence(1, 10000)) b(y) CROSS JOIN UNNEST(sequence(1, 10000)) c(z)"
        " WHERE x + y + z = -1",
        hour=f"hour(from_unixtime({INSTANT}))",
        numbers="(SELECT x + 10000 * y AS n FROM UNNEST(sequence(0, 9999)) a(x)"
        " CROSS JOIN UNNEST(sequence(0, {count} / 10000)) b(y) WHERE x + 10000 * y < {count}) t",
        running="SELECT count(*) FROM system.runtime.queries WHERE state = 'RUNNING'"
        " AND query LIKE '%' || '{mark_a}' || '{mark_b}' || '%'",
        values={
            Feature.TIMESTAMP_TZ: "TIMESTAMP '2024-02-29 13:34:56 +01:00'",
            Feature.JSON: """JSON '{"a": [1, null]}'""",
        },
    )
    declaration: ClassVar[Declaration] = Declaration(
        name="trino",
        label="Trino",
        driver=Driver("trino", "trino", "trino"),
        authentication=(
            Authentication(None, "User and password", ("username", "passwordUnencrypted")),
        ),
        uses={
            "host": Use(required=True),
            "port": Use(),
            "database": Use(required=True, hint="The default catalog."),
            "username": Use(required=True),
            "includeOtherCatalogs": Use(),
            "trustServerCertificate": Use(),
        },
        # Trino takes passwords over HTTPS only, and clusters with users stand behind 443.
        # 8080 is the port of a coordinator without authentication.
        default_port=443,
        multi_catalog=True,
        sqlglot="trino",
        proof=Proof.ENGINE,
        listens="check http-server.https.port in config.properties.",
        live=True,
        # A coordinator without authentication knows a user's name and no password.
        empty_password=True,
        lacks={
            Feature.LASTING_CONNECTION: "Each statement is a request of its own over HTTP.",
        },
        notes=(
            "An empty password signs in by name only, as coordinators without users allow.",
            "A password is sent over TLS only.",
            "Each statement runs in a read-only transaction.",
            "There are no primary or foreign keys to read.",
            "Rows and maps arrive as JSON text.",
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
        from dragoman.dialects.adapters.trino import transport

        verify = not target.settings.get("trustServerCertificate")
        secured = encrypted(sock, address, policy, verify=verify, timeout=timeout)
        if secured is None:
            if transport.has_password(target):
                raise transport.password_in_plain_text()
            return must_have_tls(address, policy)
        if verify:
            return agreed(secured)
        version = secured.version()
        secured.close()
        return f"{version}, certificate not verified"

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.trino.session import TrinoSession

        return TrinoSession(target, network, options)


DIALECT = Trino()
