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
from dragoman.dialects.mysql import MySQLWire
from dragoman.dialects.network import Network


class StarRocks(MySQLWire):
    """StarRocks. A fresh cluster's root has an empty password, which is taken with a warning."""

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
        live=True,
        empty_password=True,
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
