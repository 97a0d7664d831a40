"""Oracle Database, with the driver's thin mode: no client installation."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

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
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.features import Feature
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy, probe_tls
from dragoman.dialects.spelling import Spelling
from dragoman.dialects.tls_rule import agreed, must_have_tls

if TYPE_CHECKING:
    from dragoman.dialects.validation import Draft


class Oracle(Dialect):
    """Oracle. `database` is the service name; names are upper case unless quoted."""

    spelling: ClassVar[Spelling] = Spelling(
        end=" FROM DUAL",
        hour="TO_CHAR(TIMESTAMP '2024-02-29 12:34:56 +00:00' AT TIME ZONE SESSIONTIMEZONE, 'HH24')",
        values={
            Feature.DECIMAL: "CAST(12.34 AS NUMBER(10, 2))",
            Feature.TIMESTAMP_TZ: "TIMESTAMP '2024-02-29 13:34:56 +01:00'",
            Feature.BOOLEAN: "",
            Feature.JSON: "",
            Feature.BINARY: "HEXTORAW('00FF')",
        },
    )
    declaration: ClassVar[Declaration] = Declaration(
        name="oracle",
        label="Oracle",
        driver=Driver("oracledb", "oracledb", "oracle"),
        authentication=(
            Authentication(None, "User and password", ("username", "passwordUnencrypted")),
        ),
        uses={
            "host": Use(required=True),
            "port": Use(),
            "database": Use(required=True, hint="The service name, for example FREEPDB1."),
            "username": Use(required=True),
            "acceptsLicense": Use(required=True, hint="acceptsLicense must be true."),
        },
        default_port=1521,
        query_timeout="client",
        sqlglot="oracle",
        proof=Proof.DRIVER,
        listens="check with `lsnrctl status` where the listener listens.",
        live=True,
        lacks={
            Feature.DATE: "A DATE of Oracle has a time of day: it arrives as a timestamp.",
            Feature.TIME: "Oracle has no time of day by itself.",
            Feature.ARRAY: "Oracle has no arrays in SQL.",
        },
        notes=(
            "`database` is a service name; TNS descriptors and wallets are not taken.",
            "TLS is tried first; a port without it costs two seconds and needs leave for plain "
            "text (tls_plaintext).",
            "A listener that sends its clients to another host (the name of a cluster) is not "
            "followed: name a node.",
            "NUMBER without a precision arrives as double.",
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
        """Verify the server where its port speaks TLS; see `Dialect.starttls`."""
        from dragoman.dialects.adapters.local_tunnel import NO_TLS
        from dragoman.dialects.adapters.oracle.connection import TLS_SECONDS

        try:
            limit = min(timeout, TLS_SECONDS)
            return agreed(probe_tls(sock, address.host, policy, timeout=limit))
        except DatabaseFailure as failure:
            if failure.cause not in NO_TLS:
                raise
            return must_have_tls(address, policy)

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.oracle.session import OracleSession

        return OracleSession(target, network, options)

    def check(self, draft: Draft) -> None:
        """The licence must be accepted by name."""
        if draft.settings.get("acceptsLicense") is False:
            draft.reject(
                "acceptsLicense",
                "acceptsLicense must be true",
                "Read the licence terms of the driver oracledb and send true to accept them.",
            )

    def default_schema(self, settings: Mapping[str, Any]) -> str:
        """See `Dialect.default_schema`."""
        return super().default_schema(settings) or str(settings.get("username") or "").upper()


DIALECT = Oracle()
