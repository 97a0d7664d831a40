"""PostgreSQL."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Any, ClassVar

from dragoman.dialects.aws import RDS, RDS_USES, RdsIam
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
from dragoman.dialects.minting import signed_in
from dragoman.dialects.network import (
    PROBE_SECONDS,
    Address,
    Network,
    TlsPolicy,
    postgres_starttls,
    probe_tls,
)
from dragoman.dialects.spelling import INSTANT, Spelling
from dragoman.dialects.tls_rule import agreed, must_have_tls


class PostgresWire(Dialect):
    """What speaks PostgreSQL's protocol. `plaintext_allowed`: whether TLS may ever be missing."""

    spelling: ClassVar[Spelling] = Spelling(
        slow="SELECT pg_sleep(90) AS {mark}",
        hour=f"EXTRACT(HOUR FROM to_timestamp({INSTANT}))",
        numbers="generate_series(1, {count}) AS t(n)",
        running="SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
        " AND query LIKE '%' || '{mark_a}' || '{mark_b}' || '%'",
        values={Feature.BINARY: "CAST('\\x00ff' AS bytea)"},
    )
    plaintext_allowed: ClassVar[bool] = True

    def starttls(
        self,
        sock: socket.socket,
        address: Address,
        target: Target,
        policy: TlsPolicy,
        *,
        timeout: float = PROBE_SECONDS,
    ) -> str:
        """Ask for TLS and verify the server; see `Dialect.starttls`."""
        if postgres_starttls(sock, timeout=timeout):
            return agreed(probe_tls(sock, address.host, policy, timeout=timeout))
        allowed = self.plaintext_allowed and self.minter(target) is None
        return must_have_tls(address, policy, ever_allowed=allowed)

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.postgres_session import open_session

        def opened(target: Target) -> Session:
            return open_session(self, target, network, options)

        return signed_in(self.minter(target), target, network, options, opened)

    def default_schema(self, settings: Mapping[str, Any]) -> str:
        """See `Dialect.default_schema`."""
        return super().default_schema(settings) or "public"


class Postgres(RdsIam, PostgresWire):
    """PostgreSQL 12 or later."""

    declaration: ClassVar[Declaration] = Declaration(
        name="postgres",
        label="PostgreSQL",
        driver=Driver("psycopg", "psycopg", "postgres"),
        authentication=(
            Authentication(None, "User and password", ("username", "passwordUnencrypted")),
            RDS,
        ),
        uses={
            "host": Use(required=True),
            "port": Use(),
            "database": Use(required=True),
            "username": Use(required=True),
            "inferRelationshipsFromForeignKeys": Use(),
            **RDS_USES,
        },
        default_port=5432,
        sqlglot="postgres",
        proof=Proof.ENGINE,
        listens="check listen_addresses in postgresql.conf.",
        live=True,
        unbounded=True,
        notes=(
            "numeric without precision (sum, avg) is a decimal that the first rows choose.",
            "Arrays of several dimensions are refused: cast them to text or JSON.",
            "standard_conforming_strings is on, whatever the database or the role says.",
        ),
    )


DIALECT = Postgres()
