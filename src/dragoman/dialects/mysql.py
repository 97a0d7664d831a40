"""MySQL, and the parts that every database with its protocol shares."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

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
    mysql_greeting,
    mysql_starttls,
    probe_tls,
)
from dragoman.dialects.spelling import INSTANT, Spelling
from dragoman.dialects.tls_rule import agreed, must_have_tls

NOTHING: Final[Mapping[Feature, str]] = MappingProxyType({})


class MySQLWire(Dialect):
    """What speaks the protocol of MySQL."""

    spelling: ClassVar[Spelling] = Spelling(
        slow="SELECT SLEEP(90) AS {mark}",
        hour=f"HOUR(FROM_UNIXTIME({INSTANT}))",
        running="SELECT count(*) FROM information_schema.processlist"
        " WHERE info LIKE CONCAT('%', '{mark_a}', '{mark_b}', '%')",
        values={Feature.TIMESTAMP_TZ: ""},
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
        """Read the greeting, start TLS and verify the server; see `Dialect.starttls`."""
        if mysql_greeting(sock, timeout=timeout).offers_tls:
            mysql_starttls(sock, timeout=timeout)
            return agreed(probe_tls(sock, address.host, policy, timeout=timeout))
        return must_have_tls(address, policy, ever_allowed=self.minter(target) is None)

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        self.declaration.driver.require()
        from dragoman.dialects.mysql_session import MySQLSession

        def opened(target: Target) -> Session:
            return MySQLSession(target, network, options)

        return signed_in(self.minter(target), target, network, options, opened)

    def quote(self, identifier: str) -> str:
        """In backticks."""
        return "`" + identifier.replace("`", "``") + "`"

    def default_schema(self, settings: Mapping[str, Any]) -> str:
        """See `Dialect.default_schema`."""
        return super().default_schema(settings) or str(settings.get("database") or "")


def declare(
    name: str, label: str, proof: Proof, *notes: str, lacks: Mapping[Feature, str] = NOTHING
) -> Declaration:
    """The declaration that MySQL and MariaDB share; `lacks`: what only this one has not."""
    return Declaration(
        name=name,
        label=label,
        driver=Driver("pymysql", "pymysql", name),
        authentication=(
            Authentication(None, "User and password", ("username", "passwordUnencrypted")),
            RDS,
        ),
        uses={
            "host": Use(required=True),
            "port": Use(),
            "database": Use(hint="The default schema; all schemas stay within reach."),
            "username": Use(required=True),
            "inferRelationshipsFromForeignKeys": Use(),
            **RDS_USES,
        },
        default_port=3306,
        sqlglot="mysql",
        proof=proof,
        listens="check bind-address and skip-networking in the server's configuration.",
        live=True,
        lacks={
            Feature.TIME: "A TIME may be negative or longer than a day: it arrives as a duration.",
            Feature.BOOLEAN: "A boolean is the number 0 or 1.",
            Feature.ARRAY: "There are no arrays.",
            **lacks,
        },
        notes=(
            "A schema is what the server calls a database.",
            "Named time zones need the server's zone tables; otherwise today's offset is used.",
            "Zero dates arrive as null, with a notice.",
            'A backslash escapes in a text and "x" is a text, whatever the server\'s sql_mode.',
            *notes,
        ),
    )


class MySQL(RdsIam, MySQLWire):
    """MySQL 8 or later. The engine tests run this adapter against MariaDB, a near relative."""

    declaration: ClassVar[Declaration] = declare(
        "mysql",
        "MySQL",
        Proof.RELATIVE,
        "The server's time limit stops SELECT statements only.",
    )


DIALECT = MySQL()
