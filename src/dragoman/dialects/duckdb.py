"""DuckDB, the embedded engine: a database file under the operator's directory, or sample data.

An extension of this server; the contract does not know it.
"""

from __future__ import annotations

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
from dragoman.dialects.network import Network
from dragoman.dialects.spelling import INSTANT, Spelling


class DuckDB(Dialect):
    """DuckDB. Nothing is dialled; the session opens the file read-only and can open no other."""

    spelling: ClassVar[Spelling] = Spelling(
        slow="SELECT count(*) AS {mark} FROM range(100000000) a, range(1000000) b",
        hour=f"hour(to_timestamp({INSTANT}))",
        numbers="range({count}) AS t(n)",
        values={
            Feature.TIMESTAMP_TZ: "TIMESTAMPTZ '2024-02-29 13:34:56+01:00'",
            Feature.BINARY: "from_hex('00FF')",
            Feature.ARRAY: "[1, 2]",
        },
    )
    declaration: ClassVar[Declaration] = Declaration(
        name="duckdb",
        label="DuckDB",
        driver=Driver("duckdb", "duckdb", "duckdb"),
        authentication=(Authentication(None, "No sign-in: a local file", ()),),
        uses={
            "database": Use(
                required=True,
                hint="A file under the operator's directory, or :memory: for the sample data.",
            ),
            "inferRelationshipsFromForeignKeys": Use(),
        },
        without=("passwordUnencrypted",),
        query_timeout="client",
        sqlglot="duckdb",
        proof=Proof.ENGINE,
        live=True,
        extension=True,
        notes=(
            "The operator names the directory of the database files (duckdb_root).",
            "The file is opened read-only; other files, the network and extensions are closed.",
            "Sums of whole numbers (HUGEINT) arrive as decimal128(38, 0).",
            "UHUGEINT, BIGNUM, BIT, VARIANT and times with a zone arrive as text.",
        ),
    )

    def network_address(self, target: Target) -> tuple[str, int] | None:
        """None: nothing is dialled."""
        return None

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open the file; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.duckdb_session import open_session

        return open_session(target, options)

    def default_schema(self, settings: Mapping[str, Any]) -> str:
        """See `Dialect.default_schema`."""
        return super().default_schema(settings) or "main"


DIALECT = DuckDB()
