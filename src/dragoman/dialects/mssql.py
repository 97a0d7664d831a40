"""Microsoft SQL Server, and what speaks its protocol (Azure SQL, Fabric)."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, ClassVar, Final

from dragoman.dialects import entra
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
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy
from dragoman.dialects.spelling import Spelling
from dragoman.dialects.tls_rule import agreed, must_have_tls
from dragoman.dialects.user_grants import ACCESS_TOKEN

if TYPE_CHECKING:
    from dragoman.dialects.minting import Minter
    from dragoman.dialects.validation import Draft

_LOGIN: Final = "mssql-sql-authentication"


class MSSQL(Dialect):
    """SQL Server. Names without a schema belong to `defaultSchema`, which has no safe default."""

    spelling: ClassVar[Spelling] = Spelling(
        quoted="N'aü€😀''\"'",
        values={
            Feature.TIMESTAMP: "CAST('2024-02-29T12:34:56.789' AS DATETIME2(3))",
            Feature.TIMESTAMP_TZ: "CAST('2024-02-29T13:34:56+01:00' AS DATETIMEOFFSET(0))",
            Feature.DATE: "CAST('2024-02-29' AS DATE)",
            Feature.TIME: "CAST('12:34:56' AS TIME(0))",
            Feature.BOOLEAN: "CAST(1 AS BIT)",
            Feature.JSON: "",
            Feature.BINARY: "0x00FF",
        },
    )
    declaration: ClassVar[Declaration] = Declaration(
        name="mssql",
        label="Microsoft SQL Server",
        driver=Driver("mssql_python", "mssql-python", "mssql"),
        authentication=(
            Authentication(
                _LOGIN,
                "SQL Server login",
                ("username", "passwordUnencrypted"),
            ),
            entra.PASSWORD,
            entra.PRINCIPAL,
            entra.WORKLOAD,
        ),
        uses={
            "host": Use(required=True),
            "port": Use(),
            "database": Use(required=True),
            "username": Use(),
            "defaultSchema": Use(required=True, hint="For example dbo."),
            "authenticationType": Use(default=_LOGIN),
            "trustServerCertificate": Use(),
            **entra.USES,
        },
        default_port=1433,
        query_timeout="client",
        sqlglot="tsql",
        proof=Proof.EMULATOR,
        isolated=(
            "Microsoft's ODBC driver is native code that nobody else can look into, and its cancel "
            "is a function that the Python driver does not offer to others."
        ),
        listens="check that TCP/IP is enabled with a fixed port (Configuration Manager).",
        live=True,
        lacks={
            Feature.ARRAY: "SQL Server has no arrays.",
            Feature.SESSION_TIME_ZONE: "SQL Server has no time zone of a session.",
            Feature.READ_ONLY_SESSION: "SQL Server has no read-only transaction.",
        },
        notes=(
            "A named instance (HOST\\INSTANCE) is not taken: give its port.",
            "SQL Server has no read-only transaction: give the user rights to read only. Each "
            "statement is checked before, and rolled back after.",
            "With Entra a token is made at each sign-in, and sent over verified TLS only.",
            "A server that sends its clients to another address is not followed: in Azure set the "
            "connection policy to proxy.",
            "TLS is 1.2: the protocol up to TDS 7.4 knows no later one; strict encryption (TDS 8) "
            "is not used.",
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
        """Ask for encryption and verify the server; see `Dialect.starttls`."""
        from dragoman.dialects.adapters.mssql import tds

        if not tds.offers_tls(tds.greet(sock, timeout)):
            allowed = not entra.by_token(target)
            return must_have_tls(address, policy, ever_allowed=allowed)
        verify = tds.verifies(target)
        secured, carried = tds.start_tls(sock, address.host, policy, verify, timeout)
        with carried:
            if verify:
                return agreed(secured)
            version = secured.version()
            secured.close()
            return f"{version}, certificate not verified"

    def choose_authentication(self, draft: Draft) -> Authentication | None:
        """This server's identity, where it is asked for, whatever `authenticationType` says."""
        return (
            entra.WORKLOAD
            if draft.settings.get(entra.MACHINE)
            else super().choose_authentication(draft)
        )

    def check(self, draft: Draft) -> None:
        """See `entra.check`."""
        entra.check(draft, untrusted=self.declaration.use("trustServerCertificate") is not None)

    def minter(self, target: Target) -> Minter | None:
        """See `Dialect.minter`."""
        if not entra.by_token(target):
            return None
        from dragoman.dialects.adapters.mssql.entra import EntraToken

        return EntraToken(target)

    def open_session(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """See `Dialect.open_session`. Tokens are made here, not in the driver's process, which gets
        no other secret beside one."""

        def opened(given: Target) -> Session:
            now = given.current()
            if given.renew is not None:
                now = Target(now.dialect, now.settings, {ACCESS_TOKEN: now.password})
            return super(MSSQL, self).open_session(now, network, options)

        return signed_in(self.minter(target), target, network, options, opened)

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`. By Entra the target has its token already."""
        self.declaration.driver.require()
        from dragoman.dialects.adapters.mssql.session import MSSQLSession

        return MSSQLSession(target, network, options)

    def quote(self, identifier: str) -> str:
        """In square brackets, which hold whatever QUOTED_IDENTIFIER is set to."""
        return "[" + identifier.replace("]", "]]") + "]"


DIALECT = MSSQL()
