"""Amazon Redshift: PostgreSQL's protocol, other catalog views."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from dragoman.dialects.aws import ASSUMED, MACHINE, check_forms, warehouse
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
from dragoman.dialects.minting import signed_in
from dragoman.dialects.network import Network
from dragoman.dialects.postgres import Postgres, PostgresWire
from dragoman.dialects.spelling import INSTANT, Spelling

if TYPE_CHECKING:
    from dragoman.dialects.minting import Minter
    from dragoman.dialects.validation import Draft


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
        authentication=(
            Authentication(None, "User and password", ("username", "passwordUnencrypted")),
            Authentication(
                None,
                "IAM (useMachineAuth): a password is asked for at each sign-in",
                (),
                optional=("username", "awsRoleArn"),
                chosen_by=MACHINE,
            ),
        ),
        uses={
            "host": Use(required=True, hint="The endpoint of the cluster or workgroup."),
            "port": Use(),
            "database": Use(required=True),
            "username": Use(hint="With useMachineAuth: a cluster's user; IAM's own when absent."),
            "awsRoleArn": ASSUMED,
            MACHINE: Use(hint="Here: by IAM, with the identity that this server has in AWS."),
        },
        default_port=5439,
        sqlglot="redshift",
        proof=Proof.RELATIVE,
        listens="check the security group and whether it is publicly accessible.",
        live=True,
        lacks={Feature.ARRAY: "An array is a SUPER value: it arrives as JSON text."},
        notes=(
            "Rows come from a cursor: Redshift holds the whole answer on its leader node, up to"
            " the limit that its node type has.",
            "In a text, write a quote as two quotes and not as a backslash and a quote.",
            "Keys are read as declared; Redshift does not enforce them.",
        ),
    )

    def minter(self, target: Target) -> Minter | None:
        """See `Dialect.minter`. The password goes to the endpoint that it is for, and no other."""
        where = warehouse(target.host)
        if not target.settings.get(MACHINE) or where is None:
            return None
        from dragoman.dialects.adapters.aws.passwords import RedshiftCredential

        return RedshiftCredential(target, where)

    def check(self, draft: Draft) -> None:
        """For IAM, the host says which cluster or workgroup it is."""
        check_forms(draft)
        if not draft.settings.get(MACHINE) or draft.refused("host"):
            return
        where = warehouse(str(draft.settings.get("host", "")))
        if where is None:
            fix = "Give the endpoint that AWS shows: cluster.id.region.redshift.amazonaws.com."
            draft.reject("host", "Not the endpoint of a cluster or workgroup", fix)
        elif where.serverless and "username" in draft.settings:
            draft.warn("username", "It is not used: in a workgroup IAM decides as whom.")

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.redshift.session import open_session

        def opened(target: Target) -> Session:
            return open_session(self, target, network, options)

        return signed_in(self.minter(target), target, network, options, opened)


DIALECT = Redshift()
