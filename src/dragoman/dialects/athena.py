"""Amazon Athena: a region, a place in S3 for results, keys or a role or the machine's identity."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, ClassVar

from dragoman.dialects.aws import MACHINE, check_forms, match
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
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy, probe_tls
from dragoman.dialects.tls_rule import agreed
from dragoman.dialects.trino import Trino

if TYPE_CHECKING:
    from dragoman.dialects.validation import Draft

# Amazon S3 user guide, "Bucket naming rules"; the prefix holds safe characters only.
_LOCATION = re.compile(
    r"s3://(?!\d+\.\d+\.\d+\.\d+(?:/|$))[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[A-Za-z0-9!_.*'()=/-]*)?"
)


class Athena(Dialect):
    """Athena. `host` has no host: it may carry the S3 location of results (contract §2.2)."""

    spelling = Trino.spelling
    declaration: ClassVar[Declaration] = Declaration(
        name="athena",
        label="Amazon Athena",
        driver=Driver("botocore", "botocore", "athena"),
        authentication=(
            Authentication(
                "aws-access-key",
                "Access key (id as username, secret as password)",
                ("username", "passwordUnencrypted"),
            ),
            Authentication("aws-cross-account-role", "Role to assume", ("awsRoleArn",)),
            Authentication(None, "Machine identity (useMachineAuth)", (), chosen_by=MACHINE),
        ),
        uses={
            "host": Use(hint="Here the place in S3 for results, for example s3://bucket/prefix/."),
            "database": Use(default="AwsDataCatalog", hint="The data catalog."),
            "username": Use(hint="The id of the access key."),
            "includeOtherCatalogs": Use(),
            "region": Use(required=True, hint="For example us-east-1."),
            "authenticationType": Use(default="aws-access-key"),
            "awsRoleArn": Use(),
            "useMachineAuth": Use(),
        },
        multi_catalog=True,
        query_timeout="client",
        sqlglot="athena",
        proof=Proof.EMULATOR,
        live=True,
        lacks={
            Feature.ARRAY: "Athena writes an array as text.",
            Feature.SESSION_TIME_ZONE: "Athena has no time zone of a session.",
            Feature.READ_ONLY_SESSION: "Athena has no read-only session.",
            Feature.ROLLED_BACK: "Athena keeps what a statement writes.",
            Feature.LASTING_CONNECTION: "Each statement is a request of its own over HTTP.",
        },
        notes=(
            "`host` carries the S3 location of query results; without it the workgroup's is used.",
            "With useMachineAuth the server signs in by the identity of its machine: keys or a web "
            "identity in its environment. The metadata services of AWS are never asked.",
            "A role is assumed by the access key, or by the identity of the machine without one.",
            "Athena has no read-only sessions: rights in AWS keep a user from writing.",
            "There is no session time zone: current_date and the like are UTC's.",
            "Arrays, maps and rows arrive as the text that Athena writes.",
        ),
    )

    def choose_authentication(self, draft: Draft) -> Authentication | None:
        """The machine's identity takes the place of access keys; a role is assumed either way."""
        chosen = super().choose_authentication(draft)
        if chosen is self.declaration.authentication[0]:
            if draft.settings.get("useMachineAuth"):
                return self.declaration.authentication[2]
            if "authenticationType" not in draft.settings and "awsRoleArn" in draft.settings:
                return self.declaration.authentication[1]
        return chosen

    def check(self, draft: Draft) -> None:
        """The forms of location, role and region."""
        match(draft, "host", _LOCATION, "Not an S3 location", "For example s3://bucket/prefix/.")
        check_forms(draft)

    def network_address(self, target: Target) -> tuple[str, int] | None:
        """The region's endpoint."""
        from dragoman.dialects.adapters.aws.endpoint import PORT, endpoint_host

        return endpoint_host("athena", target.text("region")), PORT

    def starttls(
        self,
        sock: socket.socket,
        address: Address,
        target: Target,
        policy: TlsPolicy,
        *,
        timeout: float = PROBE_SECONDS,
    ) -> str:
        """Start TLS and verify the server; see `Dialect.starttls`."""
        return agreed(probe_tls(sock, address.host, policy, timeout=timeout))

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.athena.session import AthenaSession

        return AthenaSession(target, network, options)


DIALECT = Athena()
