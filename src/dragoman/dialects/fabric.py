"""Microsoft Fabric: the SQL endpoint of a warehouse or a lakehouse, which speaks SQL Server's
protocol and knows Entra's users only."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from dragoman.dialects.base import Authentication, Declaration, Driver, Proof, Use
from dragoman.dialects.mssql import MSSQL

_PRINCIPAL = "mssql-active-directory-service-principal"


class Fabric(MSSQL):
    """Fabric, as later versions of the contract name it; it differs in who may sign in."""

    declaration: ClassVar[Declaration] = replace(
        MSSQL.declaration,
        name="fabric",
        label="Microsoft Fabric",
        driver=Driver("mssql_python", "mssql-python", "fabric"),
        authentication=(
            Authentication(
                _PRINCIPAL,
                "Entra service principal (client id as username, client secret as password)",
                ("username", "passwordUnencrypted"),
            ),
        ),
        uses={
            "host": Use(required=True, hint="The SQL connection string of the endpoint."),
            "port": Use(),
            "database": Use(required=True, hint="The warehouse or lakehouse."),
            "username": Use(required=True, hint="The client id of the service principal."),
            "defaultSchema": Use(default="dbo"),
            "authenticationType": Use(default=_PRINCIPAL),
        },
        proof=Proof.DECLARED,
        live=False,
        notes=(
            "Fabric takes service principals and users of Entra only; there are no SQL logins.",
            "Entra sign-in can be saved, but not dialled by this version.",
        ),
    )


DIALECT = Fabric()
