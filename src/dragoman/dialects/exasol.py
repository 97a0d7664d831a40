"""Exasol, over its WebSocket interface."""

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
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy, probe_tls
from dragoman.dialects.spelling import INSTANT, Spelling
from dragoman.dialects.tls_rule import agreed


class Exasol(Dialect):
    """Exasol. A cluster holds one database, so none is named."""

    spelling: ClassVar[Spelling] = Spelling(
        slow="SELECT COUNT(*) AS {mark} FROM (VALUES BETWEEN 1 AND 10000000) AS a(x)"
        " CROSS JOIN (VALUES BETWEEN 1 AND 10000000) AS b(y) WHERE a.x + b.y = -1",
        hour=f"HOUR(FROM_POSIX_TIME({INSTANT}))",
        numbers="(VALUES BETWEEN 1 AND {count}) AS t(n)",
        values={
            Feature.TIMESTAMP_TZ: "CAST('2024-02-29 12:34:56' AS TIMESTAMP WITH LOCAL TIME ZONE)",
        },
    )
    declaration: ClassVar[Declaration] = Declaration(
        name="exasol",
        label="Exasol",
        driver=Driver("pyexasol", "pyexasol", "exasol"),
        authentication=(
            Authentication(None, "User and password", ("username", "passwordUnencrypted")),
        ),
        uses={
            "host": Use(required=True, hint="One node, or a name that stands for all of them."),
            "port": Use(),
            "username": Use(required=True),
            "trustServerCertificate": Use(),
        },
        without=("database",),
        default_port=8563,
        sqlglot="exasol",
        proof=Proof.STUB,
        listens="check the connection port of the database in EXAoperation or with `c4 ps`.",
        live=True,
        lacks={
            Feature.TIME: "Exasol has no time of day.",
            Feature.JSON: "JSON is text here.",
            Feature.BINARY: "Exasol has no binary values.",
            Feature.ARRAY: "Exasol has no arrays.",
            Feature.READ_ONLY_SESSION: "Exasol has no read-only transaction.",
        },
        notes=(
            "A cluster holds one database, so `database` does not apply.",
            "Ranges of hosts (n11..14) are not taken: give one name.",
            "TLS is always used.",
            "Exasol has no read-only transaction: give the user rights to read only. Each "
            "statement is checked before, and rolled back after.",
            "Exasol has no binary, JSON, array or time of day, and takes an empty text for null.",
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
        """Verify the server; see `Dialect.starttls`."""
        verify = not target.settings.get("trustServerCertificate")
        secured = probe_tls(sock, address.host, policy, verify, timeout=timeout)
        if verify:
            return agreed(secured)
        version = secured.version()
        secured.close()
        return f"{version}, certificate not verified"

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.exasol.session import ExasolSession

        return ExasolSession(target, network, options)


DIALECT = Exasol()
