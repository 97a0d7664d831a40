"""Microsoft SQL Server, and what speaks its protocol (Azure SQL, Fabric)."""

from __future__ import annotations

import socket
from typing import ClassVar, Final

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
from dragoman.dialects.failures import Cause, DatabaseFailure, Stage
from dragoman.dialects.features import Feature
from dragoman.dialects.network import PROBE_SECONDS, Address, Network, TlsPolicy
from dragoman.dialects.spelling import Spelling
from dragoman.dialects.tls_rule import agreed, must_have_tls

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
            Authentication(
                "mssql-active-directory-password",
                "Entra user and password",
                ("username", "passwordUnencrypted"),
            ),
            Authentication(
                "mssql-active-directory-service-principal",
                "Entra service principal (client id as username, client secret as password)",
                ("username", "passwordUnencrypted"),
            ),
        ),
        uses={
            "host": Use(required=True),
            "port": Use(),
            "database": Use(required=True),
            "username": Use(required=True),
            "defaultSchema": Use(required=True, hint="For example dbo."),
            "authenticationType": Use(default=_LOGIN),
            "trustServerCertificate": Use(),
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
            "Entra sign-in can be saved, but not dialled by this version.",
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
            return must_have_tls(address, policy)
        verify = not target.settings.get("trustServerCertificate")
        secured, carried = tds.start_tls(sock, address.host, policy, verify, timeout)
        with carried:
            if verify:
                return agreed(secured)
            version = secured.version()
            secured.close()
            return f"{version}, certificate not verified"

    def connect(self, target: Target, network: Network, options: SessionOptions) -> Session:
        """Open a session; see `Dialect.connect`."""
        if target.text("authenticationType") not in ("", _LOGIN):
            raise DatabaseFailure(
                Stage.AUTHENTICATION,
                Cause.NOT_LIVE,
                "This version signs in to SQL Server with SQL Server logins only.",
                f"Set authenticationType to {_LOGIN}, with a login of the server.",
            )
        self.declaration.driver.require()
        from dragoman.dialects.adapters.mssql.session import MSSQLSession

        return MSSQLSession(target, network, options)

    def quote(self, identifier: str) -> str:
        """In square brackets, which hold whatever QUOTED_IDENTIFIER is set to."""
        return "[" + identifier.replace("]", "]]") + "]"


DIALECT = MSSQL()
