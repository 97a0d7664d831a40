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
from dragoman.dialects.features import Feature
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy
from dragoman.dialects.spelling import INSTANT, Spelling
from dragoman.dialects.tls_rule import agreed, must_have_tls


class ClickHouse(Dialect):
    """ClickHouse. A schema is a database; there are no foreign keys to read."""

    spelling: ClassVar[Spelling] = Spelling(
        slow="SELECT count() AS {mark} FROM numbers(100000000000) WHERE sipHash64(number) = 7",
        hour=f"toHour(toDateTime({INSTANT}))",
        numbers="(SELECT number AS n FROM numbers({count})) AS t",
        running="SELECT count() FROM system.processes"
        " WHERE query LIKE concat('%', '{mark_a}', '{mark_b}', '%')",
        values={
            Feature.TIMESTAMP: "toDateTime64('2024-02-29 12:34:56.789', 3)",
            Feature.TIMESTAMP_TZ: "toDateTime('2024-02-29 13:34:56', 'Africa/Lagos')",
            Feature.DATE: "toDate32('2024-02-29')",
            Feature.TIME: "toTime('12:34:56')",
            Feature.BINARY: "unhex('00FF')",
            Feature.ARRAY: "[1, 2]",
        },
        nulls={Feature.ARRAY: "CAST([] AS Array(UInt8))"},
    )
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
        listens="check listen_host, http_port and https_port in config.xml.",
        live=True,
        empty_password=True,
        lacks={
            Feature.TIMESTAMP: "A DateTime is a point in time: it arrives with a time zone.",
            Feature.TIME: "A Time may be longer than a day: it arrives as a duration.",
            Feature.BINARY: "A String holds text or bytes: it arrives as text.",
            Feature.LASTING_CONNECTION: "Each statement is a request of its own over HTTP.",
        },
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
