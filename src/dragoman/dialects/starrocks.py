"""StarRocks, over the MySQL protocol."""

from __future__ import annotations

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
from dragoman.dialects.features import Feature
from dragoman.dialects.mysql import MySQLWire
from dragoman.dialects.network import Network
from dragoman.dialects.spelling import INSTANT, Spelling


class StarRocks(MySQLWire):
    """StarRocks. A fresh cluster's root has an empty password, which is taken with a warning."""

    spelling: ClassVar[Spelling] = Spelling(
        slow="SELECT sleep(90) AS {mark}",
        hour=f"hour(from_unixtime({INSTANT}))",
        numbers="TABLE(generate_series(1, {count})) AS t(n)",
        values={
            Feature.TIMESTAMP: "CAST('2024-02-29 12:34:56.789' AS DATETIME)",
            Feature.DATE: "CAST('2024-02-29' AS DATE)",
            Feature.JSON: "PARSE_JSON('{\"a\": [1, null]}')",
            Feature.BINARY: "to_binary('00FF', 'hex')",
            Feature.ARRAY: "[1, 2]",
        },
    )
    declaration: ClassVar[Declaration] = Declaration(
        name="starrocks",
        label="StarRocks",
        driver=Driver("pymysql", "pymysql", "starrocks"),
        authentication=(
            Authentication(None, "User and password", ("username", "passwordUnencrypted")),
        ),
        uses={
            "host": Use(required=True, hint="A frontend (FE) node, or a name for all of them."),
            "port": Use(),
            "username": Use(required=True),
        },
        default_port=9030,
        sqlglot="starrocks",
        proof=Proof.STUB,
        listens="check query_port in fe.conf.",
        live=True,
        empty_password=True,
        lacks={
            Feature.TIMESTAMP_TZ: "StarRocks has no timestamp with a time zone.",
            Feature.TIME: "StarRocks has no time of day.",
            Feature.BOOLEAN: "A boolean is the number 0 or 1 in the MySQL protocol.",
            Feature.ARRAY: "An array is text in the MySQL protocol.",
            Feature.READ_ONLY_SESSION: "StarRocks has no read-only session.",
            Feature.ROLLED_BACK: "StarRocks keeps what a statement writes.",
        },
        notes=(
            "A schema is a database of the default catalog.",
            "The server has no read-only session: sign in as a user that may only SELECT.",
            "A statement is cancelled on the frontend that runs it: behind a load balancer, where "
            "frontends share one address, that may miss.",
        ),
    )

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.starrocks.session import StarRocksSession

        return StarRocksSession(target, network, options)


DIALECT = StarRocks()
