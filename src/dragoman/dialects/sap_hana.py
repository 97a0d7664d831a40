"""SAP HANA, on premises and HANA Cloud."""

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
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.features import Feature
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy, probe_tls
from dragoman.dialects.spelling import Spelling
from dragoman.dialects.tls_rule import agreed, must_have_tls


class SapHana(Dialect):
    """SAP HANA. No SQL translator knows its dialect, so `sqlglot` is None."""

    spelling: ClassVar[Spelling] = Spelling(
        slow="SELECT COUNT(*) AS {mark} FROM SERIES_GENERATE_INTEGER(1, 0, 10000000) a"
        " CROSS JOIN SERIES_GENERATE_INTEGER(1, 0, 10000000) b"
        " WHERE a.GENERATED_PERIOD_START + b.GENERATED_PERIOD_START = -1",
        numbers="(SELECT GENERATED_PERIOD_START AS n"
        " FROM SERIES_GENERATE_INTEGER(1, 0, {count})) t",
        end=" FROM DUMMY",
    )
    declaration: ClassVar[Declaration] = Declaration(
        name="sap_hana",
        label="SAP HANA",
        driver=Driver("hdbcli", "hdbcli", "sap_hana"),
        authentication=(
            Authentication(None, "User and password", ("username", "passwordUnencrypted")),
        ),
        uses={
            "host": Use(required=True),
            "port": Use(),
            "username": Use(required=True),
            "trustServerCertificate": Use(),
        },
        # The indexer of a single-container system 00; a tenant of it has 30041 up, HANA Cloud 443.
        default_port=30015,
        query_timeout="client",
        isolated=(
            "SAP's driver is native code that nobody else can look into, and no server is at hand "
            "to see how it behaves."
        ),
        proof=Proof.DRIVER,
        listens="check the SQL port in SYS.M_SERVICES, and listeninterface in global.ini.",
        live=True,
        lacks={
            Feature.TIMESTAMP_TZ: "SAP HANA has no timestamp with a time zone.",
            Feature.JSON: "JSON is text here.",
            Feature.ARRAY: "Arrays are not for answers here.",
            Feature.SESSION_TIME_ZONE: "SAP HANA has no time zone of a session: use UTCTOLOCAL.",
        },
        notes=(
            "The port is 3<instance>15, 3<instance>41 and up for tenants, 443 in HANA Cloud.",
            "`database` is the name that the tenant on this port must have; the system database "
            "is not asked for the way to it.",
            "DECIMAL without a scale arrives as text.",
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
        """Verify the server where it speaks TLS; see `Dialect.starttls`."""
        from dragoman.dialects.adapters.local_tunnel import NO_TLS
        from dragoman.dialects.adapters.sap_hana.session import TLS_SECONDS

        verify = not target.settings.get("trustServerCertificate")
        try:
            limit = min(timeout, TLS_SECONDS)
            secured = probe_tls(sock, address.host, policy, verify, timeout=limit)
        except DatabaseFailure as failure:
            if failure.cause not in NO_TLS:
                raise
            return must_have_tls(address, policy)
        words = agreed(secured)
        return words if verify else words.replace("verified", "not verified")

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.sap_hana.session import SapHanaSession

        return SapHanaSession(target, network, options)

    def default_schema(self, settings: Mapping[str, Any]) -> str:
        """See `Dialect.default_schema`."""
        return super().default_schema(settings) or str(settings.get("username") or "").upper()


DIALECT = SapHana()
