"""Databricks Lakebase: PostgreSQL's protocol, with an OAuth token for a password."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from dragoman.dialects.base import (
    Authentication,
    Declaration,
    Driver,
    Proof,
    Session,
    SessionOptions,
    Target,
    Use,
)
from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.network import Network
from dragoman.dialects.postgres import PostgresWire


class DatabricksLakebase(PostgresWire):
    """Lakebase. TLS is always required."""

    plaintext_allowed = False
    declaration: ClassVar[Declaration] = Declaration(
        name="databricks_lakebase",
        label="Databricks Lakebase",
        driver=Driver("psycopg", "psycopg", "databricks_lakebase"),
        authentication=(
            Authentication(
                None,
                "User and password, or user and OAuth token",
                ("username", "passwordUnencrypted"),
            ),
        ),
        uses={
            "host": Use(required=True, hint="The instance's host name."),
            "port": Use(),
            "database": Use(required=True),
            "username": Use(
                required=True, hint="A role, or the e-mail or client id the token is for."
            ),
            "inferRelationshipsFromForeignKeys": Use(),
        },
        default_port=5432,
        sqlglot="postgres",
        proof=Proof.RELATIVE,
        live=True,
        unbounded=True,
        notes=("An OAuth token ends after about an hour: a native role's password lasts.",),
    )

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; a refused password is told as a token that may have ended."""
        try:
            return super().connect(target, network, options)
        except DatabaseFailure as failure:
            from dragoman.dialects.adapters.lakebase import with_hint

            raise with_hint(failure, target.password, datetime.now(UTC)) from None


DIALECT = DatabricksLakebase()
