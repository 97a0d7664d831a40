"""Amazon Redshift: PostgreSQL's protocol, other catalog views."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from dragoman.dialects.base import (
    Declaration,
    Driver,
    Proof,
    Session,
    SessionOptions,
    Target,
    Use,
)
from dragoman.dialects.features import Feature
from dragoman.dialects.network import Network
from dragoman.dialects.postgres import Postgres, PostgresWire
from dragoman.dialects.spelling import INSTANT, Spelling


class Redshift(PostgresWire):
    """Redshift. TLS is always required: every cluster and workgroup offers it."""

    plaintext_allowed = False
    spelling: ClassVar[Spelling] = Spelling(
        hour=f"EXTRACT(HOUR FROM CAST(TIMESTAMP 'epoch' + {INSTANT} * INTERVAL '1 second'"
        " AS TIMESTAMPTZ))",
        values={
            Feature.JSON: """JSON_PARSE('{"a": [1, null]}')""",
            Feature.BINARY: "FROM_HEX('00ff')",
            Feature.ARRAY: "ARRAY(1, 2)",
        },
    )
    declaration: ClassVar[Declaration] = replace(
        Postgres.declaration,
        name="redshift",
        label="Amazon Redshift",
        driver=Driver("psycopg", "psycopg", "redshift"),
        uses={
            "host": Use(required=True, hint="The endpoint of the cluster or workgroup."),
            "port": Use(),
            "database": Use(required=True),
            "username": Use(required=True),
        },
        default_port=5439,
        sqlglot="redshift",
        proof=Proof.RELATIVE,
        listens="check the security group and whether it is publicly accessible.",
        live=True,
        lacks={Feature.ARRAY: "An array is a SUPER value: it arrives as JSON text."},
        notes=(
            "Signing in with IAM credentials is not taken: use a database user.",
            "Rows come from a cursor: Redshift holds the whole answer on its leader node, up to"
            " the limit that its node type has.",
            "In a text, write a quote as two quotes and not as a backslash and a quote.",
            "Keys are read as declared; Redshift does not enforce them.",
        ),
    )

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.redshift.session import open_session

        return open_session(self, target, network, options)


DIALECT = Redshift()
